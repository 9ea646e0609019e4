//! What stands between a request and its provider, and hears how it went: the app's limits, the health
//! of keys and origins, and the count of what is used. One set an engine, shared by all attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use super::exchange::OpenKey;
use super::observation::Observation;
use super::registry::Registered;
use crate::error::{Code, Error, Result};
use crate::health::{Circuit, HealthConfig, KeyHealth};
use crate::limit::{Estimate, Limits, Subject};
use crate::notice::{Notice, Notify};
use crate::store::{KeyRecord, KeyStatus, KeyStore};
use crate::usage::{Recorder, Units};

/// How long `close` waits for attempts that are being ended, to count them.
const LONGEST_WAIT_FOR_ENDS: Duration = Duration::from_secs(1);

pub(super) struct Guards {
    pub limits: Option<Arc<Limits>>,
    pub recorder: Option<Arc<Recorder>>,
    pub keys: KeyHealth,
    pub circuit: Option<Arc<Circuit>>,
    trusts_records: bool,
    notify: Option<Notify>,
    store: Arc<dyn KeyStore>,
    /// Attempts and background writes that have not ended.
    open: AtomicUsize,
}

impl Guards {
    pub fn new(
        limits: Option<Arc<Limits>>,
        recorder: Option<Arc<Recorder>>,
        health: &HealthConfig,
        notify: Option<Notify>,
        store: Arc<dyn KeyStore>,
    ) -> Arc<Self> {
        let invalid_after = health.invalid_after.unwrap_or(1);
        Arc::new(Guards {
            limits,
            recorder,
            keys: KeyHealth::new(invalid_after),
            circuit: health.circuit.map(Circuit::new),
            trusts_records: invalid_after > 0,
            notify,
            store,
            open: AtomicUsize::new(0),
        })
    }

    /// Whether a key is known not to work.
    pub fn is_invalid(&self, record: &KeyRecord) -> bool {
        self.trusts_records && (record.status == KeyStatus::Invalid || self.keys.is_invalid(record))
    }

    /// Lets one attempt pass, or says why not; its key is not opened yet.
    ///
    /// # Errors
    /// `KEY_INVALID`, `RATE_LIMITED`, `LIMITER_ERROR`.
    pub async fn admit(
        &self,
        observation: &mut Observation,
        registered: &Registered,
        weight: &Units,
    ) -> Result<()> {
        let record = observation.record();
        if self.is_invalid(record) {
            self.keys.found_invalid(record);
            return Err(known_invalid(registered));
        }
        let Some(limits) = &self.limits else {
            return Ok(());
        };
        let event = observation.event();
        let model = event.model.as_deref().unwrap_or_default();
        let subject = Subject {
            namespace: &event.namespace,
            user_id: &event.user_id,
            provider: &event.provider,
            model,
            capability: event.capability,
            label: &event.label,
        };
        let estimate = Estimate {
            tokens: weight.input_tokens.unwrap_or(0) + weight.output_tokens.unwrap_or(0),
            cost_nanos: self.estimated_cost(&event.provider, model, weight),
        };
        let permit = limits.acquire(&subject, estimate).await?;
        observation.hold(permit);
        Ok(())
    }

    /// Lets it go to the key's origin, unless that rests. Behind the limits, so that a probe's turn is
    /// not spent on a call that waits for them.
    ///
    /// # Errors
    /// `PROVIDER_UNAVAILABLE`.
    pub fn enter(&self, observation: &mut Observation, key: &OpenKey) -> Result<()> {
        if let Some(circuit) = &self.circuit {
            let origin = key.origin();
            let entry = circuit
                .enter(&origin)
                .map_err(|retry_after_ms| resting(&key.registered, &origin, retry_after_ms))?;
            observation.enter(entry);
        }
        observation.sent();
        Ok(())
    }

    /// The provider refused the key: remembered at once, and written into its record off the path.
    pub fn refused(self: &Arc<Self>, record: &KeyRecord) {
        if !self.keys.refused(record) {
            return;
        }
        self.notify(Notice::KeyInvalid {
            key: record.id.clone(),
        });
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (guards, record) = (self.clone(), record.clone());
        self.begin();
        runtime.spawn(async move {
            let marked = super::keys::marked_invalid(record);
            if let Err(error) = super::keys::update(&*guards.store, &marked).await {
                guards.notify(Notice::HealthFailed {
                    code: error.code(),
                    message: error.message().to_owned(),
                });
            }
            guards.end();
        });
    }

    pub fn notify(&self, notice: Notice) {
        if let Some(notify) = &self.notify {
            notify(notice);
        }
    }

    pub fn begin(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Waits for attempts that are being dropped, writes what was counted, and closes.
    ///
    /// # Errors
    /// The usage store's.
    pub async fn close(&self) -> Result<()> {
        let ends = async {
            while self.open.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // What does not end in time is counted as dropped.
        let _late = tokio::time::timeout(LONGEST_WAIT_FOR_ENDS, ends).await;
        match &self.recorder {
            Some(recorder) => recorder.close().await,
            None => Ok(()),
        }
    }

    fn estimated_cost(&self, provider: &str, model: &str, weight: &Units) -> Option<u64> {
        let recorder = self.recorder.as_ref()?;
        Some(recorder.prices().find(provider, model)?.estimate(weight))
    }
}

fn known_invalid(registered: &Registered) -> Error {
    let (name, id) = (registered.name(), registered.id());
    Error::new(
        Code::KeyInvalid,
        format!(
            "{name} refused this key before, so it was not asked again. Ask the user for a new one and store it with registerKey, or try this one with verifyKey."
        ),
    )
    .with_provider(id)
}

fn resting(registered: &Registered, origin: &str, retry_after_ms: u64) -> Error {
    Error::new(
        Code::ProviderUnavailable,
        format!(
            "Too many requests to {origin} failed in a row, so none is sent there for now. Try again in {} s.",
            retry_after_ms.div_ceil(1_000)
        ),
    )
    .with_provider(registered.id())
    .with_retry_after_ms(Some(retry_after_ms))
}
