//! Which keys and origins are worth a request: keys that their provider refuses are not tried again
//! until they are verified or replaced, and an origin that does not answer rests for a while.

mod circuit;
mod keys;

use serde::Deserialize;

pub use circuit::{Circuit, CircuitConfig, Entry, Verdict};
pub use keys::{KeyHealth, Known};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthConfig {
    /// Refusals in a row after which a key counts as invalid; 0 is never. Default 1.
    pub invalid_after: Option<u32>,
    /// How often keys that this process found invalid are tried again; not at all unless set.
    pub recheck_ms: Option<u64>,
    /// Off unless given.
    pub circuit: Option<CircuitConfig>,
}
