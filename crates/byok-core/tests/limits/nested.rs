use std::time::Duration;

use byok_core::error::Code;
use byok_core::limit::{Actual, Estimate};

use crate::support::{acquire, call, limits, refused};

fn tokens(tokens: u64) -> Estimate {
    Estimate {
        tokens,
        cost_nanos: None,
    }
}

fn money(nanos: u64) -> Estimate {
    Estimate {
        tokens: 0,
        cost_nanos: Some(nanos),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_from_all_its_rules_or_from_none() {
    let limits = limits(
        r#"{"rules":[
            {"per":["user"],"requests":3,"windowMs":60000},
            {"name":"all","requests":4,"windowMs":60000}
        ]}"#,
    );
    for user in ["a", "a", "b", "b"] {
        drop(acquire(&limits, user).await.unwrap());
    }
    // The common allowance is gone; users' own must not be touched by these refusals.
    for _ in 0..10 {
        let Err(error) = acquire(&limits, "a").await else {
            panic!("refused");
        };
        assert!(error.message().contains("\"all\""), "{error}");
        assert_eq!(error.retry_after_ms(), Some(15_000));
    }
    let left: Vec<f64> = limits
        .standings(&call("a"))
        .await
        .unwrap()
        .iter()
        .map(|standing| standing.remaining)
        .collect();
    assert_eq!(left, [1.0, 0.0]);
}

#[tokio::test(start_paused = true)]
async fn users_providers_and_models_are_counted_apart_as_the_rule_says() {
    let limits = limits(
        r#"{"rules":[{"per":["user","model"],"requests":1,"windowMs":1000,"only":{"models":["gpt-5*"]}}]}"#,
    );
    drop(acquire(&limits, "a").await.unwrap());
    assert_eq!(refused(&limits, "a", Estimate::default()).await, 1_000);
    drop(acquire(&limits, "b").await.unwrap());
    let mut other = call("a");
    other.model = "gpt-5";
    drop(limits.acquire(&other, Estimate::default()).await.unwrap());
    // Not what the rule is about.
    other.model = "o3";
    for _ in 0..5 {
        drop(limits.acquire(&other, Estimate::default()).await.unwrap());
    }
    tokio::time::advance(Duration::from_millis(1_000)).await;
    drop(acquire(&limits, "a").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn tokens_are_estimated_before_and_corrected_after() {
    let limits = limits(r#"{"rules":[{"per":["user"],"tokens":1000,"windowMs":60000}]}"#);
    let permit = limits.acquire(&call("a"), tokens(900)).await.unwrap();
    assert_eq!(refused(&limits, "a", tokens(200)).await, 6_000);
    permit.settle(Actual {
        tokens: Some(100),
        cost_nanos: None,
    });
    // 900 are there now; the call then uses more than was estimated, and the next one waits for it.
    let permit = limits.acquire(&call("a"), tokens(900)).await.unwrap();
    permit.settle(Actual {
        tokens: Some(1_900),
        cost_nanos: None,
    });
    assert_eq!(refused(&limits, "a", tokens(1)).await, 60_060);
    // Dropped without a word, a call counts as estimated.
    drop(limits.acquire(&call("b"), tokens(1_000)).await.unwrap());
    assert_eq!(refused(&limits, "b", tokens(1)).await, 60);
}

#[tokio::test(start_paused = true)]
async fn a_budget_holds_to_the_nano_and_begins_anew_at_midnight_utc() {
    let limits = limits(r#"{"rules":[{"per":["user"],"spend":"0.000001","period":"day"}]}"#);
    let permit = limits.acquire(&call("a"), money(600)).await.unwrap();
    assert_eq!(refused(&limits, "a", money(401)).await, 12 * 3_600_000);
    permit.settle(Actual {
        tokens: None,
        cost_nanos: Some(599),
    });
    drop(limits.acquire(&call("a"), money(401)).await.unwrap());
    refused(&limits, "a", money(1)).await;
    // A call that began before midnight and ends after it changes nothing of the new day.
    let late = limits.acquire(&call("b"), money(700)).await.unwrap();
    tokio::time::advance(Duration::from_secs(12 * 3_600)).await;
    drop(limits.acquire(&call("a"), money(1_000)).await.unwrap());
    late.settle(Actual {
        tokens: None,
        cost_nanos: Some(0),
    });
    refused(&limits, "a", money(1)).await;
}

#[tokio::test]
async fn a_budget_refuses_what_it_can_not_price_unless_told_to_let_it_pass() {
    let strict = limits(r#"{"rules":[{"spend":"1","period":"month"}]}"#);
    let Err(error) = acquire(&strict, "a").await else {
        panic!("refused");
    };
    assert_eq!(error.code(), Code::RateLimited);
    assert!(!error.retryable() && error.message().contains("openai/gpt-5-mini"));
    let lax = limits(r#"{"rules":[{"spend":"1","period":"month","allowUnpriced":true}]}"#);
    drop(acquire(&lax, "a").await.unwrap());
}

#[tokio::test]
async fn a_refusal_has_the_numbers_that_headers_need() {
    let limits = limits(
        r#"{"rules":[{"per":["user"],"requests":2,"windowMs":60000},{"per":["user"],"concurrent":1}]}"#,
    );
    let permit = acquire(&limits, "a").await.unwrap();
    let Err(error) = acquire(&limits, "a").await else {
        panic!("refused");
    };
    let standing = &error.limits()[0];
    assert_eq!(
        (standing.rule.as_str(), standing.limit, standing.remaining),
        ("user-concurrent", 1.0, 0.0)
    );
    drop(permit);
    drop(acquire(&limits, "a").await.unwrap());
    let Err(error) = acquire(&limits, "a").await else {
        panic!("refused");
    };
    let standing = &error.limits()[0];
    assert_eq!((standing.limit, standing.window_ms), (2.0, Some(60_000)));
    assert!(standing.reset_ms.unwrap() > 59_000);
}
