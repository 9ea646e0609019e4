//! The contract of a store for one caller at a time.

use std::sync::Arc;

use byok_core::error::Code;
use byok_core::store::{KeyRecord, KeyStatus, KeyStore, Replacement, ScanOptions};

use super::sample::{full_record, id, record, user};

type Store = Arc<dyn KeyStore>;

/// Texts that an id may be and that a store may take for one another, or for something else.
const ODD: [&str; 22] = [
    "user_1", "User_1", "user_1 ", " user_1", "user_10", "user%", "user_", "%", "_", "'", "\"",
    "\\", "a\0", "a\0b", "a", "\0", "é", "e\u{301}", "ß", "🔑", "1", "01",
];

pub async fn a_record_comes_back_exactly_as_it_went_in(store: Store) {
    let long = "x".repeat(512);
    let mut expected: Vec<KeyRecord> = ODD.iter().map(|odd| full_record(user(odd))).collect();
    expected.push(full_record(id(&long, &long, &long, &long)));
    expected.push(full_record(id(&"🔑".repeat(128), "u", "openai", "")));
    expected.push(record(user("plain"), "byok1.plain"));
    for status in [KeyStatus::Active, KeyStatus::Unverified, KeyStatus::Invalid] {
        expected.push(KeyRecord {
            status,
            ..record(user(status.as_str()), "byok1.status")
        });
    }

    for record in &expected {
        store.set(record).await.unwrap();
    }

    for record in &expected {
        assert_eq!(store.get(&record.id).await.unwrap().as_ref(), Some(record));
        let listed = store
            .list(&record.id.namespace, &record.id.user_id)
            .await
            .unwrap();
        assert_eq!(listed, std::slice::from_ref(record));
    }
    // Key order inside metadata is kept too, which equality does not look at.
    let stored = store.get(&user("user_1")).await.unwrap().unwrap();
    assert_eq!(
        serde_json::to_string(&stored).unwrap(),
        serde_json::to_string(&expected[0]).unwrap()
    );
}

pub async fn an_id_that_was_never_stored_is_absent(store: Store) {
    assert_eq!(store.get(&user("nobody")).await.unwrap(), None);
    assert_eq!(store.list("default", "nobody").await.unwrap(), []);
}

pub async fn ids_that_look_alike_are_different_records(store: Store) {
    let ids: Vec<_> = ODD
        .iter()
        .flat_map(|odd| {
            [
                id(odd, "u", "p", "l"),
                id("n", odd, "p", "l"),
                id("n", "u", odd, "l"),
                id("n", "u", "p", odd),
            ]
        })
        // Parts that say the same when they are joined.
        .chain([
            id("ab", "c", "p", "l"),
            id("a", "bc", "p", "l"),
            id("a\0b", "c", "p", "l"),
        ])
        .chain([
            id("a", "b\0c", "p", "l"),
            id("a:b", "c", "p", "l"),
            id("a", "b:c", "p", "l"),
        ])
        .collect();

    for (number, id) in ids.iter().enumerate() {
        assert_eq!(
            store.get(id).await.unwrap(),
            None,
            "{id:?} was there before it was stored"
        );
        store
            .set(&record(id.clone(), &format!("byok1.{number}")))
            .await
            .unwrap();
    }

    for (number, id) in ids.iter().enumerate() {
        assert_eq!(
            store.get(id).await.unwrap().unwrap().sealed,
            format!("byok1.{number}")
        );
        assert!(store.delete(id).await.unwrap());
        assert_eq!(store.get(id).await.unwrap(), None);
    }
}

pub async fn set_replaces_a_record_as_a_whole(store: Store) {
    store.set(&full_record(user("u"))).await.unwrap();

    let smaller = record(user("u"), "byok1.smaller");
    store.set(&smaller).await.unwrap();

    assert_eq!(store.get(&user("u")).await.unwrap(), Some(smaller.clone()));
    assert_eq!(store.list("default", "u").await.unwrap(), [smaller]);
}

pub async fn delete_says_whether_there_was_a_record(store: Store) {
    assert!(!store.delete(&user("u")).await.unwrap());
    store.set(&record(user("u"), "byok1.a")).await.unwrap();
    store.set(&record(user("v"), "byok1.b")).await.unwrap();

    assert!(store.delete(&user("u")).await.unwrap());
    assert!(!store.delete(&user("u")).await.unwrap());

    assert_eq!(store.get(&user("u")).await.unwrap(), None);
    assert!(store.get(&user("v")).await.unwrap().is_some());
}

pub async fn list_holds_one_users_records_of_one_namespace_in_order(store: Store) {
    let order = [
        ("a", ""),
        ("a", "\0"),
        ("a", "default"),
        ("a\0", "default"),
        ("a-b", "default"),
        ("ab", "B"),
        ("ab", "a"),
        ("ab", "a\0"),
        ("ab", "a b"),
        ("ab", "ab"),
        ("ab", "é"),
        ("b", "🔑"),
    ];
    for (provider, label) in order.iter().rev() {
        for (namespace, user_id) in [("n", "u"), ("n", "u2"), ("n2", "u"), ("n", "U")] {
            let id = id(namespace, user_id, provider, label);
            store.set(&record(id, "byok1.x")).await.unwrap();
        }
    }

    let listed = store.list("n", "u").await.unwrap();

    let expected: Vec<_> = order
        .iter()
        .map(|(provider, label)| id("n", "u", provider, label))
        .collect();
    assert_eq!(
        listed
            .into_iter()
            .map(|record| record.id)
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(store.list("n2", "u2").await.unwrap(), []);
}

pub async fn replace_writes_only_over_the_expected_record(store: Store) {
    let old = full_record(user("u"));
    let new = record(user("u"), "byok1.new");
    assert_eq!(store.replace(&new, &old.sealed).await.unwrap(), Some(false));
    assert_eq!(store.get(&user("u")).await.unwrap(), None);

    store.set(&old).await.unwrap();
    for wrong in [
        "",
        "byok1.",
        "byok1.new",
        &old.sealed.to_lowercase(),
        &old.sealed[..100],
    ] {
        assert_eq!(store.replace(&new, wrong).await.unwrap(), Some(false));
    }
    assert_eq!(store.get(&user("u")).await.unwrap(), Some(old.clone()));

    assert_eq!(store.replace(&new, &old.sealed).await.unwrap(), Some(true));
    assert_eq!(store.get(&user("u")).await.unwrap(), Some(new.clone()));
    assert_eq!(store.replace(&old, &old.sealed).await.unwrap(), Some(false));
    assert_eq!(store.get(&user("u")).await.unwrap(), Some(new));
}

pub async fn many_swaps_at_once_are_answered_each_in_its_place(store: Store) {
    let items: Vec<_> = (0..40)
        .map(|number| Replacement {
            record: record(user(&format!("u{number}")), &format!("byok1.new{number}")),
            expected_sealed: format!("byok1.old{number}"),
        })
        .collect();
    for (number, item) in items.iter().enumerate() {
        let sealed = match number % 4 {
            0 => continue, // absent
            1 => "byok1.changed",
            _ => &item.expected_sealed,
        };
        let stored = record(item.record.id.clone(), sealed);
        store.set(&stored).await.unwrap();
    }

    let answers = store.replace_many(items.clone().into()).await.unwrap();

    let expected: Vec<bool> = (0..40).map(|number| number % 4 > 1).collect();
    assert_eq!(answers, Some(expected));
    for (number, item) in items.iter().enumerate() {
        let stored = store.get(&item.record.id).await.unwrap();
        match number % 4 {
            0 => assert_eq!(stored, None),
            1 => assert_eq!(stored.unwrap().sealed, "byok1.changed"),
            _ => assert_eq!(stored.as_ref(), Some(&item.record)),
        }
    }
    let none: Vec<Replacement> = Vec::new();
    assert_eq!(store.replace_many(none.into()).await.unwrap(), Some(vec![]));
}

pub async fn a_closed_store_refuses_every_call_and_closes_again(store: Store) {
    let record = record(user("u"), "byok1.x");
    store.set(&record).await.unwrap();

    store.close().await.unwrap();
    store.close().await.unwrap();

    let scan = ScanOptions {
        limit: 1,
        ..ScanOptions::default()
    };
    assert_eq!(
        store.get(&record.id).await.unwrap_err().code(),
        Code::Closed
    );
    assert_eq!(store.set(&record).await.unwrap_err().code(), Code::Closed);
    let swap = Replacement {
        expected_sealed: record.sealed.clone(),
        record: record.clone(),
    };
    let swapped = store.replace_many([swap].into()).await;
    assert_eq!(swapped.unwrap_err().code(), Code::Closed);
    assert_eq!(
        store.delete(&record.id).await.unwrap_err().code(),
        Code::Closed
    );
    assert_eq!(
        store.list("default", "u").await.unwrap_err().code(),
        Code::Closed
    );
    assert_eq!(
        store.replace(&record, "byok1.x").await.unwrap_err().code(),
        Code::Closed
    );
    assert_eq!(store.scan(&scan).await.unwrap_err().code(), Code::Closed);
}
