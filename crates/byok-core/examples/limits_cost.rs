//! What limits and usage cost a call in this process, and how much memory a user's limits take. Prints
//! JSON for `bench/limits.mjs`; measures, and asserts nothing.

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use byok_core::capability::Capability;
use byok_core::limit::{Actual, Clock, Estimate, Limits, LimitsConfig, Subject};
use byok_core::usage::{
    Batching, MemoryUsage, Outcome, Price, Prices, Recorder, Units, UsageEvent, UsageSink,
};

const CALLS: usize = 1_000_000;
const USERS: usize = 1_000_000;

const ONE: &str = r#"{"rules":[{"per":["user"],"requests":1000,"windowMs":3600000}]}"#;
const THREE: &str = r#"{"rules":[
    {"per":["user"],"requests":1000000,"windowMs":3600000},
    {"per":["user","model"],"tokens":1000000000,"windowMs":3600000},
    {"per":["user"],"concurrent":8}]}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let users: Vec<String> = (0..USERS).map(|user| format!("user_{user:08}")).collect();
        let before = resident();
        let one = limits(ONE)?;
        for user in &users {
            drop(one.acquire(&call(user), Estimate::default()).await?);
        }
        let bytes_per_user = (resident() - before) as f64 / USERS as f64;
        let keys = one.keys();
        drop(one);

        // A hundred thousand users at a time, as the caches of a busy server would have them.
        let busy = &users[..100_000];
        let three = limits(THREE)?;
        let acquire = best_of(5, async || {
            for index in 0..CALLS {
                let subject = call(&busy[index * 7_919 % busy.len()]);
                let estimate = Estimate {
                    tokens: 700,
                    cost_nanos: None,
                };
                if let Ok(permit) = three.acquire(&subject, estimate).await {
                    permit.settle(Actual {
                        tokens: Some(650),
                        cost_nanos: None,
                    });
                }
            }
        })
        .await;

        let price = Price {
            input_per_million: Some(250_000_000),
            output_per_million: Some(2_000_000_000),
            ..Price::default()
        };
        let prices = Prices::new([("openai/*".to_owned(), price)].into())?;
        let store = Arc::new(MemoryUsage::new(10_000));
        let recorder = Recorder::new(store, prices, Batching::default(), None);
        let record = best_of(5, async || {
            for index in 0..CALLS {
                recorder.record(event(&busy[index * 7_919 % busy.len()]));
            }
        })
        .await;
        let make = best_of(5, async || {
            for index in 0..CALLS {
                black_box(event(&busy[index * 7_919 % busy.len()]));
            }
        })
        .await;
        println!(
            "{{\"limitsNs\":{acquire:.0},\"usageNs\":{record:.0},\"eventNs\":{make:.0},\"bytesPerUser\":{bytes_per_user:.1},\"keys\":{keys}}}"
        );
        Ok(())
    })
}

fn limits(json: &str) -> Result<Arc<Limits>, Box<dyn std::error::Error>> {
    let config: LimitsConfig = serde_json::from_str(json)?;
    Ok(Arc::new(Limits::new(&config, None, None, Clock::system())?))
}

fn call(user_id: &str) -> Subject<'_> {
    Subject {
        namespace: "default",
        user_id,
        provider: "openai",
        model: "gpt-5-mini",
        capability: Capability::Chat,
        label: "default",
    }
}

fn event(user_id: &str) -> UsageEvent {
    UsageEvent {
        namespace: "default".into(),
        user_id: user_id.into(),
        provider: "openai".into(),
        label: "default".into(),
        model: Some("gpt-5-mini".into()),
        capability: Capability::Chat,
        outcome: Outcome::Ok,
        started_at_ms: 1_795_694_400_000,
        duration_ms: 812.5,
        first_output_ms: None,
        retries: 0,
        units: Units {
            input_tokens: Some(500),
            output_tokens: Some(150),
            ..Units::default()
        },
        request_id: Some("req_0123456789abcdef".into()),
        attempt: 0,
    }
}

/// Nanoseconds a call in the fastest of some rounds: other work on the machine only ever adds.
async fn best_of(rounds: usize, mut round: impl AsyncFnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        round().await;
        best = best.min(start.elapsed().as_nanos() as f64 / CALLS as f64);
    }
    best
}

/// Resident memory in bytes; 0 where there is no /proc.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
