//! The JSON that Cohere answers with, as far as it is used. Whole answers and events share the pieces;
//! every field is optional and unknown ones are passed over.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::capability::chat::{FinishReason, Usage};
use crate::provider::openai::text::Text;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    pub id: Option<String>,
    pub message: Option<Message>,
    pub finish_reason: Option<String>,
    pub usage: Option<WireUsage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    pub content: Option<Vec<Content>>,
    pub tool_plan: Option<String>,
    pub tool_calls: Option<Vec<Call>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Content {
    pub text: Option<String>,
    pub thinking: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Call {
    pub id: Option<String>,
    pub function: Option<Function>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Function {
    pub name: Option<String>,
    pub arguments: Option<String>,
}

/// One event of a stream. What its delta holds depends on `kind`, so it is read once that is known.
#[derive(Debug, Deserialize)]
pub struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    pub kind: Text<'a>,
    #[serde(default)]
    pub index: Option<u32>,
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub delta: Option<&'a RawValue>,
    /// Only in an error that stands where an event should.
    #[serde(borrow, default)]
    pub message: Text<'a>,
}

/// The delta of `content-*`, `tool-plan-delta` and `tool-call-*`.
#[derive(Debug, Deserialize)]
pub struct Delta<'a> {
    #[serde(borrow)]
    pub message: MessageDelta<'a>,
}

#[derive(Debug, Deserialize)]
pub struct MessageDelta<'a> {
    #[serde(borrow, default)]
    pub content: Option<ContentDelta<'a>>,
    #[serde(borrow, default)]
    pub tool_plan: Text<'a>,
    #[serde(borrow, default)]
    pub tool_calls: Option<CallDelta<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct ContentDelta<'a> {
    #[serde(borrow, default)]
    pub text: Text<'a>,
    #[serde(borrow, default)]
    pub thinking: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub struct CallDelta<'a> {
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub function: FunctionDelta<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub struct FunctionDelta<'a> {
    #[serde(borrow, default)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub arguments: Text<'a>,
}

/// The delta of `message-end`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct End {
    pub finish_reason: Option<String>,
    pub usage: Option<WireUsage>,
    pub error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WireUsage {
    tokens: Option<Tokens>,
    billed_units: Option<Tokens>,
    cached_tokens: Option<f64>,
}

/// Numbers, because Cohere's description says so; they are whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
}

impl WireUsage {
    /// Cached tokens are among the input. What is billed is less: Cohere's own preamble is free.
    pub fn to_usage(&self) -> Option<Usage> {
        let tokens = self.tokens.as_ref().or(self.billed_units.as_ref())?;
        let whole = |count: Option<f64>| count.unwrap_or(0.0).max(0.0) as u64;
        let input_tokens = whole(tokens.input_tokens);
        let output_tokens = whole(tokens.output_tokens);
        Some(Usage {
            input_tokens,
            output_tokens,
            total_tokens: input_tokens.saturating_add(output_tokens),
            cached_input_tokens: self.cached_tokens.map(|count| whole(Some(count))),
            reasoning_tokens: None,
        })
    }
}

/// `None` for the reasons that are failures: `ERROR` and `TIMEOUT`.
pub fn finish_reason(raw: &str) -> Option<FinishReason> {
    Some(match raw {
        "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
        "MAX_TOKENS" | "ERROR_LIMIT" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        "ERROR" | "TIMEOUT" => return None,
        _ => FinishReason::Other,
    })
}
