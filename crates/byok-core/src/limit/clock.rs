//! The limiter's two clocks: a monotonic one for rates, the calendar for budgets. Both follow tokio's
//! clock, so a test that pauses that one moves both.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

#[derive(Debug)]
pub struct Clock {
    start: Instant,
    /// Set in tests: the calendar's time at `start`.
    unix_start_ms: Option<u64>,
}

impl Clock {
    pub fn system() -> Self {
        Clock {
            start: Instant::now(),
            unix_start_ms: None,
        }
    }

    /// A calendar that begins at the given moment and goes on with tokio's clock.
    pub fn starting_at(unix_ms: u64) -> Self {
        Clock {
            start: Instant::now(),
            unix_start_ms: Some(unix_ms),
        }
    }

    /// Nanoseconds since the clock was made; never goes back.
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since 1970, as the system's clock says.
    pub fn unix_ms(&self) -> u64 {
        match self.unix_start_ms {
            Some(start_ms) => start_ms + self.now_ns() / 1_000_000,
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| {
                    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
                }),
        }
    }
}
