//! What an app may want to know apart from its calls: keys that stop or resume working, services of its
//! own that fail. Metadata only. Whoever listens must not block; nobody has to.

use std::sync::Arc;

use serde::Serialize;

use crate::error::Code;
use crate::store::KeyId;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Notice {
    /// The provider refused a stored key as often as the app said; it is not used any more.
    #[serde(rename = "key.invalid")]
    KeyInvalid {
        #[serde(flatten)]
        key: KeyId,
    },
    /// A key that was invalid was verified, or replaced by another one.
    #[serde(rename = "key.recovered")]
    KeyRecovered {
        #[serde(flatten)]
        key: KeyId,
    },
    /// The provider limits the rate of this key's requests.
    #[serde(rename = "key.rateLimited")]
    KeyRateLimited {
        #[serde(flatten)]
        key: KeyId,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// Too many requests in a row failed at a provider's origin: none is sent there for a while.
    #[serde(rename = "circuit.opened")]
    CircuitOpened { provider: String, origin: String },
    /// The origin answers again.
    #[serde(rename = "circuit.closed")]
    CircuitClosed { provider: String, origin: String },
    /// The app's limiter could not be asked; calls pass or fail as the app said.
    #[serde(rename = "limiter.failed")]
    LimiterFailed { code: Code, message: String },
    /// Usage events could not be written, or are dropped because too many wait.
    #[serde(rename = "usage.failed")]
    UsageFailed { code: Code, message: String },
    /// What was learned of a key could not be stored; this process still knows it.
    #[serde(rename = "health.failed")]
    HealthFailed { code: Code, message: String },
}

/// Takes notices at once and never fails.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;
