//! Users' AI keys: stores, providers, routing and the request pipeline. Knows reqwest, tokio and
//! serde; never napi or JavaScript.
#![forbid(unsafe_code)]

pub mod capability;
pub mod engine;
pub mod error;
pub mod health;
pub mod http;
pub mod limit;
pub mod notice;
pub mod progress;
pub mod provider;
pub mod redact;
pub mod sse;
pub mod store;
pub mod trace;
pub mod usage;
