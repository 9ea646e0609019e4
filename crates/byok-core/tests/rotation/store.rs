//! A memory store that lacks methods, fails on demand, changes records at the worst moment, and counts.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use byok_core::error::{Code, Error, Result};
use byok_core::store::{
    KeyId, KeyRecord, KeyStore, MemoryStore, Replacement, ScanOptions, ScanPage,
};

#[derive(Default)]
pub struct Limits {
    pub no_replace: bool,
    pub no_scan: bool,
    /// Answers every scan with the same cursor.
    pub stuck: bool,
}

type Intrusion = (Vec<KeyRecord>, Vec<KeyId>);

pub struct TrickStore {
    inner: MemoryStore,
    limits: Limits,
    failures: Mutex<VecDeque<Code>>,
    intrusion: Mutex<Option<Intrusion>>,
    at_once: AtomicUsize,
    pub most_at_once: AtomicUsize,
    pub largest_batch: AtomicUsize,
}

impl TrickStore {
    pub fn new(limits: Limits) -> Self {
        TrickStore {
            inner: MemoryStore::new(),
            limits,
            failures: Mutex::default(),
            intrusion: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            largest_batch: AtomicUsize::new(0),
        }
    }

    /// Fails the next swaps with these.
    pub fn fail_next(&self, codes: &[Code]) {
        self.failures.lock().unwrap().extend(codes);
    }

    /// Writes and deletes these when the next batch arrives, before it is looked at.
    pub fn before_next_replace(&self, write: Vec<KeyRecord>, delete: Vec<KeyId>) {
        *self.intrusion.lock().unwrap() = Some((write, delete));
    }
}

#[async_trait]
impl KeyStore for TrickStore {
    async fn get(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        self.inner.get(id).await
    }

    async fn set(&self, record: &KeyRecord) -> Result<()> {
        self.inner.set(record).await
    }

    async fn delete(&self, id: &KeyId) -> Result<bool> {
        self.inner.delete(id).await
    }

    async fn list(&self, namespace: &str, user_id: &str) -> Result<Vec<KeyRecord>> {
        self.inner.list(namespace, user_id).await
    }

    async fn replace(&self, record: &KeyRecord, expected_sealed: &str) -> Result<Option<bool>> {
        if self.limits.no_replace {
            return Ok(None);
        }
        self.inner.replace(record, expected_sealed).await
    }

    async fn replace_many(&self, items: Arc<[Replacement]>) -> Result<Option<Vec<bool>>> {
        if self.limits.no_replace {
            return Ok(None);
        }
        if let Some(code) = self.failures.lock().unwrap().pop_front() {
            return Err(Error::new(code, "on demand"));
        }
        let intrusion = self.intrusion.lock().unwrap().take();
        if let Some((write, delete)) = intrusion {
            for record in &write {
                self.inner.set(record).await?;
            }
            for id in &delete {
                self.inner.delete(id).await?;
            }
        }
        let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        self.largest_batch.fetch_max(items.len(), Ordering::Relaxed);
        // Long enough for every other page that may be under way to arrive.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answers = self.inner.replace_many(items).await;
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        answers
    }

    async fn scan(&self, options: &ScanOptions) -> Result<Option<ScanPage>> {
        if self.limits.no_scan {
            return Ok(None);
        }
        if self.limits.stuck {
            let cursor = Some("here".to_owned());
            return Ok(Some(ScanPage {
                records: Vec::new(),
                cursor,
            }));
        }
        self.inner.scan(options).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
