//! What an app asks of its usage, and the sums that answer. One row's arithmetic stands here for the
//! store in memory; databases do the same sums in SQL.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::{UsageRecord, iso};
use super::{Outcome, money};
use crate::capability::Capability;
use crate::error::{Error, Result};
use crate::limit::Period;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GroupBy {
    UserId,
    Provider,
    Model,
    Capability,
    Label,
    Status,
}

impl GroupBy {
    pub fn column(self) -> &'static str {
        match self {
            GroupBy::UserId => "user_id",
            GroupBy::Provider => "provider",
            GroupBy::Model => "model",
            GroupBy::Capability => "capability",
            GroupBy::Label => "label",
            GroupBy::Status => "status",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    Minute,
    Hour,
    Day,
    Month,
}

impl Interval {
    /// The first millisecond of the interval that holds this moment, in UTC.
    pub fn start(self, unix_ms: u64) -> u64 {
        match self {
            Interval::Minute => unix_ms - unix_ms % 60_000,
            Interval::Hour => unix_ms - unix_ms % 3_600_000,
            Interval::Day => Period::Day.around(unix_ms).0,
            Interval::Month => Period::Month.around(unix_ms).0,
        }
    }
}

/// Which events count. `from` is included, `to` is not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageFilter {
    #[serde(skip_deserializing)]
    pub namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<Capability>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Milliseconds since 1970.
    pub from_ms: u64,
    pub to_ms: u64,
}

impl UsageFilter {
    pub fn holds(&self, record: &UsageRecord) -> bool {
        let fits = |wanted: &Option<String>, value: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == value)
        };
        (self.from_ms..self.to_ms).contains(&record.started_at_ms)
            && self.namespace == record.namespace
            && fits(&self.user_id, &record.user_id)
            && fits(&self.provider, &record.provider)
            && fits(&self.label, &record.label)
            && self
                .capability
                .is_none_or(|wanted| wanted == record.capability)
            && self
                .model
                .as_deref()
                .is_none_or(|wanted| record.model.as_deref() == Some(wanted))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageQuery {
    #[serde(flatten)]
    pub filter: UsageFilter,
    #[serde(default)]
    pub group_by: Vec<GroupBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

impl UsageQuery {
    /// # Errors
    /// `INVALID_ARGUMENT` for a range that holds nothing.
    pub fn check(&self) -> Result<()> {
        if self.filter.from_ms >= self.filter.to_ms {
            return Err(Error::invalid_argument("usage(): from must be before to."));
        }
        Ok(())
    }
}

/// The sums of one group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UsageRow {
    /// The interval's beginning, ISO 8601; absent without an interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Absent too for calls that had no model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// All attempts, failed and abandoned ones included.
    pub calls: u64,
    pub failed: u64,
    pub abandoned: u64,
    pub retries: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cached_input_tokens: u64,
    pub reasoning_tokens: u64,
    pub characters: u64,
    pub audio_ms: u64,
    pub images: u64,
    pub duration_ms: u64,
    /// Over the streams that began to answer.
    pub first_output_ms: u64,
    pub first_outputs: u64,
    /// Billionths of the currency; what has no price is not in it.
    pub cost_nanos: u64,
    /// Calls that used something but have no price.
    pub unpriced: u64,
}

impl UsageRow {
    pub fn add(&mut self, record: &UsageRecord) {
        self.calls += 1;
        match record.status {
            Outcome::Ok => {}
            Outcome::Abandoned => self.abandoned += 1,
            Outcome::Failed(_) => self.failed += 1,
        }
        self.retries += u64::from(record.retries);
        self.input_tokens += record.input_tokens.unwrap_or(0);
        self.output_tokens += record.output_tokens.unwrap_or(0);
        self.cached_input_tokens += record.cached_input_tokens.unwrap_or(0);
        self.reasoning_tokens += record.reasoning_tokens.unwrap_or(0);
        self.characters += record.characters.unwrap_or(0);
        self.audio_ms += record.audio_ms.unwrap_or(0);
        self.images += record.images.unwrap_or(0);
        self.duration_ms += record.duration_ms;
        if let Some(first_output_ms) = record.first_output_ms {
            self.first_output_ms += first_output_ms;
            self.first_outputs += 1;
        }
        self.cost_nanos = self
            .cost_nanos
            .saturating_add(record.cost_nanos.unwrap_or(0));
        self.unpriced += u64::from(record.is_unpriced());
    }

    /// The sum of money as a decimal.
    pub fn cost(&self) -> String {
        money::format(i128::from(self.cost_nanos))
    }
}

/// Sums records one by one into the groups of a query.
pub struct Rollup<'a> {
    query: &'a UsageQuery,
    rows: BTreeMap<(u64, Vec<Option<String>>), UsageRow>,
}

impl<'a> Rollup<'a> {
    pub fn new(query: &'a UsageQuery) -> Self {
        Rollup {
            query,
            rows: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, record: &UsageRecord) {
        if !self.query.filter.holds(record) {
            return;
        }
        let start = self
            .query
            .interval
            .map_or(0, |interval| interval.start(record.started_at_ms));
        let value = |by: &GroupBy| match by {
            GroupBy::UserId => Some(record.user_id.clone()),
            GroupBy::Provider => Some(record.provider.clone()),
            GroupBy::Model => record.model.clone(),
            GroupBy::Capability => Some(record.capability.as_str().to_owned()),
            GroupBy::Label => Some(record.label.clone()),
            GroupBy::Status => Some(record.status.as_str().to_owned()),
        };
        let group: Vec<_> = self.query.group_by.iter().map(value).collect();
        self.rows.entry((start, group)).or_default().add(record);
    }

    /// In the order of time and then of the groups. Without groups and intervals there is always one row.
    pub fn rows(mut self) -> Vec<UsageRow> {
        if self.query.group_by.is_empty() && self.query.interval.is_none() {
            self.rows.entry((0, Vec::new())).or_default();
        }
        let query = self.query;
        self.rows
            .into_iter()
            .map(|((start, group), mut row)| {
                row.start = query.interval.map(|_| iso(start));
                for (by, value) in query.group_by.iter().zip(group) {
                    row.set(*by, value);
                }
                row
            })
            .collect()
    }
}

impl UsageRow {
    pub fn set(&mut self, by: GroupBy, value: Option<String>) {
        let field = match by {
            GroupBy::UserId => &mut self.user_id,
            GroupBy::Provider => &mut self.provider,
            GroupBy::Model => &mut self.model,
            GroupBy::Capability => &mut self.capability,
            GroupBy::Label => &mut self.label,
            GroupBy::Status => &mut self.status,
        };
        *field = value;
    }
}
