//! OpenAI's Chat Completions: request, answer and stream.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    NO_SUCH_MODEL, Refusal, openai_tool_use, strings, text_of, unix_seconds, unknown_field,
};
use crate::answer::{Answer, Ask, Finish, Tool, fragments, pieces, words_in};
use crate::reply::Reply;
use crate::{id, sse};

const FIELDS: [&str; 37] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

/// Answers `POST /chat/completions`.
pub fn reply(body: &Value) -> Result<Reply, Refusal> {
    let model = accept(body)?;
    let answer = ask(body).answer();
    let identity = Identity {
        id: id::mixed("chatcmpl-", 29),
        created: unix_seconds(),
        model: model.to_owned(),
    };
    if body["stream"] == true {
        let usage = body["stream_options"]["include_usage"] == true;
        let chunks = identity.chunks(&answer, usage);
        return Ok(Reply::chunks(
            200,
            "text/event-stream; charset=utf-8",
            chunks,
        ));
    }
    Ok(Reply::pretty_json(
        200,
        "application/json",
        &identity.completion(&answer),
    ))
}

fn accept(body: &Value) -> Result<&str, Refusal> {
    let Some(model) = body["model"].as_str() else {
        return Err(Refusal::invalid("you must provide a model parameter"));
    };
    if body["messages"].as_array().is_none_or(Vec::is_empty) {
        return Err(refusal(
            "Missing required parameter: 'messages'.",
            "messages",
            "missing_required_parameter",
        ));
    }
    if let Some(name) = unknown_field(body, &FIELDS) {
        let message = format!("Unrecognized request argument supplied: {name}");
        return Err(Refusal::invalid(message));
    }
    if reasons(model) && body.get("max_tokens").is_some_and(|value| !value.is_null()) {
        return Err(refusal(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
             'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        ));
    }
    if model == NO_SUCH_MODEL {
        return Err(Refusal::UnknownModel(model.to_owned()));
    }
    Ok(model)
}

/// A 400 that names the parameter.
pub fn refusal(message: &str, field: &str, code: &'static str) -> Refusal {
    Refusal::Invalid {
        message: message.to_owned(),
        field: Some(field.to_owned()),
        code: Some(code),
    }
}

/// Whether the model is of OpenAI's reasoning families.
fn reasons(model: &str) -> bool {
    ["gpt-5", "o1", "o3", "o4"]
        .iter()
        .any(|family| model.starts_with(family))
}

fn ask(body: &Value) -> Ask {
    let last = body["messages"]
        .as_array()
        .and_then(|messages| messages.last());
    let last = last.unwrap_or(&Value::Null);
    let text = text_of(&last["content"]);
    let is_tool = last["role"] == "tool";
    let tools = body["tools"].as_array().into_iter().flatten();
    let functions = tools
        .map(|tool| &tool["function"])
        .filter(|function| function.is_object());
    let effort = body["reasoning_effort"].as_str();
    Ask {
        prompt: if is_tool { String::new() } else { text.clone() },
        tool_result: is_tool.then_some(text),
        tools: functions.map(tool).collect(),
        tool_use: openai_tool_use(&body["tool_choice"]),
        parallel_tools: body["parallel_tool_calls"] != false,
        schema: match body["response_format"]["type"].as_str() {
            Some("json_schema") => Some(body["response_format"]["json_schema"]["schema"].clone()),
            Some("json_object") => Some(json!({ "type": "object" })),
            _ => None,
        },
        reasoning: effort.is_some_and(|effort| effort != "none"),
        max_words: body["max_completion_tokens"]
            .as_u64()
            .or(body["max_tokens"].as_u64()),
        stop: strings(&body["stop"]),
        input_words: words_in(&body["messages"]) + words_in(&body["tools"]),
    }
}

/// A function declaration: `name` and `parameters`.
pub fn tool(function: &Value) -> Tool {
    Tool {
        name: function["name"].as_str().unwrap_or_default().to_owned(),
        schema: function["parameters"].clone(),
    }
}

struct Identity {
    id: String,
    created: u64,
    model: String,
}

impl Identity {
    fn completion(&self, answer: &Answer) -> Value {
        let mut message = json!({ "role": "assistant", "content": answer.text, "refusal": null,
            "annotations": [] });
        if !answer.calls.is_empty() {
            let calls = answer.calls.iter().map(|call| {
                json!({
                "id": id::mixed("call_", 24), "type": "function",
                "function": { "name": call.name, "arguments": call.arguments.to_string() } })
            });
            message["content"] = Value::Null;
            message["tool_calls"] = calls.collect();
        }
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created,
            "model": self.model,
            "choices": [{ "index": 0, "message": message, "logprobs": null,
                "finish_reason": finish_reason(answer) }],
            "usage": usage(answer), "service_tier": "default", "system_fingerprint": null,
        })
    }

    fn chunks(&self, answer: &Answer, include_usage: bool) -> Vec<Bytes> {
        let mut deltas = Vec::new();
        let content = if answer.calls.is_empty() {
            json!("")
        } else {
            Value::Null
        };
        deltas.push(json!({ "role": "assistant", "content": content, "refusal": null }));
        deltas.extend(
            pieces(&answer.text)
                .into_iter()
                .map(|piece| json!({ "content": piece })),
        );
        for (index, call) in answer.calls.iter().enumerate() {
            deltas.push(
                json!({ "tool_calls": [{ "index": index, "id": id::mixed("call_", 24),
                "type": "function", "function": { "name": call.name, "arguments": "" } }] }),
            );
            let arguments = call.arguments.to_string();
            deltas.extend(fragments(&arguments).into_iter().map(|piece| {
                json!({ "tool_calls": [{ "index": index, "function": { "arguments": piece } }] })
            }));
        }
        let mut chunks: Vec<Value> = deltas
            .into_iter()
            .map(|delta| {
                json!([{ "index": 0, "delta": delta, "logprobs": null,
                "finish_reason": null }])
            })
            .collect();
        chunks.push(json!([{ "index": 0, "delta": {}, "logprobs": null,
            "finish_reason": finish_reason(answer) }]));
        let mut events: Vec<Bytes> = chunks
            .into_iter()
            .map(|choices| self.chunk(choices, include_usage.then_some(Value::Null)))
            .collect();
        if include_usage {
            events.push(self.chunk(json!([]), Some(usage(answer))));
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        events
    }

    fn chunk(&self, choices: Value, usage: Option<Value>) -> Bytes {
        let mut chunk = json!({ "id": self.id, "object": "chat.completion.chunk",
            "created": self.created, "model": self.model, "service_tier": "default",
            "system_fingerprint": null, "choices": choices });
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        chunk["obfuscation"] = id::mixed("", 8).into();
        sse::bare(&chunk)
    }
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop | Finish::StopSequence(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
    }
}

fn usage(answer: &Answer) -> Value {
    let output = answer.output_tokens + answer.reasoning_tokens;
    json!({
        "prompt_tokens": answer.input_tokens, "completion_tokens": output,
        "total_tokens": answer.input_tokens + output,
        "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": answer.reasoning_tokens,
            "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0 },
    })
}
