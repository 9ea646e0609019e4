//! Identifiers that look like a provider's: a prefix and letters that no other answer of this process has.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const HEX: &[u8; 16] = b"0123456789abcdef";
const MIXED: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `prefix` and `length` hexadecimal digits.
pub fn hex(prefix: &str, length: usize) -> String {
    draw(prefix, length, HEX)
}

/// `prefix` and `length` letters and digits.
pub fn mixed(prefix: &str, length: usize) -> String {
    draw(prefix, length, MIXED)
}

fn draw(prefix: &str, length: usize, alphabet: &[u8]) -> String {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let seed = SEED.get_or_init(RandomState::new);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut text = String::with_capacity(prefix.len() + length);
    text.push_str(prefix);
    let size = alphabet.len() as u64;
    for at in 0..length as u64 {
        text.push(char::from(
            alphabet[(seed.hash_one((number, at)) % size) as usize],
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_identifiers_are_the_same() {
        let first = hex("resp_", 48);
        assert_eq!(first.len(), 53);
        assert_ne!(first, hex("resp_", 48));
        assert!(mixed("req_", 24).starts_with("req_"));
    }
}
