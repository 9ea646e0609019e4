//! Where sealed records live: the plain record type, the trait that every store implements, and the
//! two native stores. A store sees ciphertext and metadata only; it decides nothing.

mod cache;
mod cursor;
mod memory;
mod packed;
mod sqlite;

pub use cache::{CacheConfig, CachedStore};
pub use memory::MemoryStore;
pub use sqlite::{SqliteStore, SqliteUsage};

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Code, Error, Result};

/// What names a record: all four are always present, compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyId {
    pub namespace: String,
    pub user_id: String,
    pub provider: String,
    pub label: String,
}

/// Whether a stored key is known to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// The provider accepted it when it was last asked.
    Active,
    /// Stored without asking the provider.
    Unverified,
    /// The provider refused it after it had been stored.
    Invalid,
}

impl KeyStatus {
    const ALL: [KeyStatus; 3] = [KeyStatus::Active, KeyStatus::Unverified, KeyStatus::Invalid];

    pub fn as_str(self) -> &'static str {
        match self {
            KeyStatus::Active => "active",
            KeyStatus::Unverified => "unverified",
            KeyStatus::Invalid => "invalid",
        }
    }

    pub fn from_name(name: &str) -> Option<KeyStatus> {
        KeyStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

/// One stored key: an id, the sealed secret and metadata, plain JSON values throughout.
/// Dates are ISO 8601 strings in UTC with milliseconds, so they sort as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRecord {
    #[serde(flatten)]
    pub id: KeyId,
    /// `byok1.` and base64url: see `docs/reference/record-format.md`.
    pub sealed: String,
    pub status: KeyStatus,
    pub hint: String,
    pub fingerprint: String,
    pub created_at: String,
    pub updated_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// One page of [`KeyStore::scan`]; no cursor means that it was the last. A page may be shorter than
/// the limit, even empty, and still have a cursor: a store bounds the work of one call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScanPage {
    pub records: Vec<KeyRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanOptions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many records a page; at least 1.
    pub limit: u32,
    /// Leaves out records whose `sealed` begins with this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_prefix: Option<String>,
}

/// One compare-and-swap of [`KeyStore::replace_many`].
#[derive(Debug, Clone, PartialEq)]
pub struct Replacement {
    pub record: KeyRecord,
    pub expected_sealed: String,
}

/// A place for records. `set` replaces a record of the same id as a whole: a reader sees the old or
/// the new one, never a mixture.
#[async_trait]
pub trait KeyStore: Send + Sync {
    async fn get(&self, id: &KeyId) -> Result<Option<KeyRecord>>;

    async fn set(&self, record: &KeyRecord) -> Result<()>;

    /// True when there was a record to delete.
    async fn delete(&self, id: &KeyId) -> Result<bool>;

    /// All records of one user in one namespace, in the order of provider and label (bytewise).
    async fn list(&self, namespace: &str, user_id: &str) -> Result<Vec<KeyRecord>>;

    /// Writes `record` only if the stored one still has `expected_sealed`; false when it has not (or
    /// is gone). `None`: this store can't compare and swap.
    async fn replace(&self, record: &KeyRecord, expected_sealed: &str) -> Result<Option<bool>>;

    /// Many swaps at once: for each item, in its order, whether it was written. Each is atomic by
    /// itself. `None`: this store can't compare and swap.
    async fn replace_many(&self, items: Arc<[Replacement]>) -> Result<Option<Vec<bool>>> {
        replace_each(self, items).await
    }

    /// Walks all records of all namespaces in a stable order. `None`: this store can't scan.
    async fn scan(&self, options: &ScanOptions) -> Result<Option<ScanPage>>;

    /// Releases what the store holds. Calls after it fail with `CLOSED`; closing twice is fine.
    async fn close(&self) -> Result<()>;
}

/// `replace_many` for a store that has only `replace`.
pub async fn replace_each<S: KeyStore + ?Sized>(
    store: &S,
    items: Arc<[Replacement]>,
) -> Result<Option<Vec<bool>>> {
    let swaps = stream::iter(0..items.len()).map(|index| {
        let items = items.clone();
        async move {
            let item = &items[index];
            store.replace(&item.record, &item.expected_sealed).await
        }
    });
    let answers: Vec<_> = swaps.buffered(REPLACES_AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().collect())
}

/// How many calls of `replace` are under way in a store that has nothing better.
const REPLACES_AT_ONCE: usize = 16;

/// How many records one call of a native store's `scan` looks at, left out ones included.
const SCAN_BUDGET: usize = 4_096;

fn closed() -> Error {
    Error::new(Code::Closed, "The store is closed. Create a new one.")
}

/// The page size of a scan; 0 is refused, since no walk would ever end with it.
fn page_limit(options: &ScanOptions) -> Result<usize> {
    match usize::try_from(options.limit) {
        Ok(0) | Err(_) => Err(Error::invalid_argument(
            "`limit` of a scan must be at least 1.",
        )),
        Ok(limit) => Ok(limit),
    }
}
