//! The core's traits over callbacks into JavaScript, one file a trait.

pub mod limiter;
pub mod notice;
pub mod store;
pub mod usage;
