//! What an app asks about its users' use: sums, events, prices, and how its limits stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::UsageConfig;
use super::request::parse;
use super::{DEFAULT_LABEL, Engine};
use crate::capability::Capability;
use crate::error::{Error, Result};
use crate::limit::{Standing, Subject};
use crate::notice::{Notice, Notify};
use crate::usage::{
    Batching, MemoryUsage, OnFailure, Position, Price, Prices, Recorder, UsageFilter, UsageQuery,
    UsageRecord, UsageRow, UsageStore, iso, parse_uuid, uuid,
};

const DEFAULT_MAX_EVENTS: usize = 10_000;
/// Events in one page of an export.
const PAGE: usize = 1_000;

/// The sums of a query, and what of the truth is not in them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    pub rows: Vec<RowWithCost>,
    /// Since when all events are in the store, when older ones have left it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_from: Option<String>,
    /// Events that were lost because a store failed for too long.
    pub dropped: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowWithCost {
    #[serde(flatten)]
    pub row: UsageRow,
    /// The money as a decimal, without rounding.
    pub cost: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExportRequest {
    #[serde(flatten)]
    filter: UsageFilter,
    after: Option<ExportedUntil>,
}

/// Where the next page begins.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedUntil {
    at_ms: u64,
    id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportPage {
    pub events: Vec<UsageRecord>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<ExportedUntil>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LimitsRequest {
    user_id: String,
    provider: Option<String>,
    model: Option<String>,
    capability: Option<Capability>,
    label: Option<String>,
}

impl Engine {
    /// # Errors
    /// `INVALID_ARGUMENT` for a range that holds nothing, or when usage is off; the store's.
    pub async fn usage(&self, json: &str) -> Result<UsageReport> {
        self.ring()?;
        let mut query: UsageQuery = parse(json)?;
        query.filter.namespace.clone_from(&self.namespace);
        let recorder = self.recorder()?;
        let with_cost = |row: UsageRow| RowWithCost {
            cost: row.cost(),
            row,
        };
        let rows = recorder.query(&query).await?;
        Ok(UsageReport {
            rows: rows.into_iter().map(with_cost).collect(),
            complete_from: recorder.complete_from_ms().map(iso),
            dropped: recorder.dropped(),
        })
    }

    /// A page of events in the order of time.
    ///
    /// # Errors
    /// As [`Engine::usage`].
    pub async fn export_usage(&self, json: &str) -> Result<ExportPage> {
        self.ring()?;
        let ExportRequest { mut filter, after } = parse(json)?;
        filter.namespace.clone_from(&self.namespace);
        let after = after.map(|after| {
            let id = parse_uuid(&after.id);
            let id = id.ok_or_else(|| Error::invalid_argument("after.id is no id of an event."))?;
            Ok::<_, Error>(Position {
                at_ms: after.at_ms,
                id,
            })
        });
        let after = after.transpose()?;
        let events = self
            .recorder()?
            .events(&filter, after.as_ref(), PAGE)
            .await?;
        let is_full = events.len() == PAGE;
        let last = events.last().filter(|_| is_full);
        let next = last.map(|last| ExportedUntil {
            at_ms: last.started_at_ms,
            id: uuid(last.id),
        });
        Ok(ExportPage { events, next })
    }

    /// Prices for calls that end from now on.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a table that can't be read.
    pub async fn set_prices(&self, json: &str) -> Result<()> {
        let table: BTreeMap<String, Price> = parse(json)?;
        self.recorder()?.set_prices(Prices::new(table)?);
        Ok(())
    }

    /// How the limits stand that a call would meet, without taking anything.
    ///
    /// # Errors
    /// `LIMITER_ERROR` when the app's limiter can't be asked.
    pub async fn limits(&self, json: &str) -> Result<Vec<Standing>> {
        self.ring()?;
        let request: LimitsRequest = parse(json)?;
        let Some(limits) = &self.guards.limits else {
            return Ok(Vec::new());
        };
        let subject = Subject {
            namespace: &self.namespace,
            user_id: &request.user_id,
            provider: request.provider.as_deref().unwrap_or_default(),
            model: request.model.as_deref().unwrap_or_default(),
            capability: request.capability.unwrap_or(Capability::Chat),
            label: request.label.as_deref().unwrap_or(DEFAULT_LABEL),
        };
        limits.standings(&subject).await
    }

    fn recorder(&self) -> Result<&Arc<Recorder>> {
        self.guards.recorder.as_ref().ok_or_else(|| {
            Error::invalid_argument("Usage is not counted: new BYOK() was given usage: false.")
        })
    }
}

/// What counts, or nothing when the app wants nothing counted.
pub(super) fn recorder(
    config: &UsageConfig,
    store: Option<Arc<dyn UsageStore>>,
    notify: Option<Notify>,
) -> Result<Option<Arc<Recorder>>> {
    if config.off {
        return Ok(None);
    }
    let store = store.unwrap_or_else(|| {
        Arc::new(MemoryUsage::new(
            config.max_events.unwrap_or(DEFAULT_MAX_EVENTS),
        ))
    });
    let defaults = Batching::default();
    let batching = Batching {
        flush_interval_ms: config
            .flush_interval_ms
            .unwrap_or(defaults.flush_interval_ms),
        max_batch: config.max_batch.unwrap_or(defaults.max_batch),
        max_buffered: config.max_buffered.unwrap_or(defaults.max_buffered),
    };
    let on_failure = notify.map(|notify| -> OnFailure {
        Arc::new(move |error: &Error| {
            notify(Notice::UsageFailed {
                code: error.code(),
                message: error.message().to_owned(),
            });
        })
    });
    let prices = Prices::new(config.prices.clone())?;
    Ok(Some(Recorder::new(store, prices, batching, on_failure)))
}
