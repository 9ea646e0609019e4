//! The way of one request through the user's keys: which are tried, in which order, and when a
//! failure moves on to the next. One request is a loop over [`Route::next`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use byok_vault::KeyRing;
use tokio::time::Instant;

use super::exchange::OpenKey;
use super::observation::Observation;
use super::registry::Registered;
use super::request::{Fallback, Routing};
use super::{Engine, context, from_vault};
use crate::capability::Capability;
use crate::capability::meta::{FailedAttempt, Meta};
use crate::error::{Code, Error, Result};
use crate::store::KeyRecord;
use crate::usage::{Outcome, Units, UsageEvent};

/// With another key to try, nobody waits longer than this for one that is rate limited.
const LONGEST_WAIT_BEFORE_FALLBACK: Duration = Duration::from_secs(2);

pub(super) struct Route {
    capability: Capability,
    routing: Routing,
    waiting: VecDeque<Candidate>,
    /// The provider that the caller's model and options are for.
    first_provider: String,
    failed: Vec<FailedAttempt>,
    /// What an attempt will probably consume, as far as the request tells.
    weight: Units,
}

/// A stored key that may serve.
pub(super) struct Candidate {
    pub registered: Arc<Registered>,
    pub record: KeyRecord,
}

/// One try with one opened key.
pub(super) struct Attempt {
    pub key: OpenKey,
    pub label: String,
    pub routing: Routing,
    pub observation: Observation,
    /// Another provider than the one first asked: `model` and `providerOptions` are not for it.
    pub is_foreign: bool,
    capability: Capability,
}

impl Route {
    pub fn new(capability: Capability, mut routing: Routing, waiting: VecDeque<Candidate>) -> Self {
        let first = waiting.front().map(|candidate| &candidate.registered);
        let timeout = routing
            .timeout_ms
            .map(Duration::from_millis)
            .or(first.map(|registered| registered.timeout));
        routing.deadline = timeout.map(|timeout| Instant::now() + timeout);
        Route {
            capability,
            first_provider: first.map_or_else(String::new, |registered| registered.id().to_owned()),
            routing,
            waiting,
            failed: Vec::new(),
            weight: Units::default(),
        }
    }

    /// What an attempt will probably consume, for limits that must decide before it.
    pub fn expect(&mut self, weight: Units) {
        self.weight = weight;
    }

    /// Opens the next key, once limits and health let it pass.
    ///
    /// # Errors
    /// Those of the vault: a record that was tampered with is an alarm, and no key is tried instead.
    /// What the guards say of the last key that could have been tried.
    pub async fn next(&mut self, engine: &Engine) -> Result<Attempt> {
        loop {
            let ring = engine.ring()?;
            let Some(Candidate { registered, record }) = self.waiting.pop_front() else {
                return Err(Error::new(Code::Internal, "No key is left to try."));
            };
            let mut routing = self.routing.clone();
            let is_foreign = registered.id() != self.first_provider;
            if is_foreign {
                routing.model = None;
            }
            if !self.waiting.is_empty() {
                routing.longest_wait = Some(LONGEST_WAIT_BEFORE_FALLBACK);
            }
            let event = self.event(&registered, &record, &routing);
            let label = record.id.label.clone();
            let mut watch = Observation::begin(engine.guards.clone(), record, event);
            let admission = engine.guards.admit(&mut watch, &registered, &self.weight);
            if let Err(error) = within(self.routing.deadline, admission).await {
                self.refused(watch, registered.id(), &label, error)?;
                continue;
            }
            let key = match open(&ring, registered.clone(), watch.record()) {
                Ok(key) => key,
                Err(error) => {
                    watch.failed(&error);
                    return Err(error);
                }
            };
            if let Some(model) = model_of(&key, &routing, self.capability) {
                watch.model(&model);
            }
            if let Err(error) = engine.guards.enter(&mut watch, &key) {
                self.refused(watch, key.registered.id(), &label, error)?;
                continue;
            }
            return Ok(Attempt {
                key,
                label,
                routing,
                observation: watch,
                is_foreign,
                capability: self.capability,
            });
        }
    }

    /// Notes that an attempt failed; fine when the next key is to be tried.
    ///
    /// # Errors
    /// The error itself, when it stands: it is the caller's own, or no key is left.
    pub fn failed(&mut self, attempt: Attempt, error: Error) -> Result<()> {
        let Attempt {
            key,
            label,
            observation,
            ..
        } = attempt;
        self.refused(observation, key.registered.id(), &label, error)
    }

    fn refused(
        &mut self,
        mut observation: Observation,
        provider: &str,
        label: &str,
        error: Error,
    ) -> Result<()> {
        observation.failed(&error);
        let time_is_up = self
            .routing
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        if self.waiting.is_empty() || time_is_up || !moves_on(error.code()) {
            return Err(self.with_history(error));
        }
        self.failed
            .push(FailedAttempt::new(provider, label, &error));
        Ok(())
    }

    /// What the result says of who served it.
    pub fn meta(&mut self, attempt: &Attempt, model: String) -> Meta {
        Meta {
            provider: attempt.key.registered.id().to_owned(),
            label: attempt.label.clone(),
            model,
            failed_attempts: std::mem::take(&mut self.failed),
            ..Meta::default()
        }
    }

    pub fn take_failed(&mut self) -> Vec<FailedAttempt> {
        std::mem::take(&mut self.failed)
    }

    fn with_history(&self, error: Error) -> Error {
        if self.failed.is_empty() {
            return error;
        }
        let tried: Vec<String> = self
            .failed
            .iter()
            .map(|attempt| format!("{} ({}, {})", attempt.provider, attempt.label, attempt.code))
            .collect();
        error.map_message(|message| Some(format!("{message} Tried before: {}.", tried.join(", "))))
    }

    fn event(&self, registered: &Registered, record: &KeyRecord, routing: &Routing) -> UsageEvent {
        UsageEvent {
            namespace: record.id.namespace.clone(),
            user_id: record.id.user_id.clone(),
            provider: record.id.provider.clone(),
            label: record.id.label.clone(),
            // One that only the credential names is known once that is open.
            model: (routing.model.as_deref())
                .or(registered.default_model(self.capability))
                .map(str::to_owned),
            capability: self.capability,
            outcome: Outcome::Abandoned,
            started_at_ms: 0,
            duration_ms: 0.0,
            first_output_ms: None,
            retries: 0,
            units: Units::default(),
            request_id: None,
            attempt: u32::try_from(self.failed.len()).unwrap_or(u32::MAX),
        }
    }
}

impl Attempt {
    /// The model that is asked: the caller's, else the one that the credential names, else the app's default,
    /// else the provider's.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when there is none.
    pub fn model(&self) -> Result<String> {
        model_of(&self.key, &self.routing, self.capability).ok_or_else(|| {
            let provider = self.key.registered.id();
            let capability = self.capability.as_str();
            Error::invalid_argument(format!(
                "model: {provider} has no default model for {capability}. Give model, or set new BYOK({{ providers: {{ {provider:?}: {{ defaultModels: {{ {capability}: ... }} }} }} }})."
            ))
            .with_provider(provider)
        })
    }
}

fn model_of(key: &OpenKey, routing: &Routing, capability: Capability) -> Option<String> {
    let of_fields = key.registered.provider.model_of(&key.fields());
    let default = || key.registered.default_model(capability);
    let model = routing.model.as_deref().or(of_fields);
    model.or_else(default).map(str::to_owned)
}

fn open(ring: &KeyRing, registered: Arc<Registered>, record: &KeyRecord) -> Result<OpenKey> {
    let payload = ring
        .open(&context(&record.id)?, &record.sealed)
        .map_err(|error| from_vault(error).with_provider(registered.id()))?;
    OpenKey::new(registered, payload)
}

/// Waiting for the app's limits counts into the time of the call.
async fn within(
    deadline: Option<Instant>,
    admission: impl Future<Output = Result<()>>,
) -> Result<()> {
    let Some(deadline) = deadline else {
        return admission.await;
    };
    let late = || {
        Error::new(
            Code::Timeout,
            "The call's time was over before the application's limits let it pass. Give it more with timeoutMs.",
        )
    };
    tokio::time::timeout_at(deadline, admission)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// Failures of the provider, the key or the app's limits, which another key may not have. What is wrong with the
/// request itself would fail everywhere.
fn moves_on(code: Code) -> bool {
    matches!(
        code,
        Code::KeyInvalid
            | Code::PermissionDenied
            | Code::QuotaExceeded
            | Code::ProviderRateLimited
            | Code::ProviderUnavailable
            | Code::RateLimited
            | Code::BadResponse
            | Code::StreamInterrupted
            | Code::Timeout
    )
}

impl Engine {
    /// The keys that a request may use: the one named by provider and label, else the user's
    /// preferred or newest one that serves the capability; with fallback the others behind it.
    ///
    /// # Errors
    /// `KEY_NOT_FOUND`, `UNKNOWN_PROVIDER`, `CAPABILITY_UNSUPPORTED`, and those of the store.
    pub(super) async fn route(&self, routing: Routing, capability: Capability) -> Result<Route> {
        self.ring()?;
        let candidates = match &routing.fallback {
            Fallback::Off => self.first_candidate(&routing, capability).await?.into(),
            Fallback::Any => self.candidates(&routing, capability, None).await?,
            Fallback::Providers(ids) => {
                for id in ids {
                    self.registry.get(id).map_err(|error| {
                        error.map_message(|message| Some(format!("fallback: {message}")))
                    })?;
                }
                self.candidates(&routing, capability, Some(ids)).await?
            }
        };
        Ok(Route::new(capability, routing, candidates))
    }

    /// The first candidate, then the other keys of its provider (unless a label was named), then
    /// those of other providers: in the order of `only`, else of `prefer`; the newest first.
    async fn candidates(
        &self,
        routing: &Routing,
        capability: Capability,
        only: Option<&[String]>,
    ) -> Result<VecDeque<Candidate>> {
        let [first] = self.first_candidate(routing, capability).await?;
        let mut rest: Vec<Candidate> = self
            .able(self.user_records(&routing.user_id).await?, capability)
            .filter(|candidate| candidate.record.id != first.record.id)
            .collect();
        let first_id = first.registered.id();
        let order = only.unwrap_or(&self.prefer);
        let rank = |candidate: &Candidate| {
            let id = candidate.registered.id();
            if id == first_id {
                return Some(0);
            }
            match order.iter().position(|name| name == id) {
                Some(position) => Some(position + 1),
                None if only.is_some() => None,
                None => Some(usize::MAX),
            }
        };
        let is_pinned = routing.label.is_some();
        rest.retain(|candidate| {
            rank(candidate).is_some() && !(is_pinned && candidate.registered.id() == first_id)
        });
        rest.sort_by(|a, b| {
            rank(a)
                .cmp(&rank(b))
                .then_with(|| b.record.created_at.cmp(&a.record.created_at))
        });
        Ok(std::iter::once(first).chain(rest).collect())
    }
}
