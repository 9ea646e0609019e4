//! What calls consume: one plain event an attempt, and the seam through which the pipeline hands it on.

use crate::capability::Capability;
use crate::error::Code;

/// One attempt at one provider with one key, however it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageEvent {
    pub namespace: String,
    pub user_id: String,
    pub provider: String,
    pub label: String,
    /// As asked for; the provider's name for it once it answered. Absent when the call has no model.
    pub model: Option<String>,
    pub capability: Capability,
    pub outcome: Outcome,
    /// Milliseconds since 1970 UTC.
    pub started_at_ms: u64,
    pub duration_ms: f64,
    /// Until the first piece of the answer, for streams.
    pub first_output_ms: Option<f64>,
    /// How often the request was sent again.
    pub retries: u32,
    pub units: Units,
    pub request_id: Option<String>,
    /// Which attempt of its call this was, from 0: more than 0 only with fallback.
    pub attempt: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Failed(Code),
    /// The caller went away before the end. What was consumed until then is counted as far as known.
    Abandoned,
}

/// What the provider counted; absent is unknown, never 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Units {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cached_input_tokens: Option<u64>,
    pub reasoning_tokens: Option<u64>,
    pub characters: Option<u64>,
    pub audio_seconds: Option<f64>,
    pub images: Option<u64>,
}

/// Takes events off the request path: it must not wait and can't fail.
pub trait UsageSink: Send + Sync {
    fn record(&self, event: UsageEvent);
}
