//! What is noted of one attempt while it runs. However it ends, one event goes to the sink: also when
//! the caller goes away and this is simply dropped.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::error::Error;
use crate::usage::{Outcome, Units, UsageEvent, UsageSink};

pub(super) struct Observation(Option<Box<Noted>>);

struct Noted {
    sink: Arc<dyn UsageSink>,
    event: UsageEvent,
    started: Instant,
}

impl Observation {
    /// Nobody listens, and nothing is noted.
    pub fn none() -> Self {
        Observation(None)
    }

    /// Begins now; `event` says who does what, and its other fields are filled in here.
    pub fn begin(sink: Arc<dyn UsageSink>, event: UsageEvent) -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let started_at_ms = u64::try_from(since_1970.as_millis()).unwrap_or_default();
        Observation(Some(Box::new(Noted {
            sink,
            event: UsageEvent {
                started_at_ms,
                outcome: Outcome::Abandoned,
                ..event
            },
            started: Instant::now(),
        })))
    }

    /// The provider answered: after so many retries, under this id.
    pub fn answered(&mut self, retries: u32, request_id: Option<&str>) {
        self.note(|event, _| {
            event.retries += retries;
            event.request_id = request_id.map(str::to_owned);
        });
    }

    /// A piece of a streamed answer was handed on.
    pub fn output(&mut self) {
        self.note(|event, started| {
            event
                .first_output_ms
                .get_or_insert_with(|| milliseconds(started));
        });
    }

    /// What is known to be consumed so far.
    pub fn units(&mut self, units: Units) {
        self.note(|event, _| event.units = units);
    }

    /// The model's name as the provider has it.
    pub fn model(&mut self, model: &str) {
        self.note(|event, _| event.model = Some(model.to_owned()));
    }

    /// Whether anybody wants to know: what costs work to find out need not be found out otherwise.
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// The call is none that is counted.
    pub fn discard(&mut self) {
        self.0 = None;
    }

    pub fn succeeded(&mut self) {
        self.end(Outcome::Ok);
    }

    pub fn failed(&mut self, error: &Error) {
        self.note(|event, _| {
            event.retries += error.retries();
            if event.request_id.is_none() {
                event.request_id = error.request_id().map(str::to_owned);
            }
        });
        self.end(Outcome::Failed(error.code()));
    }

    fn note(&mut self, note: impl FnOnce(&mut UsageEvent, Instant)) {
        if let Some(noted) = &mut self.0 {
            note(&mut noted.event, noted.started);
        }
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(mut noted) = self.0.take() {
            noted.event.outcome = outcome;
            noted.event.duration_ms = milliseconds(noted.started);
            noted.sink.record(noted.event);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.end(Outcome::Abandoned);
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
