//! What a stream has received and JavaScript has not taken yet, as JSON text: written as it arrives, so
//! that JavaScript's thread only hands it over, and taken whole when JavaScript is there. Bounded. A piece
//! of text, as most events are, is written as a bare string (`lib/stream.ts` reads it).

use std::sync::{Mutex, MutexGuard, PoisonError};

use byok_core::capability::chat::ChatEvent;
use byok_core::engine::ChatStreamItem;
use byok_core::error::{Code, Error, Result};
use byok_core::trace::Trace;
use serde::Serialize;
use tokio::sync::Notify;

use crate::envelope;
use crate::promise::Deferred;

/// How many pieces of the network may wait for JavaScript before the reading stops.
const MAX_PIECES: usize = 64;

pub struct Feed {
    state: Mutex<State>,
    room: Notify,
    /// Goes with the last text.
    trace: Option<Trace>,
}

#[derive(Default)]
struct State {
    /// The events' JSON, with commas between.
    events: Vec<u8>,
    result: Option<Vec<u8>>,
    pieces: usize,
    outcome: Option<Result<()>>,
    /// The promise of a `next` that found nothing.
    waiting: Option<Deferred>,
    /// A promise was given out and is not answered yet.
    is_asked: bool,
}

impl Feed {
    pub fn new(trace: Option<Trace>) -> Self {
        Feed {
            state: Mutex::default(),
            room: Notify::new(),
            trace,
        }
    }

    /// An envelope of all that is there. When there is nothing, the promise that `wait` makes is kept
    /// for whoever adds something, and there is no text.
    pub fn next(
        &self,
        wait: impl FnOnce() -> napi::Result<Deferred>,
    ) -> napi::Result<Option<String>> {
        let mut state = self.lock();
        if state.is_asked {
            let misuse = Error::new(
                Code::Internal,
                "next() was called before the last one ended.",
            );
            return Ok(Some(envelope::error(&misuse)));
        }
        if let Some(text) = self.take(&mut state) {
            return Ok(Some(text));
        }
        state.waiting = Some(wait()?);
        state.is_asked = true;
        Ok(None)
    }

    /// What the promise of [`next`](Self::next) is settled with, once something was added.
    pub fn answer(&self) -> String {
        let mut state = self.lock();
        state.is_asked = false;
        self.take(&mut state)
            .unwrap_or_else(|| envelope::error(&over()))
    }

    /// Adds a piece, as soon as there is room. Gives the promise that waited for it, if one did.
    pub async fn push(&self, item: ChatStreamItem) -> Option<Deferred> {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.lock();
                if state.pieces < MAX_PIECES {
                    state.add(item);
                    return state.waiting.take();
                }
            }
            room.await;
        }
    }

    /// Nothing comes any more. Gives the promise that waited, if one did.
    pub fn end(&self, outcome: Result<()>) -> Option<Deferred> {
        let mut state = self.lock();
        if !matches!(state.outcome, Some(Err(_))) {
            state.outcome = Some(outcome);
        }
        state.waiting.take()
    }

    fn take(&self, state: &mut State) -> Option<String> {
        if state.pieces >= MAX_PIECES {
            self.room.notify_one();
        }
        let is_last = state.result.is_some() || state.is_empty();
        let trace = self.trace.as_ref().filter(|_| is_last);
        Some(envelope::with_attempts(state.take()?, trace))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, item: ChatStreamItem) {
        self.pieces += 1;
        let written = match item {
            ChatStreamItem::Events(events) => events.iter().try_for_each(|event| {
                if !self.events.is_empty() {
                    self.events.push(b',');
                }
                match event {
                    ChatEvent::TextDelta { text } => write(&mut self.events, text),
                    event => write(&mut self.events, event),
                }
            }),
            ChatStreamItem::Result(result) => {
                let mut text = Vec::with_capacity(1024);
                let written = write(&mut text, &result);
                self.result = Some(text);
                written
            }
        };
        if let Err(error) = written {
            self.events.clear();
            self.result = None;
            self.outcome = Some(Err(error));
        }
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.result.is_none()
    }

    /// Events and result first; then, once, the error that ended the stream.
    fn take(&mut self) -> Option<String> {
        self.pieces = 0;
        if self.is_empty() {
            let outcome = std::mem::replace(self.outcome.as_mut()?, Ok(()));
            return Some(envelope::error(&outcome.err().unwrap_or_else(over)));
        }
        let events = std::mem::take(&mut self.events);
        let result = self.result.take();
        let mut text = Vec::with_capacity(events.len() + result.as_ref().map_or(0, Vec::len) + 40);
        text.extend_from_slice(b"{\"ok\":{\"events\":[");
        text.extend_from_slice(&events);
        text.push(b']');
        if let Some(result) = result {
            text.extend_from_slice(b",\"result\":");
            text.extend_from_slice(&result);
        }
        text.extend_from_slice(b"}}");
        Some(String::from_utf8(text).unwrap_or_default())
    }
}

fn write(text: &mut Vec<u8>, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(text, value)
        .map_err(|failure| Error::new(Code::Internal, failure.to_string()))
}

fn over() -> Error {
    Error::new(Code::Closed, "The stream is over.")
}
