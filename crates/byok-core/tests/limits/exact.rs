use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use byok_core::limit::{Clock, Limits, LimitsConfig};

use crate::support::{acquire, limits};

/// Each of 64 tasks on real threads asks until it has been refused ten times in a row.
async fn admitted(limits: &Arc<Limits>) -> u64 {
    let count = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (limits, count) = (limits.clone(), count.clone());
            tokio::spawn(async move {
                let mut refused = 0;
                while refused < 10 {
                    match acquire(&limits, "u").await {
                        Ok(_permit) => {
                            count.fetch_add(1, Ordering::Relaxed);
                            tokio::task::yield_now().await;
                        }
                        Err(_) => refused += 1,
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    count.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_callers_at_once_exactly_as_many_pass_as_the_limit_says() {
    for limit in [1, 2, 3, 7, 10, 63, 64, 65, 100, 999, 1_000, 10_000] {
        // A window so long that nothing comes back while the test runs.
        let json = format!(
            r#"{{"rules":[{{"per":["user"],"requests":{limit},"windowMs":34560000000}}]}}"#
        );
        assert_eq!(admitted(&limits(&json)).await, limit);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_real_time_never_more_pass_than_burst_and_time_allow_and_at_most_one_fewer() {
    for limit in [1_u64, 10, 1_000, 10_000] {
        let json = format!(r#"{{"rules":[{{"requests":{limit},"windowMs":1000}}]}}"#);
        let config: LimitsConfig = serde_json::from_str(&json).unwrap();
        let limits = Arc::new(Limits::new(&config, None, None, Clock::system()).unwrap());
        let due = |time: Duration| (time.as_nanos() * u128::from(limit) / 1_000_000_000) as u64;

        let before = Instant::now();
        let burst = admitted(&limits).await;
        // From this refusal on the key is never idle, so it gains all the time.
        let asked = loop {
            let asked = Instant::now();
            if acquire(&limits, "u").await.is_err() {
                break asked;
            }
        };
        let (empty, spent) = (Instant::now(), most_since(before, limit));
        assert!(burst <= spent, "{burst} of {spent}");
        let mut count = 0;
        while empty.elapsed().as_millis() < 60 {
            count += admitted(&limits).await;
        }
        let until = loop {
            let asked = empty.elapsed();
            match acquire(&limits, "u").await {
                Ok(_permit) => count += 1,
                Err(_) => break asked,
            }
        };
        // Between two refusals less than a unit is left over on either side.
        assert!(count <= due(asked.elapsed()) + 1, "{count}");
        assert!(count + 1 >= due(until), "{count} of {}", due(until));
    }
}

/// The most that may have passed since `before`, a second's `limit` at once included.
fn most_since(before: Instant, limit: u64) -> u64 {
    limit + (before.elapsed().as_nanos() * u128::from(limit) / 1_000_000_000) as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn never_more_run_at_the_same_time_than_the_limit_says() {
    let limits = limits(r#"{"rules":[{"per":["user"],"concurrent":5}],"waitMs":20000}"#);
    let (running, most, served) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
    );
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (limits, running) = (limits.clone(), running.clone());
            let (most, served) = (most.clone(), served.clone());
            tokio::spawn(async move {
                for _ in 0..10 {
                    let permit = acquire(&limits, "u").await.unwrap();
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    served.fetch_add(1, Ordering::SeqCst);
                    drop(permit);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 5);
    assert_eq!(served.load(Ordering::SeqCst), 640);
    assert_eq!(limits.keys(), 0);
}
