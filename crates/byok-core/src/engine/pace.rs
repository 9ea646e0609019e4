//! How often a stream is read. A provider that writes faster than once a millisecond is read once a
//! millisecond, and what has come by then goes on together: each piece by itself would cost a system call
//! and two wake-ups, and nobody sees the difference. A slower one is read as soon as it has written, and
//! so is every first piece.

use std::time::Duration;

use tokio::time::Instant;

const PERIOD: Duration = Duration::from_millis(1);

#[derive(Default)]
pub(super) struct Pace {
    last_arrival: Option<Instant>,
    is_fast: bool,
    has_rested: bool,
}

impl Pace {
    /// Whether pieces come faster than once a period.
    pub fn is_fast(&self) -> bool {
        self.is_fast
    }

    /// Nothing is there: until when to leave the stream alone before looking again. Nothing when the next
    /// piece is to be waited for.
    pub fn rest(&mut self) -> Option<Instant> {
        self.has_rested = self.is_fast && !self.has_rested;
        self.last_arrival
            .filter(|_| self.has_rested)
            .map(|last| last + PERIOD)
    }

    /// A piece was there at `now`, without waiting for it.
    pub fn found(&mut self, now: impl FnOnce() -> Instant) {
        if std::mem::take(&mut self.has_rested) {
            self.last_arrival = Some(now());
        }
    }

    /// A piece was waited for until `now`.
    pub fn arrived(&mut self, now: Instant) {
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
