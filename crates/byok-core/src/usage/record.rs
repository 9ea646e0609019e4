//! An event as it is kept: with an id, so that it can be written twice and counts once, and with its
//! cost in whole nanos. The JSON form is the one of exports and of JavaScript sinks.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Outcome, UsageEvent, milliseconds};
use crate::capability::Capability;
use crate::error::Code;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageRecord {
    /// A UUID of version 7: it sorts by time.
    #[serde(with = "uuid_text")]
    pub id: u128,
    /// Milliseconds since 1970; as JSON, ISO 8601 in UTC.
    #[serde(rename = "startedAt", with = "iso_text")]
    pub started_at_ms: u64,
    pub namespace: String,
    pub user_id: String,
    pub provider: String,
    pub label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub capability: Capability,
    /// `ok`, `abandoned`, or an error's code.
    pub status: Outcome,
    pub duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_output_ms: Option<u64>,
    pub retries: u32,
    pub attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<u64>,
    /// Whole milliseconds, so that sums are exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// Billionths of the price table's currency; absent when the model has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_nanos: Option<u64>,
}

impl UsageRecord {
    pub fn new(id: u128, event: UsageEvent, cost_nanos: Option<u64>) -> Self {
        let units = event.units;
        UsageRecord {
            id,
            started_at_ms: event.started_at_ms,
            namespace: event.namespace,
            user_id: event.user_id,
            provider: event.provider,
            label: event.label,
            model: event.model,
            capability: event.capability,
            status: event.outcome,
            duration_ms: event.duration_ms.round() as u64,
            first_output_ms: event.first_output_ms.map(|ms| ms.round() as u64),
            retries: event.retries,
            attempt: event.attempt,
            request_id: event.request_id,
            input_tokens: units.input_tokens,
            output_tokens: units.output_tokens,
            cached_input_tokens: units.cached_input_tokens,
            reasoning_tokens: units.reasoning_tokens,
            characters: units.characters,
            audio_ms: units.audio_seconds.map(milliseconds),
            images: units.images,
            cost_nanos,
        }
    }

    /// Used, but by a model that the table has no price for.
    pub fn is_unpriced(&self) -> bool {
        self.cost_nanos.is_none() && !matches!(self.status, Outcome::Failed(_))
    }
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Failed(code) => code.as_str(),
            Outcome::Abandoned => "abandoned",
        }
    }

    pub fn from_name(name: &str) -> Option<Outcome> {
        match name {
            "ok" => Some(Outcome::Ok),
            "abandoned" => Some(Outcome::Abandoned),
            code => Code::from_name(code).map(Outcome::Failed),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Outcome::from_name(&name).ok_or_else(|| D::Error::custom("is no status that is known"))
    }
}

/// `2026-01-01T00:00:00.005Z`.
pub fn iso(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default();
    format!("{at:.3}")
}

/// Makes ids that no other process makes: the time, a random number of this process, and a count
/// (RFC 9562, 5.7).
pub struct Ids {
    random: u64,
    count: AtomicU64,
}

impl Ids {
    pub fn new() -> Self {
        Ids {
            random: getrandom::u64().unwrap_or_default(),
            count: AtomicU64::new(0),
        }
    }

    pub fn next(&self, unix_ms: u64) -> u128 {
        let count = self.count.fetch_add(1, Ordering::Relaxed) & 0xff_ffff;
        let random_12 = self.random >> 52;
        let random_38 = self.random & 0x3f_ffff_ffff;
        let high = (unix_ms & 0xffff_ffff_ffff) << 16 | 0x7000 | random_12;
        let low = 0b10 << 62 | random_38 << 24 | count;
        u128::from(high) << 64 | u128::from(low)
    }
}

pub fn uuid(id: u128) -> String {
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        id >> 96,
        (id >> 80) & 0xffff,
        (id >> 64) & 0xffff,
        (id >> 48) & 0xffff,
        id & 0xffff_ffff_ffff
    )
}

pub fn parse_uuid(text: &str) -> Option<u128> {
    u128::from_str_radix(&text.replace('-', ""), 16)
        .ok()
        .filter(|_| text.len() == 36)
}

mod uuid_text {
    use super::*;

    pub fn serialize<S: Serializer>(id: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&uuid(*id))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_uuid(&text).ok_or_else(|| D::Error::custom("must be a UUID"))
    }
}

mod iso_text {
    use super::*;

    pub fn serialize<S: Serializer>(unix_ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&iso(*unix_ms))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at: Timestamp = text.parse().map_err(D::Error::custom)?;
        u64::try_from(at.as_millisecond()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_7_that_differ_within_a_millisecond() {
        let ids = Ids::new();
        let next = |ids: &Ids, at| uuid(ids.next(at));
        let (one, two) = (next(&ids, 1_795_694_400_000), next(&ids, 1_795_694_400_000));
        assert_ne!(one, two);
        assert_eq!((one.len(), &one[14..15]), (36, "7"));
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"));
        assert!(next(&ids, 1_795_694_400_001)[..13] > one[..13]);
        assert_eq!(uuid(parse_uuid(&one).unwrap()), one);
        assert_ne!(next(&Ids::new(), 1)[20..], next(&Ids::new(), 1)[20..]);
    }
}
