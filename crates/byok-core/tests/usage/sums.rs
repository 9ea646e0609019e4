use std::sync::Arc;

use byok_core::store::{SqliteStore, SqliteUsage};
use byok_core::usage::{
    Batching, GroupBy, Interval, MemoryUsage, Outcome, Prices, Recorder, UsageEvent, UsageRow,
    UsageSink, UsageStore,
};
use rusqlite::Connection;

use crate::support::{NOON, Random, all, event, prices};

fn recorder(store: Arc<dyn UsageStore>, prices: Prices) -> Arc<Recorder> {
    Recorder::new(store, prices, Batching::default(), None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_sqlite_give_the_same_sums_for_every_question() {
    let memory = recorder(Arc::new(MemoryUsage::new(10_000)), prices());
    let store = Arc::new(SqliteStore::open(":memory:".as_ref()).unwrap());
    let sqlite = recorder(Arc::new(SqliteUsage::new(store)), prices());
    let mut random = Random(7);
    for _ in 0..4_000 {
        let event = event(&mut random);
        memory.record(event.clone());
        sqlite.record(event);
    }
    let intervals = [
        None,
        Some(Interval::Hour),
        Some(Interval::Day),
        Some(Interval::Month),
        Some(Interval::Minute),
    ];
    let groups: [&[GroupBy]; 6] = [
        &[],
        &[GroupBy::UserId],
        &[GroupBy::Provider, GroupBy::Model],
        &[GroupBy::Status],
        &[GroupBy::Capability, GroupBy::Label],
        &[GroupBy::UserId, GroupBy::Provider, GroupBy::Status],
    ];
    for interval in intervals {
        for group_by in groups {
            for (user, model, from_ms) in [
                (None, None, 0),
                (Some("user-3"), None, 0),
                (None, Some("priced"), NOON + 40 * 86_400_000),
            ] {
                let mut query = all();
                query.interval = interval;
                query.group_by = group_by.to_vec();
                query.filter.user_id = user.map(str::to_owned);
                query.filter.model = model.map(str::to_owned);
                query.filter.from_ms = from_ms;
                let ours = memory.query(&query).await.unwrap();
                let theirs = sqlite.query(&query).await.unwrap();
                assert!(!ours.is_empty());
                assert_eq!(ours, theirs, "{query:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_export_the_same_events_page_by_page() {
    let memory = recorder(Arc::new(MemoryUsage::new(10_000)), prices());
    let store = Arc::new(SqliteStore::open(":memory:".as_ref()).unwrap());
    let sqlite = recorder(Arc::new(SqliteUsage::new(store)), prices());
    let mut random = Random(11);
    let mut expected = 0;
    for _ in 0..500 {
        let mut event = event(&mut random);
        // Many at the same moment, which pages must not lose or repeat.
        event.started_at_ms = NOON + random.below(20);
        expected += usize::from(event.namespace == "default");
        memory.record(event.clone());
        sqlite.record(event);
    }
    let mut exports = Vec::new();
    for recorder in [memory, sqlite] {
        let mut events: Vec<byok_core::usage::UsageRecord> = Vec::new();
        loop {
            let after = events.last().map(byok_core::usage::Position::of);
            let page = recorder
                .events(&all().filter, after.as_ref(), 7)
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            events.extend(page);
        }
        assert_eq!(events.len(), expected);
        // Ids differ between the two.
        let mut lines: Vec<String> = events
            .into_iter()
            .map(|event| {
                serde_json::to_string(&byok_core::usage::UsageRecord { id: 0, ..event }).unwrap()
            })
            .collect();
        lines.sort();
        exports.push(lines);
    }
    assert_eq!(exports[0], exports[1]);
}

/// What the events add up to, without any of the library's own arithmetic but the cost of one call.
#[derive(Default)]
struct Expected {
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost_nanos: u64,
    unpriced: u64,
}

impl Expected {
    fn add(&mut self, event: &UsageEvent, cost_nanos: Option<u64>) {
        self.calls += 1;
        self.input_tokens += event.units.input_tokens.unwrap_or(0);
        self.output_tokens += event.units.output_tokens.unwrap_or(0);
        self.cost_nanos += cost_nanos.unwrap_or(0);
        let used = !matches!(event.outcome, Outcome::Failed(_));
        self.unpriced += u64::from(used && cost_nanos.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sums_of_a_million_events_are_those_of_an_independent_query() {
    const EVENTS: u64 = 1_000_000;
    let folder = std::env::temp_dir().join(format!("byok-usage-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("keys.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let batching = Batching {
        max_batch: 20_000,
        max_buffered: 60_000,
        ..Batching::default()
    };
    let sink: Arc<dyn UsageStore> = Arc::new(SqliteUsage::new(store));
    let recorder = Recorder::new(sink, prices(), batching, None);
    let mut random = Random(1_234_567);
    let mut expected = Expected::default();
    for number in 0..EVENTS {
        let mut event = event(&mut random);
        event.started_at_ms = NOON + number * 7_000;
        if event.namespace == "default" {
            expected.add(&event, recorder.cost_of(&event));
        }
        recorder.record(event);
        if number % 40_000 == 39_999 {
            recorder.flush().await.unwrap();
        }
    }
    let rows = recorder.query(&all()).await.unwrap();
    let mut by_group = all();
    by_group.group_by = vec![GroupBy::UserId, GroupBy::Model];
    by_group.interval = Some(Interval::Month);
    let groups = recorder.query(&by_group).await.unwrap();
    assert_eq!(recorder.dropped(), 0);
    recorder.close().await.unwrap();

    let total = &rows[0];
    let of_groups = |field: fn(&UsageRow) -> u64| groups.iter().map(field).sum::<u64>();
    for (ours, theirs, grouped) in [
        (total.calls, expected.calls, of_groups(|row| row.calls)),
        (
            total.input_tokens,
            expected.input_tokens,
            of_groups(|row| row.input_tokens),
        ),
        (
            total.output_tokens,
            expected.output_tokens,
            of_groups(|row| row.output_tokens),
        ),
        (
            total.cost_nanos,
            expected.cost_nanos,
            of_groups(|row| row.cost_nanos),
        ),
        (
            total.unpriced,
            expected.unpriced,
            of_groups(|row| row.unpriced),
        ),
    ] {
        assert_eq!((ours, grouped), (theirs, theirs));
    }
    let connection = Connection::open(&path).unwrap();
    let (calls, input, cost): (i64, i64, i64) = connection
        .query_row(
            "SELECT count(DISTINCT id), sum(input_tokens), sum(cost_nanos) FROM byok_usage WHERE namespace = 'default'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    let sums = [calls, input, cost].map(i64::unsigned_abs);
    assert_eq!(sums, [total.calls, total.input_tokens, total.cost_nanos]);
    std::fs::remove_dir_all(&folder).unwrap();
}
