//! Opening the database file: who may read it, whose it is, how it is set up, and what an SQLite
//! error means to a caller. Knows the schema's version; the statements stand in `row.rs`.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::{Code, Error, Result};

/// "byok", in the header of every database of ours (<https://www.sqlite.org/fileformat.html>, 1.3.12).
const APPLICATION_ID: i32 = 0x6279_6f6b;
const SCHEMA_VERSION: i32 = 1;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    CREATE TABLE byok_keys (
        namespace   TEXT NOT NULL,
        user_id     TEXT NOT NULL,
        provider    TEXT NOT NULL,
        label       TEXT NOT NULL,
        sealed      TEXT NOT NULL,
        status      TEXT NOT NULL,
        hint        TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        created_at  TEXT NOT NULL,
        updated_at  TEXT NOT NULL,
        verified_at TEXT,
        metadata    TEXT,
        PRIMARY KEY (namespace, user_id, provider, label)
    ) STRICT, WITHOUT ROWID;
";

/// Which database, for opening it and for error messages.
#[derive(Clone)]
pub(super) struct Location(Arc<Path>);

impl Location {
    pub(super) fn new(path: &Path) -> Self {
        Location(path.into())
    }

    pub(super) fn is_memory(&self) -> bool {
        &*self.0 == Path::new(":memory:")
    }

    fn failure(&self, reason: impl std::fmt::Display) -> Error {
        Error::new(
            Code::StoreError,
            format!("The database {}: {reason}.", self.0.display()),
        )
    }

    /// SQLite's own words under our code.
    pub(super) fn error(&self, error: rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::new(
                Code::StoreTimeout,
                format!(
                    "The database {} stayed locked for {} seconds ({error}). Another process holds \
                     a write transaction open; end it, or try again.",
                    self.0.display(),
                    BUSY_TIMEOUT.as_secs(),
                ),
            ),
            _ => self.failure(error),
        }
    }
}

/// The connection that writes; creates file and schema where they are missing.
pub(super) fn open_writer(location: &Location) -> Result<Connection> {
    if location.is_memory() {
        let mut connection = Connection::open_in_memory_with_flags(flags())
            .map_err(|error| location.error(error))?;
        create_schema(&mut connection, location)?;
        return Ok(connection);
    }
    create_file(location)?;
    let mut connection = connect(location)?;
    check_owner(&connection, location)?;
    enter_wal_mode(&connection, location)?;
    let set_up = connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA secure_delete = ON;",
    );
    set_up.map_err(|error| location.error(error))?;
    create_schema(&mut connection, location)?;
    Ok(connection)
}

/// A connection that can't write.
pub(super) fn open_reader(location: &Location) -> Result<Connection> {
    let connection = connect(location)?;
    connection
        .execute_batch("PRAGMA query_only = ON;")
        .map_err(|error| location.error(error))?;
    Ok(connection)
}

/// No `CREATE`: only [`create_file`] makes files. No `URI`: a path is a path.
fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn connect(location: &Location) -> Result<Connection> {
    let open = || {
        let connection = Connection::open_with_flags(&location.0, flags())?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
        Ok(connection)
    };
    open().map_err(|error| location.error(error))
}

/// Creates an empty file that only its owner can read; SQLite gives its mode to `-wal` and `-shm`.
///
/// An existing file is never opened here: closing any descriptor of a file drops all locks that
/// this process has on it, those of another store's connections too
/// (<https://www.sqlite.org/howtocorrupt.html>, 2.2). For the same reason one creation at a time.
fn create_file(location: &Location) -> Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let path = &*location.0;
    if path.as_os_str().is_empty() {
        return Err(Error::invalid_argument(
            "The path of an SQLite database is empty. Give a file name, or \":memory:\".",
        ));
    }
    if path.is_dir() {
        return Err(location.failure("is a folder; give the path of a file"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    if !fs::metadata(&folder).is_ok_and(|found| found.is_dir()) {
        return Err(location.failure(format!(
            "its folder {} does not exist; create it first",
            folder.display()
        )));
    }

    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_length(location),
        Err(error) => Err(location.failure(format!("can't be created: {error}"))),
    }
}

/// SQLite takes a file that is shorter than its least page for an empty database and would write
/// over it. Only a file of no bytes at all may be taken for a new one.
fn check_length(location: &Location) -> Result<()> {
    const LEAST_PAGE: u64 = 512;

    let found = fs::metadata(&location.0);
    let found = found.map_err(|error| location.failure(format!("can't be opened: {error}")))?;
    if (1..LEAST_PAGE).contains(&found.len()) {
        return Err(location.failure("file is not a database, or was cut short"));
    }
    Ok(())
}

/// Refuses a database that is not ours before anything is written to it. True: it has our schema.
fn check_owner(connection: &Connection, location: &Location) -> Result<bool> {
    let read = || {
        let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i32>(0));
        let transaction = connection.unchecked_transaction()?;
        let application = number("PRAGMA application_id")?;
        let version = number("PRAGMA user_version")?;
        let objects = number("SELECT count(*) FROM sqlite_schema")?;
        transaction.commit()?;
        Ok((application, version, objects))
    };
    match read().map_err(|error| location.error(error))? {
        (APPLICATION_ID, SCHEMA_VERSION, _) => Ok(true),
        (0, 0, 0) => Ok(false),
        (APPLICATION_ID, version, _) if version > SCHEMA_VERSION => Err(location.failure(format!(
            "was written by a newer version of byok-ai (schema {version}, this one knows \
             {SCHEMA_VERSION}); update byok-ai"
        ))),
        (APPLICATION_ID, version, _) => Err(location.failure(format!(
            "has the unknown schema version {version}; restore it from a backup"
        ))),
        _ => Err(location.failure("belongs to another program; give byok-ai a file of its own")),
    }
}

/// SQLite does not always wait by itself when two processes change the mode at the same time.
fn enter_wal_mode(connection: &Connection, location: &Location) -> Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => {
                return Err(location.failure(format!(
                    "can't be put in WAL mode (it stays in {mode}); use a local disk"
                )));
            }
            Err(error) => {
                let busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
                if !busy || Instant::now() >= deadline {
                    return Err(location.error(error));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn create_schema(connection: &mut Connection, location: &Location) -> Result<()> {
    if check_owner(connection, location)? {
        return Ok(());
    }
    let failed = |error| location.error(error);
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(failed)?;
    // Another process may have been first; it is under our lock that the answer is final.
    let objects = transaction
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })
        .map_err(failed)?;
    if objects == 0 {
        transaction.execute_batch(SCHEMA).map_err(failed)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", SCHEMA_VERSION)
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    check_owner(connection, location).map(drop)
}
