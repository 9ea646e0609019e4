//! What the functions of a defined provider say about a chat's answer, whole or in pieces, told to the
//! fold that puts results together.

use serde::Deserialize;
use serde_json::Value;

use super::failure::Said;
use crate::capability::Warning;
use crate::capability::chat::{FinishReason, Part, Usage};
use crate::capability::fold::{ChatFold, Slot};
use crate::error::Result;

/// A whole answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Answer {
    reasoning: Option<String>,
    text: Option<String>,
    #[serde(default)]
    content: Vec<Part>,
    #[serde(default)]
    tool_calls: Vec<Call>,
    finish_reason: Option<FinishReason>,
    raw_finish_reason: Option<String>,
    usage: Option<Counted>,
    id: Option<String>,
    model: Option<String>,
    #[serde(default)]
    warnings: Vec<Warning>,
    error: Option<Said>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Call {
    id: String,
    name: String,
    /// The JSON text of the arguments, or the arguments themselves.
    arguments: Value,
}

/// Tokens; the total is their sum where it is left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Counted {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: Option<u64>,
    cached_input_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

impl Counted {
    fn into_usage(self) -> Usage {
        Usage {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            total_tokens: self
                .total_tokens
                .unwrap_or(self.input_tokens.saturating_add(self.output_tokens)),
            cached_input_tokens: self.cached_input_tokens,
            reasoning_tokens: self.reasoning_tokens,
        }
    }
}

impl Answer {
    pub fn report(self, fold: &mut ChatFold) -> Result<()> {
        if let Some(said) = self.error {
            return Err(said.into_failure().into_error());
        }
        if let Some(reasoning) = &self.reasoning {
            fold.reasoning(reasoning_slot(0), reasoning);
        }
        if let Some(text) = &self.text {
            fold.text(text_slot(0), text);
        }
        for (index, part) in (0..).zip(self.content) {
            match part {
                Part::Text {
                    text,
                    signature: None,
                } => fold.text(part_slot(index), &text),
                part => fold.part(part_slot(index), part),
            }
        }
        for (index, call) in (0..).zip(self.tool_calls) {
            let arguments = match call.arguments {
                Value::String(text) => text,
                other => other.to_string(),
            };
            fold.tool_start(tool_slot(index), &call.id, &call.name);
            fold.tool_end(tool_slot(index), Some(&arguments));
        }
        if let Some(usage) = self.usage {
            fold.usage(usage.into_usage());
        }
        fold.id(self.id.as_deref().unwrap_or_default());
        fold.model(self.model.as_deref().unwrap_or_default());
        for warning in self.warnings {
            fold.warn(warning);
        }
        let reason = self.finish_reason.unwrap_or(FinishReason::Other);
        fold.finish(reason, self.raw_finish_reason.as_deref());
        Ok(())
    }
}

/// A piece of a streamed answer.
// Named as they are written in JavaScript.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub(super) enum Delta {
    TextDelta {
        text: String,
        #[serde(default)]
        index: u32,
    },
    ReasoningDelta {
        text: String,
        #[serde(default)]
        index: u32,
    },
    /// Begins a call with its first, which has the name; the others of the same index add to the
    /// arguments' JSON text.
    ToolCallDelta {
        #[serde(default)]
        index: u32,
        id: Option<String>,
        name: Option<String>,
        arguments: Option<String>,
    },
    Usage {
        usage: Counted,
    },
    Finish {
        finish_reason: FinishReason,
        raw_finish_reason: Option<String>,
    },
    Info {
        id: Option<String>,
        model: Option<String>,
    },
    Warning {
        option: String,
        message: String,
    },
    Error {
        error: Said,
    },
}

impl Delta {
    pub fn report(self, fold: &mut ChatFold) -> Result<()> {
        match self {
            Delta::TextDelta { text, index } => fold.text(text_slot(index), &text),
            Delta::ReasoningDelta { text, index } => fold.reasoning(reasoning_slot(index), &text),
            Delta::ToolCallDelta {
                index,
                id,
                name,
                arguments,
            } => {
                let slot = tool_slot(index);
                if id.is_some() || name.is_some() {
                    let text = |text: &Option<String>| text.clone().unwrap_or_default();
                    fold.tool_start(slot, &text(&id), &text(&name));
                }
                if let Some(arguments) = arguments {
                    fold.tool_arguments(slot, &arguments);
                }
            }
            Delta::Usage { usage } => fold.usage(usage.into_usage()),
            Delta::Finish {
                finish_reason,
                raw_finish_reason,
            } => {
                fold.end_tools();
                fold.finish(finish_reason, raw_finish_reason.as_deref());
            }
            Delta::Info { id, model } => {
                fold.id(id.as_deref().unwrap_or_default());
                fold.model(model.as_deref().unwrap_or_default());
            }
            Delta::Warning { option, message } => fold.warn(Warning::new(option, message)),
            Delta::Error { error } => return Err(error.into_failure().into_stream_error()),
        }
        Ok(())
    }
}

// Each kind of part counts from 0; the fold wants one number for each part.

fn text_slot(index: u32) -> Slot {
    Slot::from(index) * 4
}

fn reasoning_slot(index: u32) -> Slot {
    Slot::from(index) * 4 + 1
}

fn tool_slot(index: u32) -> Slot {
    Slot::from(index) * 4 + 2
}

fn part_slot(index: u32) -> Slot {
    Slot::from(index) * 4 + 3
}
