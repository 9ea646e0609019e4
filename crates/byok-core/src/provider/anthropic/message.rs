//! Writes the conversation: our messages and parts as Anthropic's turns and content blocks. What only
//! another provider understands is left out with a warning; what the answer would be wrong without
//! is refused.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::ID;
use super::media::{self, Source};
use crate::capability::Warning;
use crate::capability::chat::{ChatRequest, Message, Part, Signature};
use crate::error::{Code, Error, Result};

#[derive(Serialize)]
pub struct Turn<'a> {
    pub role: &'static str,
    pub content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Cow<'a, Value>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "str::is_empty")]
        content: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
}

/// The system prompt and the turns. Turns alternate, so neighbours of one role become one; results
/// of tools are the user's and stand before everything else of their turn.
pub fn conversation<'a>(
    request: &'a ChatRequest,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Block<'a>>, Vec<Turn<'a>>)> {
    let mut system: Vec<Block<'a>> = request
        .system
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| Block::Text { text })
        .collect();
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for (index, message) in request.messages.iter().enumerate() {
        let role = match message {
            Message::System { .. } => "system",
            Message::User { .. } | Message::Tool { .. } => "user",
            Message::Assistant { .. } => "assistant",
        };
        for (part_index, part) in message.content().iter().enumerate() {
            let path = format!("messages[{index}].content[{part_index}]");
            let Some(block) = block(part, role, &path, warnings)? else {
                continue;
            };
            if role == "system" {
                system.push(block);
                continue;
            }
            let turn = match turns.last_mut() {
                Some(turn) if turn.role == role => turn,
                _ => {
                    turns.push(Turn {
                        role,
                        content: Vec::new(),
                    });
                    let last = turns.len() - 1;
                    &mut turns[last]
                }
            };
            let is_result = |block: &Block<'_>| matches!(block, Block::ToolResult { .. });
            if is_result(&block) {
                let position = turn.content.iter().take_while(|known| is_result(known));
                turn.content.insert(position.count(), block);
            } else {
                turn.content.push(block);
            }
        }
        if role == "system" && !turns.is_empty() {
            warn_once(
                warnings,
                format!("messages[{index}]"),
                "Anthropic has one system prompt, at the start; system messages in the middle were added to it.",
            );
        }
    }
    if turns.is_empty() {
        return Err(Error::invalid_argument(
            "messages: there is nothing to send to Anthropic. Give at least one message that is not empty and not only a system message.",
        ));
    }
    Ok((system, turns))
}

/// `None` for what is left out: empty texts, which the API refuses, and what only another provider
/// understands.
fn block<'a>(
    part: &'a Part,
    role: &str,
    path: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Block<'a>>> {
    let misplaced = |what: &str| {
        Error::invalid_argument(format!(
            "{path}: {what} can't be in a message of role {role}."
        ))
    };
    let not_resolved = || {
        Error::new(
            Code::Internal,
            format!("{path}: the media was not resolved."),
        )
    };
    Ok(Some(match part {
        Part::Text { text, signature } => {
            drop_foreign(signature.as_ref(), path, warnings);
            if text.is_empty() {
                return Ok(None);
            }
            Block::Text { text }
        }
        Part::Image { .. } | Part::File { .. } if role == "assistant" => {
            warn_once(
                warnings,
                path.to_owned(),
                "Anthropic takes images and files only from the user; what the assistant made was left out.",
            );
            return Ok(None);
        }
        Part::Image { .. }
        | Part::File { .. }
        | Part::ToolResult { .. }
        | Part::ToolCall { .. }
            if role == "system" =>
        {
            return Err(misplaced("anything but text"));
        }
        Part::Image { media, detail, .. } => {
            if detail.is_some() {
                warn_once(
                    warnings,
                    format!("{path}.detail"),
                    "Anthropic has no image detail; it was not sent.",
                );
            }
            media::image(media.as_ref().ok_or_else(not_resolved)?)
        }
        Part::File {
            media,
            media_type,
            filename,
            ..
        } => media::file(
            media.as_ref().ok_or_else(not_resolved)?,
            media_type.as_deref(),
            filename.as_deref(),
            path,
        )?,
        Part::Audio { .. } => {
            return Err(Error::invalid_argument(format!(
                "{path}: Anthropic takes no audio. Send its text (speechToText makes it), or use a provider that hears."
            )));
        }
        Part::ToolCall {
            id,
            name,
            arguments,
            raw_arguments,
            signature,
        } => {
            if role != "assistant" {
                return Err(misplaced("a tool call"));
            }
            drop_foreign(signature.as_ref(), path, warnings);
            Block::ToolUse {
                id: tool_id(id),
                name,
                input: tool_input(arguments, raw_arguments.as_deref()),
            }
        }
        Part::ToolResult {
            id,
            result,
            is_error,
            ..
        } => {
            if role == "assistant" {
                return Err(misplaced("a tool result"));
            }
            Block::ToolResult {
                tool_use_id: tool_id(id),
                content: match result {
                    Value::String(text) => Cow::Borrowed(text),
                    other => Cow::Owned(other.to_string()),
                },
                is_error: *is_error,
            }
        }
        Part::Reasoning { text, signature } => match signature {
            Some(Signature {
                provider,
                value: Some(value),
                redacted,
                ..
            }) if provider == ID && role == "assistant" => {
                if *redacted {
                    Block::RedactedThinking { data: value }
                } else {
                    Block::Thinking {
                        thinking: text,
                        signature: value,
                    }
                }
            }
            _ => {
                warn_once(
                    warnings,
                    path.to_owned(),
                    "Anthropic takes back only reasoning that it has signed; reasoning from elsewhere was left out.",
                );
                return Ok(None);
            }
        },
    }))
}

fn drop_foreign(signature: Option<&Signature>, path: &str, warnings: &mut Vec<Warning>) {
    if signature.is_some_and(|signature| signature.provider != ID) {
        warn_once(
            warnings,
            path.to_owned(),
            "Signatures of another provider mean nothing to Anthropic; they were not sent.",
        );
    }
}

/// One warning of a kind for a request, naming the first place.
fn warn_once(warnings: &mut Vec<Warning>, option: String, message: &str) {
    if warnings.iter().all(|known| known.message != message) {
        warnings.push(Warning::new(option, message));
    }
}

/// The API takes `[a-zA-Z0-9_-]+`. Ids of other providers may have more: every other character is
/// replaced by its number, the same in calls and results.
fn tool_id(id: &str) -> Cow<'_, str> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if !id.is_empty() && id.chars().all(fits) {
        return Cow::Borrowed(id);
    }
    let mut safe = String::from("_");
    for letter in id.chars() {
        if fits(letter) {
            safe.push(letter);
        } else {
            safe.push_str(&format!("-{:x}", u32::from(letter)));
        }
    }
    Cow::Owned(safe)
}

/// The API takes objects only. What the model itself wrote wrongly is shown to it as it was.
fn tool_input<'a>(arguments: &'a Value, raw: Option<&str>) -> Cow<'a, Value> {
    match (arguments, raw) {
        (Value::Object(_), _) => Cow::Borrowed(arguments),
        (_, Some(raw)) => Cow::Owned(json!({ "INVALID_JSON": raw })),
        (Value::Null, None) => Cow::Owned(json!({})),
        (other, None) => Cow::Owned(json!({ "value": other })),
    }
}
