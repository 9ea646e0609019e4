//! From the pipeline to the store: gives each event its id and its cost, and writes batches off the
//! request's path. What could not be written is tried again under the same ids, so nothing counts
//! twice; what waits is bounded, and what does not fit any more is counted as dropped.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::price::Prices;
use super::query::{UsageFilter, UsageQuery, UsageRow};
use super::record::{Ids, UsageRecord};
use super::store::{Position, UsageStore};
use super::{UsageEvent, UsageSink};
use crate::error::{Code, Error, Result};

/// Between two attempts at a store that fails, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How events are batched.
#[derive(Debug, Clone, Copy)]
pub struct Batching {
    /// An event waits no longer than this for others, in milliseconds.
    pub flush_interval_ms: u64,
    /// Events in one write; as many as this are written at once without waiting.
    pub max_batch: usize,
    /// Events that may wait while the store fails; the next ones are dropped.
    pub max_buffered: usize,
}

impl Default for Batching {
    fn default() -> Self {
        Batching {
            flush_interval_ms: 1_000,
            max_batch: 500,
            max_buffered: 100_000,
        }
    }
}

/// Called when events could not be written, and when one was dropped for the first time since.
pub type OnFailure = Arc<dyn Fn(&Error) + Send + Sync>;

pub struct Recorder {
    store: Arc<dyn UsageStore>,
    prices: RwLock<Arc<Prices>>,
    ids: Ids,
    batching: Batching,
    pending: Mutex<VecDeque<UsageRecord>>,
    /// Held while a batch is written: one at a time, in order.
    writing: AsyncMutex<()>,
    full: Arc<Notify>,
    started: AtomicBool,
    closed: AtomicBool,
    dropped: AtomicU64,
    on_failure: Option<OnFailure>,
    /// For the task that writes, which must not keep this alive.
    weak: Weak<Recorder>,
}

impl Recorder {
    pub fn new(
        store: Arc<dyn UsageStore>,
        prices: Prices,
        batching: Batching,
        on_failure: Option<OnFailure>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|weak| Recorder {
            store,
            prices: RwLock::new(Arc::new(prices)),
            ids: Ids::new(),
            batching,
            pending: Mutex::default(),
            writing: AsyncMutex::new(()),
            full: Arc::default(),
            started: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            on_failure,
            weak: weak.clone(),
        })
    }

    pub fn prices(&self) -> Arc<Prices> {
        self.prices
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Prices for calls that end from now on.
    pub fn set_prices(&self, prices: Prices) {
        *self.prices.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(prices);
    }

    /// The cost of what was used, by the price of this model.
    pub fn cost_of(&self, event: &UsageEvent) -> Option<u64> {
        let model = event.model.as_deref().unwrap_or_default();
        self.prices().find(&event.provider, model)?.of(&event.units)
    }

    /// Events that were lost because too many waited for a store that fails.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Events that wait to be written.
    pub fn pending(&self) -> usize {
        self.lock().len()
    }

    /// Sums, with everything that was recorded before this call in them.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a range that holds nothing, and the store's.
    pub async fn query(&self, query: &UsageQuery) -> Result<Vec<UsageRow>> {
        query.check()?;
        self.flush().await?;
        self.store.query(query).await
    }

    /// A page of events in the order of time, for exports.
    ///
    /// # Errors
    /// The store's.
    pub async fn events(
        &self,
        filter: &UsageFilter,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>> {
        if after.is_none() {
            self.flush().await?;
        }
        self.store.events(filter, after, limit).await
    }

    /// Since when events are complete, when older ones have left.
    pub fn complete_from_ms(&self) -> Option<u64> {
        self.store.complete_from_ms()
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// The store's; what was not written waits on.
    pub async fn flush(&self) -> Result<()> {
        loop {
            let _turn = self.writing.lock().await;
            let batch: Vec<UsageRecord> = self
                .lock()
                .iter()
                .take(self.batching.max_batch)
                .cloned()
                .collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.store.write(&batch).await?;
            // Events are added behind and dropped before they are added: these are the first ones.
            self.lock().drain(..batch.len());
        }
    }

    /// Writes all that waits, and closes the store. Later events are dropped.
    ///
    /// # Errors
    /// The store's, with how many events were lost.
    pub async fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let flushed = self.flush().await;
        let lost = self.pending();
        let closed = self.store.close().await;
        self.full.notify_one();
        flushed.map_err(|error| {
            error.map_message(|message| {
                Some(format!("{message} {lost} usage events were not written."))
            })
        })?;
        closed
    }

    /// An id for an event of this moment.
    pub fn next_id(&self, unix_ms: u64) -> u128 {
        self.ids.next(unix_ms)
    }

    /// Takes an event at once; it is written later.
    pub fn add(&self, record: UsageRecord) {
        if let Some(memory) = self.store.as_memory() {
            memory.push(record);
            return;
        }
        let waiting = {
            let mut pending = self.lock();
            if pending.len() >= self.batching.max_buffered || self.closed.load(Ordering::Relaxed) {
                drop(pending);
                return self.drop_one();
            }
            pending.push_back(record);
            pending.len()
        };
        if waiting >= self.batching.max_batch {
            self.full.notify_one();
        }
        if !self.started.load(Ordering::Relaxed) {
            self.start();
        }
    }

    fn drop_one(&self) {
        if self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            self.report(&Error::new(
                Code::StoreError,
                format!(
                    "Usage events are dropped: {} wait already for a store that fails. byok.usage() says how many were dropped.",
                    self.batching.max_buffered
                ),
            ));
        }
    }

    /// The task that writes; begun with the first event, ended with the recorder.
    fn start(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let weak = self.weak.clone();
        let interval = Duration::from_millis(self.batching.flush_interval_ms);
        runtime.spawn(async move {
            let mut pause = interval;
            loop {
                let Some(recorder) = weak.upgrade() else {
                    return;
                };
                if recorder.closed.load(Ordering::Relaxed) {
                    return;
                }
                let result = recorder.flush().await;
                pause = match result {
                    Ok(()) => interval,
                    Err(error) => {
                        recorder.report(&error);
                        (pause * 2).clamp(interval, LONGEST_PAUSE)
                    }
                };
                let full = recorder.full.clone();
                drop(recorder);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    // A store that fails is not asked more often because more waits for it.
                    () = full.notified(), if pause == interval => {}
                }
            }
        });
    }

    fn report(&self, error: &Error) {
        if let Some(on_failure) = &self.on_failure {
            on_failure(error);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<UsageRecord>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UsageSink for Recorder {
    fn record(&self, event: UsageEvent) {
        let cost_nanos = self.cost_of(&event);
        let id = self.next_id(event.started_at_ms);
        self.add(UsageRecord::new(id, event, cost_nanos));
    }
}
