use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use byok_core::error::{Code, Error, Result};
use byok_core::usage::{
    Batching, MemoryUsage, Position, Prices, Recorder, UsageFilter, UsageQuery, UsageRecord,
    UsageRow, UsageSink, UsageStore,
};

use crate::support::{Random, all, event};

/// A store that can be broken: it then fails before or after it has written.
#[derive(Default)]
struct Flaky {
    written: Mutex<Vec<u128>>,
    writes: AtomicUsize,
    fails_before: AtomicBool,
    fails_after: AtomicBool,
}

#[async_trait]
impl UsageStore for Flaky {
    async fn write(&self, records: &[UsageRecord]) -> Result<()> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        let failed = || Error::new(Code::StoreError, "The store is down.");
        if self.fails_before.load(Ordering::SeqCst) {
            return Err(failed());
        }
        let mut written = self.written.lock().unwrap();
        for record in records {
            if !written.contains(&record.id) {
                written.push(record.id);
            }
        }
        if self.fails_after.load(Ordering::SeqCst) {
            return Err(failed());
        }
        Ok(())
    }

    async fn query(&self, _: &UsageQuery) -> Result<Vec<UsageRow>> {
        Ok(Vec::new())
    }

    async fn events(
        &self,
        _: &UsageFilter,
        _: Option<&Position>,
        _: usize,
    ) -> Result<Vec<UsageRecord>> {
        Ok(Vec::new())
    }
}

fn recorder(store: &Arc<Flaky>, max_buffered: usize, failures: &Arc<AtomicUsize>) -> Arc<Recorder> {
    let failures = failures.clone();
    Recorder::new(
        store.clone(),
        Prices::default(),
        Batching {
            max_buffered,
            max_batch: 10,
            ..Batching::default()
        },
        Some(Arc::new(move |_: &Error| {
            failures.fetch_add(1, Ordering::SeqCst);
        })),
    )
}

fn record(recorder: &Recorder, count: u64) {
    let mut random = Random(3);
    (0..count).for_each(|_| recorder.record(event(&mut random)));
}

#[tokio::test(start_paused = true)]
async fn events_are_written_in_batches_after_a_while_and_nobody_waits() {
    let store = Arc::new(Flaky::default());
    let recorder = recorder(&store, 1_000, &Arc::default());
    record(&recorder, 9);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let early = store.written.lock().unwrap().len();
    record(&recorder, 5);
    assert!(store.written.lock().unwrap().len() <= early);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(store.written.lock().unwrap().len(), 14);
    assert_eq!(recorder.pending(), 0);
    // An idle recorder writes nothing.
    let writes = store.writes.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(store.writes.load(Ordering::SeqCst), writes);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_loses_nothing_and_what_was_written_unnoticed_counts_once() {
    let store = Arc::new(Flaky::default());
    let failures = Arc::new(AtomicUsize::new(0));
    let recorder = recorder(&store, 1_000, &failures);
    store.fails_before.store(true, Ordering::SeqCst);
    record(&recorder, 35);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(recorder.pending(), 35);
    let asked = store.writes.load(Ordering::SeqCst);
    assert!((2..12).contains(&asked), "it backs off: {asked}");
    assert_eq!(failures.load(Ordering::SeqCst), asked);

    // Now it writes, but the answer is lost.
    store.fails_before.store(false, Ordering::SeqCst);
    store.fails_after.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(recorder.pending(), 35);
    store.fails_after.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(recorder.pending(), 0);
    assert_eq!(store.written.lock().unwrap().len(), 35);
    assert_eq!(recorder.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_and_what_is_dropped_is_counted_and_reported() {
    let store = Arc::new(Flaky::default());
    store.fails_before.store(true, Ordering::SeqCst);
    let failures = Arc::new(AtomicUsize::new(0));
    let recorder = recorder(&store, 50, &failures);
    record(&recorder, 80);
    assert_eq!((recorder.pending(), recorder.dropped()), (50, 30));
    assert_eq!(failures.load(Ordering::SeqCst), 1);
    let error = recorder.close().await.unwrap_err();
    assert!(error.message().contains("50 usage events"), "{error}");
}

#[tokio::test]
async fn closing_writes_what_waits() {
    let store = Arc::new(Flaky::default());
    let recorder = recorder(&store, 1_000, &Arc::default());
    record(&recorder, 25);
    recorder.close().await.unwrap();
    assert_eq!(store.written.lock().unwrap().len(), 25);
    recorder.close().await.unwrap();
}

#[tokio::test]
async fn memory_keeps_the_latest_and_says_since_when_it_is_complete() {
    let recorder = Recorder::new(
        Arc::new(MemoryUsage::new(100)),
        Prices::default(),
        Batching::default(),
        None,
    );
    record(&recorder, 100);
    assert_eq!(recorder.complete_from_ms(), None);
    record(&recorder, 50);
    assert!(recorder.complete_from_ms().is_some());
    let filter = all().filter;
    let events = recorder.events(&filter, None, 1_000).await.unwrap();
    assert!(events.len() < 100 && !events.is_empty());
}
