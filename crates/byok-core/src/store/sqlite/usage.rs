//! Usage events in the same database file as the keys: the statements, and the store over them. The
//! table is made when it is first needed, and older versions of this library leave it alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::SqliteStore;
use super::writer::Write;
use crate::capability::Capability;
use crate::error::Result;
use crate::store::KeyStore;
use crate::usage::{
    GroupBy, Interval, Outcome, Position, UsageFilter, UsageQuery, UsageRecord, UsageRow,
    UsageStore, iso, parse_uuid, uuid,
};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS byok_usage (
        id                  TEXT    NOT NULL PRIMARY KEY,
        started_at_ms       INTEGER NOT NULL,
        namespace           TEXT    NOT NULL,
        user_id             TEXT    NOT NULL,
        provider            TEXT    NOT NULL,
        label               TEXT    NOT NULL,
        model               TEXT,
        capability          TEXT    NOT NULL,
        status              TEXT    NOT NULL,
        duration_ms         INTEGER NOT NULL,
        first_output_ms     INTEGER,
        retries             INTEGER NOT NULL,
        attempt             INTEGER NOT NULL,
        request_id          TEXT,
        input_tokens        INTEGER,
        output_tokens       INTEGER,
        cached_input_tokens INTEGER,
        reasoning_tokens    INTEGER,
        characters          INTEGER,
        audio_ms            INTEGER,
        images              INTEGER,
        cost_nanos          INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS byok_usage_time ON byok_usage (namespace, started_at_ms);
    CREATE INDEX IF NOT EXISTS byok_usage_user ON byok_usage (namespace, user_id, started_at_ms);
";

const COLUMNS: &str = "id, started_at_ms, namespace, user_id, provider, label, model, capability, \
    status, duration_ms, first_output_ms, retries, attempt, request_id, input_tokens, \
    output_tokens, cached_input_tokens, reasoning_tokens, characters, audio_ms, images, cost_nanos";

/// Keeps usage events in the database of a [`SqliteStore`], which stays its owner's to close.
pub struct SqliteUsage {
    store: Arc<SqliteStore>,
    has_table: AtomicBool,
}

impl SqliteUsage {
    pub fn new(store: Arc<SqliteStore>) -> Self {
        SqliteUsage {
            store,
            has_table: AtomicBool::new(false),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        if !self.has_table.load(Ordering::Relaxed) {
            self.write(&[]).await?;
        }
        self.store.read(query).await
    }
}

#[async_trait]
impl UsageStore for SqliteUsage {
    async fn write(&self, records: &[UsageRecord]) -> Result<()> {
        self.store
            .writer
            .run(Write::Usage(records.to_vec()))
            .await?;
        self.has_table.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn query(&self, query: &UsageQuery) -> Result<Vec<UsageRow>> {
        let query = query.clone();
        self.read(move |connection| rollup(connection, &query))
            .await
    }

    async fn events(
        &self,
        filter: &UsageFilter,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>> {
        let (filter, after) = (filter.clone(), after.copied());
        self.read(move |connection| events(connection, &filter, after, limit))
            .await
    }

    async fn close(&self) -> Result<()> {
        self.store.close().await
    }
}

/// Writes the events whose ids are not there yet.
pub(super) fn insert(connection: &Connection, records: &[UsageRecord]) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    let mut insert = connection.prepare_cached(&format!(
        "INSERT INTO byok_usage ({COLUMNS}) VALUES ({}) ON CONFLICT (id) DO NOTHING",
        vec!["?"; 22].join(", ")
    ))?;
    for record in records {
        insert.execute(params![
            uuid(record.id),
            integer(record.started_at_ms),
            record.namespace,
            record.user_id,
            record.provider,
            record.label,
            record.model,
            record.capability.as_str(),
            record.status.as_str(),
            integer(record.duration_ms),
            record.first_output_ms.map(integer),
            record.retries,
            record.attempt,
            record.request_id,
            record.input_tokens.map(integer),
            record.output_tokens.map(integer),
            record.cached_input_tokens.map(integer),
            record.reasoning_tokens.map(integer),
            record.characters.map(integer),
            record.audio_ms.map(integer),
            record.images.map(integer),
            record.cost_nanos.map(integer),
        ])?;
    }
    Ok(())
}

fn rollup(connection: &Connection, query: &UsageQuery) -> rusqlite::Result<Vec<UsageRow>> {
    let start = query.interval.map(|interval| match interval {
        Interval::Minute => "started_at_ms - started_at_ms % 60000",
        Interval::Hour => "started_at_ms - started_at_ms % 3600000",
        Interval::Day => "started_at_ms - started_at_ms % 86400000",
        Interval::Month => {
            "CAST(strftime('%s', started_at_ms / 1000, 'unixepoch', 'start of month') AS INTEGER) * 1000"
        }
    });
    let groups: Vec<&str> = start
        .into_iter()
        .chain(query.group_by.iter().map(|by| by.column()))
        .collect();
    let (condition, values) = conditions(&query.filter);
    let mut sql = "SELECT count(*), coalesce(sum(status NOT IN ('ok', 'abandoned')), 0), \
        coalesce(sum(status = 'abandoned'), 0), coalesce(sum(retries), 0), \
        coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), \
        coalesce(sum(cached_input_tokens), 0), coalesce(sum(reasoning_tokens), 0), \
        coalesce(sum(characters), 0), coalesce(sum(audio_ms), 0), coalesce(sum(images), 0), \
        coalesce(sum(duration_ms), 0), coalesce(sum(first_output_ms), 0), count(first_output_ms), \
        coalesce(sum(cost_nanos), 0), \
        coalesce(sum(cost_nanos IS NULL AND status IN ('ok', 'abandoned')), 0)"
        .to_owned();
    for group in &groups {
        sql.push_str(", ");
        sql.push_str(group);
    }
    sql.push_str(" FROM byok_usage WHERE ");
    sql.push_str(&condition);
    if !groups.is_empty() {
        // By place, so that the text of an interval need not be repeated.
        let places: Vec<String> = (0..groups.len())
            .map(|index| (17 + index).to_string())
            .collect();
        let places = places.join(", ");
        sql.push_str(&format!(" GROUP BY {places} ORDER BY {places}"));
    }
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| read_row(row, query))?;
    rows.collect()
}

fn read_row(row: &Row<'_>, query: &UsageQuery) -> rusqlite::Result<UsageRow> {
    let number = |index: usize| row.get::<_, i64>(index).map(unsigned);
    let mut sums = UsageRow {
        calls: number(0)?,
        failed: number(1)?,
        abandoned: number(2)?,
        retries: number(3)?,
        input_tokens: number(4)?,
        output_tokens: number(5)?,
        cached_input_tokens: number(6)?,
        reasoning_tokens: number(7)?,
        characters: number(8)?,
        audio_ms: number(9)?,
        images: number(10)?,
        duration_ms: number(11)?,
        first_output_ms: number(12)?,
        first_outputs: number(13)?,
        cost_nanos: number(14)?,
        unpriced: number(15)?,
        ..UsageRow::default()
    };
    let mut next = 16;
    if query.interval.is_some() {
        sums.start = Some(iso(number(next)?));
        next += 1;
    }
    for by in &query.group_by {
        sums.set(*by, row.get(next)?);
        next += 1;
    }
    Ok(sums)
}

fn events(
    connection: &Connection,
    filter: &UsageFilter,
    after: Option<Position>,
    limit: usize,
) -> rusqlite::Result<Vec<UsageRecord>> {
    let (mut condition, mut values) = conditions(filter);
    if let Some(after) = after {
        condition.push_str(" AND (started_at_ms, id) > (?, ?)");
        values.push(Value::Integer(integer(after.at_ms)));
        values.push(Value::Text(uuid(after.id)));
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM byok_usage WHERE {condition} ORDER BY started_at_ms, id LIMIT {limit}"
    ))?;
    let rows = statement.query_map(params_from_iter(values), read_record)?;
    rows.collect()
}

fn read_record(row: &Row<'_>) -> rusqlite::Result<UsageRecord> {
    let number = |index: usize| {
        row.get::<_, Option<i64>>(index)
            .map(|value| value.map(unsigned))
    };
    let text = |index: usize| row.get::<_, String>(index);
    let bad = |index: usize, name: &str| {
        rusqlite::Error::InvalidColumnType(index, name.to_owned(), rusqlite::types::Type::Text)
    };
    let capability = text(7)?;
    Ok(UsageRecord {
        id: parse_uuid(&text(0)?).ok_or_else(|| bad(0, "id"))?,
        started_at_ms: number(1)?.unwrap_or(0),
        namespace: text(2)?,
        user_id: text(3)?,
        provider: text(4)?,
        label: text(5)?,
        model: row.get(6)?,
        capability: Capability::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == capability)
            .ok_or_else(|| bad(7, "capability"))?,
        status: Outcome::from_name(&text(8)?).ok_or_else(|| bad(8, "status"))?,
        duration_ms: number(9)?.unwrap_or(0),
        first_output_ms: number(10)?,
        retries: row.get(11)?,
        attempt: row.get(12)?,
        request_id: row.get(13)?,
        input_tokens: number(14)?,
        output_tokens: number(15)?,
        cached_input_tokens: number(16)?,
        reasoning_tokens: number(17)?,
        characters: number(18)?,
        audio_ms: number(19)?,
        images: number(20)?,
        cost_nanos: number(21)?,
    })
}

/// The text behind `WHERE`, and its values.
fn conditions(filter: &UsageFilter) -> (String, Vec<Value>) {
    let mut condition = "namespace = ? AND started_at_ms >= ? AND started_at_ms < ?".to_owned();
    let mut values = vec![
        Value::Text(filter.namespace.clone()),
        Value::Integer(integer(filter.from_ms)),
        Value::Integer(integer(filter.to_ms)),
    ];
    let capability = filter.capability.map(|wanted| wanted.as_str().to_owned());
    for (column, wanted) in [
        (GroupBy::UserId, &filter.user_id),
        (GroupBy::Provider, &filter.provider),
        (GroupBy::Model, &filter.model),
        (GroupBy::Capability, &capability),
        (GroupBy::Label, &filter.label),
    ] {
        if let Some(wanted) = wanted {
            condition.push_str(&format!(" AND {} = ?", column.column()));
            values.push(Value::Text(wanted.clone()));
        }
    }
    (condition, values)
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
