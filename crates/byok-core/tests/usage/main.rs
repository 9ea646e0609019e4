//! Usage as a whole: the same sums from every store, nothing lost and nothing twice.

mod delivery;
mod sums;
mod support;
