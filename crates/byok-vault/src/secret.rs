//! The one type for secret bytes: an exact-capacity heap buffer that is wiped when it is dropped
//! and that can't be cloned, printed or serialised by accident.

use zeroize::Zeroize;

/// Secret bytes, wiped on drop. The only way to look at them is [`Secret::expose`].
///
/// ```
/// use byok_vault::Secret;
///
/// let secret = Secret::from(b"sk-test".to_vec());
/// assert_eq!(secret.expose(), b"sk-test");
/// assert_eq!(secret.len(), 7);
/// ```
///
/// It has no `Clone`, `Debug`, `Display` or `Serialize`:
///
/// ```compile_fail,E0599
/// let copy = byok_vault::Secret::copy_from(b"x").clone();
/// ```
/// ```compile_fail,E0277
/// let text = format!("{:?}", byok_vault::Secret::copy_from(b"x"));
/// ```
/// ```compile_fail,E0277
/// let text = format!("{}", byok_vault::Secret::copy_from(b"x"));
/// ```
/// ```compile_fail,E0277
/// let json = serde_json::to_string(&byok_vault::Secret::copy_from(b"x"));
/// ```
pub struct Secret(Box<[u8]>);

impl Secret {
    /// A copy of `bytes`, in a buffer of exactly that size. The caller still owns, and should
    /// wipe, the original.
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves. Keep the borrow short and copy nothing out of it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Secret {
    /// Takes the bytes over. A vector with spare capacity is copied into an exact buffer and
    /// wiped, spare capacity included.
    fn from(mut bytes: Vec<u8>) -> Self {
        if bytes.len() == bytes.capacity() {
            return Self(bytes.into_boxed_slice());
        }
        let secret = Self::copy_from(&bytes);
        bytes.zeroize();
        secret
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
