//! Where a call stands with one rule: the numbers for people, dashboards and `RateLimit` headers.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The rule's name.
    pub rule: String,
    /// `requests`, `tokens`, `concurrent`, `spend` or `external`.
    pub counts: String,
    /// What the rule allows: units in a window, calls at once, or money in a period.
    pub limit: f64,
    /// What is left of it now.
    pub remaining: f64,
    /// When all of it is there again, if nothing more is taken. Nothing for calls at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_ms: Option<u64>,
    /// The window's length; nothing for calls at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
}
