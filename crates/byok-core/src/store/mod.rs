//! Where sealed records live: the plain record type, the trait that every store implements, and the
//! two native stores. A store sees ciphertext and metadata only; it decides nothing.

mod memory;
mod sqlite;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;

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

/// One page of [`KeyStore::scan`]; no cursor means that it was the last.
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

    /// Walks all records of all namespaces in a stable order. `None`: this store can't scan.
    async fn scan(&self, options: &ScanOptions) -> Result<Option<ScanPage>>;

    /// Releases what the store holds. Calls after it fail with `CLOSED`; closing twice is fine.
    async fn close(&self) -> Result<()>;
}
