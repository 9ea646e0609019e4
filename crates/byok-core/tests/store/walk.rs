//! The contract of `scan`: a walk over all records in pages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use byok_core::error::Code;
use byok_core::store::{KeyId, KeyRecord, KeyStore, ScanOptions, ScanPage};

use super::sample::{full_record, id, record};

type Store = Arc<dyn KeyStore>;

async fn page(store: &Store, limit: u32, cursor: Option<String>, not_prefix: &str) -> ScanPage {
    let not_prefix = (!not_prefix.is_empty()).then(|| not_prefix.to_owned());
    let page = store
        .scan(&ScanOptions {
            cursor,
            limit,
            not_prefix,
        })
        .await
        .unwrap()
        .unwrap();
    assert!(page.records.len() <= limit as usize);
    page
}

async fn walk(store: &Store, limit: u32, not_prefix: &str) -> Vec<KeyRecord> {
    let mut records = Vec::new();
    let mut cursor = None;
    loop {
        let mut next = page(store, limit, cursor, not_prefix).await;
        records.append(&mut next.records);
        match next.cursor {
            Some(next) => cursor = Some(next),
            None => return records,
        }
    }
}

fn by_id(records: Vec<KeyRecord>) -> BTreeMap<KeyId, KeyRecord> {
    let count = records.len();
    let map: BTreeMap<_, _> = records
        .into_iter()
        .map(|record| (record.id.clone(), record))
        .collect();
    assert_eq!(map.len(), count, "a record was seen twice");
    map
}

pub async fn pages_together_hold_every_record_once(store: Store) {
    assert_eq!(walk(&store, 10, "").await, []);
    let mut expected = Vec::new();
    for namespace in ["default", "ten\0ant", "🔑"] {
        for user_id in ["a", "a\0", "b'", "", "ab"] {
            for label in ["default", "Default", "x\0"] {
                expected.push(full_record(id(namespace, user_id, "openai", label)));
            }
        }
    }
    for record in &expected {
        store.set(record).await.unwrap();
    }
    let count = expected.len() as u32;
    let expected = by_id(expected);

    let first = walk(&store, 7, "").await;
    assert_eq!(by_id(first.clone()), expected);
    for limit in [1, 2, count - 1, count, count + 1, u32::MAX] {
        assert_eq!(
            walk(&store, limit, "").await,
            first,
            "another order with pages of {limit}"
        );
    }
    assert_eq!(
        page(&store, count, None, "").await.cursor,
        None,
        "the last page has a cursor"
    );
}

pub async fn a_walk_under_concurrent_writes_sees_every_unchanged_record_once(store: Store) {
    let ids: Vec<KeyId> = (0..300)
        .map(|number| id("n", &format!("user_{number}"), "p", "l"))
        .collect();
    for (number, id) in ids.iter().enumerate() {
        store
            .set(&record(id.clone(), &format!("byok1.{number}")))
            .await
            .unwrap();
    }

    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, stop, ids) = (store.clone(), stop.clone(), ids.clone());
        tokio::spawn(async move {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                // Two thirds stay as they are; the rest is deleted, rewritten, and joined by new ones.
                for (number, id) in ids.iter().enumerate().filter(|(number, _)| number % 3 == 0) {
                    match (number + round) % 2 {
                        0 => drop(store.delete(id).await.unwrap()),
                        _ => store
                            .set(&record(id.clone(), "byok1.changed"))
                            .await
                            .unwrap(),
                    }
                    let new = KeyId {
                        label: format!("new {round}"),
                        ..id.clone()
                    };
                    store.set(&record(new, "byok1.new")).await.unwrap();
                }
                round += 1;
            }
        })
    };
    for limit in [1, 3, 10] {
        let mut seen: HashMap<KeyId, u32> = HashMap::new();
        for record in walk(&store, limit, "").await {
            *seen.entry(record.id).or_default() += 1;
        }
        for (number, id) in ids.iter().enumerate().filter(|(number, _)| number % 3 != 0) {
            assert_eq!(
                seen.get(id),
                Some(&1),
                "user_{number} with pages of {limit}"
            );
        }
        assert!(
            seen.values().all(|times| *times == 1),
            "a record was seen twice"
        );
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
}

pub async fn a_cursor_outlives_the_record_it_points_at(store: Store) {
    for number in 0..10 {
        store
            .set(&record(id("n", &number.to_string(), "p", "l"), "byok1.x"))
            .await
            .unwrap();
    }
    let order: Vec<KeyId> = walk(&store, 10, "")
        .await
        .into_iter()
        .map(|found| found.id)
        .collect();
    let first = page(&store, 4, None, "").await;
    for id in &order[2..6] {
        store.delete(id).await.unwrap();
    }

    let rest = page(&store, 10, first.cursor, "").await;

    let rest: Vec<KeyId> = rest.records.into_iter().map(|record| record.id).collect();
    assert_eq!(rest, order[6..]);
}

pub async fn records_with_the_prefix_are_left_out(store: Store) {
    for (number, sealed) in [
        "byok1.AAAA1",
        "byok1.AAAA",
        "byok1.AAA",
        "byok1.aaaa1",
        "byok1.AAA_1",
        "byok1.AAA%1",
        "x",
    ]
    .iter()
    .enumerate()
    {
        store
            .set(&record(id("n", &number.to_string(), "p", "l"), sealed))
            .await
            .unwrap();
    }
    let rest = |prefix: &'static str| {
        let store = store.clone();
        async move {
            let mut sealed: Vec<String> = walk(&store, 2, prefix)
                .await
                .into_iter()
                .map(|record| record.sealed)
                .collect();
            sealed.sort();
            sealed
        }
    };

    let other = [
        "byok1.AAA",
        "byok1.AAA%1",
        "byok1.AAA_1",
        "byok1.aaaa1",
        "x",
    ];
    assert_eq!(rest("byok1.AAAA").await, other);
    assert_eq!(
        rest("byok1.AAA_").await,
        [
            "byok1.AAA",
            "byok1.AAA%1",
            "byok1.AAAA",
            "byok1.AAAA1",
            "byok1.aaaa1",
            "x"
        ]
    );
    assert_eq!(rest("byok1.").await, ["x"]);
}

pub async fn a_long_walk_past_left_out_records_ends_and_misses_none(store: Store) {
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..9_000 {
        let store = store.clone();
        let sealed = if number % 4_000 == 3_999 {
            "byok1.old"
        } else {
            "byok1.new"
        };
        let record = record(id("n", &format!("{number:05}"), "p", "l"), sealed);
        writes.spawn(async move { store.set(&record).await.unwrap() });
    }
    writes.join_all().await;

    let mut found: Vec<String> = walk(&store, 100, "byok1.new")
        .await
        .into_iter()
        .map(|record| record.id.user_id)
        .collect();
    found.sort();
    assert_eq!(found, ["03999", "07999"]);
    assert_eq!(by_id(walk(&store, 9_000, "").await).len(), 9_000);
}

pub async fn a_cursor_that_is_not_one_is_refused(store: Store) {
    // The last three: `{}`, `["a"]` and five ids.
    for cursor in [
        "",
        "nonsense!",
        "AAAA",
        "e30",
        "WyJhIl0",
        "WyJhIiwiYiIsImMiLCJkIiwiZSJd",
    ] {
        let options = ScanOptions {
            cursor: Some(cursor.into()),
            limit: 1,
            ..ScanOptions::default()
        };
        let error = store.scan(&options).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{cursor:?}");
    }
    let error = store.scan(&ScanOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "a limit of 0");
}
