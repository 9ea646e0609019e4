use std::sync::Arc;

use byok_core::capability::Capability;
use byok_core::error::{Code, Error};
use byok_core::limit::{Clock, Estimate, Limits, LimitsConfig, Permit, Subject};

/// 2026-11-26T12:00:00Z.
pub const NOON: u64 = 1_795_694_400_000;

pub fn limits(json: &str) -> Arc<Limits> {
    let config: LimitsConfig = serde_json::from_str(json).unwrap();
    Arc::new(Limits::new(&config, None, None, Clock::starting_at(NOON)).unwrap())
}

pub fn call(user_id: &str) -> Subject<'_> {
    Subject {
        namespace: "default",
        user_id,
        provider: "openai",
        model: "gpt-5-mini",
        capability: Capability::Chat,
        label: "default",
    }
}

pub async fn acquire(limits: &Arc<Limits>, user_id: &str) -> Result<Permit, Error> {
    limits.acquire(&call(user_id), Estimate::default()).await
}

/// When to come again, in milliseconds.
pub async fn refused(limits: &Arc<Limits>, user_id: &str, estimate: Estimate) -> u64 {
    let Err(error) = limits.acquire(&call(user_id), estimate).await else {
        panic!("the call should be refused");
    };
    assert_eq!(error.code(), Code::RateLimited, "{error}");
    error.retry_after_ms().unwrap()
}
