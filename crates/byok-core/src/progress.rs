//! How far long work has come: the latest state, for whoever watches; nothing queues up.

use serde::Serialize;
use tokio::sync::watch;

/// One state of long work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ProgressReport {
    /// Inputs, bytes or records that are done.
    pub done: u64,
    /// Of how many; absent when nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// The end that works. Dropping the last clone ends the watching.
#[derive(Clone)]
pub struct Progress(watch::Sender<ProgressReport>);

impl Progress {
    pub fn new() -> (Self, watch::Receiver<ProgressReport>) {
        let (sender, receiver) = watch::channel(ProgressReport::default());
        (Progress(sender), receiver)
    }

    /// For work that nobody watches.
    pub fn unwatched() -> Self {
        Progress::new().0
    }

    pub fn set(&self, done: u64, total: Option<u64>) {
        self.0.send_replace(ProgressReport { done, total });
    }

    /// Adds to what is done.
    pub fn add(&self, done: u64) {
        self.0.send_modify(|report| report.done += done);
    }
}
