//! How often a stream is read. A provider that writes faster than once a millisecond is read once a
//! millisecond, and what has come by then goes on together: each piece by itself would cost a system call
//! and two wake-ups, and nobody sees the difference. A slower one is read as soon as it has written, and
//! so is every first piece.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::error::Result;
use crate::http::Response;

const PERIOD: Duration = Duration::from_millis(1);

/// So many bytes go on even while more is there.
const MOST_TOGETHER: usize = 64 << 10;

/// The body of a stream of events, in pieces that hold all that has come.
pub(super) struct Paced {
    response: Response,
    pace: Pace,
    /// What followed the last pieces: an end or an error.
    after: Option<Result<Option<Bytes>>>,
}

impl Paced {
    pub fn new(response: Response) -> Self {
        Paced {
            response,
            pace: Pace::default(),
            after: None,
        }
    }

    /// What has come since the last call, waiting for it; `None` at the end.
    ///
    /// # Errors
    /// Those of [`Response::chunk`], once all before was given.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let first = match self.after.take() {
            Some(after) => after,
            None => self.first().await,
        };
        match first? {
            Some(first) => Ok(Some(self.with_more(first).await)),
            None => Ok(None),
        }
    }

    async fn first(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(piece) = self.there().await {
                self.pace.found(Instant::now);
                return piece;
            }
            let Some(until) = self.pace.rest() else {
                let piece = self.response.chunk().await;
                self.pace.arrived(Instant::now());
                return piece;
            };
            tokio::time::sleep_until(until).await;
        }
    }

    async fn with_more(&mut self, first: Bytes) -> Bytes {
        let mut all = BytesMut::new();
        while all.len() < MOST_TOGETHER {
            match self.there().await {
                Some(Ok(Some(piece))) => {
                    if all.is_empty() {
                        all.extend_from_slice(&first);
                    }
                    all.extend_from_slice(&piece);
                }
                Some(after) => {
                    self.after = Some(after);
                    break;
                }
                None => break,
            }
        }
        if all.is_empty() { first } else { all.freeze() }
    }

    async fn there(&mut self) -> Option<Result<Option<Bytes>>> {
        if self.pace.is_fast {
            self.response.read_on().await
        } else {
            self.response.ready()
        }
    }
}

#[derive(Default)]
struct Pace {
    last_arrival: Option<Instant>,
    /// Whether pieces come faster than once a period.
    is_fast: bool,
    has_rested: bool,
}

impl Pace {
    /// Nothing is there: until when to leave the stream alone before looking again. Nothing when the next
    /// piece is to be waited for.
    fn rest(&mut self) -> Option<Instant> {
        self.has_rested = self.is_fast && !self.has_rested;
        self.last_arrival
            .filter(|_| self.has_rested)
            .map(|last| last + PERIOD)
    }

    /// A piece was there at `now`, without waiting for it.
    fn found(&mut self, now: impl FnOnce() -> Instant) {
        if std::mem::take(&mut self.has_rested) {
            self.last_arrival = Some(now());
        }
    }

    /// A piece was waited for until `now`.
    fn arrived(&mut self, now: Instant) {
        self.is_fast = self.last_arrival.is_some_and(|last| now - last < PERIOD);
        self.last_arrival = Some(now);
        self.has_rested = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads one piece after the other, each so many microseconds after the last; gives how much later
    /// than it came each was read.
    fn delays(gaps: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut now = start;
        let mut came = start;
        let delay = |gap: &u64| {
            came += Duration::from_micros(*gap);
            match pace.rest() {
                Some(until) if until >= came => {
                    now = until;
                    pace.found(|| now);
                }
                rested => {
                    if rested.is_some() {
                        assert_eq!(pace.rest(), None, "it rests once before it waits");
                    }
                    now = now.max(came);
                    pace.arrived(now);
                }
            }
            u64::try_from((now - came).as_micros()).unwrap()
        };
        gaps.iter().map(delay).collect()
    }

    #[test]
    fn pieces_that_come_slower_than_the_period_are_read_at_once() {
        assert_eq!(delays(&[0, 20_000, 1_000, 5_000]), [0, 0, 0, 0]);
    }

    #[test]
    fn faster_ones_are_read_once_a_period_until_they_are_slow_again() {
        assert_eq!(
            delays(&[0, 100, 600, 600, 20_000, 20_000]),
            [0, 0, 400, 800, 0, 0]
        );
    }
}
