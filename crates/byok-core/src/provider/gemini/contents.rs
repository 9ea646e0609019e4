//! Messages to `systemInstruction` and `contents`. Gemini knows two roles, `user` and `model`; tool
//! results are parts of a user content, and those of one turn must be together in one.
//!
//! A `thoughtSignature` goes back on the very part it came with. Models since Gemini 3 refuse a turn
//! whose first function call has none; for calls that another provider (or a person) made, Google
//! documents a value that tells the check to stand back.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use super::media::MediaPart;
use crate::capability::Warning;
use crate::capability::chat::{ChatRequest, Message, Part, Signature};
use crate::error::{Error, Result};

/// Base64 of `skip_thought_signature_validator`.
const NO_SIGNATURE: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

#[derive(Debug, Serialize)]
pub struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    pub parts: Vec<OutPart<'a>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutPart<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    media: Option<MediaPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct FunctionCall<'a> {
    id: &'a str,
    name: &'a str,
    args: Cow<'a, Value>,
}

#[derive(Debug, Serialize)]
struct FunctionResponse<'a> {
    id: &'a str,
    name: &'a str,
    response: Response<'a>,
}

/// Gemini takes objects only; `output` and `error` are the names that it knows for the rest.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Response<'a> {
    Object(&'a Value),
    Output { output: &'a Value },
    Error { error: &'a Value },
}

/// What the messages become.
pub struct Contents<'a> {
    pub system: Option<Content<'a>>,
    pub contents: Vec<Content<'a>>,
}

/// `needs_signatures`: whether the model checks the signatures of function calls.
///
/// # Errors
/// `INVALID_ARGUMENT` for a tool result whose tool has no name.
pub fn build<'a>(
    request: &'a ChatRequest,
    needs_signatures: bool,
    warnings: &mut Vec<Warning>,
) -> Result<Contents<'a>> {
    let mut system: Vec<OutPart<'a>> = request.system.as_deref().map(text).into_iter().collect();
    let mut contents: Vec<Content<'a>> = Vec::new();
    let mut follows_tool = false;
    for (index, message) in request.messages.iter().enumerate() {
        if let Message::System { content } = message {
            if !contents.is_empty() {
                warnings.push(Warning::new(
                    format!("messages[{index}]"),
                    "Gemini has one place for system instructions: this one was moved to the front.",
                ));
            }
            for (part_index, part) in content.as_slice().iter().enumerate() {
                match part {
                    Part::Text { text: piece, .. } => system.push(text(piece)),
                    _ => warnings.push(Warning::new(
                        format!("messages[{index}].content[{part_index}]"),
                        "Gemini takes only text as system instructions; this part was left out.",
                    )),
                }
            }
            continue;
        }
        let is_model = matches!(message, Message::Assistant { .. });
        let is_tool = matches!(message, Message::Tool { .. });
        let mut parts = Vec::with_capacity(message.content().len());
        for (part_index, part) in message.content().iter().enumerate() {
            let path = || format!("messages[{index}].content[{part_index}]");
            parts.extend(out_part(part, is_model, &path, warnings)?);
        }
        if is_model && needs_signatures {
            let mut calls = parts.iter_mut().filter(|part| part.function_call.is_some());
            if let Some(first) = calls.next() {
                first.thought_signature.get_or_insert(NO_SIGNATURE);
            }
        }
        if parts.is_empty() {
            continue;
        }
        match contents.last_mut() {
            Some(last) if is_tool && follows_tool => last.parts.append(&mut parts),
            _ => contents.push(Content {
                role: Some(if is_model { "model" } else { "user" }),
                parts,
            }),
        }
        follows_tool = is_tool;
    }
    let system = (!system.is_empty()).then_some(Content {
        role: None,
        parts: system,
    });
    Ok(Contents { system, contents })
}

fn text(text: &str) -> OutPart<'_> {
    OutPart {
        text: Some(text),
        ..OutPart::default()
    }
}

fn out_part<'a>(
    part: &'a Part,
    is_model: bool,
    path: &dyn Fn() -> String,
    warnings: &mut Vec<Warning>,
) -> Result<Option<OutPart<'a>>> {
    let mut out = OutPart::default();
    match part {
        Part::Text { text, signature } => {
            out.thought_signature = own(signature, path, warnings);
            if is_model && text.is_empty() && out.thought_signature.is_none() {
                return Ok(None);
            }
            out.text = Some(text);
        }
        Part::Reasoning { text, signature } => {
            if is_foreign(signature) {
                warnings.push(Warning::new(
                    path(),
                    "This reasoning is another provider's and means nothing to Gemini; it was left out.",
                ));
                return Ok(None);
            }
            out.thought_signature = own(signature, path, warnings);
            if text.is_empty() && out.thought_signature.is_none() {
                return Ok(None);
            }
            out.text = Some(text);
            out.thought = Some(true);
        }
        Part::Image {
            media_type,
            detail,
            signature,
            media,
            ..
        } => {
            if detail.as_deref().is_some_and(|detail| detail != "auto") {
                warnings.push(Warning::new(
                    format!("{}.detail", path()),
                    "Gemini has no detail per image; providerOptions.generationConfig.mediaResolution sets it for the request.",
                ));
            }
            out.thought_signature = own(signature, path, warnings);
            out.media = media
                .as_ref()
                .map(|media| MediaPart::new(media, media_type.as_deref()));
        }
        Part::File {
            media_type, media, ..
        }
        | Part::Audio {
            media_type, media, ..
        } => {
            out.media = media
                .as_ref()
                .map(|media| MediaPart::new(media, media_type.as_deref()));
        }
        Part::ToolCall {
            id,
            name,
            arguments,
            signature,
            ..
        } => {
            let args = if arguments.is_object() {
                Cow::Borrowed(arguments)
            } else {
                warnings.push(Warning::new(
                    format!("{}.arguments", path()),
                    "Gemini takes only an object as arguments of a tool call; an empty one was sent.",
                ));
                Cow::Owned(Value::Object(Map::new()))
            };
            out.thought_signature = own(signature, path, warnings);
            out.function_call = Some(FunctionCall { id, name, args });
        }
        Part::ToolResult {
            id,
            name,
            result,
            is_error,
        } => {
            let name = name.as_deref().ok_or_else(|| {
                Error::invalid_argument(format!(
                    "{}.name is missing: Gemini needs the tool's name, and messages has no call with this id to take it from.",
                    path()
                ))
            })?;
            let response = match result {
                error if *is_error == Some(true) => Response::Error { error },
                Value::Object(_) => Response::Object(result),
                output => Response::Output { output },
            };
            out.function_response = Some(FunctionResponse { id, name, response });
        }
    }
    Ok(Some(out))
}

/// Gemini's own signature; another provider's is dropped with a warning.
fn own<'a>(
    signature: &'a Option<Signature>,
    path: &dyn Fn() -> String,
    warnings: &mut Vec<Warning>,
) -> Option<&'a str> {
    if is_foreign(signature) {
        warnings.push(Warning::new(
            format!("{}.signature", path()),
            "This signature is another provider's and means nothing to Gemini; it was left out.",
        ));
        return None;
    }
    signature.as_ref()?.value.as_deref()
}

fn is_foreign(signature: &Option<Signature>) -> bool {
    signature
        .as_ref()
        .is_some_and(|signature| signature.provider != "gemini")
}
