//! The attempts of one call, for telemetry: whoever starts a call may ask for them, and everything that
//! the call does, on whatever path, notes its attempts there.

use std::sync::{Arc, Mutex, PoisonError};

use crate::usage::UsageRecord;

tokio::task_local! {
    static TRACE: Trace;
}

/// Shared by the call and whoever asked for it.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<UsageRecord>>>);

impl Trace {
    /// The one of the call that runs now, if anybody asked for one.
    pub fn current() -> Option<Trace> {
        TRACE.try_with(Clone::clone).ok()
    }

    /// Runs a call that notes its attempts here.
    pub async fn follow<T>(self, call: impl Future<Output = T>) -> T {
        TRACE.scope(self, call).await
    }

    pub fn note(&self, attempt: UsageRecord) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(attempt);
    }

    /// The attempts that have ended, in the order of their ends.
    pub fn take(&self) -> Vec<UsageRecord> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
