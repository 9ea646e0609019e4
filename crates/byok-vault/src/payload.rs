//! What is inside a record, and its bytes: `tag || u16be length || value` items in ascending
//! order, a zero byte, zeros up to a multiple of 64. There is exactly one encoding of a payload,
//! and parsing refuses every other.

use crate::error::VaultError;
use crate::secret::Secret;

/// Payloads are padded to a multiple of this, so that a record's length tells little.
pub(crate) const PAYLOAD_BLOCK_BYTES: usize = 64;
/// The longest padded payload: the last multiple of 64 that leaves a one-chunk message.
pub(crate) const PAYLOAD_MAX_BYTES: usize = 16_320;

const API_KEY_MAX_BYTES: usize = 8_192;
const ORIGIN_MAX_BYTES: usize = 2_048;
const FIELD_NAME_MAX_BYTES: usize = 64;
const FIELD_VALUE_MAX_BYTES: usize = 8_192;
/// The last integer that every reader, JavaScript included, holds exactly: 2^53 - 1.
const CREATED_AT_MAX_MS: u64 = (1 << 53) - 1;

const TAG_END: u8 = 0;
const TAG_API_KEY: u8 = 1;
const TAG_ORIGIN: u8 = 2;
const TAG_FIELD: u8 = 3;
const TAG_CREATED_AT: u8 = 4;
const ITEM_HEADER_BYTES: usize = 3;

/// A user's credentials for one provider. All of it is sealed: whoever could edit the origin in
/// the database would be sent the key.
///
/// ```
/// use byok_vault::{Payload, Secret};
///
/// let mut payload = Payload::new(Secret::copy_from(b"sk-test"))?;
/// payload.origin = Some("https://llm.example.com".into());
/// payload.fields.push(("organization".into(), Secret::copy_from(b"org-1")));
///
/// assert!(Payload::new(Secret::copy_from(b"sk test\r\n")).is_err());
/// # Ok::<(), byok_vault::VaultError>(())
/// ```
pub struct Payload {
    /// The key itself: 1-8,192 bytes of 0x21-0x7E.
    pub api_key: Secret,
    /// The only origin (or base URL) that the key may be sent to, when it has one of its own:
    /// 1-2,048 bytes of 0x21-0x7E. Absent when the provider's own origin is meant.
    pub origin: Option<String>,
    /// Further credential fields, such as organisation, region or API version. Names are
    /// `[A-Za-z0-9._-]{1,64}`, each once; values 1-8,192 bytes of any kind. An opened payload has
    /// them in ascending order of their names.
    pub fields: Vec<(String, Secret)>,
    /// When the key was registered, in milliseconds since 1970 UTC, up to 2^53 - 1.
    pub created_at: Option<u64>,
}

impl Payload {
    /// A payload with nothing but an API key.
    ///
    /// # Errors
    /// `InvalidArgument` when the key is empty, longer than 8,192 bytes or has a byte outside
    /// 0x21-0x7E, which no HTTP header could carry safely.
    pub fn new(api_key: Secret) -> Result<Self, VaultError> {
        check_api_key(api_key.expose()).map_err(VaultError::invalid_argument)?;
        Ok(Self {
            api_key,
            origin: None,
            fields: Vec::new(),
            created_at: None,
        })
    }

    /// Checks everything that may have been set since [`Payload::new`] and gives a view of it in
    /// the order of the encoding.
    pub(crate) fn view(&self) -> Result<PayloadView<'_>, VaultError> {
        let mut view = PayloadView {
            api_key: self.api_key.expose(),
            origin: self.origin.as_deref(),
            fields: Vec::with_capacity(self.fields.len()),
            created_at: self.created_at,
        };
        for (name, value) in &self.fields {
            view.fields.push((name, value.expose()));
        }
        view.fields.sort_unstable_by_key(|(name, _)| *name);
        view.check().map_err(VaultError::invalid_argument)?;
        Ok(view)
    }
}

/// A payload that borrows its bytes: what encoding reads and what parsing gives.
pub(crate) struct PayloadView<'a> {
    pub(crate) api_key: &'a [u8],
    pub(crate) origin: Option<&'a str>,
    pub(crate) fields: Vec<(&'a str, &'a [u8])>,
    pub(crate) created_at: Option<u64>,
}

impl<'a> PayloadView<'a> {
    /// Length of the encoding, padding included.
    pub(crate) fn padded_len(&self) -> usize {
        self.encoded_len().next_multiple_of(PAYLOAD_BLOCK_BYTES)
    }

    /// Writes the encoding into `out`, which must be `padded_len()` zeros.
    pub(crate) fn encode_into(&self, out: &mut [u8]) {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        let item_header = |tag: u8, length: usize| {
            // Lossless: `check` holds every value under 65,536 bytes.
            let [high, low] = (length as u16).to_be_bytes();
            [tag, high, low]
        };

        put(&item_header(TAG_API_KEY, self.api_key.len()));
        put(self.api_key);
        if let Some(origin) = self.origin {
            put(&item_header(TAG_ORIGIN, origin.len()));
            put(origin.as_bytes());
        }
        for (name, value) in &self.fields {
            put(&item_header(TAG_FIELD, 1 + name.len() + value.len()));
            put(&[name.len() as u8]);
            put(name.as_bytes());
            put(value);
        }
        if let Some(created_at) = self.created_at {
            put(&item_header(TAG_CREATED_AT, 8));
            put(&created_at.to_be_bytes());
        }
        put(&[TAG_END]);
    }

    /// Reads an encoding; `None` for anything that `encode_into` would not have written.
    pub(crate) fn parse(padded: &'a [u8]) -> Option<Self> {
        let mut api_key = None;
        let mut view = Self {
            api_key: &[],
            origin: None,
            fields: Vec::new(),
            created_at: None,
        };
        let mut last_tag = TAG_END;
        let mut rest = padded;
        loop {
            let (&tag, after_tag) = rest.split_first()?;
            if tag == TAG_END {
                let minimal = after_tag.len() < PAYLOAD_BLOCK_BYTES;
                if !minimal || after_tag.iter().any(|byte| *byte != 0) {
                    return None;
                }
                break;
            }
            if tag < last_tag || (tag == last_tag && tag != TAG_FIELD) {
                return None;
            }
            last_tag = tag;

            let (length, after_length) = after_tag.split_first_chunk::<2>()?;
            let (value, after_value) =
                after_length.split_at_checked(u16::from_be_bytes(*length).into())?;
            rest = after_value;
            match tag {
                TAG_API_KEY => api_key = Some(value),
                TAG_ORIGIN => view.origin = Some(str::from_utf8(value).ok()?),
                TAG_FIELD => {
                    let (&name_len, after_len) = value.split_first()?;
                    let (name, value) = after_len.split_at_checked(name_len.into())?;
                    view.fields.push((str::from_utf8(name).ok()?, value));
                }
                TAG_CREATED_AT => {
                    view.created_at = Some(u64::from_be_bytes(value.try_into().ok()?));
                }
                _ => return None,
            }
        }
        view.api_key = api_key?;
        view.check().ok()?;
        Some(view)
    }

    /// Copies everything into secrets of its own.
    pub(crate) fn to_payload(&self) -> Payload {
        let mut fields = Vec::with_capacity(self.fields.len());
        for (name, value) in &self.fields {
            fields.push(((*name).to_owned(), Secret::copy_from(value)));
        }
        Payload {
            api_key: Secret::copy_from(self.api_key),
            origin: self.origin.map(str::to_owned),
            fields,
            created_at: self.created_at,
        }
    }

    fn encoded_len(&self) -> usize {
        let origin = self
            .origin
            .map_or(0, |origin| ITEM_HEADER_BYTES + origin.len());
        let field =
            |(name, value): &(&str, &[u8])| ITEM_HEADER_BYTES + 1 + name.len() + value.len();
        let fields: usize = self.fields.iter().map(field).sum();
        let created_at = self.created_at.map_or(0, |_| ITEM_HEADER_BYTES + 8);
        ITEM_HEADER_BYTES + self.api_key.len() + origin + fields + created_at + 1
    }

    fn check(&self) -> Result<(), &'static str> {
        check_api_key(self.api_key)?;
        if self
            .origin
            .is_some_and(|origin| !is_visible_ascii(origin.as_bytes(), ORIGIN_MAX_BYTES))
        {
            return Err(
                "The base URL is empty, longer than 2,048 bytes, or has characters other \
                        than visible ASCII. Percent-encode it.",
            );
        }
        for (index, (name, value)) in self.fields.iter().enumerate() {
            check_field(name, value)?;
            if index > 0 && self.fields[index - 1].0 >= *name {
                return Err("A credential field is given twice. Give each name once.");
            }
        }
        if self
            .created_at
            .is_some_and(|created_at| created_at > CREATED_AT_MAX_MS)
        {
            return Err("The creation time is past 2^53 - 1. Give it in milliseconds since 1970.");
        }
        if self.encoded_len() > PAYLOAD_MAX_BYTES {
            return Err(
                "The credentials are more than 16,320 bytes in all. Leave out what the \
                        provider does not need.",
            );
        }
        Ok(())
    }
}

fn check_api_key(api_key: &[u8]) -> Result<(), &'static str> {
    if api_key.is_empty() {
        return Err("The API key is empty. Give the key as the provider shows it.");
    }
    if api_key.len() > API_KEY_MAX_BYTES {
        return Err("The API key is longer than 8,192 bytes. Give the key alone.");
    }
    if !is_visible_ascii(api_key, API_KEY_MAX_BYTES) {
        return Err(
            "The API key has a space, a line break or another character that is not \
                    visible ASCII. Give the key as the provider shows it.",
        );
    }
    Ok(())
}

fn check_field(name: &str, value: &[u8]) -> Result<(), &'static str> {
    let name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > FIELD_NAME_MAX_BYTES || !name.bytes().all(name_byte) {
        return Err(
            "A credential field's name is not 1 to 64 characters of A-Z, a-z, 0-9, \
                    \".\", \"_\" and \"-\". Rename it.",
        );
    }
    if value.is_empty() || value.len() > FIELD_VALUE_MAX_BYTES {
        return Err(
            "A credential field's value is empty or longer than 8,192 bytes. Leave the \
                    field out, or shorten it.",
        );
    }
    Ok(())
}

fn is_visible_ascii(bytes: &[u8], max_bytes: usize) -> bool {
    (1..=max_bytes).contains(&bytes.len()) && bytes.iter().all(|byte| (0x21..=0x7E).contains(byte))
}
