//! What `chat` gives back, whole and as the events of a stream.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Warning;
use super::chat::Part;
use super::meta::FailedAttempt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
    Error,
    Other,
}

/// Tokens. `input_tokens` counts every input token, cached ones included; `output_tokens` includes
/// reasoning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

/// A tool call of a result, as in `content`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_arguments: Option<String>,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatResult {
    /// All text parts joined.
    pub text: String,
    pub content: Vec<Part>,
    pub tool_calls: Vec<ToolCall>,
    /// All readable reasoning joined by blank lines; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The parsed answer when `output` was asked for and the text is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    pub finish_reason: FinishReason,
    /// The provider's own word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_finish_reason: Option<String>,
    pub usage: Usage,
    pub provider: String,
    /// Which of the user's keys at that provider.
    pub label: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    pub warnings: Vec<Warning>,
    /// The keys that were tried before, in order; absent without fallback.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_attempts: Vec<FailedAttempt>,
    /// The provider's own JSON, when `includeRaw` was set; an array of events for a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
}

/// What a stream hands on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum ChatEvent {
    TextDelta {
        text: String,
    },
    ReasoningDelta {
        text: String,
    },
    ToolCallStart {
        id: String,
        name: String,
    },
    ToolCallDelta {
        id: String,
        /// A piece of the arguments' JSON text.
        delta: String,
    },
    /// The whole call, once its arguments are complete.
    ToolCall {
        id: String,
        name: String,
        arguments: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        raw_arguments: Option<String>,
    },
    Usage {
        usage: Usage,
    },
    Finish {
        finish_reason: FinishReason,
        usage: Usage,
    },
}
