//! A rotation in SQLite against a bare loop of the driver that updates the same rows in the same batches
//! without any cryptography: `rotation_speed [records] [rounds]`. Prints a line of JSON a round; run it with
//! `--release`. `bench/rotation.mjs` makes a table of it.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use byok_core::engine::{Engine, EngineConfig};
use byok_core::progress::Progress;
use byok_core::store::{KeyStore, SqliteStore};
use byok_vault::{Context, KeyRing, MasterKey, Payload, Secret, generate_master_key};
use rusqlite::{Connection, params};
use serde_json::json;

const BATCH: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let records = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let rounds = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let path = std::env::temp_dir().join(format!("byok-speed-{}.sqlite", std::process::id()));
    for _ in 0..rounds {
        let masters = [generate_master_key()?, generate_master_key()?];
        runtime.block_on(seed(&path, records, &masters[0]))?;
        let rewrap = runtime.block_on(rewrap(&path, records, &masters))?;
        runtime.block_on(seed(&path, records, &masters[0]))?;
        let bare = bare_loop(&path, records)?;
        let ratio = rewrap / bare;
        let line = json!({ "records": records, "rewrap": rewrap, "bare": bare, "ratio": ratio });
        writeln!(stdout(), "{line}")?;
    }
    remove(&path);
    Ok(())
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _absent = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

/// The store's own schema, filled in one transaction.
async fn seed(path: &Path, records: usize, master: &str) -> Result<(), Box<dyn Error>> {
    remove(path);
    SqliteStore::open(path)?.close().await?;
    let ring = KeyRing::new(MasterKey::parse(master)?, Vec::new())?;
    let mut connection = Connection::open(path)?;
    let transaction = connection.transaction()?;
    for number in 0..records {
        let user_id = format!("user_{number:07}");
        let key = format!("sk-proj-{number:043}");
        let mut payload = Payload::new(Secret::copy_from(key.as_bytes()))?;
        payload.created_at = Some(1_767_225_600_000);
        let context = Context::new("default", &user_id, "openai", "default")?;
        let sealed = ring.seal(&context, &payload)?;
        transaction
            .prepare_cached(
                "INSERT INTO byok_keys VALUES ('default', ?1, 'openai', 'default', ?2, 'active',
                 'sk-...wxyz', ?3, '2026-01-02T03:04:05.678Z', '2026-01-02T03:04:05.678Z', NULL, NULL)",
            )?
            .execute(params![user_id, sealed, ring.fingerprint(key.as_bytes())])?;
    }
    transaction.commit()?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// Records a second.
async fn rewrap(path: &Path, records: usize, masters: &[String; 2]) -> Result<f64, Box<dyn Error>> {
    let store = Arc::new(SqliteStore::open(path)?);
    let engine = Engine::new(EngineConfig::default(), store.clone())?;
    let previous = vec![MasterKey::parse(&masters[0])?];
    engine.set_master_keys(MasterKey::parse(&masters[1])?, previous)?;
    let begun = Instant::now();
    let report = engine.rewrap_keys("{}", &Progress::unwatched()).await?;
    let per_second = records as f64 / begun.elapsed().as_secs_f64();
    if report.rewrapped != records as u64 {
        return Err(format!("{} records were moved", report.rewrapped).into());
    }
    store.close().await?;
    Ok(per_second)
}

/// Records a second of the driver alone: a page read, its rows updated in one transaction with the same
/// guarantees, and so on.
fn bare_loop(path: &Path, records: usize) -> Result<f64, Box<dyn Error>> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA secure_delete = ON;",
    )?;
    let begun = Instant::now();
    let mut last = String::new();
    let mut updated = 0;
    loop {
        let page: Vec<(String, String, String)> = connection
            .prepare_cached(
                "SELECT user_id, sealed, fingerprint FROM byok_keys
                 WHERE (namespace, user_id, provider, label) > ('default', ?1, 'openai', 'default')
                 ORDER BY namespace, user_id, provider, label LIMIT ?2",
            )?
            .query_map(params![last, i64::try_from(BATCH)?], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        let Some((user_id, ..)) = page.last() else {
            break;
        };
        last.clone_from(user_id);
        let transaction = connection.transaction()?;
        for (user_id, sealed, fingerprint) in &page {
            // As long as the old one, and another.
            let new = sealed.replacen("byok1", "byok0", 1);
            updated += transaction
                .prepare_cached(
                    "UPDATE byok_keys SET sealed = ?2, fingerprint = ?3
                     WHERE namespace = 'default' AND user_id = ?1 AND provider = 'openai'
                     AND label = 'default' AND sealed = ?4",
                )?
                .execute(params![user_id, new, fingerprint, sealed])?;
        }
        transaction.commit()?;
    }
    let per_second = records as f64 / begun.elapsed().as_secs_f64();
    if updated != records {
        return Err(format!("{updated} rows were updated").into());
    }
    Ok(per_second)
}
