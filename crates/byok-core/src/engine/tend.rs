//! What an engine does by itself, now and then: it forgets idle users' limits and, where the app asks
//! for it, tries keys again that it found invalid.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::Engine;

/// How often idle keys of the limits are looked for; the busy ones make room for themselves.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

impl Engine {
    /// Whether there is anything to tend.
    pub fn needs_tending(&self) -> bool {
        self.guards.limits.is_some() || self.recheck.is_some()
    }

    /// Runs until the engine is closed or dropped, which this does not hold up.
    pub async fn tend(engine: Weak<Engine>) {
        let mut next_check = None;
        loop {
            let pause = {
                let Some(engine) = engine.upgrade() else {
                    return;
                };
                match engine.recheck {
                    Some(recheck) => recheck.min(SWEEP_INTERVAL),
                    None => SWEEP_INTERVAL,
                }
            };
            tokio::time::sleep(pause).await;
            let Some(engine) = engine.upgrade() else {
                return;
            };
            if engine.closed.load(Ordering::Relaxed) {
                return;
            }
            if let Some(limits) = &engine.guards.limits {
                limits.sweep();
            }
            let Some(recheck) = engine.recheck else {
                continue;
            };
            if next_check.is_none_or(|at| Instant::now() >= at) {
                engine.recheck_keys().await;
                next_check = Some(Instant::now() + recheck);
            }
        }
    }

    /// One after the other, so that a provider sees no burst. What a check shows is noted by
    /// `verify_key` itself; one that could not be made is made again next time.
    async fn recheck_keys(&self) {
        for id in self.guards.keys.invalid() {
            let name = json!({ "userId": id.user_id, "provider": id.provider, "label": id.label });
            let outcome = self.verify_key(&name.to_string()).await;
            if let Err(error) = outcome
                && error.code() == crate::error::Code::KeyNotFound
            {
                self.guards.keys.forget(&id);
            }
        }
    }
}
