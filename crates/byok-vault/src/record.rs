//! The record's bytes and its text form, `byok1.` + base64url: where each part lies, and the
//! refusal of everything that is not exactly that. No cryptography happens here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::cobblestone::{COMMITMENT_BYTES, SALT_BYTES, TAG_BYTES};
use crate::error::VaultError;
use crate::hex;
use crate::payload::{PAYLOAD_BLOCK_BYTES, PAYLOAD_MAX_BYTES};

pub(crate) const KID_BYTES: usize = 8;
pub(crate) const HEADER_BYTES: usize = 12;
/// `byok1.` and the 16 characters of the header: version, suite and master key of a record.
pub(crate) const PREFIX_CHARS: usize = 22;

const TEXT_PREFIX: &str = "byok1.";
const FORMAT: u8 = 0x01;
const SUITE: u8 = 0x01;
const FLAGS: [u8; 2] = [0, 0];
const SALT_AT: usize = HEADER_BYTES;
const COMMITMENT_AT: usize = SALT_AT + SALT_BYTES;
const BODY_AT: usize = COMMITMENT_AT + COMMITMENT_BYTES;
const OVERHEAD_BYTES: usize = BODY_AT + TAG_BYTES;
const RECORD_MAX_BYTES: usize = OVERHEAD_BYTES + PAYLOAD_MAX_BYTES;

/// The id of the master key that a record is sealed under: 16 lower-case hex digits. Reads public
/// bytes only.
///
/// # Errors
/// `BadRecord` when `sealed` is not a whole, well-formed record.
///
/// ```
/// assert!(byok_vault::kid_of("sk-not-a-record").is_err());
/// ```
pub fn kid_of(sealed: &str) -> Result<String, VaultError> {
    Ok(hex::encode(Record::parse(sealed)?.kid()))
}

/// The id of the master key that a record's first 22 characters name, whatever comes after them: of
/// a record that was cut short or edited, too. `None` when they are not how a record begins.
///
/// ```
/// use byok_vault::kid_in_prefix;
///
/// assert_eq!(kid_in_prefix("byok1.AQEAAH7FDC6eC0MJ cut").as_deref(), Some("7ec50c2e9e0b4309"));
/// assert_eq!(kid_in_prefix("byok1.AQEAAH7FDC6e"), None);
/// ```
pub fn kid_in_prefix(sealed: &str) -> Option<String> {
    let encoded = sealed.get(..PREFIX_CHARS)?.strip_prefix(TEXT_PREFIX)?;
    let mut bytes = [0; HEADER_BYTES];
    URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
    let (_, kid) = bytes.split_last_chunk()?;
    (bytes == header(kid)).then(|| hex::encode(kid))
}

/// The header of a record under master key `kid`.
pub(crate) fn header(kid: &[u8; KID_BYTES]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[0] = FORMAT;
    header[1] = SUITE;
    header[2..4].copy_from_slice(&FLAGS);
    header[4..].copy_from_slice(kid);
    header
}

/// The text that all records under master key `kid`, and no others, begin with.
pub(crate) fn text_prefix(kid: &[u8; KID_BYTES]) -> String {
    let mut text = String::with_capacity(PREFIX_CHARS);
    text.push_str(TEXT_PREFIX);
    URL_SAFE_NO_PAD.encode_string(header(kid), &mut text);
    text
}

/// A record of valid lengths and a known header. Its body is ciphertext or, between two steps of
/// the key ring, the padded payload: so the bytes are wiped on drop.
pub(crate) struct Record {
    bytes: Zeroizing<Vec<u8>>,
}

impl Record {
    /// A record of zeros under master key `kid`, to be filled.
    pub(crate) fn new(kid: &[u8; KID_BYTES], padded_len: usize) -> Self {
        let mut record = Self {
            bytes: Zeroizing::new(vec![0; OVERHEAD_BYTES + padded_len]),
        };
        record.set_kid(kid);
        record
    }

    /// Reads the text form: exact prefix, canonical base64url, known format, suite and flags,
    /// exact lengths.
    pub(crate) fn parse(sealed: &str) -> Result<Self, VaultError> {
        let Some(encoded) = sealed.strip_prefix(TEXT_PREFIX) else {
            return Err(VaultError::bad_record(
                "Not a sealed record: it does not begin with \"byok1.\". Check what the store \
                 returns as `sealed`.",
            ));
        };
        if encoded.len() > RECORD_MAX_BYTES.div_ceil(3) * 4 {
            return Err(bad_length());
        }
        // The engine refuses padding, foreign characters and leftover bits, so that a record has
        // one spelling. The estimate covers the decoded length: the buffer never moves.
        let estimate = base64::decoded_len_estimate(encoded.len());
        let mut bytes = Zeroizing::new(Vec::with_capacity(estimate));
        URL_SAFE_NO_PAD
            .decode_vec(encoded, &mut bytes)
            .map_err(|_| {
                VaultError::bad_record(
                    "Not a sealed record: what follows \"byok1.\" is not base64url. The store must \
                 return `sealed` unchanged.",
                )
            })?;
        let record = Self { bytes };
        record.check()?;
        Ok(record)
    }

    /// The text form.
    pub(crate) fn to_text(&self) -> String {
        let encoded_chars = (self.bytes.len() * 4).div_ceil(3);
        let mut text = String::with_capacity(TEXT_PREFIX.len() + encoded_chars);
        text.push_str(TEXT_PREFIX);
        URL_SAFE_NO_PAD.encode_string(self.bytes.as_slice(), &mut text);
        text
    }

    pub(crate) fn kid(&self) -> &[u8; KID_BYTES] {
        self.array(HEADER_BYTES - KID_BYTES)
    }

    pub(crate) fn header(&self) -> &[u8; HEADER_BYTES] {
        self.array(0)
    }

    pub(crate) fn salt(&self) -> &[u8; SALT_BYTES] {
        self.array(SALT_AT)
    }

    pub(crate) fn commitment(&self) -> &[u8; COMMITMENT_BYTES] {
        self.array(COMMITMENT_AT)
    }

    pub(crate) fn tag(&self) -> &[u8; TAG_BYTES] {
        self.array(self.bytes.len() - TAG_BYTES)
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[BODY_AT..self.bytes.len() - TAG_BYTES]
    }

    pub(crate) fn body_mut(&mut self) -> &mut [u8] {
        let end = self.bytes.len() - TAG_BYTES;
        &mut self.bytes[BODY_AT..end]
    }

    pub(crate) fn salt_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[SALT_AT..COMMITMENT_AT]
    }

    pub(crate) fn set_kid(&mut self, kid: &[u8; KID_BYTES]) {
        self.bytes[..HEADER_BYTES].copy_from_slice(&header(kid));
    }

    pub(crate) fn set_commitment(&mut self, commitment: &[u8]) {
        self.bytes[COMMITMENT_AT..BODY_AT].copy_from_slice(commitment);
    }

    pub(crate) fn set_tag(&mut self, tag: &[u8; TAG_BYTES]) {
        let at = self.bytes.len() - TAG_BYTES;
        self.bytes[at..].copy_from_slice(tag);
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn check(&self) -> Result<(), VaultError> {
        let Some(header) = self.bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(bad_length());
        };
        if header[0] != FORMAT || header[1] != SUITE || header[2..4] != FLAGS {
            return Err(VaultError::bad_record(format!(
                "The record has format {:#04x}, suite {:#04x}, flags 0x{:02x}{:02x}, which this \
                 version does not know. It was changed, or a newer version wrote it: upgrade.",
                header[0], header[1], header[2], header[3]
            )));
        }
        let payload_bytes = self.bytes.len().saturating_sub(OVERHEAD_BYTES);
        let valid = (PAYLOAD_BLOCK_BYTES..=PAYLOAD_MAX_BYTES).contains(&payload_bytes)
            && payload_bytes.is_multiple_of(PAYLOAD_BLOCK_BYTES);
        if valid { Ok(()) } else { Err(bad_length()) }
    }

    /// `N` bytes at an offset that `check` and `new` have made sure of.
    fn array<const N: usize>(&self, at: usize) -> &[u8; N] {
        let (array, _) = self.bytes[at..]
            .split_first_chunk()
            .expect("checked when it was made");
        array
    }
}

fn bad_length() -> VaultError {
    VaultError::bad_record(
        "Not a sealed record: its length is not one that records have. The store must keep and \
         return `sealed` whole; check the column's size.",
    )
}
