//! A record's key derivation: HKDF-Expand-SHA-512 (RFC 5869, section 2.3) under an input key whose
//! two HMAC states were computed once. It works on SHA-512's compression function, because every
//! record that is opened or moved comes through here and a general HMAC copies and clears its
//! whole state for each block; `hkdf.rs` and the published vectors say what it must give.

use sha2::block_api::compress512;
use zeroize::Zeroize;

const BLOCK_BYTES: usize = 128;
const HASH_BYTES: usize = 64;
/// SHA-512's length field and the bit that ends the message (FIPS 180-4, 5.1.2).
const PADDING_BYTES: usize = 17;

/// SHA-512's initial state (FIPS 180-4, 5.3.5).
const INITIAL: State = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

type State = [u64; 8];

/// A 32-byte input key as the HMAC states that it sets up; wiped on drop.
pub(crate) struct InputKey {
    inner: State,
    outer: State,
}

impl InputKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let padded = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut state = INITIAL;
            compress512(&mut state, std::slice::from_ref(&block));
            block.zeroize();
            state
        };
        Self {
            inner: padded(0x36),
            outer: padded(0x5c),
        }
    }

    /// Fills `okm`, at most two hash outputs long, with HKDF-Expand(key, info); `info` is given in
    /// pieces.
    pub(crate) fn expand<const N: usize>(&self, info: &[&[u8]], okm: &mut [u8; N]) {
        const { assert!(N > HASH_BYTES && N <= 2 * HASH_BYTES) };
        let (first, second) = okm.split_at_mut(HASH_BYTES);
        let mut hash = Hash::after_key_block(self.inner);
        info.iter().for_each(|piece| hash.update(piece));
        hash.update(&[1]);
        self.finish(hash, first);

        let mut hash = Hash::after_key_block(self.inner);
        hash.update(first);
        info.iter().for_each(|piece| hash.update(piece));
        hash.update(&[2]);
        self.finish(hash, second);
    }

    /// The outer hash of HMAC, cut to the length of `out`.
    fn finish(&self, inner: Hash, out: &mut [u8]) {
        let mut digest = [0; HASH_BYTES];
        inner.finish(&mut digest);
        let mut outer = Hash::after_key_block(self.outer);
        outer.update(&digest);
        outer.finish(&mut digest);
        out.copy_from_slice(&digest[..out.len()]);
        digest.zeroize();
    }
}

impl Drop for InputKey {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// SHA-512 in progress; wiped on drop. It hands over two blocks at once where it can, which vector
/// units like better than one after the other.
struct Hash {
    state: State,
    blocks: [[u8; BLOCK_BYTES]; 2],
    /// Bytes waiting in `blocks`; fewer than it holds between two calls.
    waiting: usize,
    bytes: usize,
}

impl Hash {
    /// Goes on from a state that has seen one block.
    fn after_key_block(state: State) -> Self {
        Self {
            state,
            blocks: [[0; BLOCK_BYTES]; 2],
            waiting: 0,
            bytes: BLOCK_BYTES,
        }
    }

    fn update(&mut self, mut piece: &[u8]) {
        self.bytes += piece.len();
        while self.waiting + piece.len() >= 2 * BLOCK_BYTES {
            let (now, later) = piece.split_at(2 * BLOCK_BYTES - self.waiting);
            self.blocks.as_flattened_mut()[self.waiting..].copy_from_slice(now);
            compress512(&mut self.state, &self.blocks);
            self.waiting = 0;
            piece = later;
        }
        let end = self.waiting + piece.len();
        self.blocks.as_flattened_mut()[self.waiting..end].copy_from_slice(piece);
        self.waiting = end;
    }

    fn finish(mut self, digest: &mut [u8; HASH_BYTES]) {
        let mut blocks = (self.waiting + PADDING_BYTES).div_ceil(BLOCK_BYTES);
        let waiting = self.blocks.as_flattened_mut();
        waiting[self.waiting] = 0x80;
        waiting[self.waiting + 1..].fill(0);
        if blocks == 3 {
            compress512(&mut self.state, &self.blocks);
            self.blocks[0].fill(0);
            blocks = 1;
        }
        let (_, length) = self.blocks[blocks - 1].split_at_mut(BLOCK_BYTES - 8);
        length.copy_from_slice(&(self.bytes as u64 * 8).to_be_bytes());
        compress512(&mut self.state, &self.blocks[..blocks]);
        for (out, word) in digest.chunks_exact_mut(8).zip(self.state) {
            out.copy_from_slice(&word.to_be_bytes());
        }
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        self.state.zeroize();
        self.blocks.as_flattened_mut().zeroize();
    }
}
