//! The table's statements, and how a row becomes a record. Each function is one statement on the
//! connection it is given; it knows no thread, lock or transaction.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

use crate::store::{KeyId, KeyRecord, KeyStatus, Replacement, SCAN_BUDGET};

const GET: &str = "SELECT * FROM byok_keys
    WHERE namespace = ?1 AND user_id = ?2 AND provider = ?3 AND label = ?4";
const LIST: &str = "SELECT * FROM byok_keys
    WHERE namespace = ?1 AND user_id = ?2 ORDER BY provider, label";
const SCAN: &str = "SELECT * FROM byok_keys
    WHERE (namespace, user_id, provider, label) >= (?1, ?2, ?3, ?4)
    ORDER BY namespace, user_id, provider, label";
const SET: &str = "INSERT OR REPLACE INTO byok_keys
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const REPLACE: &str = "UPDATE byok_keys SET sealed = ?5, status = ?6, hint = ?7, fingerprint = ?8,
    created_at = ?9, updated_at = ?10, verified_at = ?11, metadata = ?12
    WHERE namespace = ?1 AND user_id = ?2 AND provider = ?3 AND label = ?4 AND sealed = ?13";
const DELETE: &str = "DELETE FROM byok_keys
    WHERE namespace = ?1 AND user_id = ?2 AND provider = ?3 AND label = ?4";

pub(super) fn get(connection: &Connection, id: &KeyId) -> rusqlite::Result<Option<KeyRecord>> {
    connection
        .prepare_cached(GET)?
        .query_row(
            [&id.namespace, &id.user_id, &id.provider, &id.label],
            record,
        )
        .optional()
}

pub(super) fn list(
    connection: &Connection,
    owner: &[String; 2],
) -> rusqlite::Result<Vec<KeyRecord>> {
    connection
        .prepare_cached(LIST)?
        .query_map([&owner[0], &owner[1]], record)?
        .collect()
}

/// Records from `from` on, and the id at which the next page begins.
///
/// One walk over all pages reads each row once, in the order of the primary key; an index over
/// `sealed` would cost every write more than it could save a walk.
pub(super) fn scan(
    connection: &Connection,
    from: Option<&KeyId>,
    limit: usize,
    not_prefix: Option<&str>,
) -> rusqlite::Result<(Vec<KeyRecord>, Option<KeyId>)> {
    let mut statement = connection.prepare_cached(SCAN)?;
    let from = from.map_or([""; 4], |id| {
        [&id.namespace, &id.user_id, &id.provider, &id.label]
    });
    let mut rows = statement.query(from)?;
    let mut records = Vec::new();
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        if records.len() == limit || seen == SCAN_BUDGET {
            return Ok((records, Some(key_id(row)?)));
        }
        seen += 1;
        let sealed = row.get_ref(4)?.as_str()?;
        if not_prefix.is_none_or(|prefix| !sealed.starts_with(prefix)) {
            records.push(record(row)?);
        }
    }
    Ok((records, None))
}

pub(super) fn set(connection: &Connection, record: &KeyRecord) -> rusqlite::Result<bool> {
    let KeyId {
        namespace,
        user_id,
        provider,
        label,
    } = &record.id;
    let rows = connection.prepare_cached(SET)?.execute(params![
        namespace,
        user_id,
        provider,
        label,
        record.sealed,
        record.status.as_str(),
        record.hint,
        record.fingerprint,
        record.created_at,
        record.updated_at,
        record.verified_at,
        metadata_text(record)?,
    ])?;
    Ok(rows == 1)
}

pub(super) fn replace(connection: &Connection, item: &Replacement) -> rusqlite::Result<bool> {
    let Replacement {
        record,
        expected_sealed,
    } = item;
    let KeyId {
        namespace,
        user_id,
        provider,
        label,
    } = &record.id;
    let rows = connection.prepare_cached(REPLACE)?.execute(params![
        namespace,
        user_id,
        provider,
        label,
        record.sealed,
        record.status.as_str(),
        record.hint,
        record.fingerprint,
        record.created_at,
        record.updated_at,
        record.verified_at,
        metadata_text(record)?,
        expected_sealed,
    ])?;
    Ok(rows == 1)
}

pub(super) fn delete(connection: &Connection, id: &KeyId) -> rusqlite::Result<bool> {
    let rows = connection.prepare_cached(DELETE)?.execute([
        &id.namespace,
        &id.user_id,
        &id.provider,
        &id.label,
    ])?;
    Ok(rows == 1)
}

fn key_id(row: &Row<'_>) -> rusqlite::Result<KeyId> {
    Ok(KeyId {
        namespace: row.get(0)?,
        user_id: row.get(1)?,
        provider: row.get(2)?,
        label: row.get(3)?,
    })
}

fn record(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        id: key_id(row)?,
        sealed: row.get(4)?,
        status: status(row, 5)?,
        hint: row.get(6)?,
        fingerprint: row.get(7)?,
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
        verified_at: row.get(10)?,
        metadata: metadata(row, 11)?,
    })
}

fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<KeyStatus> {
    let name = row.get_ref(column)?.as_str()?;
    KeyStatus::from_name(name).ok_or_else(|| {
        let reason = format!("unknown status {name:?}");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, reason.into())
    })
}

fn metadata(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Map<String, Value>>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else {
        return Ok(None);
    };
    serde_json::from_str(text).map(Some).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

fn metadata_text(record: &KeyRecord) -> rusqlite::Result<Option<String>> {
    let text = record
        .metadata
        .as_ref()
        .map(serde_json::to_string)
        .transpose();
    text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
