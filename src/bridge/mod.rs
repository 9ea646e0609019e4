//! The core's traits over callbacks into JavaScript, one file a trait.

pub mod provider;
pub mod store;
