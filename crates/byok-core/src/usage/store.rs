//! Where events are kept, as a trait, and the store in memory: the latest so many events.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::query::{Rollup, UsageFilter, UsageQuery, UsageRow};
use super::record::UsageRecord;
use crate::error::Result;

/// A moment and an id: where an export goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub at_ms: u64,
    pub id: u128,
}

impl Position {
    pub fn of(record: &UsageRecord) -> Self {
        Position {
            at_ms: record.started_at_ms,
            id: record.id,
        }
    }
}

#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Keeps events; one whose id is there already is left alone. All of them or an error: after one,
    /// the same events come again.
    async fn write(&self, records: &[UsageRecord]) -> Result<()>;

    async fn query(&self, query: &UsageQuery) -> Result<Vec<UsageRow>>;

    /// At most `limit` events in the order of time, behind `after`.
    async fn events(
        &self,
        filter: &UsageFilter,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>>;

    /// Since when everything is there: in milliseconds since 1970, when older events have left.
    fn complete_from_ms(&self) -> Option<u64> {
        None
    }

    /// The store in memory, which needs no batches.
    fn as_memory(&self) -> Option<&MemoryUsage> {
        None
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// Keeps the latest events in memory, up to a number; older ones leave.
pub struct MemoryUsage {
    kept: Mutex<Kept>,
    capacity: usize,
}

#[derive(Default)]
struct Kept {
    records: VecDeque<UsageRecord>,
    /// Of the latest event that has left.
    left_at_ms: Option<u64>,
}

impl MemoryUsage {
    pub fn new(capacity: usize) -> Self {
        MemoryUsage {
            kept: Mutex::default(),
            capacity: capacity.max(1),
        }
    }

    pub fn push(&self, record: UsageRecord) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let left = if kept.records.len() >= self.capacity {
            kept.records.pop_front()
        } else {
            None
        };
        if let Some(left) = left {
            kept.left_at_ms = kept.left_at_ms.max(Some(left.started_at_ms));
        }
        kept.records.push_back(record);
    }
}

#[async_trait]
impl UsageStore for MemoryUsage {
    async fn write(&self, records: &[UsageRecord]) -> Result<()> {
        for record in records {
            self.push(record.clone());
        }
        Ok(())
    }

    async fn query(&self, query: &UsageQuery) -> Result<Vec<UsageRow>> {
        let mut rollup = Rollup::new(query);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for record in &kept.records {
            rollup.add(record);
        }
        drop(kept);
        Ok(rollup.rows())
    }

    async fn events(
        &self,
        filter: &UsageFilter,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<&UsageRecord> = kept
            .records
            .iter()
            .filter(|record| filter.holds(record))
            .filter(|record| after.is_none_or(|after| Position::of(record) > *after))
            .collect();
        found.sort_by_key(|record| Position::of(record));
        Ok(found.into_iter().take(limit).cloned().collect())
    }

    fn complete_from_ms(&self) -> Option<u64> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.left_at_ms.map(|left| left + 1)
    }

    fn as_memory(&self) -> Option<&MemoryUsage> {
        Some(self)
    }
}
