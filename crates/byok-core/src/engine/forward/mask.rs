//! Keeps a key out of an answer that passes through: a provider that echoes it gets every byte of it
//! replaced by an asterisk, so that no length changes. Only an end that could be the key's beginning
//! waits for the next piece.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

/// The state between two pieces: how many bytes of the key's beginning are held back.
#[derive(Default)]
pub struct Mask {
    held: usize,
}

impl Mask {
    /// The piece, with what was held back before it and without what has to wait now.
    pub fn piece(&mut self, piece: Bytes, key: &[u8]) -> Bytes {
        if key.is_empty() {
            return piece;
        }
        let whole = if self.held == 0 {
            piece
        } else {
            let mut whole = BytesMut::with_capacity(self.held + piece.len());
            whole.extend_from_slice(&key[..self.held]);
            whole.extend_from_slice(&piece);
            whole.freeze()
        };
        let mut whole = masked(whole, key);
        self.held = beginning_at_end(&whole, key);
        whole.truncate(whole.len() - self.held);
        whole
    }

    /// What was held back, once nothing follows that could make a key of it.
    pub fn rest(&mut self, key: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&key[..std::mem::take(&mut self.held)])
    }
}

fn masked(bytes: Bytes, key: &[u8]) -> Bytes {
    if memmem::find(&bytes, key).is_none() {
        return bytes;
    }
    let mut masked = BytesMut::from(&bytes[..]);
    for start in memmem::find_iter(&bytes, key) {
        masked[start..start + key.len()].fill(b'*');
    }
    masked.freeze()
}

/// How many of the last bytes are a beginning of the key, but not all of it.
fn beginning_at_end(bytes: &[u8], key: &[u8]) -> usize {
    (1..key.len())
        .rev()
        .find(|length| bytes.ends_with(&key[..*length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"sk-sk-secret";

    fn pass(text: &[u8], size: usize) -> Vec<u8> {
        let mut mask = Mask::default();
        let mut passed = Vec::new();
        for piece in text.chunks(size) {
            passed.extend_from_slice(&mask.piece(Bytes::copy_from_slice(piece), KEY));
        }
        passed.extend_from_slice(&mask.rest(KEY));
        passed
    }

    #[test]
    fn the_key_is_masked_wherever_the_pieces_are_cut() {
        let text = b"a sk-sk-sk-secret, sk-sk-secretsk-sk-secret and sk-sk-secre";
        let expected = b"a sk-************, ************************ and sk-sk-secre";
        for size in 1..=text.len() {
            assert_eq!(pass(text, size), expected, "{size}");
        }
    }

    #[test]
    fn a_piece_without_the_key_goes_on_as_it_is_and_at_once() {
        let piece = Bytes::from_static(b"data: {\"text\":\"sk-sk\"}\n\n");
        let passed = Mask::default().piece(piece.clone(), KEY);
        assert_eq!(passed.as_ptr(), piece.as_ptr());
        assert_eq!(passed, piece);
        assert_eq!(Mask::default().piece(piece.clone(), b""), piece);
    }
}
