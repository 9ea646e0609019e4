//! A streamed chat of a defined provider: events are decoded natively, and all that one piece of the
//! network completes go to the provider's function together. Its state travels with them, so nothing
//! is left behind in JavaScript when a stream is given up.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ScriptedProvider;
use super::chat_answer::Delta;
use super::definition::StreamEnd;
use crate::capability::fold::ChatFold;
use crate::error::{Code, Error, Result};
use crate::provider::cut_off;
use crate::sse::SseEvent;

pub struct ScriptedStream<'a> {
    provider: &'a ScriptedProvider,
    model: &'a str,
    end: StreamEnd,
    has_ended: bool,
    pending: Vec<Event>,
    state: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Event {
    event: String,
    data: String,
}

#[derive(Serialize)]
struct Arguments<'a> {
    events: &'a [Event],
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Read {
    deltas: Vec<Delta>,
    state: Option<Box<RawValue>>,
    /// What the function threw after these deltas.
    error: Option<Thrown>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thrown {
    message: String,
    cause_id: Option<u32>,
}

impl<'a> ScriptedStream<'a> {
    pub(super) fn new(provider: &'a ScriptedProvider, model: &'a str) -> Self {
        let chat = provider.definition.chat.as_ref();
        ScriptedStream {
            provider,
            model,
            end: chat.map(|chat| chat.stream_end.clone()).unwrap_or_default(),
            has_ended: false,
            pending: Vec::new(),
            state: None,
        }
    }

    /// Notes an event for the next [`ScriptedStream::read`]. `data` is without the key.
    pub fn event(&mut self, event: &SseEvent<'_>, data: String) {
        let is_end = match &self.end {
            StreamEnd::Finish => false,
            StreamEnd::Data(mark) => event.data.trim() == mark,
            StreamEnd::Event(mark) => event.event == mark,
        };
        self.has_ended |= is_end;
        // A mark of data is not the provider's JSON; an event of a marked type may say something.
        if is_end && matches!(self.end, StreamEnd::Data(_)) {
            return;
        }
        self.pending.push(Event {
            event: event.event.to_owned(),
            data,
        });
    }

    /// Has the noted events read.
    pub async fn read(&mut self, fold: &mut ChatFold) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let events = std::mem::take(&mut self.pending);
        let arguments = Arguments {
            events: &events,
            model: self.model,
            state: self.state.as_deref(),
        };
        let read: Read = self.provider.ask("chat.event", &arguments).await?;
        self.state = read.state;
        for delta in read.deltas {
            delta.report(fold)?;
        }
        match read.error {
            None => Ok(()),
            Some(Thrown { message, cause_id }) => {
                let error = Error::new(Code::BadResponse, message);
                Err(match cause_id {
                    Some(cause_id) => error.with_cause_id(cause_id),
                    None => error,
                })
            }
        }
    }

    /// The body ended.
    ///
    /// # Errors
    /// `STREAM_INTERRUPTED` unless the definition's end mark was there.
    pub fn end(&self, fold: &ChatFold) -> Result<()> {
        let is_complete = match self.end {
            StreamEnd::Finish => fold.is_finished(),
            _ => self.has_ended,
        };
        if is_complete { Ok(()) } else { Err(cut_off()) }
    }
}
