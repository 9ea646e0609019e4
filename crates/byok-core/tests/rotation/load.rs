//! A rotation while the store is in use: readers, users who change keys, users who come and go, and a
//! second rotation at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use byok_core::engine::Engine;
use byok_core::progress::Progress;
use byok_core::store::{KeyStore, MemoryStore, SqliteStore};
use tokio::task::JoinSet;

use super::vault::{NEW, OLD, engine, id, open, record, register, ring, stored};

const USERS: u64 = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_in_a_memory_store_under_load() {
    rotate_under_load(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_in_an_sqlite_store_under_load() {
    let path = std::env::temp_dir().join(format!("byok-rotation-{}.db", std::process::id()));
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    rotate_under_load(store.clone()).await;
    store.close().await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let _absent = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

async fn rotate_under_load(store: Arc<dyn KeyStore>) {
    let seeded: Arc<[_]> = (0..USERS)
        .map(|number| {
            let record = record(&format!("user_{number}"), &format!("sk-{number}-0"), OLD);
            byok_core::store::Replacement {
                expected_sealed: record.sealed.clone(),
                record,
            }
        })
        .collect();
    for item in seeded.iter() {
        store.set(&item.record).await.unwrap();
    }

    let engines: Vec<Arc<Engine>> = (0..4)
        .map(|_| Arc::new(engine(&store, NEW, &[OLD])))
        .collect();
    let done = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicU64::new(0));
    let mut load = JoinSet::new();
    for reader in 0..2_u64 {
        let (store, done, reads) = (store.clone(), done.clone(), reads.clone());
        load.spawn(async move {
            let both = byok_vault::KeyRing::new(
                super::vault::master(NEW),
                vec![super::vault::master(OLD)],
            )
            .unwrap();
            let mut at = reader;
            while !done.load(Ordering::Relaxed) {
                at = (at * 31 + 7) % USERS;
                let name = format!("user_{at}");
                let record = store.get(&id(&name)).await.unwrap().expect("never absent");
                assert!(open(&both, &record).starts_with(&format!("sk-{at}-")));
                reads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            Vec::new()
        });
    }
    for writer in 0..2_u64 {
        let (engine, done) = (engines[2 + writer as usize].clone(), done.clone());
        load.spawn(async move {
            // Each writer has users of its own; what it wrote last must be there at the end.
            let mut last = Vec::new();
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                let user = (round * 613 + writer) % (USERS / 2) * 2 + writer;
                let key = format!("sk-{user}-{round}");
                register(&engine, &format!("user_{user}"), &key).await;
                last.push((user, key));
                tokio::task::yield_now().await;
            }
            last
        });
    }

    let rivals = engines[..2].iter().map(|engine| {
        let engine = engine.clone();
        tokio::spawn(async move {
            engine
                .rewrap_keys(
                    r#"{"batchSize":50,"concurrency":3}"#,
                    &Progress::unwatched(),
                )
                .await
                .unwrap()
        })
    });
    let rivals: Vec<_> = rivals.collect();
    let mut moved = 0;
    for rival in rivals {
        let report = rival.await.unwrap();
        assert_eq!(report.failed, 0);
        assert!(!report.previous_keys_needed);
        moved += report.rewrapped;
    }
    done.store(true, Ordering::Relaxed);

    let mut expected: Vec<String> = (0..USERS).map(|user| format!("sk-{user}-0")).collect();
    let mut changes = 0;
    while let Some(written) = load.join_next().await {
        for (user, key) in written.unwrap() {
            expected[user as usize] = key;
            changes += 1;
        }
    }
    assert!(
        changes > 0 && reads.load(Ordering::Relaxed) > 0,
        "there was load"
    );
    assert!(moved <= USERS, "no record was moved twice");
    let new = ring(NEW);
    let records = stored(&*store).await;
    assert_eq!(records.len() as u64, USERS);
    for record in records {
        let user: usize = record.id.user_id["user_".len()..].parse().unwrap();
        assert_eq!(open(&new, &record), expected[user]);
    }
}
