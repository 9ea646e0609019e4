//! One number for each key of one rule, in shards with a lock each. An entry is 24 bytes whatever the
//! key's length; entries that are idle, and so the same as absent ones, leave while others come.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;
/// A shard smaller than this is not worth a look.
const LEAST_SWEEP: usize = 64;

type Entries = HashMap<Key, u64, BuildHasherDefault<SecondHalf>>;

/// A hash of 128 bits. The first half chooses the shard, the second the place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub [u64; 2]);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[1]);
    }
}

/// Hands on what is a hash already.
#[derive(Default)]
struct SecondHalf(u64);

impl Hasher for SecondHalf {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }
}

pub struct Table {
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
pub struct Shard {
    entries: Entries,
    /// The number of entries at which idle ones are looked for.
    sweep_at: usize,
    /// What the entries are about, when that changes with the calendar: older ones are forgotten.
    period: u64,
}

impl Table {
    pub fn new() -> Self {
        Table {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    pub fn lock(&self, key: Key) -> MutexGuard<'_, Shard> {
        let shard = key.0[0] as usize % SHARDS;
        self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out what is idle, shard by shard.
    pub fn sweep(&self, is_idle: impl Fn(u64) -> bool) {
        for shard in &*self.shards {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .sweep(&is_idle);
        }
    }

    pub fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard>| {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entries
                .len()
        };
        self.shards.iter().map(count).sum()
    }
}

impl Shard {
    /// 0 for a key that is not there.
    pub fn get(&self, key: Key) -> u64 {
        self.entries.get(&key).copied().unwrap_or(0)
    }

    /// 0 takes the entry out.
    pub fn set(&mut self, key: Key, value: u64, is_idle: impl Fn(u64) -> bool) {
        if value == 0 {
            self.entries.remove(&key);
            return;
        }
        self.entries.insert(key, value);
        if self.entries.len() > self.sweep_at.max(LEAST_SWEEP) {
            self.sweep(is_idle);
        }
    }

    /// Forgets entries of other periods.
    pub fn enter(&mut self, period: u64) {
        if self.period != period {
            self.period = period;
            self.entries = Entries::default();
        }
    }

    pub fn period(&self) -> u64 {
        self.period
    }

    fn sweep(&mut self, is_idle: impl Fn(u64) -> bool) {
        self.entries.retain(|_, value| !is_idle(*value));
        let left = self.entries.len();
        self.sweep_at = 2 * left;
        if self.entries.capacity() > 4 * left.max(LEAST_SWEEP) {
            self.entries.shrink_to(2 * left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_entries_leave_while_others_come_so_that_only_the_busy_take_room() {
        let table = Table::new();
        let mut now = 0_u64;
        for key in 0..200_000_u64 {
            now = key;
            let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let hash = Key([mixed >> 32, mixed]);
            // Each is busy for a thousand steps.
            table
                .lock(hash)
                .set(hash, now + 1_000, |until| until <= now);
        }
        assert!(table.len() < 64 * 2 * LEAST_SWEEP, "{}", table.len());
        table.sweep(|until| until <= now);
        assert_eq!(table.len(), 1_000);
    }

    #[test]
    fn a_new_period_starts_from_nothing() {
        let table = Table::new();
        let mut shard = table.lock(Key([1, 2]));
        shard.enter(10);
        shard.set(Key([1, 2]), 5, |_| false);
        shard.enter(10);
        assert_eq!(shard.get(Key([1, 2])), 5);
        shard.enter(20);
        assert_eq!(shard.get(Key([1, 2])), 0);
    }
}
