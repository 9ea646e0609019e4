//! What this process has learned about stored keys, beside what their records say: refusals in a row,
//! and keys that are invalid already though their record may not say so yet. Bounded; what is
//! forgotten is learned again by one request.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{KeyId, KeyRecord};

/// Keys that are remembered at most.
const CAPACITY: usize = 10_000;

pub struct KeyHealth {
    invalid_after: u32,
    known: Mutex<HashMap<KeyId, Known>>,
}

/// Of one sealed key: another one under the same id is not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    sealed: String,
    refusals: u32,
    is_invalid: bool,
}

impl KeyHealth {
    pub fn new(invalid_after: u32) -> Self {
        KeyHealth {
            invalid_after,
            known: Mutex::default(),
        }
    }

    /// Whether this process knows the key to be invalid.
    pub fn is_invalid(&self, record: &KeyRecord) -> bool {
        let known = self.lock();
        known
            .get(&record.id)
            .is_some_and(|known| known.is_invalid && known.sealed == record.sealed)
    }

    /// The provider refused the key. True when that makes it invalid.
    pub fn refused(&self, record: &KeyRecord) -> bool {
        if self.invalid_after == 0 {
            return false;
        }
        let mut known = self.lock();
        let entry = entry(&mut known, record);
        entry.refusals += 1;
        let becomes = !entry.is_invalid && entry.refusals >= self.invalid_after;
        entry.is_invalid |= becomes;
        becomes
    }

    /// The record says that the key is invalid: one more to try again later.
    pub fn found_invalid(&self, record: &KeyRecord) {
        entry(&mut self.lock(), record).is_invalid = true;
    }

    /// The provider accepted the key.
    pub fn accepted(&self, record: &KeyRecord) {
        let mut known = self.lock();
        if known.is_empty() {
            return;
        }
        if known
            .get(&record.id)
            .is_some_and(|known| known.sealed == record.sealed)
        {
            known.remove(&record.id);
        }
    }

    /// Another key was stored under this id, or none any more. True when the old one was invalid.
    pub fn forget(&self, id: &KeyId) -> bool {
        self.lock().remove(id).is_some_and(|known| known.is_invalid)
    }

    /// Keys to try again.
    pub fn invalid(&self) -> Vec<KeyId> {
        let known = self.lock();
        known
            .iter()
            .filter(|(_, known)| known.is_invalid)
            .map(|(id, _)| id.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry<'a>(known: &'a mut HashMap<KeyId, Known>, record: &KeyRecord) -> &'a mut Known {
    if known.len() >= CAPACITY && !known.contains_key(&record.id) {
        let any = known.keys().next().cloned();
        any.map(|id| known.remove(&id));
    }
    let fresh = || Known {
        sealed: record.sealed.clone(),
        refusals: 0,
        is_invalid: false,
    };
    let entry = known.entry(record.id.clone()).or_insert_with(fresh);
    if entry.sealed != record.sealed {
        *entry = fresh();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeyStatus;

    fn record(user: &str, sealed: &str) -> KeyRecord {
        KeyRecord {
            id: KeyId {
                namespace: "default".into(),
                user_id: user.into(),
                provider: "openai".into(),
                label: "default".into(),
            },
            sealed: sealed.into(),
            status: KeyStatus::Active,
            hint: String::new(),
            fingerprint: String::new(),
            created_at: String::new(),
            updated_at: String::new(),
            verified_at: None,
            metadata: None,
        }
    }

    #[test]
    fn a_key_is_invalid_after_so_many_refusals_in_a_row() {
        let health = KeyHealth::new(3);
        let key = record("a", "1");
        assert!(!health.refused(&key) && !health.refused(&key));
        health.accepted(&key);
        assert!(!health.refused(&key) && !health.refused(&key));
        assert!(!health.is_invalid(&key));
        assert!(health.refused(&key));
        assert!(health.is_invalid(&key));
        // Said once.
        assert!(!health.refused(&key));
    }

    #[test]
    fn another_key_under_the_same_name_starts_afresh() {
        let health = KeyHealth::new(1);
        assert!(health.refused(&record("a", "1")));
        assert!(!health.is_invalid(&record("a", "2")));
        // The old key is accepted late: it says nothing of the new one.
        assert!(health.refused(&record("a", "2")));
        health.accepted(&record("a", "1"));
        assert!(health.is_invalid(&record("a", "2")));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let health = KeyHealth::new(1);
        for user in 0..CAPACITY + 100 {
            health.refused(&record(&user.to_string(), "1"));
        }
        assert_eq!(health.invalid().len(), CAPACITY);
    }
}
