//! Cobblestone-256: C2SP `chunked-encryption@v1` with AEAD_AES_256_GCM and HKDF-Expand-SHA-512,
//! <https://c2sp.org/chunked-encryption>, by the chunk. A record is a message of one chunk, chunk
//! 0; other chunk numbers exist so that the published vectors, most of which are longer, run
//! against the code that seals. This file knows nothing of records, contexts or payloads.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::input_key::InputKey;

pub(crate) const SALT_BYTES: usize = 24;
pub(crate) const COMMITMENT_BYTES: usize = 32;
pub(crate) const TAG_BYTES: usize = 16;
/// A chunk of this many plaintext bytes is not the last one; the last one is shorter.
pub(crate) const FULL_CHUNK_BYTES: usize = 16_384;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// The key, base nonce and commitment of one message.
pub(crate) struct Message {
    okm: Zeroizing<[u8; KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES]>,
}

/// A chunk that is not what was sealed, or too long to be one.
#[derive(Debug)]
pub(crate) struct ChunkRefused;

impl Message {
    /// Derives a message's secrets; the context is given in pieces.
    pub(crate) fn derive(
        input_key: &InputKey,
        salt: &[u8; SALT_BYTES],
        context: [&[u8]; 3],
    ) -> Self {
        let mut okm = Zeroizing::new([0; KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES]);
        let [first, second, third] = context;
        input_key.expand(&[LABEL, salt, first, second, third], &mut okm);
        Self { okm }
    }

    /// The public commitment to key, salt and context.
    pub(crate) fn commitment(&self) -> &[u8] {
        &self.okm[KEY_BYTES + NONCE_BYTES..]
    }

    /// Compares with a commitment found in a message, in constant time.
    pub(crate) fn commits_to(&self, commitment: &[u8]) -> bool {
        self.commitment().ct_eq(commitment).into()
    }

    /// Encrypts a chunk in place and gives its tag.
    pub(crate) fn seal_chunk(
        &self,
        number: u64,
        chunk: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], ChunkRefused> {
        if chunk.len() > FULL_CHUNK_BYTES {
            return Err(ChunkRefused);
        }
        self.cipher()
            .encrypt_inout_detached(&self.nonce(number).into(), b"", chunk.into())
            .map(Into::into)
            .map_err(|_| ChunkRefused)
    }

    /// Decrypts a chunk in place once its tag is verified; leaves it untouched otherwise.
    pub(crate) fn open_chunk(
        &self,
        number: u64,
        chunk: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), ChunkRefused> {
        if chunk.len() > FULL_CHUNK_BYTES {
            return Err(ChunkRefused);
        }
        self.cipher()
            .decrypt_inout_detached(&self.nonce(number).into(), b"", chunk.into(), tag.into())
            .map_err(|_| ChunkRefused)
    }

    fn cipher(&self) -> Aes256Gcm {
        let (key, _) = self.okm.split_at(KEY_BYTES);
        let mut copy = aes_gcm::Key::<Aes256Gcm>::default();
        copy.copy_from_slice(key);
        let cipher = Aes256Gcm::new(&copy);
        copy.as_mut_slice().zeroize();
        cipher
    }

    fn nonce(&self, number: u64) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&self.okm[KEY_BYTES..KEY_BYTES + NONCE_BYTES]);
        for (byte, counter) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= counter;
        }
        nonce
    }
}
