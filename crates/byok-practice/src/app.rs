//! The state that all connections of one server share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::bench::Bench;
use crate::connection::Connections;
use crate::journal::Journal;
use crate::options::Options;
use crate::replay::Replays;

/// One server's state.
pub struct App {
    /// Keys accepted besides the built-in ones.
    pub keys: Vec<String>,
    pub journal: Arc<Journal>,
    pub connections: Connections,
    pub replays: Replays,
    /// Requests seen by each `flaky` path so far.
    pub flaky: Mutex<HashMap<String, u64>>,
    pub bench: Bench,
}

impl App {
    pub fn new(options: &Options) -> Self {
        App {
            keys: options.keys.clone(),
            journal: Arc::new(Journal::new(options.record, options.report_stall_close)),
            connections: Connections::default(),
            replays: Replays::default(),
            flaky: Mutex::default(),
            bench: Bench::default(),
        }
    }
}
