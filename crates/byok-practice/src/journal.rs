//! What the server saw: the last requests with their bodies, and the stalled ones with the moment their
//! peer went away. Bounded: 10,000 requests, 64 MiB of bodies, 1,000 stalls; the oldest go first.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

const MAX_REQUESTS: usize = 10_000;
const MAX_BODY_BYTES: usize = 64 << 20;
const MAX_STALLS: usize = 1_000;

/// Milliseconds since 1970, with microseconds after the point: comparable with JavaScript's `Date.now()`.
pub fn now_ms() -> f64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    elapsed.as_micros() as f64 / 1000.0
}

/// The head of a request as it is recorded.
pub struct Seen {
    pub connection: u64,
    pub protocol: String,
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

struct Record {
    id: u64,
    at_ms: f64,
    seen: Seen,
    ended_at_ms: Option<f64>,
    peer_closed_at_ms: Option<f64>,
}

struct Stall {
    request: u64,
    connection: u64,
    target: String,
    since: Instant,
    since_ms: f64,
    peer_closed_at_ms: Option<f64>,
}

#[derive(Default)]
struct Pages {
    next: u64,
    dropped: u64,
    body_bytes: usize,
    records: VecDeque<Record>,
    stalls: VecDeque<Stall>,
}

/// The journal of one server.
pub struct Journal {
    record: bool,
    report_stall_close: bool,
    pages: Mutex<Pages>,
}

impl Journal {
    pub fn new(record: bool, report_stall_close: bool) -> Self {
        Journal {
            record,
            report_stall_close,
            pages: Mutex::default(),
        }
    }

    /// Notes a request and gives the handle by which its end is noted.
    pub fn open(self: &Arc<Self>, seen: Seen) -> Exchange {
        let mut pages = self.pages();
        pages.next += 1;
        let id = pages.next;
        let (connection, target) = (seen.connection, seen.target.clone());
        if self.record {
            pages.body_bytes += seen.body.len();
            pages.records.push_back(Record {
                id,
                at_ms: now_ms(),
                seen,
                ended_at_ms: None,
                peer_closed_at_ms: None,
            });
            while pages.records.len() > MAX_REQUESTS || pages.body_bytes > MAX_BODY_BYTES {
                let Some(oldest) = pages.records.pop_front() else {
                    break;
                };
                pages.body_bytes -= oldest.seen.body.len();
                pages.dropped += 1;
            }
        }
        Exchange {
            journal: Some(Arc::clone(self)),
            id,
            connection,
            target,
            finished: false,
        }
    }

    /// Every kept request, oldest first; `clear` forgets them.
    pub fn requests(&self, clear: bool) -> Value {
        let mut pages = self.pages();
        let requests: Vec<Value> = pages.records.iter().map(Record::to_json).collect();
        let answer =
            json!({ "recording": self.record, "dropped": pages.dropped, "requests": requests });
        if clear {
            pages.records.clear();
            pages.body_bytes = 0;
            pages.dropped = 0;
        }
        answer
    }

    /// The stalled requests, oldest first, and whether their peers are gone.
    pub fn stalls(&self) -> Value {
        self.pages().stalls.iter().map(Stall::to_json).collect()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn to_json(&self) -> Value {
        let mut headers = Map::new();
        for (name, value) in &self.seen.headers {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            match headers.get_mut(name.as_str()) {
                Some(Value::String(earlier)) => {
                    earlier.push_str(", ");
                    earlier.push_str(&text);
                }
                _ => {
                    headers.insert(name.to_string(), Value::String(text));
                }
            }
        }
        json!({
            "id": self.id,
            "connection": self.seen.connection,
            "protocol": self.seen.protocol,
            "method": self.seen.method,
            "path": self.seen.target,
            "headers": headers,
            "body": STANDARD.encode(&self.seen.body),
            "atMs": self.at_ms,
            "endedAtMs": self.ended_at_ms,
            "peerClosedAtMs": self.peer_closed_at_ms,
        })
    }
}

impl Stall {
    fn to_json(&self) -> Value {
        json!({
            "request": self.request,
            "connection": self.connection,
            "path": self.target,
            "stalledAtMs": self.since_ms,
            "peerClosed": self.peer_closed_at_ms.is_some(),
            "peerClosedAtMs": self.peer_closed_at_ms,
        })
    }
}

/// A request in progress. Dropping it unfinished means that the peer went away.
pub struct Exchange {
    journal: Option<Arc<Journal>>,
    id: u64,
    connection: u64,
    target: String,
    finished: bool,
}

impl Exchange {
    /// An exchange that nobody notes.
    pub fn unrecorded() -> Self {
        Exchange {
            journal: None,
            id: 0,
            connection: 0,
            target: String::new(),
            finished: true,
        }
    }

    /// The server did its part, whatever that was.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.note(|record| record.ended_at_ms = Some(now_ms()));
        }
    }

    /// The request now waits for its peer to give up.
    pub fn stall(&self) {
        let Some(journal) = &self.journal else { return };
        let mut pages = journal.pages();
        if pages.stalls.iter().any(|stall| stall.request == self.id) {
            return;
        }
        if pages.stalls.len() == MAX_STALLS {
            pages.stalls.pop_front();
        }
        pages.stalls.push_back(Stall {
            request: self.id,
            connection: self.connection,
            target: self.target.clone(),
            since: Instant::now(),
            since_ms: now_ms(),
            peer_closed_at_ms: None,
        });
    }

    fn note(&self, change: impl FnOnce(&mut Record)) {
        let Some(journal) = &self.journal else { return };
        let mut pages = journal.pages();
        let found = pages
            .records
            .binary_search_by_key(&self.id, |record| record.id);
        if let Ok(at) = found {
            change(&mut pages.records[at]);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let closed_at_ms = now_ms();
        self.note(|record| record.peer_closed_at_ms = Some(closed_at_ms));
        let Some(journal) = &self.journal else { return };
        let mut pages = journal.pages();
        let Some(stall) = pages
            .stalls
            .iter_mut()
            .find(|stall| stall.request == self.id)
        else {
            return;
        };
        stall.peer_closed_at_ms = Some(closed_at_ms);
        if journal.report_stall_close {
            let after_ms = stall.since.elapsed().as_secs_f64() * 1000.0;
            let report = json!({ "peerClosed": {
                "request": stall.request, "path": stall.target, "afterMs": after_ms } });
            // Without a reader of stdout there is nobody to report to.
            let _ = writeln!(std::io::stdout(), "{report}");
        }
    }
}
