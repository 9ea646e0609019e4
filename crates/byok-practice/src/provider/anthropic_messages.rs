//! Anthropic's Messages API: request, answer and stream.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{NO_SUCH_MODEL, Refusal, strings, text_of, unknown_field};
use crate::answer::{Answer, Ask, Finish, Tool, ToolUse, fragments, pieces, words_in};
use crate::reply::Reply;
use crate::{id, sse};

const FIELDS: [&str; 25] = [
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "user_profile_id",
    "workspace_id",
];

/// How this server's signatures begin; what it did not sign it refuses, as the real one does.
const SIGNATURE_PREFIX: &str = "EpracticeCkYIChgC";

/// Answers `POST /v1/messages`.
pub fn reply(body: &Value) -> Result<Reply, Refusal> {
    let model = accept(body)?;
    let answer = ask(body).answer();
    let message = message(body, model, &answer);
    if body["stream"] == true {
        return Ok(Reply::chunks(
            200,
            "text/event-stream; charset=utf-8",
            events(&message),
        ));
    }
    Ok(Reply::json(200, &message))
}

fn accept(body: &Value) -> Result<&str, Refusal> {
    for name in ["model", "max_tokens", "messages"] {
        if body[name].is_null() {
            return Err(Refusal::invalid(format!("{name}: Field required")));
        }
    }
    if let Some(name) = unknown_field(body, &FIELDS) {
        return Err(Refusal::invalid(format!(
            "{name}: Extra inputs are not permitted"
        )));
    }
    let Some(model) = body["model"].as_str() else {
        return Err(Refusal::invalid("model: Input should be a valid string"));
    };
    if body["max_tokens"].as_u64().is_none_or(|limit| limit == 0) {
        return Err(Refusal::invalid(
            "max_tokens: Input should be greater than or equal to 1",
        ));
    }
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    if messages.is_empty() {
        return Err(Refusal::invalid(
            "messages: at least one message is required",
        ));
    }
    for (index, message) in messages.iter().enumerate() {
        accept_message(index, message)?;
    }
    if model == NO_SUCH_MODEL {
        return Err(Refusal::UnknownModel(model.to_owned()));
    }
    Ok(model)
}

fn accept_message(index: usize, message: &Value) -> Result<(), Refusal> {
    if !matches!(message["role"].as_str(), Some("user" | "assistant")) {
        return Err(Refusal::invalid(format!(
            "messages.{index}.role: Input should be 'user' or 'assistant'"
        )));
    }
    for (at, block) in message["content"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let signature = block["signature"].as_str().unwrap_or_default();
        if block["type"] == "thinking" && !signature.starts_with(SIGNATURE_PREFIX) {
            return Err(Refusal::invalid(format!(
                "messages.{index}.content.{at}: Invalid `signature` in `thinking` block"
            )));
        }
    }
    Ok(())
}

fn ask(body: &Value) -> Ask {
    let last = body["messages"]
        .as_array()
        .and_then(|messages| messages.last());
    let content = last.map_or(&Value::Null, |message| &message["content"]);
    let blocks = content.as_array().map_or(&[][..], Vec::as_slice);
    let result = blocks
        .iter()
        .rev()
        .find(|block| block["type"] == "tool_result");
    let format = match &body["output_config"]["format"] {
        Value::Null => &body["output_format"],
        format => format,
    };
    let tools = body["tools"].as_array().into_iter().flatten();
    Ask {
        prompt: text_of(content),
        tool_result: result.map(|block| text_of(&block["content"])),
        tools: tools
            .map(|tool| Tool {
                name: tool["name"].as_str().unwrap_or_default().to_owned(),
                schema: tool["input_schema"].clone(),
            })
            .collect(),
        tool_use: match body["tool_choice"]["type"].as_str() {
            Some("none") => ToolUse::Off,
            Some("any") => ToolUse::Required,
            Some("tool") => {
                let name = body["tool_choice"]["name"].as_str().unwrap_or_default();
                ToolUse::Named(name.to_owned())
            }
            _ => ToolUse::Auto,
        },
        parallel_tools: body["tool_choice"]["disable_parallel_tool_use"] != true,
        schema: (format["type"] == "json_schema").then(|| format["schema"].clone()),
        reasoning: matches!(
            body["thinking"]["type"].as_str(),
            Some("enabled" | "adaptive")
        ),
        max_words: body["max_tokens"].as_u64(),
        stop: strings(&body["stop_sequences"]),
        input_words: words_in(&body["messages"])
            + words_in(&body["system"])
            + words_in(&body["tools"]),
    }
}

fn message(body: &Value, model: &str, answer: &Answer) -> Value {
    let mut content = Vec::new();
    if let Some(reasoning) = answer.reasoning {
        let thinking = if shows_thinking(&body["thinking"]) {
            reasoning
        } else {
            ""
        };
        content.push(json!({ "type": "thinking", "thinking": thinking,
            "signature": format!("{}=", id::mixed(SIGNATURE_PREFIX, 120)) }));
    }
    for call in &answer.calls {
        content.push(json!({ "type": "tool_use", "id": id::mixed("toolu_01", 22),
            "name": call.name, "input": call.arguments, "caller": { "type": "direct" } }));
    }
    if answer.calls.is_empty() {
        content.push(json!({ "type": "text", "text": answer.text, "citations": null }));
    }
    let (stop_reason, stop_sequence) = match &answer.finish {
        Finish::Stop => ("end_turn", None),
        Finish::StopSequence(text) => ("stop_sequence", Some(text)),
        Finish::Length => ("max_tokens", None),
        Finish::ToolCalls => ("tool_use", None),
    };
    json!({
        "model": model, "id": id::mixed("msg_01", 22), "type": "message", "role": "assistant",
        "content": content, "container": null, "diagnostics": null,
        "stop_reason": stop_reason, "stop_sequence": stop_sequence, "stop_details": null,
        "usage": {
            "input_tokens": answer.input_tokens, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0 },
            "output_tokens": answer.output_tokens + answer.reasoning_tokens,
            "output_tokens_details": { "thinking_tokens": answer.reasoning_tokens },
            "server_tool_use": null, "service_tier": "standard", "speed": null,
            "inference_geo": "not_available",
        },
    })
}

/// Adaptive thinking omits its text unless asked for a summary; a budget shows it.
fn shows_thinking(thinking: &Value) -> bool {
    match thinking["display"].as_str() {
        Some(display) => display != "omitted",
        None => thinking["type"] == "enabled",
    }
}

fn events(message: &Value) -> Vec<Bytes> {
    let mut start = message.clone();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["stop_sequence"] = Value::Null;
    start["usage"]["output_tokens"] = 1.into();
    start["usage"]["output_tokens_details"] = Value::Null;
    let mut events = vec![json!({ "type": "message_start", "message": start })];
    for (index, block) in message["content"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let (empty, deltas) = block_parts(block);
        events.push(json!({ "type": "content_block_start", "index": index,
            "content_block": empty }));
        if index == 0 {
            events.push(json!({ "type": "ping" }));
        }
        events.extend(
            deltas.into_iter().map(
                |delta| json!({ "type": "content_block_delta", "index": index, "delta": delta }),
            ),
        );
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let usage = &message["usage"];
    events.push(json!({ "type": "message_delta",
        "delta": { "stop_reason": message["stop_reason"],
            "stop_sequence": message["stop_sequence"], "stop_details": null, "container": null },
        "usage": { "input_tokens": usage["input_tokens"], "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0, "output_tokens": usage["output_tokens"],
            "output_tokens_details": usage["output_tokens_details"], "server_tool_use": null } }));
    events.push(json!({ "type": "message_stop" }));
    events.iter().map(sse::named).collect()
}

/// A block as it starts, and the deltas that fill it.
fn block_parts(block: &Value) -> (Value, Vec<Value>) {
    let mut empty = block.clone();
    match block["type"].as_str() {
        Some("thinking") => {
            empty["thinking"] = "".into();
            empty["signature"] = "".into();
            let text = block["thinking"].as_str().unwrap_or_default();
            let mut deltas: Vec<Value> = pieces(text)
                .into_iter()
                .map(|piece| json!({ "type": "thinking_delta", "thinking": piece }))
                .collect();
            deltas.push(json!({ "type": "signature_delta", "signature": block["signature"] }));
            (empty, deltas)
        }
        Some("tool_use") => {
            empty["input"] = json!({});
            let arguments = block["input"].to_string();
            let filled = block["input"]
                .as_object()
                .is_some_and(|input| !input.is_empty());
            let pieces = if filled {
                fragments(&arguments)
            } else {
                Vec::new()
            };
            let deltas = [""]
                .into_iter()
                .chain(pieces)
                .map(|piece| json!({ "type": "input_json_delta", "partial_json": piece }));
            (empty, deltas.collect())
        }
        _ => {
            empty["text"] = "".into();
            let text = block["text"].as_str().unwrap_or_default();
            let deltas = pieces(text).into_iter();
            (
                empty,
                deltas
                    .map(|piece| json!({ "type": "text_delta", "text": piece }))
                    .collect(),
            )
        }
    }
}
