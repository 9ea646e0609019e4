//! A few read-only connections that calls take turns on. A query runs on a thread made for blocking;
//! who finds all connections taken waits without a thread.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

use super::database::{self, Location};
use crate::error::{Code, Error, Result};
use crate::store::closed;

pub(super) struct Readers {
    location: Location,
    /// One permit a connection; closed with the store.
    permits: Arc<Semaphore>,
    free: Arc<Mutex<Vec<Connection>>>,
    count: u32,
}

impl Readers {
    pub(super) fn open(location: &Location, count: usize) -> Result<Self> {
        let free: Vec<Connection> = (0..count)
            .map(|_| database::open_reader(location))
            .collect::<Result<_>>()?;
        Ok(Readers {
            location: location.clone(),
            permits: Arc::new(Semaphore::new(count)),
            free: Arc::new(Mutex::new(free)),
            count: count as u32,
        })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let free = self.free.clone();
        let location = self.location.clone();
        let task = tokio::task::spawn_blocking(move || {
            let taken = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let lease = Lease {
                connection: taken,
                free,
                _permit: permit,
            };
            let connection = lease.connection.as_ref().ok_or_else(closed)?;
            query(connection).map_err(|error| location.error(error))
        });
        task.await.map_err(interrupted)?
    }

    /// Waits for queries in flight and closes the connections.
    pub(super) async fn close(&self) {
        // An error means that another call of `close` has been here.
        if let Ok(all) = self.permits.acquire_many(self.count).await {
            self.permits.close();
            self.free
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
            drop(all);
        }
    }
}

/// A connection in use; goes back when it is dropped, before its permit does, also after a panic.
struct Lease {
    connection: Option<Connection>,
    free: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(self.connection.take());
    }
}

/// A blocking task that was not run to its end: the runtime is going down, or the task panicked.
pub(super) fn interrupted(error: JoinError) -> Error {
    if error.is_cancelled() {
        return closed();
    }
    Error::new(
        Code::Internal,
        "A query of the SQLite store ended unexpectedly. Please report it.",
    )
}
