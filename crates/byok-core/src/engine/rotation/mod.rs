//! The master keys' rotation: moving all records to the current key, and saying which keys the
//! records in the store need. Both walk the whole store; neither shows what a record holds.

mod check;
mod rewrap;
mod tally;
mod walk;

use std::time::Instant;

use crate::error::{Code, Error, Result};

pub use check::KeyReport;
pub use rewrap::RewrapReport;
pub use tally::{KeyRole, KeyUse, RecordFailure};

/// Cryptography for a whole page of records, off the threads that wait for the network.
pub(super) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        if error.is_cancelled() {
            return Error::new(Code::Closed, "The process is ending.");
        }
        Error::new(
            Code::Internal,
            "Work on a page of records ended unexpectedly. Please report it.",
        )
    })
}

fn elapsed_ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
