//! What is noted of one attempt while it runs. However it ends, everyone who counts hears of it: also
//! when the caller goes away and this is simply dropped.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::guards::Guards;
use crate::error::{Code, Error};
use crate::health::{Entry, Verdict};
use crate::limit::{Actual, Permit};
use crate::notice::Notice;
use crate::store::KeyRecord;
use crate::trace::Trace;
use crate::usage::{Outcome, Recorder, Units, UsageEvent, UsageRecord};

pub(super) struct Observation(Box<Noted>);

struct Noted {
    guards: Arc<Guards>,
    trace: Option<Trace>,
    event: UsageEvent,
    record: KeyRecord,
    started: Instant,
    permit: Option<Permit>,
    entry: Option<Entry>,
    /// Let pass by all guards. Before that, an outcome says nothing of key and provider.
    is_sent: bool,
    has_ended: bool,
    is_counted: bool,
}

impl Observation {
    /// Begins now; `event` says who does what, and its other fields are filled in here.
    pub fn begin(guards: Arc<Guards>, record: KeyRecord, event: UsageEvent) -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let started_at_ms = u64::try_from(since_1970.as_millis()).unwrap_or_default();
        guards.begin();
        Observation(Box::new(Noted {
            guards,
            trace: Trace::current(),
            event: UsageEvent {
                started_at_ms,
                ..event
            },
            record,
            started: Instant::now(),
            permit: None,
            entry: None,
            is_sent: false,
            has_ended: false,
            is_counted: true,
        }))
    }

    /// Who does what.
    pub fn event(&self) -> &UsageEvent {
        &self.0.event
    }

    /// The stored key that is used.
    pub fn record(&self) -> &KeyRecord {
        &self.0.record
    }

    pub fn hold(&mut self, permit: Permit) {
        self.0.permit = Some(permit);
    }

    pub fn enter(&mut self, entry: Entry) {
        self.0.entry = Some(entry);
    }

    /// All guards let it pass.
    pub fn sent(&mut self) {
        self.0.is_sent = true;
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

    /// The call names none, or where nobody looks: no default stands in for it.
    pub fn model_unknown(&mut self) {
        self.note(|event, _| event.model = None);
    }

    /// Whether anybody wants to know: what costs work to find out need not be found out otherwise.
    pub fn is_wanted(&self) -> bool {
        let noted = &self.0;
        noted.is_counted && (noted.guards.recorder.is_some() || noted.permit.is_some())
    }

    /// The call is none that is counted as use; limits and health hear of it all the same.
    pub fn discard(&mut self) {
        self.0.is_counted = false;
    }

    pub fn succeeded(&mut self) {
        self.end(Outcome::Ok, None);
    }

    pub fn failed(&mut self, error: &Error) {
        self.note(|event, _| {
            event.retries += error.retries();
            if event.request_id.is_none() {
                event.request_id = error.request_id().map(str::to_owned);
            }
        });
        self.end(Outcome::Failed(error.code()), error.retry_after_ms());
    }

    fn note(&mut self, note: impl FnOnce(&mut UsageEvent, Instant)) {
        note(&mut self.0.event, self.0.started);
    }

    fn end(&mut self, outcome: Outcome, retry_after_ms: Option<u64>) {
        if !self.0.has_ended {
            self.0.has_ended = true;
            self.0.end(outcome, retry_after_ms);
        }
    }
}

impl Noted {
    fn end(&mut self, outcome: Outcome, retry_after_ms: Option<u64>) {
        let is_abandoned_unsent = !self.is_sent && outcome == Outcome::Abandoned;
        let outcome = if is_abandoned_unsent {
            Outcome::Failed(Code::Aborted)
        } else {
            outcome
        };
        self.event.outcome = outcome;
        self.event.duration_ms = milliseconds(self.started);
        let recorder = self.guards.recorder.clone();
        let cost_nanos = recorder
            .as_ref()
            .and_then(|recorder| recorder.cost_of(&self.event));
        if self.is_sent {
            self.tell_health(outcome, retry_after_ms);
        }
        if let Some(permit) = self.permit.take() {
            permit.settle(self.actual(cost_nanos));
        }
        self.count(recorder.as_deref(), cost_nanos);
    }

    fn tell_health(&mut self, outcome: Outcome, retry_after_ms: Option<u64>) {
        let guards = &self.guards;
        match outcome {
            Outcome::Ok => guards.keys.accepted(&self.record),
            Outcome::Failed(Code::KeyInvalid) => guards.refused(&self.record),
            Outcome::Failed(Code::ProviderRateLimited) => guards.notify(Notice::KeyRateLimited {
                key: self.record.id.clone(),
                retry_after_ms,
            }),
            _ => {}
        }
        let Some(entry) = self.entry.take() else {
            return;
        };
        let failure = match outcome {
            Outcome::Ok => None,
            Outcome::Failed(code) => Some(code),
            Outcome::Abandoned => Some(Code::Aborted),
        };
        let provider = self.event.provider.clone();
        let origin = entry.origin().to_owned();
        match entry.report(failure) {
            Verdict::Unchanged => {}
            Verdict::Opened => guards.notify(Notice::CircuitOpened { provider, origin }),
            Verdict::Closed => guards.notify(Notice::CircuitClosed { provider, origin }),
        }
    }

    /// What the limits should count. What failed before the provider did any work counts nothing;
    /// what broke off and said nothing of its use counts as estimated.
    fn actual(&self, cost_nanos: Option<u64>) -> Actual {
        let Units {
            input_tokens,
            output_tokens,
            ..
        } = self.event.units;
        let known = input_tokens.is_some() || output_tokens.is_some();
        let may_have_worked = matches!(
            self.event.outcome,
            Outcome::Ok
                | Outcome::Abandoned
                | Outcome::Failed(Code::StreamInterrupted | Code::Timeout | Code::BadResponse)
        );
        if !known && !may_have_worked {
            return Actual {
                tokens: Some(0),
                cost_nanos: Some(0),
            };
        }
        Actual {
            tokens: known.then(|| input_tokens.unwrap_or(0) + output_tokens.unwrap_or(0)),
            cost_nanos,
        }
    }

    fn count(&mut self, recorder: Option<&Recorder>, cost_nanos: Option<u64>) {
        self.guards.end();
        if !self.is_counted || (recorder.is_none() && self.trace.is_none()) {
            return;
        }
        let id = match recorder {
            Some(recorder) => recorder.next_id(self.event.started_at_ms),
            None => 0,
        };
        let record = UsageRecord::new(id, self.event.take(), cost_nanos);
        if let Some(trace) = &self.trace {
            trace.note(record.clone());
        }
        if let Some(recorder) = recorder {
            recorder.add(record);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.end(Outcome::Abandoned, None);
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
