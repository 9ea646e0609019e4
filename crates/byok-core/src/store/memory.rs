//! The store that forgets: records of one process, gone when it ends. It knows no file and no clock.
//!
//! Records stand in B-trees ordered by a hash of their owner and then by id. A lookup compares
//! integers until the very last step, one user's records are neighbours, and a scan has an order
//! that no insertion changes. The hash is keyed at random, so nobody can choose colliding user ids.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound::{Included, Unbounded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;

use super::{KeyId, KeyRecord, KeyStore, Replacement, SCAN_BUDGET, ScanOptions, ScanPage};
use super::{closed, cursor, packed, page_limit};
use crate::error::Result;

/// The first bits of the owner's hash choose the shard, so the shards in a row are in scan order.
const SHARD_BITS: u32 = 6;

type Shard = BTreeMap<Key, Box<str>>;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    owner: u64,
    /// See [`packed::pack_id`].
    id: Box<str>,
}

/// Keeps records in the memory of this process, for tests and for trying things out; everything is
/// lost when the process ends. About 500 bytes a record; writers of different users seldom meet.
///
/// ```
/// use byok_core::store::{KeyStore, MemoryStore};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// assert!(store.list("default", "user_123").await.unwrap().is_empty());
/// # });
/// ```
pub struct MemoryStore {
    shards: Box<[RwLock<Shard>]>,
    hasher: RandomState,
    closed: AtomicBool,
}

impl MemoryStore {
    pub fn new() -> Self {
        MemoryStore {
            shards: (0..1 << SHARD_BITS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            closed: AtomicBool::new(false),
        }
    }

    fn owner(&self, namespace: &str, user_id: &str) -> u64 {
        self.hasher.hash_one((namespace, user_id))
    }

    fn key(&self, id: &KeyId) -> Key {
        Key {
            owner: self.owner(&id.namespace, &id.user_id),
            id: packed::pack_id(id),
        }
    }

    fn read(&self, owner: u64) -> Result<RwLockReadGuard<'_, Shard>> {
        let shard = self.shards[shard_index(owner)]
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        self.check_open().map(|()| shard)
    }

    fn write(&self, owner: u64) -> Result<RwLockWriteGuard<'_, Shard>> {
        let shard = self.shards[shard_index(owner)]
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.check_open().map(|()| shard)
    }

    /// Asked with a shard's lock held: `close` empties the shards after it has set the flag.
    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            Err(closed())
        } else {
            Ok(())
        }
    }

    fn swap(&self, record: &KeyRecord, expected_sealed: &str) -> Result<bool> {
        let key = self.key(&record.id);
        let fields = packed::pack_fields(record)?;
        let mut shard = self.write(key.owner)?;
        Ok(match shard.get_mut(&key) {
            Some(stored) if packed::sealed(stored) == expected_sealed => {
                *stored = fields;
                true
            }
            _ => false,
        })
    }

    fn page(&self, options: &ScanOptions) -> Result<ScanPage> {
        let limit = page_limit(options)?;
        let from = options.cursor.as_deref().map(cursor::decode).transpose()?;
        let from = from.map(|id| self.key(&id));
        let first_shard = from.as_ref().map_or(0, |key| shard_index(key.owner));
        let mut page = ScanPage::default();
        let mut seen = 0;
        for shard in &self.shards[first_shard..] {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            self.check_open()?;
            let start = from.as_ref().map_or(Unbounded, Included);
            for (key, fields) in shard.range((start, Unbounded)) {
                if page.records.len() == limit || seen == SCAN_BUDGET {
                    page.cursor = Some(cursor::encode(&packed::unpack_id(&key.id))?);
                    return Ok(page);
                }
                seen += 1;
                let left_out = options.not_prefix.as_deref();
                if left_out.is_none_or(|prefix| !packed::sealed(fields).starts_with(prefix)) {
                    page.records
                        .push(packed::unpack(packed::unpack_id(&key.id), fields)?);
                }
            }
        }
        Ok(page)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore::new()
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn get(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let key = self.key(id);
        let shard = self.read(key.owner)?;
        shard
            .get(&key)
            .map(|fields| packed::unpack(id.clone(), fields))
            .transpose()
    }

    async fn set(&self, record: &KeyRecord) -> Result<()> {
        let key = self.key(&record.id);
        let fields = packed::pack_fields(record)?;
        self.write(key.owner)?.insert(key, fields);
        Ok(())
    }

    async fn delete(&self, id: &KeyId) -> Result<bool> {
        let key = self.key(id);
        Ok(self.write(key.owner)?.remove(&key).is_some())
    }

    async fn list(&self, namespace: &str, user_id: &str) -> Result<Vec<KeyRecord>> {
        let start = Key {
            owner: self.owner(namespace, user_id),
            id: packed::pack_owner(namespace, user_id),
        };
        let shard = self.read(start.owner)?;
        shard
            .range((Included(&start), Unbounded))
            .take_while(|(key, _)| key.owner == start.owner && key.id.starts_with(&*start.id))
            .map(|(key, fields)| packed::unpack(packed::unpack_id(&key.id), fields))
            .collect()
    }

    async fn replace(&self, record: &KeyRecord, expected_sealed: &str) -> Result<Option<bool>> {
        self.swap(record, expected_sealed).map(Some)
    }

    async fn replace_many(&self, items: Arc<[Replacement]>) -> Result<Option<Vec<bool>>> {
        items
            .iter()
            .map(|item| self.swap(&item.record, &item.expected_sealed))
            .collect::<Result<_>>()
            .map(Some)
    }

    async fn scan(&self, options: &ScanOptions) -> Result<Option<ScanPage>> {
        self.page(options).map(Some)
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        for shard in &self.shards {
            std::mem::take(&mut *shard.write().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(())
    }
}

fn shard_index(owner: u64) -> usize {
    (owner >> (u64::BITS - SHARD_BITS)) as usize
}
