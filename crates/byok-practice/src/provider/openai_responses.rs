//! OpenAI's Responses API: the request, the answer's items and the whole `response` object; the stream
//! that tells the same in events is in `openai_responses_stream`.

use serde_json::{Value, json};

use super::openai_chat::{refusal, tool};
use super::{
    NO_SUCH_MODEL, Refusal, openai_responses_stream, openai_tool_use, text_of, unix_seconds,
    unknown_field,
};
use crate::answer::{Answer, Ask, Finish, words_in};
use crate::id;
use crate::reply::Reply;

const FIELDS: [&str; 33] = [
    "access_programs",
    "background",
    "context_management",
    "conversation",
    "image",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// How this server's encrypted reasoning begins; what it did not make it refuses, as the real one does.
const ENCRYPTED_PREFIX: &str = "gAAAAApractice";

/// Answers `POST /responses`.
pub fn reply(body: &Value) -> Result<Reply, Refusal> {
    let model = accept(body)?;
    let answer = ask(body).answer();
    let response = Response::new(body, model, &answer);
    if body["stream"] == true {
        let events = openai_responses_stream::events(&response);
        return Ok(Reply::chunks(
            200,
            "text/event-stream; charset=utf-8",
            events,
        ));
    }
    Ok(Reply::pretty_json(
        200,
        "application/json",
        &response.finished(),
    ))
}

fn accept(body: &Value) -> Result<&str, Refusal> {
    let Some(model) = body["model"].as_str() else {
        return Err(refusal(
            "Missing required parameter: 'model'.",
            "model",
            "missing_required_parameter",
        ));
    };
    if body.get("messages").is_some() {
        return Err(refusal(
            "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to \
             'input'. Try again with the new parameter.",
            "messages",
            "unsupported_parameter",
        ));
    }
    if let Some(name) = unknown_field(body, &FIELDS) {
        let message = format!("Unknown parameter: '{name}'.");
        return Err(refusal(&message, name, "unknown_parameter"));
    }
    if !body["input"].is_string() && body["input"].as_array().is_none_or(Vec::is_empty) {
        return Err(refusal(
            "Missing required parameter: 'input'.",
            "input",
            "missing_required_parameter",
        ));
    }
    for item in body["input"].as_array().into_iter().flatten() {
        let encrypted = item["encrypted_content"].as_str();
        if encrypted.is_some_and(|content| !content.starts_with(ENCRYPTED_PREFIX)) {
            return Err(Refusal::Invalid {
                message: "The encrypted content for item could not be verified. Reason: Encrypted \
                          content could not be decrypted or parsed."
                    .to_owned(),
                field: None,
                code: Some("invalid_encrypted_content"),
            });
        }
    }
    if model == NO_SUCH_MODEL {
        let message = format!("The requested model '{model}' does not exist.");
        return Err(refusal(&message, "model", "model_not_found"));
    }
    Ok(model)
}

fn ask(body: &Value) -> Ask {
    let last = match &body["input"] {
        Value::Array(items) => items.last().cloned().unwrap_or_default(),
        text => json!({ "content": text }),
    };
    let is_tool = last["type"] == "function_call_output";
    let tools = body["tools"].as_array().into_iter().flatten();
    let effort = body["reasoning"]["effort"].as_str();
    let format = &body["text"]["format"];
    Ask {
        prompt: if is_tool {
            String::new()
        } else {
            text_of(&last["content"])
        },
        tool_result: is_tool.then(|| text_of(&last["output"])),
        tools: tools
            .filter(|entry| entry["type"] == "function")
            .map(tool)
            .collect(),
        tool_use: openai_tool_use(&body["tool_choice"]),
        parallel_tools: body["parallel_tool_calls"] != false,
        schema: match format["type"].as_str() {
            Some("json_schema") => Some(format["schema"].clone()),
            Some("json_object") => Some(json!({ "type": "object" })),
            _ => None,
        },
        reasoning: effort.is_some_and(|effort| effort != "none"),
        max_words: body["max_output_tokens"].as_u64(),
        stop: Vec::new(),
        input_words: words_in(&body["input"])
            + words_in(&body["instructions"])
            + words_in(&body["tools"]),
    }
}

/// One response, in progress or finished.
pub struct Response {
    frame: Value,
    pub items: Vec<Value>,
    pub complete: bool,
    usage: Value,
}

impl Response {
    fn new(body: &Value, model: &str, answer: &Answer) -> Self {
        let output = answer.output_tokens + answer.reasoning_tokens;
        Response {
            frame: frame(body, model),
            items: items(body, answer),
            complete: answer.finish != Finish::Length,
            usage: json!({
                "input_tokens": answer.input_tokens,
                "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
                "output_tokens": output,
                "output_tokens_details": { "reasoning_tokens": answer.reasoning_tokens },
                "total_tokens": answer.input_tokens + output,
            }),
        }
    }

    /// The object of `response.created` and `response.in_progress`.
    pub fn started(&self) -> &Value {
        &self.frame
    }

    /// The object at the end, and the whole answer of a request without a stream.
    pub fn finished(&self) -> Value {
        let mut response = self.frame.clone();
        response["status"] = if self.complete {
            "completed"
        } else {
            "incomplete"
        }
        .into();
        if self.complete {
            response["completed_at"] = unix_seconds().into();
        } else {
            response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }
        response["output"] = self.items.clone().into();
        response["usage"] = self.usage.clone();
        response
    }
}

fn frame(body: &Value, model: &str) -> Value {
    let given = |name: &str, otherwise: Value| match &body[name] {
        Value::Null => otherwise,
        value => value.clone(),
    };
    let mut text = given("text", json!({}));
    if text["format"].is_null() {
        text["format"] = json!({ "type": "text" });
    }
    json!({
        "id": id::hex("resp_", 48), "object": "response", "created_at": unix_seconds(),
        "status": "in_progress", "background": false, "completed_at": null, "error": null,
        "incomplete_details": null, "instructions": body["instructions"],
        "max_output_tokens": body["max_output_tokens"], "max_tool_calls": body["max_tool_calls"],
        "model": model, "output": [],
        "parallel_tool_calls": given("parallel_tool_calls", true.into()),
        "previous_response_id": null, "prompt_cache_key": body["prompt_cache_key"],
        "reasoning": { "effort": body["reasoning"]["effort"],
            "summary": body["reasoning"]["summary"] },
        "safety_identifier": null, "service_tier": "default",
        "store": given("store", true.into()), "temperature": given("temperature", 1.0.into()),
        "text": text, "tool_choice": given("tool_choice", "auto".into()),
        "tools": given("tools", json!([])), "top_logprobs": 0,
        "top_p": given("top_p", 1.0.into()), "truncation": given("truncation", "disabled".into()),
        "usage": null, "user": null, "metadata": given("metadata", json!({})),
    })
}

fn items(body: &Value, answer: &Answer) -> Vec<Value> {
    let mut items = Vec::new();
    if let Some(reasoning) = answer.reasoning {
        items.push(reasoning_item(body, reasoning));
    }
    for call in &answer.calls {
        items.push(json!({ "id": id::hex("fc_", 48), "type": "function_call",
            "status": "completed", "arguments": call.arguments.to_string(),
            "call_id": id::mixed("call_", 24), "name": call.name }));
    }
    if answer.calls.is_empty() {
        let status = if answer.finish == Finish::Length {
            "incomplete"
        } else {
            "completed"
        };
        items.push(
            json!({ "id": id::hex("msg_", 48), "type": "message", "status": status,
            "content": [{ "type": "output_text", "annotations": [], "logprobs": [],
                "text": answer.text }],
            "role": "assistant" }),
        );
    }
    items
}

/// A summary only where one was asked for; encrypted content only where it was included.
fn reasoning_item(body: &Value, reasoning: &str) -> Value {
    let mut item = json!({ "id": id::hex("rs_", 48), "type": "reasoning", "summary": [] });
    if body["reasoning"]["summary"].is_string() {
        item["summary"] = json!([{ "type": "summary_text", "text": reasoning }]);
    }
    let mut included = body["include"].as_array().into_iter().flatten();
    if included.any(|name| name == "reasoning.encrypted_content") {
        item["encrypted_content"] = format!("{}==", id::mixed(ENCRYPTED_PREFIX, 120)).into();
    }
    item
}
