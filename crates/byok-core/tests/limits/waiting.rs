use std::sync::{Arc, Mutex};
use std::time::Duration;

use byok_core::error::Code;
use byok_core::limit::{Estimate, Limits};
use tokio::time::Instant;

use crate::support::{acquire, call, limits};

/// Starts calls in this order, a millisecond apart, and tells in which order they were served.
async fn order(limits: &Arc<Limits>, users: &[&'static str]) -> Vec<String> {
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (index, user) in users.iter().copied().enumerate() {
        let (limits, served) = (limits.clone(), served.clone());
        tasks.push(tokio::spawn(async move {
            if acquire(&limits, user).await.is_ok() {
                served.lock().unwrap().push(format!("{user}{index}"));
            }
        }));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    Arc::try_unwrap(served).unwrap().into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_are_served_in_the_order_of_their_arrival() {
    let limits =
        limits(r#"{"rules":[{"per":["user"],"requests":1,"windowMs":100}],"waitMs":60000}"#);
    let order = order(&limits, &["a"; 8]).await;
    assert_eq!(order, ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"]);
}

#[tokio::test(start_paused = true)]
async fn a_users_crowd_does_not_keep_others_from_a_common_allowance() {
    let limits = limits(r#"{"rules":[{"requests":1,"windowMs":100}],"waitMs":60000}"#);
    let order = order(&limits, &["a", "a", "a", "a", "a", "a", "b", "c"]).await;
    // `a` has one place in the common line; b and c stand right behind it.
    assert_eq!(order, ["a0", "a1", "b6", "c7", "a2", "a3", "a4", "a5"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_it_may_and_not_at_all_when_that_is_in_vain() {
    let limits =
        limits(r#"{"rules":[{"per":["user"],"requests":1,"windowMs":1000}],"waitMs":1500}"#);
    let start = Instant::now();
    drop(acquire(&limits, "a").await.unwrap());
    drop(acquire(&limits, "a").await.unwrap());
    assert_eq!(start.elapsed().as_millis(), 1_000);
    // The next place is in 1 s, the one after in 2 s: one call gets it, the other gives up.
    let (one, other) = tokio::join!(acquire(&limits, "a"), acquire(&limits, "a"));
    assert!(one.is_ok());
    let error = other.err().expect("refused");
    assert_eq!(error.code(), Code::RateLimited);
    assert!(start.elapsed().as_millis() <= 2_500);

    let vain = crate::support::limits(
        r#"{"rules":[{"per":["user"],"requests":1,"windowMs":60000}],"waitMs":1500}"#,
    );
    drop(acquire(&vain, "a").await.unwrap());
    let start = Instant::now();
    assert!(acquire(&vain, "a").await.is_err());
    assert_eq!(start.elapsed().as_millis(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_takes_nothing_along_and_holds_nobody_up() {
    let limits = limits(r#"{"rules":[{"per":["user"],"concurrent":1}],"waitMs":60000}"#);
    let held = acquire(&limits, "a").await.unwrap();
    let leaving = tokio::time::timeout(Duration::from_millis(10), acquire(&limits, "a"));
    let (left, staying) = tokio::join!(leaving, async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        tokio::time::timeout(Duration::from_millis(40), async {
            tokio::join!(acquire(&limits, "a"), async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                drop(held);
            })
            .0
        })
        .await
    });
    assert!(left.is_err());
    assert!(staying.unwrap().is_ok());
    assert_eq!(limits.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_more_than_the_queue_holds_is_refused_at_once() {
    let limits = limits(
        r#"{"rules":[{"per":["user"],"requests":1,"windowMs":1000}],"waitMs":60000,"maxQueued":2}"#,
    );
    drop(acquire(&limits, "a").await.unwrap());
    let start = Instant::now();
    let waiting = || limits.acquire(&CALL, Estimate::default());
    let (first, second, third) = tokio::join!(waiting(), waiting(), async {
        let error = waiting().await.err().expect("refused");
        (error.code(), start.elapsed().as_millis())
    });
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(third, (Code::RateLimited, 0));
}

static CALL: std::sync::LazyLock<byok_core::limit::Subject<'static>> =
    std::sync::LazyLock::new(|| call("a"));
