//! Rings, contexts and payloads that several test files start from.
#![allow(dead_code)]

use byok_vault::{Context, KeyRing, MasterKey, Payload, Secret};

/// The `number`th of a series of good master keys, as hex.
pub fn key(number: u8) -> String {
    (0..32)
        .map(|index: u8| format!("{:02x}", index.wrapping_mul(37) ^ number))
        .collect()
}

/// A ring with that key alone.
pub fn ring(number: u8) -> KeyRing {
    ring_of(number, &[])
}

/// A ring with a current and previous keys of the series.
pub fn ring_of(current: u8, previous: &[u8]) -> KeyRing {
    let parse = |number: &u8| MasterKey::parse(&key(*number)).unwrap();
    KeyRing::new(parse(&current), previous.iter().map(parse).collect()).unwrap()
}

pub fn context() -> Context<'static> {
    Context::new("default", "user_42", "openai", "main").unwrap()
}

pub fn payload(api_key: &str) -> Payload {
    Payload::new(Secret::copy_from(api_key.as_bytes())).unwrap()
}
