//! Master keys on their way in: every accepted spelling becomes 32 checked bytes, every bad one
//! is refused with its own message. The bytes live until a key ring has derived its keys.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use zeroize::{Zeroize, Zeroizing};

use crate::error::VaultError;
use crate::hex;

pub(crate) const MASTER_KEY_BYTES: usize = 32;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// A new random master key as 44 characters of base64, ready for an environment variable.
///
/// # Errors
/// `Random`, when the operating system has no random bytes to give.
///
/// ```
/// let key = byok_vault::generate_master_key()?;
/// assert_eq!(key.len(), 44);
/// assert!(byok_vault::MasterKey::parse(&key).is_ok());
/// # Ok::<(), byok_vault::VaultError>(())
/// ```
pub fn generate_master_key() -> Result<String, VaultError> {
    let mut bytes = Zeroizing::new([0; MASTER_KEY_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(VaultError::random)?;
    Ok(STANDARD.encode(bytes.as_slice()))
}

/// 32 random bytes that records' keys are derived from; wiped when the ring is built or the
/// value is dropped. Like [`crate::Secret`] it can't be cloned or printed.
pub struct MasterKey(Box<Zeroizing<[u8; MASTER_KEY_BYTES]>>);

impl MasterKey {
    /// Takes 32 raw bytes and wipes `bytes`, also when they are refused.
    ///
    /// # Errors
    /// `InvalidMasterKey` for any other length, for 32 equal bytes and for 32 bytes that are all
    /// printable ASCII: text, where bytes were meant.
    ///
    /// ```
    /// let mut bytes: Vec<u8> = (0..32).collect();
    /// assert!(byok_vault::MasterKey::from_bytes(&mut bytes).is_ok());
    /// assert!(bytes.iter().all(|byte| *byte == 0));
    /// ```
    pub fn from_bytes(bytes: &mut [u8]) -> Result<Self, VaultError> {
        let result = Self::copy_from(bytes);
        bytes.zeroize();
        result
    }

    /// Reads 64 hex digits, or base64 or base64url (padded or not) of 32 bytes. White space
    /// around it is ignored: files end in a line break.
    ///
    /// # Errors
    /// `InvalidMasterKey`, as for [`MasterKey::from_bytes`] and for text of any other form.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(VaultError::invalid_master_key(
                "The master key is an empty string; is the environment variable set?",
            ));
        }
        if text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.len() >= 64 {
            let mut bytes = Zeroizing::new([0; MASTER_KEY_BYTES]);
            if hex::decode_into(text.as_bytes(), bytes.as_mut_slice()) {
                return Self::copy_from(bytes.as_slice());
            }
            return Err(VaultError::invalid_master_key(format_args!(
                "The master key is {} hex digits long; 32 bytes are 64.",
                text.len()
            )));
        }
        let engine = if text.contains(['-', '_']) {
            BASE64URL
        } else {
            BASE64
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        if engine.decode_vec(text, &mut bytes).is_err() {
            return Err(VaultError::invalid_master_key(
                "The master key is neither 64 hex digits nor base64 or base64url.",
            ));
        }
        if bytes.len() != MASTER_KEY_BYTES {
            return Err(VaultError::invalid_master_key(format_args!(
                "The master key, read as base64, is {} bytes long and not 32. A passphrase can't \
                 be a master key.",
                bytes.len()
            )));
        }
        Self::copy_from(&bytes)
    }

    pub(crate) fn expose(&self) -> &[u8; MASTER_KEY_BYTES] {
        &self.0
    }

    fn copy_from(bytes: &[u8]) -> Result<Self, VaultError> {
        if bytes.len() != MASTER_KEY_BYTES {
            return Err(VaultError::invalid_master_key(format_args!(
                "The master key is {} bytes long and not 32.",
                bytes.len()
            )));
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(VaultError::invalid_master_key(
                "All bytes of the master key are equal: that is a placeholder, or a key that was \
                 wiped after its first use.",
            ));
        }
        if bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Err(VaultError::invalid_master_key(
                "All bytes of the master key are printable text: hand a hex or base64 key over \
                 as a string, not as the bytes of its text.",
            ));
        }
        let mut key = Box::new(Zeroizing::new([0; MASTER_KEY_BYTES]));
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }
}
