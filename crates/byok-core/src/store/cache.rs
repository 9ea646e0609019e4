//! Records kept in memory for a short while in front of a store, so that a busy user's requests don't each
//! ask the database. What is kept is what the store gave: sealed, never a key.
//!
//! A write through any engine of this process makes what was read before it stale at once: readers note a
//! counter before they read, writers move it before and after they write. Other processes are not
//! heard: what they wrote is seen when the time is up.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::time::Instant;

use super::{KeyId, KeyRecord, KeyStore, Replacement, ScanOptions, ScanPage};
use crate::error::{Error, Result};

/// Limits of the cache.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheConfig {
    /// How long a record is served after it was read: the longest that a write of another process goes
    /// unnoticed. Default 10,000.
    #[serde(default = "default_ttl_ms")]
    pub ttl_ms: u64,
    /// How many records are kept at most. Default 10,000.
    #[serde(default = "default_max_entries")]
    pub max_entries: usize,
}

fn default_ttl_ms() -> u64 {
    10_000
}

fn default_max_entries() -> usize {
    10_000
}

/// A store whose reads are served from memory where `cache` says so, and whose writes are announced to
/// the caches of all engines in this process.
///
/// Nothing is kept of users without records, of errors, and of scans. Without a cache, reads go to
/// the store as they are.
pub struct CachedStore {
    inner: Arc<dyn KeyStore>,
    cache: Option<Cache>,
}

impl CachedStore {
    /// # Errors
    /// `INVALID_ARGUMENT` for a limit of 0.
    pub fn new(inner: Arc<dyn KeyStore>, config: Option<&CacheConfig>) -> Result<Self> {
        let cache = config.map(Cache::new).transpose()?;
        Ok(CachedStore { inner, cache })
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

#[async_trait]
impl KeyStore for CachedStore {
    // Written out, so that a store without a cache costs no second box.
    fn get<'s, 'i, 'a>(&'s self, id: &'i KeyId) -> Answer<'a, Option<KeyRecord>>
    where
        's: 'a,
        'i: 'a,
        Self: 'a,
    {
        let Some(cache) = &self.cache else {
            return self.inner.get(id);
        };
        Box::pin(async move {
            if let Some(found) = cache.find(id) {
                return Ok(found.first().cloned());
            }
            let reading = Reading::begin(&id.namespace, &id.user_id);
            let found = self.inner.get(id).await?;
            if let Some(record) = &found {
                cache.keep(id.clone(), std::slice::from_ref(record), reading);
            }
            Ok(found)
        })
    }

    fn list<'s, 'n, 'u, 'a>(
        &'s self,
        namespace: &'n str,
        user_id: &'u str,
    ) -> Answer<'a, Vec<KeyRecord>>
    where
        's: 'a,
        'n: 'a,
        'u: 'a,
        Self: 'a,
    {
        let Some(cache) = &self.cache else {
            return self.inner.list(namespace, user_id);
        };
        Box::pin(async move {
            let owner = owner(namespace, user_id);
            if let Some(found) = cache.find(&owner) {
                return Ok(found.to_vec());
            }
            let reading = Reading::begin(namespace, user_id);
            let found = self.inner.list(namespace, user_id).await?;
            if !found.is_empty() {
                cache.keep(owner, &found, reading);
            }
            Ok(found)
        })
    }

    async fn set(&self, record: &KeyRecord) -> Result<()> {
        let _writing = Writing::begin(&record.id);
        self.inner.set(record).await
    }

    async fn delete(&self, id: &KeyId) -> Result<bool> {
        let _writing = Writing::begin(id);
        self.inner.delete(id).await
    }

    async fn replace(&self, record: &KeyRecord, expected_sealed: &str) -> Result<Option<bool>> {
        let _writing = Writing::begin(&record.id);
        self.inner.replace(record, expected_sealed).await
    }

    async fn replace_many(&self, items: Arc<[Replacement]>) -> Result<Option<Vec<bool>>> {
        let _writing: Vec<_> = items
            .iter()
            .map(|item| Writing::begin(&item.record.id))
            .collect();
        self.inner.replace_many(items).await
    }

    async fn scan(&self, options: &ScanOptions) -> Result<Option<ScanPage>> {
        self.inner.scan(options).await
    }

    async fn close(&self) -> Result<()> {
        if let Some(cache) = &self.cache {
            cache.clear();
        }
        self.inner.close().await
    }
}

/// Under which a user's list is kept: no record has such an id.
fn owner(namespace: &str, user_id: &str) -> KeyId {
    KeyId {
        namespace: namespace.to_owned(),
        user_id: user_id.to_owned(),
        provider: String::new(),
        label: String::new(),
    }
}

struct Cache {
    ttl: Duration,
    max_records: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<KeyId, Entry>,
    /// The key of each entry once, the next to go first.
    queue: VecDeque<KeyId>,
    records: usize,
}

struct Entry {
    records: Arc<[KeyRecord]>,
    reading: Reading,
    /// Served since it was last looked at for eviction.
    used: bool,
}

impl Cache {
    fn new(config: &CacheConfig) -> Result<Self> {
        if config.ttl_ms == 0 || config.max_entries == 0 {
            return Err(Error::invalid_argument(
                "cache: ttlMs and maxEntries must be at least 1. Leave `cache` out to have none.",
            ));
        }
        Ok(Cache {
            ttl: Duration::from_millis(config.ttl_ms),
            max_records: config.max_entries,
            kept: Mutex::default(),
        })
    }

    fn find(&self, key: &KeyId) -> Option<Arc<[KeyRecord]>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = kept.entries.get_mut(key)?;
        if entry.reading.began.elapsed() >= self.ttl || !entry.reading.is_current(key) {
            return None;
        }
        entry.used = true;
        Some(entry.records.clone())
    }

    fn keep(&self, key: KeyId, records: &[KeyRecord], reading: Reading) {
        if records.len() > self.max_records || !reading.is_current(&key) {
            return;
        }
        let entry = Entry {
            records: records.into(),
            reading,
            used: false,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.records += records.len();
        match kept.entries.insert(key.clone(), entry) {
            Some(old) => kept.records -= old.records.len(),
            None => kept.queue.push_back(key),
        }
        while kept.records > self.max_records {
            kept.evict_one();
        }
    }

    fn clear(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

impl Kept {
    /// Looks at the oldest entry: one that was served since the last look gets another turn.
    fn evict_one(&mut self) {
        let Some(key) = self.queue.pop_front() else {
            self.records = 0;
            return;
        };
        match self.entries.get_mut(&key) {
            Some(entry) if entry.used => {
                entry.used = false;
                self.queue.push_back(key);
            }
            _ => {
                if let Some(entry) = self.entries.remove(&key) {
                    self.records -= entry.records.len();
                }
            }
        }
    }
}

/// When something was read, and the owner's counter then.
struct Reading {
    began: Instant,
    counter: u64,
}

impl Reading {
    fn begin(namespace: &str, user_id: &str) -> Self {
        Reading {
            began: Instant::now(),
            counter: counter(namespace, user_id).load(Ordering::SeqCst),
        }
    }

    /// False once somebody in this process began or ended a write.
    fn is_current(&self, key: &KeyId) -> bool {
        counter(&key.namespace, &key.user_id).load(Ordering::SeqCst) == self.counter
    }
}

/// A write under way; over when it is dropped, also where it failed or was given up.
struct Writing(&'static AtomicU64);

impl Writing {
    fn begin(id: &KeyId) -> Self {
        let counter = counter(&id.namespace, &id.user_id);
        counter.fetch_add(1, Ordering::SeqCst);
        Writing(counter)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The counter of writes to a user's records, in whichever store. Users share counters: that costs a
/// read, never a stale record.
fn counter(namespace: &str, user_id: &str) -> &'static AtomicU64 {
    static HASHER: OnceLock<RandomState> = OnceLock::new();
    static COUNTERS: [AtomicU64; 1 << 12] = [const { AtomicU64::new(0) }; 1 << 12];
    let hash = HASHER
        .get_or_init(RandomState::new)
        .hash_one((namespace, user_id));
    &COUNTERS[hash as usize % COUNTERS.len()]
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
