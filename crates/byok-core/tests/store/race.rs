//! The contract of a store for many callers at once.

use std::sync::Arc;

use byok_core::error::Code;
use byok_core::store::{KeyRecord, KeyStore};
use tokio::task::JoinSet;

use super::sample::{id, record, user};

type Store = Arc<dyn KeyStore>;

pub async fn concurrent_replaces_lose_no_update(store: Store) {
    const TASKS: usize = 16;
    const ROUNDS: usize = 25;
    store.set(&record(user("u"), "byok1.0")).await.unwrap();

    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                increment(&*store, "u").await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }

    let sealed = store.get(&user("u")).await.unwrap().unwrap().sealed;
    assert_eq!(sealed, format!("byok1.{}", TASKS * ROUNDS));
}

/// Adds one to the number in `sealed`, by compare and swap.
pub async fn increment(store: &dyn KeyStore, user_id: &str) {
    loop {
        let stored = store.get(&user(user_id)).await.unwrap().unwrap();
        let number: u32 = stored
            .sealed
            .strip_prefix("byok1.")
            .unwrap()
            .parse()
            .unwrap();
        let next = record(user(user_id), &format!("byok1.{}", number + 1));
        if store.replace(&next, &stored.sealed).await.unwrap() == Some(true) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub async fn concurrent_sets_of_many_users_all_arrive(store: Store) {
    let mut tasks = JoinSet::new();
    for number in 0..600 {
        let store = store.clone();
        tasks.spawn(async move {
            let record = record(user(&format!("user_{number}")), &format!("byok1.{number}"));
            store.set(&record).await.unwrap();
            assert_eq!(store.get(&record.id).await.unwrap(), Some(record));
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }

    for number in 0..600 {
        let stored = store
            .get(&user(&format!("user_{number}")))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored.sealed, format!("byok1.{number}"));
    }
}

pub async fn a_reader_never_sees_a_mixture_of_two_records(store: Store) {
    let version = |number: usize| KeyRecord {
        sealed: format!("byok1.{number}").repeat(1 + number % 7),
        hint: format!("hint {number}"),
        updated_at: number.to_string(),
        verified_at: number.is_multiple_of(2).then(|| number.to_string()),
        ..record(user("u"), "")
    };
    store.set(&version(0)).await.unwrap();

    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 1..=200 {
                store.set(&version(number)).await.unwrap();
            }
        })
    };
    let mut last = 0;
    while !writer.is_finished() {
        let seen = store.get(&user("u")).await.unwrap().unwrap();
        let number: usize = seen.updated_at.parse().unwrap();
        assert_eq!(seen, version(number));
        assert!(number >= last, "version {number} came back after {last}");
        last = number;
    }
    writer.await.unwrap();
    assert_eq!(store.get(&user("u")).await.unwrap(), Some(version(200)));
}

pub async fn of_many_deletes_of_a_record_one_says_true(store: Store) {
    for _ in 0..10 {
        store.set(&record(user("u"), "byok1.x")).await.unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let store = store.clone();
            tasks.spawn(async move { store.delete(&user("u")).await.unwrap() });
        }
        let answers = tasks.join_all().await;
        assert_eq!(answers.into_iter().filter(|deleted| *deleted).count(), 1);
    }
}

pub async fn closing_under_load_answers_every_call(store: Store) {
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        tasks.spawn(async move {
            let record = record(id("n", &number.to_string(), "p", "l"), "byok1.x");
            let wrote = store.set(&record).await;
            let read = store.get(&record.id).await;
            (wrote.map(|()| None), read)
        });
    }
    tokio::task::yield_now().await;
    let (first, second) = tokio::join!(store.close(), store.close());
    first.unwrap();
    second.unwrap();

    for (wrote, read) in tasks.join_all().await {
        for answer in [wrote, read] {
            if let Err(error) = answer {
                assert_eq!(error.code(), Code::Closed);
            }
        }
    }
}
