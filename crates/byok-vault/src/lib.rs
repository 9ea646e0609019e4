//! Seals, opens and re-seals users' API keys: the `byok1` record format of
//! `docs/reference/record-format.md`.
//!
//! A record is bound to one (namespace, user, provider, label) and to one master key; it opens
//! under that tuple and that key, or not at all. The cipher is C2SP `chunked-encryption@v1`,
//! instance Cobblestone-256, limited to one chunk. This crate knows bytes and keys: no store, no
//! network, no clock, no async.
//!
//! ```
//! use byok_vault::{Context, KeyRing, MasterKey, Payload, Secret, generate_master_key};
//!
//! # fn main() -> Result<(), byok_vault::VaultError> {
//! let ring = KeyRing::new(MasterKey::parse(&generate_master_key()?)?, Vec::new())?;
//! let context = Context::new("default", "user_42", "openai", "main")?;
//!
//! let sealed = ring.seal(&context, &Payload::new(Secret::copy_from(b"sk-test"))?)?;
//! assert!(sealed.starts_with(ring.current_prefix()));
//! assert_eq!(ring.open(&context, &sealed)?.api_key.expose(), b"sk-test");
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

mod cobblestone;
mod context;
mod error;
mod foreign;
mod hex;
mod hkdf;
mod input_key;
mod key_ring;
#[allow(unsafe_code)]
mod locked_pages;
mod master_key;
mod payload;
mod record;
mod resealer;
mod secret;
#[cfg(test)]
mod tests;

pub use context::Context;
pub use error::{VaultError, VaultErrorKind};
pub use foreign::{ForeignFormat, ForeignKeys};
pub use key_ring::{KeyRing, Resealed};
pub use locked_pages::MemoryProtection;
pub use master_key::{MasterKey, generate_master_key};
pub use payload::Payload;
pub use record::{kid_in_prefix, kid_of};
pub use resealer::Resealer;
pub use secret::Secret;
