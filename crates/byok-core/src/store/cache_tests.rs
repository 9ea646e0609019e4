//! The cache over a store that counts its reads and can be stopped in the middle of them.

use std::sync::atomic::AtomicUsize;

use tokio::sync::Semaphore;

use super::*;
use crate::store::{KeyStatus, MemoryStore};

/// A store in memory, as if behind a network.
struct Remote {
    records: MemoryStore,
    reads: AtomicUsize,
    /// A permit for each read and write that may go on after it has touched the records.
    gate: Semaphore,
}

impl Remote {
    fn new() -> Arc<Self> {
        Arc::new(Remote {
            records: MemoryStore::new(),
            reads: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    async fn pass(&self) {
        self.gate.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl KeyStore for Remote {
    async fn get(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let found = self.records.get(id).await;
        self.pass().await;
        found
    }

    async fn set(&self, record: &KeyRecord) -> Result<()> {
        self.records.set(record).await?;
        self.pass().await;
        Ok(())
    }

    async fn delete(&self, id: &KeyId) -> Result<bool> {
        self.records.delete(id).await
    }

    async fn list(&self, namespace: &str, user_id: &str) -> Result<Vec<KeyRecord>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.records.list(namespace, user_id).await
    }

    async fn replace(&self, record: &KeyRecord, expected_sealed: &str) -> Result<Option<bool>> {
        self.records.replace(record, expected_sealed).await
    }

    async fn scan(&self, options: &ScanOptions) -> Result<Option<ScanPage>> {
        self.records.scan(options).await
    }

    async fn close(&self) -> Result<()> {
        self.records.close().await
    }
}

fn cached(store: &Arc<Remote>, ttl_ms: u64, max_entries: usize) -> CachedStore {
    let config = CacheConfig {
        ttl_ms,
        max_entries,
    };
    CachedStore::new(store.clone(), Some(&config)).unwrap()
}

fn id(user: &str) -> KeyId {
    KeyId {
        namespace: "default".to_owned(),
        user_id: user.to_owned(),
        provider: "openai".to_owned(),
        label: "default".to_owned(),
    }
}

fn record(user: &str, sealed: &str) -> KeyRecord {
    KeyRecord {
        id: id(user),
        sealed: sealed.to_owned(),
        status: KeyStatus::Active,
        hint: "sk-...wxyz".to_owned(),
        fingerprint: "5f2c".to_owned(),
        created_at: "2026-01-02T03:04:05.678Z".to_owned(),
        updated_at: "2026-01-02T03:04:05.678Z".to_owned(),
        verified_at: None,
        metadata: None,
    }
}

async fn sealed(store: &CachedStore, user: &str) -> Option<String> {
    store
        .get(&id(user))
        .await
        .unwrap()
        .map(|found| found.sealed)
}

#[tokio::test(start_paused = true)]
async fn a_record_is_read_once_until_its_time_is_up() {
    let remote = Remote::new();
    remote.set(&record("once", "1")).await.unwrap();
    let store = cached(&remote, 1_000, 10);
    for _ in 0..5 {
        assert_eq!(sealed(&store, "once").await.as_deref(), Some("1"));
        assert_eq!(store.list("default", "once").await.unwrap().len(), 1);
    }
    assert_eq!(remote.reads(), 2, "one for the record and one for the list");
    tokio::time::advance(Duration::from_millis(999)).await;
    sealed(&store, "once").await;
    assert_eq!(remote.reads(), 2, "being served does not prolong it");
    tokio::time::advance(Duration::from_millis(1)).await;
    sealed(&store, "once").await;
    assert_eq!(remote.reads(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_wrote_is_seen_when_the_time_is_up() {
    let remote = Remote::new();
    remote.set(&record("other", "old")).await.unwrap();
    let store = cached(&remote, 1_000, 10);
    sealed(&store, "other").await;
    // Past this process's engines, as another process does it.
    remote.set(&record("other", "new")).await.unwrap();
    assert_eq!(sealed(&store, "other").await.as_deref(), Some("old"));
    tokio::time::advance(Duration::from_millis(1_000)).await;
    assert_eq!(sealed(&store, "other").await.as_deref(), Some("new"));
    remote.delete(&id("other")).await.unwrap();
    assert_eq!(sealed(&store, "other").await.as_deref(), Some("new"));
    tokio::time::advance(Duration::from_millis(1_000)).await;
    assert_eq!(sealed(&store, "other").await, None);
}

#[tokio::test]
async fn a_write_of_this_process_is_seen_at_once_by_all_its_caches() {
    let remote = Remote::new();
    let (mine, other) = (cached(&remote, 60_000, 10), cached(&remote, 60_000, 10));
    let plain = CachedStore::new(remote.clone(), None).unwrap();
    let expect = async |wanted: Option<&str>, after: &str| {
        for store in [&mine, &other] {
            for _ in 0..2 {
                assert_eq!(sealed(store, "w").await.as_deref(), wanted, "{after}");
                let listed = store.list("default", "w").await.unwrap();
                let listed: Vec<_> = listed.iter().map(|each| &*each.sealed).collect();
                assert_eq!(listed, wanted.into_iter().collect::<Vec<_>>(), "{after}");
            }
        }
    };
    expect(None, "nothing").await;
    mine.set(&record("w", "1")).await.unwrap();
    expect(Some("1"), "set").await;
    other.replace(&record("w", "2"), "1").await.unwrap();
    expect(Some("2"), "replace").await;
    let swap = Replacement {
        record: record("w", "2b"),
        expected_sealed: "2".to_owned(),
    };
    let swapped = other.replace_many([swap].into()).await.unwrap();
    assert_eq!(swapped, Some(vec![true]));
    expect(Some("2b"), "replace_many").await;
    plain.set(&record("w", "3")).await.unwrap();
    expect(Some("3"), "set by an engine without a cache").await;
    plain.delete(&id("w")).await.unwrap();
    expect(None, "delete").await;
}

#[tokio::test]
async fn absence_and_errors_are_not_kept() {
    let remote = Remote::new();
    let store = cached(&remote, 60_000, 10);
    for _ in 0..3 {
        assert_eq!(sealed(&store, "nobody").await, None);
    }
    assert_eq!(remote.reads(), 3);
    remote.set(&record("nobody", "now")).await.unwrap();
    assert_eq!(sealed(&store, "nobody").await.as_deref(), Some("now"));
}

#[tokio::test]
async fn a_read_that_a_write_overtook_is_not_kept() {
    let remote = Remote::new();
    remote.set(&record("race", "old")).await.unwrap();
    let store = Arc::new(cached(&remote, 60_000, 10));
    // The read has looked at the records, and its answer is still on its way.
    let permits = remote.gate.available_permits();
    remote.gate.forget_permits(permits);
    let reader = tokio::spawn({
        let store = store.clone();
        async move { sealed(&store, "race").await }
    });
    while remote.reads() == 0 {
        tokio::task::yield_now().await;
    }
    let writer = tokio::spawn({
        let store = store.clone();
        async move { store.set(&record("race", "new")).await }
    });
    tokio::task::yield_now().await;
    remote.gate.add_permits(1_000);
    assert_eq!(reader.await.unwrap().as_deref(), Some("old"));
    writer.await.unwrap().unwrap();
    assert_eq!(sealed(&store, "race").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_write_that_was_given_up_makes_what_was_read_stale() {
    let remote = Remote::new();
    remote.set(&record("given up", "old")).await.unwrap();
    let store = cached(&remote, 60_000, 10);
    sealed(&store, "given up").await;
    let permits = remote.gate.available_permits();
    remote.gate.forget_permits(permits);
    let written = record("given up", "new");
    let write = tokio::time::timeout(Duration::from_millis(10), store.set(&written));
    assert!(write.await.is_err(), "the store took it and never answered");
    remote.gate.add_permits(10);
    assert_eq!(sealed(&store, "given up").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn no_more_records_are_kept_than_allowed_and_those_in_use_stay() {
    let remote = Remote::new();
    for n in 0..100 {
        remote
            .set(&record(&format!("user {n}"), "x"))
            .await
            .unwrap();
    }
    let store = cached(&remote, 60_000, 10);
    sealed(&store, "user 0").await;
    for n in 1..100 {
        sealed(&store, &format!("user {n}")).await;
        sealed(&store, "user 0").await;
        let kept = store.cache.as_ref().unwrap().kept.lock().unwrap();
        assert!(kept.records <= 10 && kept.entries.len() == kept.queue.len());
    }
    assert_eq!(remote.reads(), 100, "the busy user was never read again");
}

#[tokio::test]
async fn a_list_counts_with_all_its_records_and_one_that_is_too_long_is_not_kept() {
    let remote = Remote::new();
    for n in 0..20 {
        let mut one = record("collector", "x");
        one.id.label = format!("label {n}");
        remote.set(&one).await.unwrap();
    }
    let (small, large) = (cached(&remote, 60_000, 19), cached(&remote, 60_000, 20));
    for store in [&small, &small, &large, &large] {
        assert_eq!(store.list("default", "collector").await.unwrap().len(), 20);
    }
    assert_eq!(remote.reads(), 3);
    sealed(&large, "collector").await;
    remote.set(&record("another", "x")).await.unwrap();
    sealed(&large, "another").await;
    assert!(large.cache.as_ref().unwrap().kept.lock().unwrap().records <= 20);
}

#[tokio::test]
async fn a_closed_store_serves_nothing_from_memory() {
    let remote = Remote::new();
    remote.set(&record("u", "x")).await.unwrap();
    let store = cached(&remote, 60_000, 10);
    sealed(&store, "u").await;
    store.close().await.unwrap();
    assert!(store.get(&id("u")).await.is_err());
}

#[test]
fn a_cache_without_room_or_time_is_refused() {
    for (ttl_ms, max_entries) in [(0, 1), (1, 0)] {
        let config = CacheConfig {
            ttl_ms,
            max_entries,
        };
        assert!(CachedStore::new(Remote::new(), Some(&config)).is_err());
    }
}
