//! Who waits for whom. Calls that wait for the same allowance stand in a line; users whose calls wait
//! for one that they share stand in it with one call each, so nobody's crowd is in another's way.
//! Lines are as long as those in them: an empty one is gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, Notify, OwnedMutexGuard};
use tokio::time::{Instant, timeout_at};

use super::table::Key;

/// A rule's place in the list, the key it counts, and whose line it is (0: everyone's).
pub type LineName = (usize, [u64; 2], u64);

pub struct Queue {
    lines: Arc<Mutex<HashMap<LineName, Line>>>,
    waiting: AtomicUsize,
    capacity: usize,
    /// Woken when something was given back before its time.
    pub freed: Notify,
}

struct Line {
    turn: Arc<Turn<()>>,
    members: usize,
}

/// The turn of a line; dropping it is the next one's turn.
pub struct Place {
    _turn: OwnedMutexGuard<()>,
    _membership: Membership,
}

struct Membership {
    lines: Arc<Mutex<HashMap<LineName, Line>>>,
    name: LineName,
}

/// Counts one call among those that wait.
pub struct Waiting<'a>(&'a AtomicUsize);

impl Queue {
    pub fn new(capacity: usize) -> Self {
        Queue {
            lines: Arc::default(),
            waiting: AtomicUsize::new(0),
            capacity,
            freed: Notify::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }

    /// Nothing when too many wait already.
    pub fn join(&self) -> Option<Waiting<'_>> {
        let joined = self
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                (count < self.capacity).then_some(count + 1)
            });
        joined.ok().map(|_| Waiting(&self.waiting))
    }

    pub fn has_line(&self, name: &LineName) -> bool {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(name)
    }

    /// The turn in a line, in the order of arrival; nothing when it did not come in time.
    pub async fn turn(&self, name: LineName, deadline: Instant) -> Option<Place> {
        let turn = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let line = lines.entry(name).or_insert_with(|| Line {
                turn: Arc::default(),
                members: 0,
            });
            line.members += 1;
            line.turn.clone()
        };
        let membership = Membership {
            lines: self.lines.clone(),
            name,
        };
        let turn = timeout_at(deadline, turn.lock_owned()).await.ok()?;
        Some(Place {
            _turn: turn,
            _membership: membership,
        })
    }
}

/// The name of a line for one counted key: everyone's, or one user's own.
pub fn line(rule: usize, key: Key, user: u64) -> LineName {
    (rule, key.0, user)
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get_mut(&self.name) {
            line.members -= 1;
            if line.members == 0 {
                lines.remove(&self.name);
            }
        }
    }
}
