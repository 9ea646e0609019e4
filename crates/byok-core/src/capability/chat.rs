//! The `chat` capability's request, one for all providers; its result is in `chat_result`. What a
//! provider can't express becomes a warning, never silence.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use super::chat_result::{ChatEvent, ChatResult, FinishReason, ToolCall, Usage};
use super::media::{Media, MediaInput};
use crate::error::{Error, Result};

/// A request as the caller wrote it (without routing options, which the engine reads).
/// A parameter is sent only when it is set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatRequest {
    /// Short for one user message. Exactly one of `prompt` and `messages` is set by the caller;
    /// after [`ChatRequest::prepare`] there are only messages.
    pub prompt: Option<String>,
    pub system: Option<String>,
    #[serde(default)]
    pub messages: Vec<Message>,
    /// Upper bound of tokens to generate, reasoning included.
    pub max_tokens: Option<u32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    #[serde(default)]
    pub stop: Stop,
    pub seed: Option<i64>,
    #[serde(default)]
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may call several tools in one turn.
    pub parallel_tool_calls: Option<bool>,
    /// A JSON Schema that the answer must satisfy, or the schema with a name and strictness.
    pub output: Option<Output>,
    pub reasoning: Option<Reasoning>,
    /// Fields of the provider's own request, merged over ours at the top level (objects deeply).
    #[serde(default)]
    pub provider_options: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Stop {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Stop {
    pub fn as_slice(&self) -> &[String] {
        match self {
            Stop::None => &[],
            Stop::One(text) => std::slice::from_ref(text),
            Stop::Many(texts) => texts,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tool {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of the arguments; absent means no arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// `"auto"`, `"none"`, `"required"`, or `{ "name": ... }` for one tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolChoice {
    Mode(ToolMode),
    Named { name: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolMode {
    Auto,
    None,
    Required,
}

/// Structured output. A bare JSON Schema is told from the long form by its lack of `schema`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Output {
    Named(NamedOutput),
    Schema(Map<String, Value>),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedOutput {
    pub schema: Map<String, Value>,
    pub name: Option<String>,
    pub strict: Option<bool>,
}

impl Output {
    pub fn schema(&self) -> &Map<String, Value> {
        match self {
            Output::Named(named) => &named.schema,
            Output::Schema(schema) => schema,
        }
    }

    /// A name that providers accept: the caller's, or `answer`.
    pub fn name(&self) -> &str {
        match self {
            Output::Named(NamedOutput {
                name: Some(name), ..
            }) => name,
            _ => "answer",
        }
    }

    pub fn strict(&self) -> Option<bool> {
        match self {
            Output::Named(named) => named.strict,
            Output::Schema(_) => None,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reasoning {
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`; others are passed on as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// Upper bound of reasoning tokens, for providers that take one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Whether a readable summary is wanted; default true where the provider has to be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase", deny_unknown_fields)]
pub enum Message {
    System { content: Content },
    User { content: Content },
    Assistant { content: Content },
    Tool { content: Content },
}

impl Message {
    pub fn content(&self) -> &[Part] {
        match self {
            Message::System { content }
            | Message::User { content }
            | Message::Assistant { content }
            | Message::Tool { content } => content.as_slice(),
        }
    }

    fn content_mut(&mut self) -> &mut Content {
        match self {
            Message::System { content }
            | Message::User { content }
            | Message::Assistant { content }
            | Message::Tool { content } => content,
        }
    }

    pub fn role(&self) -> &'static str {
        match self {
            Message::System { .. } => "system",
            Message::User { .. } => "user",
            Message::Assistant { .. } => "assistant",
            Message::Tool { .. } => "tool",
        }
    }
}

/// A text, or parts in order. After [`ChatRequest::prepare`] always parts.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// By hand, because an untagged enum loses the message that says which part is wrong.
impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrParts;
        impl<'de> Visitor<'de> for TextOrParts {
            type Value = Content;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an array of parts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
                let mut all = Vec::new();
                while let Some(part) = parts.next_element()? {
                    all.push(part);
                }
                Ok(Content::Parts(all))
            }
        }
        deserializer.deserialize_any(TextOrParts)
    }
}

impl Content {
    pub fn as_slice(&self) -> &[Part] {
        match self {
            Content::Text(_) => &[],
            Content::Parts(parts) => parts,
        }
    }
}

/// A piece of a message, in requests and results alike, so that a result's `content` can be sent
/// back as the next assistant message without being changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Part {
    Text {
        text: String,
        /// Opaque to callers, see [`Part::Reasoning`]: Gemini signs texts too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<Signature>,
    },
    Image {
        #[serde(alias = "data")]
        image: MediaInput,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        /// `low`, `high` or `auto`, for providers that know it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// Opaque to callers: Gemini signs the images that it makes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<Signature>,
        #[serde(skip)]
        media: Option<Media>,
    },
    File {
        data: MediaInput,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
        #[serde(skip)]
        media: Option<Media>,
    },
    Audio {
        data: MediaInput,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        #[serde(skip)]
        media: Option<Media>,
    },
    ToolCall {
        id: String,
        name: String,
        arguments: Value,
        /// Present only when the model's arguments are not valid JSON: then `arguments` is null.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw_arguments: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<Signature>,
    },
    ToolResult {
        /// The id of the call that this answers.
        id: String,
        /// The tool's name; taken from the call of the same id when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// A text or any JSON value.
        result: Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
    Reasoning {
        /// Empty when the provider keeps it to itself.
        text: String,
        /// What the provider wants back on the next turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<Signature>,
    },
}

/// Opaque data of one provider that must return to it unchanged; dropped (with a warning) when the
/// conversation goes on with another provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signature {
    pub provider: String,
    /// Anthropic's `signature`, OpenAI's `encrypted_content`, Gemini's `thoughtSignature`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The provider's id of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Anthropic's `redacted_thinking`: `value` is its `data`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

impl ChatRequest {
    /// Makes the request regular: a prompt becomes a message, texts become parts, media are resolved
    /// and tool results get their names. Providers see only what comes out of this.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for neither or both of `prompt` and `messages`, empty messages, or media
    /// that can't be read.
    pub fn prepare(&mut self, attachments: &[Vec<u8>]) -> Result<()> {
        match (self.prompt.take(), self.messages.is_empty()) {
            (Some(_), false) => {
                return Err(Error::invalid_argument(
                    "Give prompt or messages, not both: prompt is short for one user message.",
                ));
            }
            (None, true) => {
                return Err(Error::invalid_argument(
                    "There is nothing to answer: give prompt (a text) or messages (at least one).",
                ));
            }
            (Some(prompt), true) => {
                self.messages.push(Message::User {
                    content: Content::Text(prompt),
                });
            }
            (None, false) => {}
        }
        let mut call_names: Vec<(String, String)> = Vec::new();
        for (index, message) in self.messages.iter_mut().enumerate() {
            let content = message.content_mut();
            if let Content::Text(text) = content {
                let text = std::mem::take(text);
                *content = Content::Parts(vec![Part::Text {
                    text,
                    signature: None,
                }]);
            }
            let Content::Parts(parts) = content else {
                continue;
            };
            for (part_index, part) in parts.iter_mut().enumerate() {
                let path = |field| format!("messages[{index}].content[{part_index}].{field}");
                match part {
                    Part::Image {
                        image: input,
                        media_type,
                        media,
                        ..
                    } => {
                        let declared = media_type.as_deref();
                        *media = Some(input.resolve(attachments, declared, &path("image"))?);
                    }
                    Part::File {
                        data: input,
                        media_type,
                        media,
                        ..
                    }
                    | Part::Audio {
                        data: input,
                        media_type,
                        media,
                    } => {
                        let declared = media_type.as_deref();
                        *media = Some(input.resolve(attachments, declared, &path("data"))?);
                    }
                    Part::ToolCall { id, name, .. } => call_names.push((id.clone(), name.clone())),
                    Part::ToolResult {
                        id,
                        name: name @ None,
                        ..
                    } => {
                        *name = call_names
                            .iter()
                            .rev()
                            .find(|(call, _)| call == id)
                            .map(|(_, name)| name.clone());
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
