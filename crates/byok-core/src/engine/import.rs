//! Takes over keys that another library sealed, a batch at a time: opened, checked, sealed again and
//! stored, without the key ever leaving this side. Nothing is asked of the providers.

use std::collections::HashSet;
use std::sync::Arc;

use byok_vault::{ForeignFormat, ForeignKeys, KeyRing, Payload};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::credential;
use super::hint::hint;
use super::keys::timestamp;
use super::registry::Registered;
use super::request::parse;
use super::rotation::on_a_thread;
use super::{Engine, context, from_vault};
use crate::error::{Code, Error, Result};
use crate::store::{KeyId, KeyRecord, KeyStatus, KeyStore};

/// Records of one batch that are being written at once.
const WRITES_AT_ONCE: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ImportKeys {
    format: String,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    existing: Existing,
    entries: Vec<Entry>,
}

/// What becomes of a key that is stored already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Existing {
    #[default]
    Skip,
    Replace,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    user_id: String,
    provider: String,
    label: Option<String>,
    /// The text that the other library made.
    encrypted: String,
    /// What the text was bound to.
    additional_data: Option<String>,
    metadata: Option<Map<String, Value>>,
    created_at: Option<String>,
}

/// What became of one batch.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportBatch {
    pub imported: u64,
    /// Stored already, or twice in the batch.
    pub skipped: u64,
    pub failures: Vec<ImportFailure>,
}

/// An entry that could not be taken over.
#[derive(Debug, Serialize)]
pub struct ImportFailure {
    /// Its place in the batch.
    pub index: usize,
    pub code: Code,
    pub message: String,
}

impl Engine {
    /// Imports one batch. `keys` are the other library's. With `dryRun` nothing is written, and
    /// everything else is done.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an unknown format or keys that are not of it; what the store fails with.
    /// An entry that can't be taken over is a failure in the report and does not stop the others.
    pub async fn import_keys(&self, json: &str, keys: &[Vec<u8>]) -> Result<ImportBatch> {
        let request: ImportKeys = parse(json)?;
        let ring = self.ring()?;
        let format = ForeignFormat::from_name(&request.format)
            .ok_or_else(|| unknown_format(&request.format))?;
        let foreign = ForeignKeys::new(format, keys).map_err(from_vault)?;

        let now = Timestamp::now();
        let mut prepared = Vec::with_capacity(request.entries.len());
        for entry in request.entries {
            prepared.push(self.prepare(entry));
        }
        let records: Vec<Result<KeyRecord>> = on_a_thread(move || {
            let seal = |entry: Result<Prepared>| entry?.seal(&foreign, &ring, now);
            prepared.into_iter().map(seal).collect()
        })
        .await?;

        let mut batch = ImportBatch::default();
        let mut seen = HashSet::new();
        let mut writes = Vec::with_capacity(records.len());
        for (index, record) in records.into_iter().enumerate() {
            match record {
                Ok(record) if seen.insert(record.id.clone()) => writes.push(record),
                Ok(_) => batch.skipped += 1,
                Err(error) => batch.failures.push(ImportFailure {
                    index,
                    code: error.code(),
                    message: error.message().to_owned(),
                }),
            }
        }
        let (dry_run, existing) = (request.dry_run, request.existing);
        let written: Vec<bool> = stream::iter(writes)
            .map(|record| write(&self.store, record, existing, dry_run))
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await?;
        for written in written {
            if written {
                batch.imported += 1;
            } else {
                batch.skipped += 1;
            }
        }
        Ok(batch)
    }

    fn prepare(&self, entry: Entry) -> Result<Prepared> {
        let id = self.key_id(&entry.user_id, &entry.provider, entry.label.as_deref())?;
        let registered = self.registry.get(&entry.provider)?.clone();
        Ok(Prepared {
            id,
            entry,
            registered,
        })
    }
}

/// An entry whose names are good.
struct Prepared {
    id: KeyId,
    entry: Entry,
    registered: Arc<Registered>,
}

impl Prepared {
    fn seal(self, foreign: &ForeignKeys, ring: &KeyRing, now: Timestamp) -> Result<KeyRecord> {
        let Prepared {
            id,
            entry,
            registered,
        } = self;
        let created_at = match &entry.created_at {
            Some(text) => text.parse().map_err(|_| bad_date())?,
            None => now,
        };
        let additional_data = entry.additional_data.unwrap_or_default();
        let opened = foreign
            .open(&entry.encrypted, additional_data.as_bytes())
            .map_err(from_vault)?;
        let credential = credential::from_key(opened.expose(), &*registered.provider)?;
        let key_hint = hint(std::str::from_utf8(credential.key.expose()).unwrap_or_default());
        let fingerprint = ring.fingerprint(credential.key.expose());
        let mut payload = Payload::new(credential.key).map_err(from_vault)?;
        payload.fields = credential.fields;
        payload.created_at = u64::try_from(created_at.as_millisecond()).ok();
        let sealed = ring.seal(&context(&id)?, &payload).map_err(from_vault)?;
        Ok(KeyRecord {
            id,
            sealed,
            status: KeyStatus::Unverified,
            hint: key_hint,
            fingerprint,
            created_at: timestamp(created_at),
            updated_at: timestamp(now),
            verified_at: None,
            metadata: entry.metadata,
        })
    }
}

/// Whether the record was, or would be, stored.
async fn write(
    store: &Arc<dyn KeyStore>,
    record: KeyRecord,
    existing: Existing,
    dry_run: bool,
) -> Result<bool> {
    if existing == Existing::Skip && store.get(&record.id).await?.is_some() {
        return Ok(false);
    }
    if !dry_run {
        store.set(&record).await?;
    }
    Ok(true)
}

fn unknown_format(name: &str) -> Error {
    Error::invalid_argument(format!(
        "format: {name:?} is not known. It is \"cloak-v1\", \"aes-256-gcm-hex\" or \"aes-256-gcm-base64\"."
    ))
}

fn bad_date() -> Error {
    Error::invalid_argument("createdAt is not an ISO 8601 date with a time and an offset.")
}
