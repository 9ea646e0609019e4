//! What several integration tests share; a test file says `mod support;` and uses what it needs.
#![allow(dead_code)]

pub mod recordings;
