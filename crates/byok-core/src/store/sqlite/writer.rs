//! The one connection that writes. Calls put their write in a queue; whoever gets the connection
//! commits all that waits in one transaction, so a hundred writes at once cost one flush. A call is
//! answered after the commit that holds its write, in the order of arrival.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, oneshot};

use super::database::Location;
use super::reader::interrupted;
use super::{row, usage};
use crate::error::Result;
use crate::store::{KeyId, KeyRecord, Replacement, closed};
use crate::usage::UsageRecord;

/// Writes in one transaction at most: other processes wait for so long.
const BATCH: usize = 256;
/// How long `close` waits for readers of other processes before it leaves the `-wal` file to them.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(250);

pub(super) enum Write {
    Set(KeyRecord),
    Delete(KeyId),
    Replace(Replacement),
    Usage(Vec<UsageRecord>),
}

impl Write {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<bool> {
        match self {
            Write::Set(record) => row::set(connection, record),
            Write::Delete(id) => row::delete(connection, id),
            Write::Replace(item) => row::replace(connection, item),
            Write::Usage(records) => usage::insert(connection, records).map(|()| true),
        }
    }
}

struct Job {
    write: Write,
    done: oneshot::Sender<Result<bool>>,
}

pub(super) struct Writer {
    location: Location,
    /// `None` once closed.
    connection: Arc<AsyncMutex<Option<Connection>>>,
    queue: Arc<Mutex<VecDeque<Job>>>,
}

impl Writer {
    pub(super) fn new(connection: Connection, location: Location) -> Self {
        Writer {
            location,
            connection: Arc::new(AsyncMutex::new(Some(connection))),
            queue: Arc::default(),
        }
    }

    /// Whether a row was written or deleted. A caller that goes away before its write has begun
    /// takes it along.
    pub(super) async fn run(&self, write: Write) -> Result<bool> {
        let (done, mut answer) = oneshot::channel();
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(Job { write, done });
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut answer => return answer.unwrap_or_else(|_| Err(closed())),
                turn = self.connection.clone().lock_owned() => turn,
            };
            if let Ok(answer) = answer.try_recv() {
                return answer;
            }
            let (queue, location) = (self.queue.clone(), self.location.clone());
            let batch = tokio::task::spawn_blocking(move || run_batch(turn, &queue, &location));
            batch.await.map_err(interrupted)?;
        }
    }

    /// Makes all swaps in one transaction, or none of them when one can't be made.
    pub(super) async fn replace_many(&self, items: Arc<[Replacement]>) -> Result<Vec<bool>> {
        let mut turn = self.connection.clone().lock_owned().await;
        let location = self.location.clone();
        let task = tokio::task::spawn_blocking(move || {
            let connection = turn.as_mut().ok_or_else(closed)?;
            let swap = |transaction: &_, item: &_| row::replace(transaction, item);
            in_transaction(connection, &items, swap).map_err(|error| location.error(error))
        });
        task.await.map_err(interrupted)?
    }

    /// A read on this connection, for a database that has no other.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = self.connection.clone().lock_owned().await;
        let location = self.location.clone();
        let task = tokio::task::spawn_blocking(move || {
            let connection = turn.as_ref().ok_or_else(closed)?;
            query(connection).map_err(|error| location.error(error))
        });
        task.await.map_err(interrupted)?
    }

    pub(super) async fn close(&self) -> Result<()> {
        let mut turn = self.connection.clone().lock_owned().await;
        let Some(connection) = turn.take() else {
            return Ok(());
        };
        let location = self.location.clone();
        let task = tokio::task::spawn_blocking(move || {
            // `turn` stays locked until the file is closed: who comes next finds it done.
            let _turn = turn;
            // Reports in a row, not as an error, that readers of other processes were in the way.
            let checkpointed = connection.busy_timeout(CHECKPOINT_TIMEOUT).and_then(|()| {
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            });
            connection.flush_prepared_statement_cache();
            let closed = connection.close().map_err(|(_, error)| error);
            checkpointed
                .and(closed)
                .map_err(|error| location.error(error))
        });
        task.await.map_err(interrupted)?
    }
}

fn run_batch(
    mut turn: OwnedMutexGuard<Option<Connection>>,
    queue: &Mutex<VecDeque<Job>>,
    location: &Location,
) {
    let mut jobs: Vec<Job> = {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queue.len().min(BATCH);
        queue.drain(..count).collect()
    };
    jobs.retain(|job| !job.done.is_closed());
    match &mut *turn {
        Some(connection) => commit(connection, jobs, location),
        None => jobs.into_iter().for_each(|job| answer(job, Err(closed()))),
    }
}

fn commit(connection: &mut Connection, jobs: Vec<Job>, location: &Location) {
    let apply = |transaction: &_, job: &Job| job.write.apply(transaction);
    match in_transaction(connection, &jobs, apply) {
        Ok(written) => {
            jobs.into_iter()
                .zip(written)
                .for_each(|(job, written)| answer(job, Ok(written)));
        }
        // One write that can't be made must not fail its neighbours; a lock fails all alike.
        Err(error)
            if jobs.len() > 1 && error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) =>
        {
            jobs.into_iter()
                .for_each(|job| commit(connection, vec![job], location));
        }
        Err(error) => {
            let reason = location.error(error);
            for job in jobs {
                let copy = crate::error::Error::new(reason.code(), reason.message().to_owned());
                answer(job, Err(copy));
            }
        }
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    items: &[T],
    write: impl Fn(&Connection, &T) -> rusqlite::Result<bool>,
) -> rusqlite::Result<Vec<bool>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let written = items
        .iter()
        .map(|item| write(&transaction, item))
        .collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(written)
}

/// A caller that has gone away while its write was made needs no answer.
fn answer(job: Job, result: Result<bool>) {
    let _gone = job.done.send(result);
}
