//! Notices of the core for listeners in JavaScript. Nobody waits for them; when they come faster than
//! JavaScript takes them, the rest is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use byok_core::notice::{Notice, Notify};

use crate::callback::Callback;

/// Notices under way at the same time.
const PENDING: usize = 1_000;

pub fn notify(callback: Callback) -> Notify {
    let pending = Arc::new(AtomicUsize::new(0));
    Arc::new(move |notice: Notice| {
        if pending.fetch_add(1, Ordering::Relaxed) >= PENDING {
            pending.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (callback, pending) = (callback.clone(), pending.clone());
        napi::bindgen_prelude::spawn(async move {
            if let Ok(json) = serde_json::to_string(&notice) {
                // A listener that fails or is gone has had its chance.
                let _gone = callback.call("notice", json).await;
            }
            pending.fetch_sub(1, Ordering::Relaxed);
        });
    })
}
