//! Which master keys the records in the store need, and which records don't open. Reads only.

use std::sync::Arc;
use std::time::Instant;

use byok_vault::{KeyRing, kid_of};
use serde::{Deserialize, Serialize};

use super::tally::{KeyRole, KeyUse, RecordFailure, Tally};
use super::walk::Walk;
use super::{elapsed_ms, on_a_thread};
use crate::engine::request::parse;
use crate::engine::{Engine, context, from_vault};
use crate::error::{Code, Error, Result};
use crate::progress::Progress;
use crate::store::KeyRecord;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CheckKeys {
    #[serde(default)]
    open: bool,
    #[serde(default)]
    skip_current: bool,
    batch_size: Option<u32>,
    concurrency: Option<u32>,
}

/// What [`Engine::check_keys`] found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    /// Records that were looked at.
    pub records: u64,
    /// The given keys, the current one first, then those that records need and nobody gave.
    pub keys: Vec<KeyUse>,
    /// Records that can't be opened: not a record, under an unknown key or, where all were opened,
    /// changed or moved.
    pub failed: u64,
    /// The first hundred of them.
    pub failures: Vec<RecordFailure>,
    pub duration_ms: u64,
}

impl Engine {
    /// Counts the records of all namespaces by the master key that they need. `open` opens each of
    /// them; without it only their public parts are read. `skipCurrent` leaves out those under the
    /// current key.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the store can't scan; what the store fails with.
    pub async fn check_keys(&self, json: &str, progress: &Progress) -> Result<KeyReport> {
        let begun = Instant::now();
        let options: CheckKeys = parse(json)?;
        let ring = self.ring()?;
        let mut walk = Walk::new(options.batch_size, options.concurrency)?;
        walk.not_prefix = options
            .skip_current
            .then(|| ring.current_prefix().to_owned());

        let mut tally = Tally::default();
        let work = |records| {
            let ring = ring.clone();
            on_a_thread(move || look_at(&ring, records, options.open))
        };
        walk.run(&*self.store, work, |page: Tally| {
            tally.absorb(page);
            progress.set(tally.records, None);
        })
        .await?;

        let skipped = |key: &KeyUse| options.skip_current && key.role == KeyRole::Current;
        Ok(KeyReport {
            records: tally.records,
            keys: tally
                .keys(&ring)
                .into_iter()
                .filter(|key| !skipped(key))
                .collect(),
            failed: tally.failed,
            failures: tally.failures,
            duration_ms: elapsed_ms(begun),
        })
    }
}

fn look_at(ring: &Arc<KeyRing>, records: Vec<KeyRecord>, open: bool) -> Tally {
    let mut tally = Tally::default();
    for record in records {
        let kid = tally.count(&record);
        let outcome = if open {
            opens(ring, &record)
        } else {
            names_a_known_key(ring, &record)
        };
        if let Err(error) = outcome {
            tally.fail(record.id, error.code(), kid);
        }
    }
    tally
}

fn opens(ring: &KeyRing, record: &KeyRecord) -> Result<()> {
    let context = context(&record.id)?;
    ring.open(&context, &record.sealed)
        .map(drop)
        .map_err(from_vault)
}

fn names_a_known_key(ring: &KeyRing, record: &KeyRecord) -> Result<()> {
    let kid = kid_of(&record.sealed).map_err(from_vault)?;
    if ring.kids().contains(&kid) {
        return Ok(());
    }
    Err(Error::new(Code::UnknownMasterKey, ""))
}
