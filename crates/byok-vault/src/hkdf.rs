//! HKDF-Expand (RFC 5869, section 2.3) over HMAC states that are keyed already. Written out here
//! because the `hkdf` crate refuses a 32-byte key with SHA-512, as the record cipher needs it;
//! the Wycheproof HKDF vectors run against this very function.

use hmac::digest::{FixedOutput, MacMarker, Output, Update};
use zeroize::Zeroize;

/// Fills `okm` with HKDF-Expand(prk, info), `info` being given in pieces.
///
/// # Panics
/// When `okm` is longer than 255 hash outputs, which the RFC forbids. Every caller has a fixed,
/// short length.
pub(crate) fn expand<M>(prk: &M, info: &[&[u8]], okm: &mut [u8])
where
    M: MacMarker + Update + FixedOutput + Clone,
{
    let hash_bytes = M::output_size();
    assert!(
        okm.len() <= 255 * hash_bytes,
        "HKDF-Expand gives at most 255 hash outputs"
    );

    let mut block = Output::<M>::default();
    for (index, chunk) in okm.chunks_mut(hash_bytes).enumerate() {
        let mut mac = prk.clone();
        if index > 0 {
            mac.update(&block);
        }
        for piece in info {
            mac.update(piece);
        }
        mac.update(&[index as u8 + 1]);
        mac.finalize_into(&mut block);
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
    block.as_mut_slice().zeroize();
}
