//! The circuit breaker of each provider's origin: after so many requests in a row that got no proper
//! answer it opens, and nothing is sent there for a while; then one request at a time is let through
//! as a probe, until one is answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::error::Code;

/// Origins that are remembered at most; users may bring their own.
const CAPACITY: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CircuitConfig {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open before the first probe.
    pub open_ms: u64,
}

impl Default for CircuitConfig {
    fn default() -> Self {
        CircuitConfig {
            failures: 5,
            open_ms: 30_000,
        }
    }
}

pub struct Circuit {
    config: CircuitConfig,
    /// Only those that fail.
    origins: Mutex<HashMap<String, State>>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// A probe is under way.
    Probing,
}

/// A request on its way to an origin. Dropped without a word, it says nothing of the origin, and the
/// next request may be the probe.
pub struct Entry {
    circuit: Arc<Circuit>,
    origin: String,
    is_probe: bool,
}

/// What a request's outcome did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Unchanged,
    Opened,
    Closed,
}

impl Circuit {
    pub fn new(config: CircuitConfig) -> Arc<Self> {
        Arc::new(Circuit {
            config,
            origins: Mutex::default(),
        })
    }

    /// # Errors
    /// How long the circuit stays open, in milliseconds.
    pub fn enter(self: &Arc<Self>, origin: &str) -> Result<Entry, u64> {
        let mut origins = self.lock();
        let mut is_probe = false;
        match origins.get_mut(origin) {
            None | Some(State::Closed { .. }) => {}
            Some(State::Probing) => return Err(self.config.open_ms.min(1_000)),
            Some(state @ State::Open { .. }) => {
                let State::Open { until } = *state else {
                    return Err(0);
                };
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(u64::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(0));
                }
                *state = State::Probing;
                is_probe = true;
            }
        }
        Ok(Entry {
            circuit: self.clone(),
            origin: origin.to_owned(),
            is_probe,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> State {
        State::Open {
            until: Instant::now() + Duration::from_millis(self.config.open_ms),
        }
    }

    fn succeeded(&self, origin: &str) -> Verdict {
        match self.lock().remove(origin) {
            Some(State::Probing | State::Open { .. }) => Verdict::Closed,
            _ => Verdict::Unchanged,
        }
    }

    fn failed(&self, origin: &str) -> Verdict {
        let mut origins = self.lock();
        if origins.len() >= CAPACITY && !origins.contains_key(origin) {
            let any = origins.keys().next().cloned();
            any.map(|origin| origins.remove(&origin));
        }
        let state = origins
            .entry(origin.to_owned())
            .or_insert(State::Closed { failures: 0 });
        match state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures < self.config.failures {
                    return Verdict::Unchanged;
                }
                *state = self.opened();
                Verdict::Opened
            }
            State::Probing => {
                *state = self.opened();
                Verdict::Unchanged
            }
            // Requests that were under way when it opened.
            State::Open { .. } => Verdict::Unchanged,
        }
    }
}

impl Entry {
    /// The request is over: fine, or with an error of this code.
    pub fn report(mut self, failure: Option<Code>) -> Verdict {
        let is_down = matches!(failure, Some(Code::ProviderUnavailable | Code::Timeout));
        // What never reached the provider, or was the caller's doing, says nothing.
        let says_nothing = matches!(
            failure,
            Some(Code::InvalidArgument | Code::Aborted | Code::Closed | Code::Internal)
        );
        if says_nothing {
            return Verdict::Unchanged;
        }
        self.is_probe = false;
        if is_down {
            self.circuit.failed(&self.origin)
        } else {
            self.circuit.succeeded(&self.origin)
        }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.is_probe {
            let mut origins = self.circuit.lock();
            if let Some(state @ State::Probing) = origins.get_mut(&self.origin) {
                *state = State::Open {
                    until: Instant::now(),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://api.example.com";

    fn circuit() -> Arc<Circuit> {
        Circuit::new(CircuitConfig {
            failures: 3,
            open_ms: 10_000,
        })
    }

    fn fail(circuit: &Arc<Circuit>) -> Verdict {
        circuit
            .enter(ORIGIN)
            .ok()
            .unwrap()
            .report(Some(Code::ProviderUnavailable))
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_closes_after_a_probe_that_is_answered() {
        let circuit = circuit();
        assert_eq!(fail(&circuit), Verdict::Unchanged);
        assert_eq!(fail(&circuit), Verdict::Unchanged);
        let answered = circuit.enter(ORIGIN).ok().unwrap();
        assert_eq!(answered.report(Some(Code::KeyInvalid)), Verdict::Unchanged);
        assert_eq!(fail(&circuit), Verdict::Unchanged);
        assert_eq!(fail(&circuit), Verdict::Unchanged);
        assert_eq!(fail(&circuit), Verdict::Opened);
        assert_eq!(circuit.enter(ORIGIN).err(), Some(10_000));
        assert!(circuit.enter("https://other.example.com").is_ok());

        tokio::time::advance(Duration::from_millis(10_000)).await;
        let probe = circuit.enter(ORIGIN).ok().unwrap();
        assert!(circuit.enter(ORIGIN).is_err(), "one probe at a time");
        assert_eq!(probe.report(Some(Code::Timeout)), Verdict::Unchanged);
        assert_eq!(circuit.enter(ORIGIN).err(), Some(10_000));

        tokio::time::advance(Duration::from_millis(10_000)).await;
        assert_eq!(
            circuit.enter(ORIGIN).ok().unwrap().report(None),
            Verdict::Closed
        );
        assert!(circuit.enter(ORIGIN).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_leaves_the_next_one_its_place() {
        let circuit = circuit();
        (0..3).for_each(|_| {
            fail(&circuit);
        });
        tokio::time::advance(Duration::from_millis(10_000)).await;
        drop(circuit.enter(ORIGIN).ok().unwrap());
        let probe = circuit.enter(ORIGIN).ok().unwrap();
        assert_eq!(probe.report(Some(Code::Aborted)), Verdict::Unchanged);
        assert!(circuit.enter(ORIGIN).is_ok());
    }
}
