//! The durable store for one machine: an SQLite file that several processes may share. This file
//! maps the store's methods to reads and writes; how the file is opened, read and written stands in
//! the files of the folder of the same name.

mod database;
mod reader;
mod row;
mod usage;
mod writer;

pub use usage::SqliteUsage;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;

use self::database::Location;
use self::reader::Readers;
use self::writer::{Write, Writer};
use super::{KeyId, KeyRecord, KeyStore, Replacement, ScanOptions, ScanPage, cursor, page_limit};
use crate::error::Result;

/// Connections for `get` and `list`; a scan has one of its own, so they never wait behind it.
const READERS: usize = 3;

/// Keeps records in an SQLite database (WAL mode) at a path.
///
/// - A new file has mode 0600, and so have its `-wal` and `-shm` companions.
/// - A write that was acknowledged survives a crash of the process and, where disk and system
///   honour a flush, the loss of power (`synchronous = FULL`). Writes that wait at the same time
///   share one transaction and so one flush.
/// - Another process may hold the write lock; after 5 seconds of waiting a call fails with
///   `STORE_TIMEOUT`. Readers wait for nobody. Don't put the file on a network drive.
/// - A deleted record is overwritten in the database file (`secure_delete`), at the latest by
///   `close` if no other process has the file open; until then the `-wal` file may hold old bytes.
///
/// ```
/// use byok_core::store::{KeyStore, SqliteStore};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = SqliteStore::open(":memory:".as_ref()).unwrap();
/// assert!(store.list("default", "user_123").await.unwrap().is_empty());
/// store.close().await.unwrap();
/// # });
/// ```
pub struct SqliteStore {
    writer: Writer,
    /// Absent for `:memory:`, whose only connection is the writer's.
    readers: Option<(Readers, Readers)>,
}

impl SqliteStore {
    /// Opens or creates the database; blocks for as long as that takes. `:memory:` makes one that
    /// ends with the store.
    ///
    /// # Errors
    /// `STORE_ERROR` when the folder is missing, the file is no database, another program's or a
    /// newer version's; `STORE_TIMEOUT` when another process kept it locked for 5 seconds.
    pub fn open(path: &Path) -> Result<Self> {
        let location = Location::new(path);
        let writer = database::open_writer(&location)?;
        let readers = if location.is_memory() {
            None
        } else {
            let scanner = Readers::open(&location, 1)?;
            Some((Readers::open(&location, READERS)?, scanner))
        };
        Ok(SqliteStore {
            writer: Writer::new(writer, location),
            readers,
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.readers {
            Some((readers, _)) => readers.run(query).await,
            None => self.writer.read(query).await,
        }
    }
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn get(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let id = id.clone();
        self.read(move |connection| row::get(connection, &id)).await
    }

    async fn set(&self, record: &KeyRecord) -> Result<()> {
        self.writer.run(Write::Set(record.clone())).await.map(drop)
    }

    async fn delete(&self, id: &KeyId) -> Result<bool> {
        self.writer.run(Write::Delete(id.clone())).await
    }

    async fn list(&self, namespace: &str, user_id: &str) -> Result<Vec<KeyRecord>> {
        let owner = [namespace.to_owned(), user_id.to_owned()];
        self.read(move |connection| row::list(connection, &owner))
            .await
    }

    async fn replace(&self, record: &KeyRecord, expected_sealed: &str) -> Result<Option<bool>> {
        let expected_sealed = expected_sealed.to_owned();
        self.writer
            .run(Write::Replace(Replacement {
                record: record.clone(),
                expected_sealed,
            }))
            .await
            .map(Some)
    }

    /// All of them in one transaction: other writers wait for so long.
    async fn replace_many(&self, items: Arc<[Replacement]>) -> Result<Option<Vec<bool>>> {
        self.writer.replace_many(items).await.map(Some)
    }

    async fn scan(&self, options: &ScanOptions) -> Result<Option<ScanPage>> {
        let limit = page_limit(options)?;
        let from = options.cursor.as_deref().map(cursor::decode).transpose()?;
        let not_prefix = options.not_prefix.clone();
        let query = move |connection: &Connection| {
            row::scan(connection, from.as_ref(), limit, not_prefix.as_deref())
        };
        let (records, next) = match &self.readers {
            Some((_, scanner)) => scanner.run(query).await?,
            None => self.writer.read(query).await?,
        };
        let cursor = next.as_ref().map(cursor::encode).transpose()?;
        Ok(Some(ScanPage { records, cursor }))
    }

    /// Waits for calls in flight, moves the `-wal` file into the database and closes it.
    async fn close(&self) -> Result<()> {
        if let Some((readers, scanner)) = &self.readers {
            readers.close().await;
            scanner.close().await;
        }
        self.writer.close().await
    }
}
