//! Moves every record to the current master key. Progress is the records themselves: a run that was
//! killed goes on when it is run again, and two runs at once only share the work.

use std::sync::Arc;
use std::time::Instant;

use byok_vault::KeyRing;
use serde::{Deserialize, Serialize};

use super::tally::{KeyRole, KeyUse, RecordFailure, Tally};
use super::walk::{Walk, patiently};
use super::{elapsed_ms, on_a_thread};
use crate::engine::request::parse;
use crate::engine::{Engine, context, from_vault};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::{KeyRecord, KeyStore, Replacement};

/// The first pass moves what there is; a further one finds what was written under a previous key
/// meanwhile. The last finds nothing to move, unless someone still writes under a previous key.
const MAX_PASSES: u32 = 5;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RewrapKeys {
    batch_size: Option<u32>,
    concurrency: Option<u32>,
    #[serde(default)]
    single_writer: bool,
}

/// What [`Engine::rewrap_keys`] did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RewrapReport {
    /// Records that were moved to the current key by this run.
    pub rewrapped: u64,
    /// Times that someone else changed or deleted a record first; theirs was kept.
    pub skipped: u64,
    /// Records that can't be opened, and stay as they are.
    pub failed: u64,
    /// The first hundred of them.
    pub failures: Vec<RecordFailure>,
    /// The keys other than the current one that records still need.
    pub needed: Vec<KeyUse>,
    /// False once no record is left under any of the previous keys: they can be dropped.
    pub previous_keys_needed: bool,
    pub duration_ms: u64,
}

/// What became of one page, or of one pass.
#[derive(Default)]
struct Moved {
    tally: Tally,
    rewrapped: u64,
    skipped: u64,
}

impl Engine {
    /// Moves the records of all namespaces to the current master key, by compare and swap: whoever
    /// writes a record meanwhile wins. A store without compare and swap needs `singleWriter`, which
    /// says that nobody else writes.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the store can't scan, or can't compare and swap and `singleWriter` is
    /// not set; what the store fails with. What was moved until then stays moved.
    pub async fn rewrap_keys(&self, json: &str, progress: &Progress) -> Result<RewrapReport> {
        let begun = Instant::now();
        let options: RewrapKeys = parse(json)?;
        let ring = self.ring()?;
        let mut walk = Walk::new(options.batch_size, options.concurrency)?;
        walk.not_prefix = Some(ring.current_prefix().to_owned());

        let (mut rewrapped, mut skipped) = (0, 0);
        let mut last = Moved::default();
        for pass in 1..=MAX_PASSES {
            let mut moved = Moved::default();
            let work = |records| {
                let store = self.store.clone();
                rewrap_page(store, ring.clone(), records, options.single_writer)
            };
            walk.run(&*self.store, work, |page: Moved| {
                moved.absorb(page);
                let seen = if pass == 1 {
                    moved.tally.records
                } else {
                    moved.rewrapped
                };
                progress.set(rewrapped + skipped + seen, None);
            })
            .await?;
            rewrapped += moved.rewrapped;
            skipped += moved.skipped;
            last = moved;
            if last.rewrapped + last.skipped == 0 {
                break;
            }
        }

        let needed: Vec<KeyUse> = last
            .tally
            .keys(&ring)
            .into_iter()
            .filter(|key| key.role != KeyRole::Current && key.records > 0)
            .collect();
        Ok(RewrapReport {
            rewrapped,
            skipped,
            failed: last.tally.failed,
            failures: last.tally.failures,
            previous_keys_needed: needed.iter().any(|key| key.role == KeyRole::Previous),
            needed,
            duration_ms: elapsed_ms(begun),
        })
    }
}

impl Moved {
    fn absorb(&mut self, page: Moved) {
        self.tally.absorb(page.tally);
        self.rewrapped += page.rewrapped;
        self.skipped += page.skipped;
    }
}

async fn rewrap_page(
    store: Arc<dyn KeyStore>,
    ring: Arc<KeyRing>,
    records: Vec<KeyRecord>,
    single_writer: bool,
) -> Result<Moved> {
    let (mut moved, replacements) = on_a_thread(move || reseal(&ring, records)).await?;
    for written in swap(&*store, replacements.into(), single_writer).await? {
        if written {
            moved.rewrapped += 1;
        } else {
            moved.skipped += 1;
        }
    }
    Ok(moved)
}

fn reseal(ring: &KeyRing, records: Vec<KeyRecord>) -> (Moved, Vec<Replacement>) {
    let mut moved = Moved::default();
    let mut replacements = Vec::with_capacity(records.len());
    let mut resealer = ring.resealer();
    for mut record in records {
        let resealed = context(&record.id).and_then(|context| {
            resealer
                .reseal(&context, &record.sealed)
                .map_err(from_vault)
        });
        match resealed {
            Ok(Some(resealed)) => {
                moved.tally.count(&record);
                let expected_sealed = std::mem::replace(&mut record.sealed, resealed.sealed);
                record.fingerprint = resealed.fingerprint;
                replacements.push(Replacement {
                    record,
                    expected_sealed,
                });
            }
            // Under the current key already: a store that leaves nothing out.
            Ok(None) => {}
            Err(error) => {
                let kid = moved.tally.count(&record);
                moved.tally.fail(record.id, error.code(), kid);
            }
        }
    }
    (moved, replacements)
}

async fn swap(
    store: &dyn KeyStore,
    items: Arc<[Replacement]>,
    single_writer: bool,
) -> Result<Vec<bool>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(written) = patiently(|| store.replace_many(items.clone())).await? {
        return Ok(written);
    }
    if !single_writer {
        return Err(cannot_swap());
    }
    let mut written = Vec::with_capacity(items.len());
    for item in items.iter() {
        let stored = store.get(&item.record.id).await?;
        let unchanged = stored.is_some_and(|stored| stored.sealed == item.expected_sealed);
        if unchanged {
            store.set(&item.record).await?;
        }
        written.push(unchanged);
    }
    Ok(written)
}

fn cannot_swap() -> Error {
    Error::invalid_argument(
        "This key store has no replace(), so a key that a user changes during the rotation could be lost. Add replace() to it; or stop everything that writes keys and pass singleWriter: true.",
    )
}
