//! Moves many records to the current master key, one after another: what a rotation runs on each
//! of its threads. It asks the system for random bytes once for many salts; everything else is
//! [`KeyRing::reseal`].

use crate::cobblestone::SALT_BYTES;
use crate::context::Context;
use crate::error::VaultError;
use crate::key_ring::{KeyRing, Resealed};

/// A system call costs about as much as a tenth of moving a record.
const SALTS_AT_ONCE: usize = 64;

/// See [`KeyRing::resealer`].
pub struct Resealer<'r> {
    ring: &'r KeyRing,
    salts: Salts,
}

impl<'r> Resealer<'r> {
    pub(crate) fn new(ring: &'r KeyRing) -> Self {
        Self {
            ring,
            salts: Salts {
                bytes: [0; SALTS_AT_ONCE * SALT_BYTES],
                used: SALTS_AT_ONCE * SALT_BYTES,
            },
        }
    }

    /// Moves a record to the current key; `None` when it is under that key already.
    ///
    /// # Errors
    /// As for [`KeyRing::reseal`].
    pub fn reseal(
        &mut self,
        context: &Context<'_>,
        sealed: &str,
    ) -> Result<Option<Resealed>, VaultError> {
        self.ring
            .reseal_with(context, sealed, |salt| self.salts.fill(salt))
    }
}

/// Random bytes in stock, each used for one salt only. Salts are public: nothing here is wiped.
struct Salts {
    bytes: [u8; SALTS_AT_ONCE * SALT_BYTES],
    used: usize,
}

impl Salts {
    fn fill(&mut self, salt: &mut [u8]) -> Result<(), VaultError> {
        if self.used == self.bytes.len() {
            getrandom::fill(&mut self.bytes).map_err(VaultError::random)?;
            self.used = 0;
        }
        salt.copy_from_slice(&self.bytes[self.used..self.used + SALT_BYTES]);
        self.used += SALT_BYTES;
        Ok(())
    }
}
