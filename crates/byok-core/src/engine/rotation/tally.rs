//! What a walk over the records found: how many need which master key, and which don't open. Bounded:
//! a store full of broken records makes long counts, not long lists.

use std::collections::BTreeMap;

use byok_vault::{KeyRing, kid_in_prefix};
use serde::Serialize;

use crate::error::Code;
use crate::store::{KeyId, KeyRecord};

/// Failures that are named; the rest is only counted.
const FAILURES: usize = 100;
/// Unknown master keys that are told apart; records under further ones are counted as [`OTHERS`].
const KIDS: usize = 100;
const OTHERS: &str = "others";

/// Whose a master key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyRole {
    Current,
    Previous,
    /// Not given to this engine.
    Unknown,
}

/// How many records are sealed under one master key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyUse {
    /// The master key's public id: 16 lower-case hex digits. `others` for what is beyond the first
    /// hundred unknown keys.
    pub kid: String,
    pub role: KeyRole,
    pub records: u64,
}

/// A record that does not open.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordFailure {
    #[serde(flatten)]
    pub id: KeyId,
    pub code: Code,
    /// The master key that it names, when that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    /// All records that were looked at.
    pub records: u64,
    /// Records by the master key that they name.
    kids: BTreeMap<String, u64>,
    pub failed: u64,
    pub failures: Vec<RecordFailure>,
}

impl Tally {
    /// Counts a record under the master key that it names.
    pub(super) fn count(&mut self, record: &KeyRecord) -> Option<String> {
        self.records += 1;
        let kid = kid_in_prefix(&record.sealed)?;
        self.add(kid.clone(), 1);
        Some(kid)
    }

    pub(super) fn fail(&mut self, id: KeyId, code: Code, kid: Option<String>) {
        self.failed += 1;
        if self.failures.len() < FAILURES {
            self.failures.push(RecordFailure { id, code, kid });
        }
    }

    pub(super) fn absorb(&mut self, other: Tally) {
        self.records += other.records;
        self.failed += other.failed;
        let room = FAILURES - self.failures.len();
        self.failures.extend(other.failures.into_iter().take(room));
        for (kid, records) in other.kids {
            self.add(kid, records);
        }
    }

    pub(super) fn under(&self, kid: &str) -> u64 {
        self.kids.get(kid).copied().unwrap_or_default()
    }

    /// The ring's keys, the current one first, also those that no record needs; then the unknown.
    pub(super) fn keys(&self, ring: &KeyRing) -> Vec<KeyUse> {
        let known = ring.kids().iter().enumerate().map(|(index, kid)| KeyUse {
            kid: kid.clone(),
            role: if index == 0 {
                KeyRole::Current
            } else {
                KeyRole::Previous
            },
            records: self.under(kid),
        });
        let unknown = self
            .kids
            .iter()
            .filter(|(kid, _)| !ring.kids().contains(kid));
        let unknown = unknown.map(|(kid, records)| KeyUse {
            kid: kid.clone(),
            role: KeyRole::Unknown,
            records: *records,
        });
        known.chain(unknown).collect()
    }

    fn add(&mut self, kid: String, records: u64) {
        let full = self.kids.len() >= KIDS && !self.kids.contains_key(&kid);
        let kid = if full { OTHERS.to_owned() } else { kid };
        *self.kids.entry(kid).or_default() += records;
    }
}
