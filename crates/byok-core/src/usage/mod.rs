//! Counting what was used.

pub mod money;
