//! What every result says beside its own: who served it, and who failed before.

use serde::Serialize;
use serde_json::Value;

use super::Warning;
use crate::error::Error;

/// Flattened into results. (`ChatResult` has the same fields by itself.)
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
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
    /// The provider's own JSON, when `includeRaw` was set; an array where several requests were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
}

/// A key that was tried and failed, before another one served.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    pub provider: String,
    pub label: String,
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl FailedAttempt {
    pub fn new(provider: &str, label: &str, error: &Error) -> Self {
        FailedAttempt {
            provider: provider.to_owned(),
            label: label.to_owned(),
            code: error.code().as_str(),
            message: error.message().to_owned(),
            status: error.status(),
        }
    }
}
