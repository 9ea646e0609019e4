//! The rotation of master keys over real stores: what moves, what stays, and what is said of it.

#[path = "rotation/load.rs"]
mod load;
#[path = "rotation/store.rs"]
mod store;
#[path = "rotation/vault.rs"]
mod vault;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use byok_core::error::Code;
use byok_core::progress::Progress;
use byok_core::store::{KeyStore, MemoryStore};
use serde_json::{Value, json};

use store::{Limits, TrickStore};
use vault::{NEW, OLD, OTHER, check, engine, id, register, rewrap, stored};

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_every_namespace_moves_and_keeps_all_but_seal_and_fingerprint() {
    let store: Arc<dyn KeyStore> = Arc::new(MemoryStore::new());
    let before = engine(&store, OLD, &[]);
    let tenant = vault::engine_in("tenant", &store, OLD, &[]);
    for number in 0..300 {
        register(&before, &format!("user_{number}"), &format!("sk-{number}")).await;
        register(&tenant, &format!("user_{number}"), &format!("sk-{number}")).await;
    }
    let old: Vec<_> = stored(&*store).await;

    let after = engine(&store, NEW, &[OLD]);
    let (progress, watched) = Progress::new();
    let report = after.rewrap_keys(r#"{"batchSize":37,"concurrency":3}"#, &progress);
    let report = serde_json::to_value(report.await.unwrap()).unwrap();
    assert_eq!(
        (&report["rewrapped"], &report["skipped"]),
        (&json!(600), &json!(0))
    );
    assert_eq!(
        (&report["failed"], &report["previousKeysNeeded"]),
        (&json!(0), &json!(false))
    );
    assert_eq!(report["needed"], json!([]));
    assert_eq!(watched.borrow().done, 600);

    let new = stored(&*store).await;
    assert_eq!(new.len(), 600);
    let fresh = vault::ring(NEW);
    for (old, new) in old.iter().zip(&new) {
        assert!(new.sealed.starts_with(fresh.current_prefix()));
        assert_ne!(new.fingerprint, old.fingerprint);
        let restored = byok_core::store::KeyRecord {
            sealed: old.sealed.clone(),
            fingerprint: old.fingerprint.clone(),
            ..new.clone()
        };
        assert_eq!(&restored, old);
        let number = new.id.user_id.strip_prefix("user_").unwrap();
        let key = format!("sk-{number}");
        assert_eq!(vault::open(&fresh, new), key);
        assert_eq!(new.fingerprint, fresh.fingerprint(key.as_bytes()));
    }
    let again = rewrap(&after).await;
    assert_eq!(again["rewrapped"], 0);
    assert_eq!(stored(&*store).await, new);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_do_not_open_stay_and_are_named_each_with_its_own_code() {
    let store: Arc<dyn KeyStore> = Arc::new(MemoryStore::new());
    let before = engine(&store, OLD, &[]);
    for name in ["fine", "edited", "swapped", "cut", "nonsense"] {
        register(&before, name, &format!("sk-{name}")).await;
    }
    register(&engine(&store, OTHER, &[]), "unknown", "sk-unknown").await;
    let fine = store.get(&id("fine")).await.unwrap().unwrap();
    let spoil = async |name: &str, change: &dyn Fn(&str) -> String| {
        let mut record = store.get(&id(name)).await.unwrap().unwrap();
        record.sealed = change(&record.sealed);
        store.set(&record).await.unwrap();
    };
    spoil("edited", &|sealed| {
        let at = sealed.len() - 5;
        let other = if &sealed[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &sealed[..at], &sealed[at + 1..])
    })
    .await;
    spoil("swapped", &|_| fine.sealed.clone()).await;
    spoil("cut", &|sealed| sealed[..sealed.len() - 8].to_owned()).await;
    spoil("nonsense", &|_| "sk-in-the-clear".to_owned()).await;
    let spoilt = stored(&*store).await;

    let after = engine(&store, NEW, &[OLD]);
    let report = rewrap(&after).await;
    assert_eq!(report["rewrapped"], 1);
    assert_eq!(report["failed"], 5);
    let mut failures: Vec<(&str, &str)> = report["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| {
            (
                failure["userId"].as_str().unwrap(),
                failure["code"].as_str().unwrap(),
            )
        })
        .collect();
    failures.sort_unstable();
    assert_eq!(
        failures,
        [
            ("cut", "BAD_RECORD"),
            ("edited", "DECRYPT_FAILED"),
            ("nonsense", "BAD_RECORD"),
            ("swapped", "DECRYPT_FAILED"),
            ("unknown", "UNKNOWN_MASTER_KEY"),
        ]
    );
    let (old_kid, other_kid) = (vault::kid(OLD), vault::kid(OTHER));
    assert_eq!(
        report["needed"],
        json!([
            { "kid": old_kid, "role": "previous", "records": 3 },
            { "kid": other_kid, "role": "unknown", "records": 1 },
        ])
    );
    assert_eq!(report["previousKeysNeeded"], true);
    for (before, now) in spoilt.iter().zip(stored(&*store).await) {
        assert_eq!(before == &now, now.id.user_id != "fine");
    }

    let quick = check(&after, "{}").await;
    assert_eq!(
        (&quick["records"], &quick["failed"]),
        (&json!(6), &json!(3))
    );
    let thorough = check(&after, r#"{"open":true}"#).await;
    assert_eq!(thorough["failed"], 5);
    assert_eq!(
        thorough["keys"],
        json!([
            { "kid": vault::kid(NEW), "role": "current", "records": 1 },
            { "kid": old_kid, "role": "previous", "records": 3 },
            { "kid": other_kid, "role": "unknown", "records": 1 },
        ])
    );
    let rest = check(&after, r#"{"skipCurrent":true}"#).await;
    assert_eq!(rest["records"], 5);
    assert_eq!(rest["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_full_of_broken_records_makes_a_short_report() {
    let store: Arc<dyn KeyStore> = Arc::new(MemoryStore::new());
    for number in 0..400_u64 {
        let mut record = vault::record(&format!("user_{number}"), "sk-x", OTHER);
        let kid = base64_of(&[&[1, 1, 0, 0][..], &number.to_be_bytes()].concat());
        record.sealed.replace_range(6..22, &kid);
        store.set(&record).await.unwrap();
    }
    let report = rewrap(&engine(&store, NEW, &[OLD])).await;
    assert_eq!(report["failed"], 400);
    assert_eq!(report["failures"].as_array().unwrap().len(), 100);
    let needed = report["needed"].as_array().unwrap();
    assert_eq!(needed.len(), 101);
    assert_eq!(needed.last().unwrap()["kid"], "others");
    let sum: u64 = needed
        .iter()
        .map(|key| key["records"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, 400);
    assert_eq!(report["previousKeysNeeded"], false);
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_someone_else_writes_first_is_theirs() {
    let store = Arc::new(TrickStore::new(Limits::default()));
    let shared: Arc<dyn KeyStore> = store.clone();
    let before = engine(&shared, OLD, &[]);
    for number in 0..20 {
        register(&before, &format!("user_{number}"), "sk-old").await;
    }
    // Between the scan and the swap: one user changes the key, one deletes it.
    store.before_next_replace(
        vec![
            vault::record("user_3", "sk-theirs", NEW),
            vault::record("user_4", "sk-theirs-too", OLD),
        ],
        vec![id("user_5")],
    );

    let report = rewrap(&engine(&shared, NEW, &[OLD])).await;
    assert_eq!(report["skipped"], 3);
    // user_4 wrote under the previous key: a later pass of the same run moves what they wrote.
    assert_eq!(report["rewrapped"], 18);
    assert_eq!(report["previousKeysNeeded"], false);
    let new = vault::ring(NEW);
    for record in stored(&*shared).await {
        let expected = match record.id.user_id.as_str() {
            "user_3" => "sk-theirs",
            "user_4" => "sk-theirs-too",
            "user_5" => panic!("user_5 came back"),
            _ => "sk-old",
        };
        assert_eq!(vault::open(&new, &record), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_under_way_are_bounded_and_the_records_in_memory_with_them() {
    let store = Arc::new(TrickStore::new(Limits::default()));
    let shared: Arc<dyn KeyStore> = store.clone();
    let before = engine(&shared, OLD, &[]);
    for number in 0..200 {
        register(&before, &format!("user_{number}"), "sk-old").await;
    }
    let after = engine(&shared, NEW, &[OLD]);
    let json = r#"{"batchSize":10,"concurrency":3}"#;
    let report = after
        .rewrap_keys(json, &Progress::unwatched())
        .await
        .unwrap();
    assert_eq!(report.rewrapped, 200);
    assert_eq!(store.most_at_once.load(Ordering::Relaxed), 3);
    assert_eq!(store.largest_batch.load(Ordering::Relaxed), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_compare_and_swap_needs_the_word_that_nobody_else_writes() {
    let store = Arc::new(TrickStore::new(Limits {
        no_replace: true,
        ..Limits::default()
    }));
    let shared: Arc<dyn KeyStore> = store.clone();
    register(&engine(&shared, OLD, &[]), "user", "sk-user").await;
    let after = engine(&shared, NEW, &[OLD]);
    let error = after
        .rewrap_keys("{}", &Progress::unwatched())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("singleWriter: true"), "{error}");
    assert!(error.message().contains("replace()"), "{error}");

    let json = r#"{"singleWriter":true}"#;
    let report = after
        .rewrap_keys(json, &Progress::unwatched())
        .await
        .unwrap();
    assert_eq!(report.rewrapped, 1);
    let record = shared.get(&id("user")).await.unwrap().unwrap();
    assert_eq!(vault::open(&vault::ring(NEW), &record), "sk-user");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_can_not_be_walked_is_told_so() {
    let limits = Limits {
        no_scan: true,
        ..Limits::default()
    };
    let shared: Arc<dyn KeyStore> = Arc::new(TrickStore::new(limits));
    let after = engine(&shared, NEW, &[OLD]);
    let unwatched = Progress::unwatched();
    let errors = [
        after.rewrap_keys("{}", &unwatched).await.unwrap_err(),
        after.check_keys("{}", &unwatched).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains("scan()"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_goes_round_in_circles_is_an_error_and_no_endless_loop() {
    let limits = Limits {
        stuck: true,
        ..Limits::default()
    };
    let shared: Arc<dyn KeyStore> = Arc::new(TrickStore::new(limits));
    let error = engine(&shared, NEW, &[])
        .check_keys("{}", &Progress::unwatched())
        .await;
    assert_eq!(error.unwrap_err().code(), Code::StoreError);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_store_is_asked_again_and_a_failing_one_ends_the_run() {
    let store = Arc::new(TrickStore::new(Limits::default()));
    let shared: Arc<dyn KeyStore> = store.clone();
    register(&engine(&shared, OLD, &[]), "user", "sk-user").await;
    let after = engine(&shared, NEW, &[OLD]);
    store.fail_next(&[Code::StoreTimeout, Code::StoreTimeout, Code::StoreError]);
    let error = after
        .rewrap_keys("{}", &Progress::unwatched())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::StoreError);
    store.fail_next(&[Code::StoreTimeout, Code::StoreTimeout]);
    assert_eq!(rewrap(&after).await["rewrapped"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_out_of_range_and_misspelt_options_are_refused() {
    let shared: Arc<dyn KeyStore> = Arc::new(MemoryStore::new());
    let after = engine(&shared, NEW, &[]);
    for (json, part) in [
        (r#"{"batchSize":0}"#, "batchSize"),
        (r#"{"batchSize":10001}"#, "from 1 to 10000"),
        (r#"{"concurrency":65}"#, "concurrency"),
        (r#"{"batchsize":5}"#, "Did you mean \"batchSize\"?"),
    ] {
        let error = after
            .rewrap_keys(json, &Progress::unwatched())
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(part), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_store_needs_no_key() {
    let shared: Arc<dyn KeyStore> = Arc::new(MemoryStore::new());
    let report = rewrap(&engine(&shared, NEW, &[OLD])).await;
    assert_eq!(report["previousKeysNeeded"], Value::Bool(false));
    let found = check(&engine(&shared, NEW, &[OLD]), "{}").await;
    assert_eq!(
        found["keys"][1],
        json!({ "kid": vault::kid(OLD), "role": "previous", "records": 0 })
    );
}
