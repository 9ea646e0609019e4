//! What calls consume: one plain event an attempt, and the seam through which the pipeline hands it on.

pub mod money;
mod price;
mod query;
mod record;
mod recorder;
mod store;

pub use price::{Price, Prices};
pub use query::{GroupBy, Interval, UsageFilter, UsageQuery, UsageRow};
pub use record::{UsageRecord, iso, parse_uuid, uuid};
pub use recorder::{Batching, OnFailure, Recorder};
pub use store::{MemoryUsage, Position, UsageStore};

use crate::capability::Capability;
use crate::capability::chat::Usage;
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

impl UsageEvent {
    /// The event itself; its texts are empty afterwards.
    pub fn take(&mut self) -> UsageEvent {
        UsageEvent {
            namespace: std::mem::take(&mut self.namespace),
            user_id: std::mem::take(&mut self.user_id),
            provider: std::mem::take(&mut self.provider),
            label: std::mem::take(&mut self.label),
            model: self.model.take(),
            units: std::mem::take(&mut self.units),
            request_id: self.request_id.take(),
            ..*self
        }
    }
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

impl From<&Usage> for Units {
    /// A chat's. No tokens at all means that the provider did not say.
    fn from(usage: &Usage) -> Self {
        let is_known = usage.total_tokens > 0;
        Units {
            input_tokens: is_known.then_some(usage.input_tokens),
            output_tokens: is_known.then_some(usage.output_tokens),
            cached_input_tokens: usage.cached_input_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            ..Units::default()
        }
    }
}

impl Units {
    /// About how many tokens a text of so many bytes is: four bytes a token, as English has it. Texts
    /// in other languages have fewer bytes a token, so it is rather too few for them.
    pub fn of_text(bytes: usize) -> u64 {
        (bytes as u64).div_ceil(4)
    }
}

/// Takes events off the request path: it must not wait and can't fail.
pub trait UsageSink: Send + Sync {
    fn record(&self, event: UsageEvent);
}

/// Whole milliseconds: sums of them are exact.
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}
