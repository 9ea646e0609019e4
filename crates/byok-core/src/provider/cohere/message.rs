//! Our messages as Cohere's. Files of text become `documents` beside the messages, which is where
//! Cohere reads them; images stay in their place.
//!
//! Cohere's thoughts go back: `thinking` as content, and the plan that comes before tool calls as
//! `tool_plan`. The reasoning of a plan is marked by its signature's value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::capability::Warning;
use crate::capability::chat::{ChatRequest, Message, Part, Signature};
use crate::capability::media::Media;
use crate::error::{Error, Result};

/// The `value` of the signature of reasoning that was a plan.
pub const PLAN: &str = "tool_plan";

pub struct Messages {
    pub messages: Vec<Value>,
    pub documents: Vec<Value>,
}

/// # Errors
/// `INVALID_ARGUMENT` for parts that Cohere has no place for.
pub fn build(request: &ChatRequest, warnings: &mut Vec<Warning>) -> Result<Messages> {
    let mut out = Messages {
        messages: Vec::with_capacity(request.messages.len() + 1),
        documents: Vec::new(),
    };
    if let Some(system) = &request.system {
        out.messages
            .push(json!({ "role": "system", "content": system }));
    }
    for (index, message) in request.messages.iter().enumerate() {
        let parts = message.content();
        let path = |at: usize| format!("messages[{index}].content[{at}]");
        match message {
            Message::System { .. } | Message::User { .. } => {
                let content = out.content(message.role(), parts, &path)?;
                if content != json!([]) {
                    out.messages
                        .push(json!({ "role": message.role(), "content": content }));
                }
            }
            Message::Assistant { .. } => {
                out.messages.extend(assistant(parts, &path, warnings)?);
            }
            Message::Tool { .. } => {
                for (at, part) in parts.iter().enumerate() {
                    out.messages.push(result(part, &path(at))?);
                }
            }
        }
    }
    Ok(out)
}

impl Messages {
    /// A lone text as a text; else parts in order.
    fn content(
        &mut self,
        role: &str,
        parts: &[Part],
        path: &dyn Fn(usize) -> String,
    ) -> Result<Value> {
        if let [Part::Text { text, .. }] = parts {
            return Ok(text.as_str().into());
        }
        let mut content = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            match part {
                Part::Text { text, .. } => content.push(json!({ "type": "text", "text": text })),
                Part::Image {
                    media: Some(media),
                    detail,
                    ..
                } if role == "user" => {
                    let mut image = json!({ "url": media.to_url() });
                    if let Some(detail) = detail {
                        image["detail"] = detail.as_str().into();
                    }
                    content.push(json!({ "type": "image_url", "image_url": image }));
                }
                Part::File {
                    media: Some(media),
                    filename,
                    ..
                } if role == "user" => {
                    let text = file_text(media, &path(at))?;
                    let mut data = json!({ "text": text });
                    if let Some(title) = filename {
                        data["title"] = title.as_str().into();
                    }
                    self.documents.push(json!({ "data": data }));
                }
                other => return Err(no_place(other, role, &path(at))),
            }
        }
        Ok(content.into())
    }
}

fn file_text(media: &Media, path: &str) -> Result<String> {
    let refused = || {
        Error::invalid_argument(format!(
            "{path}: Cohere reads files of text only, sent as bytes with a text/* or application/json mediaType."
        ))
    };
    let Media::Inline { media_type, base64 } = media else {
        return Err(refused());
    };
    if !media_type.starts_with("text/") && media_type != "application/json" {
        return Err(refused());
    }
    let bytes = STANDARD.decode(base64).map_err(|_| refused())?;
    String::from_utf8(bytes)
        .map_err(|_| Error::invalid_argument(format!("{path}: the file is not UTF-8 text.")))
}

/// `None` when nothing of the message is left.
fn assistant(
    parts: &[Part],
    path: &dyn Fn(usize) -> String,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Value>> {
    let mut content = Vec::new();
    let mut plan = String::new();
    let mut calls = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text { text, .. } if text.is_empty() => {}
            Part::Text { text, .. } => content.push(json!({ "type": "text", "text": text })),
            Part::Reasoning { text, signature } => match own(signature.as_ref()) {
                Some(PLAN) => plan.push_str(text),
                Some(_) => content.push(json!({ "type": "thinking", "thinking": text })),
                None => warnings.push(Warning::new(
                    path(at),
                    "Reasoning that is not Cohere's was left out: another model can't read it.",
                )),
            },
            Part::ToolCall {
                id,
                name,
                arguments,
                raw_arguments,
                ..
            } => {
                let arguments = raw_arguments
                    .clone()
                    .unwrap_or_else(|| arguments.to_string());
                calls.push(json!({
                    "id": id,
                    "type": "function",
                    "function": { "name": name, "arguments": arguments }
                }));
            }
            other => return Err(no_place(other, "assistant", &path(at))),
        }
    }
    let mut message = Map::new();
    match content.as_slice() {
        [] => {}
        [only] if only["type"] == "text" => {
            message.insert("content".into(), only["text"].clone());
        }
        _ => {
            message.insert("content".into(), content.into());
        }
    }
    if !plan.is_empty() {
        message.insert("tool_plan".into(), plan.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    if message.is_empty() {
        return Ok(None);
    }
    message.insert("role".into(), "assistant".into());
    Ok(Some(message.into()))
}

/// The value of Cohere's own signature, empty for plain thoughts.
fn own(signature: Option<&Signature>) -> Option<&str> {
    signature
        .filter(|signature| signature.provider == "cohere")
        .map(|signature| signature.value.as_deref().unwrap_or_default())
}

/// Cohere has no field that marks an error, so an error is wrapped: `{"error": ...}`.
fn result(part: &Part, path: &str) -> Result<Value> {
    let Part::ToolResult {
        id,
        result,
        is_error,
        ..
    } = part
    else {
        return Err(no_place(part, "tool", path));
    };
    let content = match result {
        _ if *is_error == Some(true) => json!({ "error": result }).to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok(json!({ "role": "tool", "tool_call_id": id, "content": content }))
}

fn no_place(part: &Part, role: &str, path: &str) -> Error {
    let kind = match part {
        Part::Text { .. } => "text",
        Part::Image { .. } => "an image",
        Part::File { .. } => "a file",
        Part::Audio { .. } => "audio",
        Part::ToolCall { .. } => "a tool call",
        Part::ToolResult { .. } => "a tool result",
        Part::Reasoning { .. } => "reasoning",
    };
    Error::invalid_argument(format!(
        "{path}: Cohere takes no {kind} in a message of the role {role}."
    ))
}
