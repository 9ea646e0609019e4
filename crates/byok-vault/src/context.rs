//! What a record is bound to: the (namespace, user, provider, label) tuple, checked once here so
//! that every later step can trust it. Text is taken byte for byte: no trimming, no case folding,
//! no Unicode normalisation.

use crate::error::VaultError;

const NAMESPACE_MAX_BYTES: usize = 256;
const USER_ID_MAX_BYTES: usize = 512;
const PROVIDER_MAX_BYTES: usize = 64;
const LABEL_MAX_BYTES: usize = 256;

/// The tuple that a record is sealed for. A record opens under the same four strings only.
///
/// ```
/// use byok_vault::Context;
///
/// assert!(Context::new("default", "user_42", "openai", "main").is_ok());
/// let error = Context::new("default", "user_42", "OpenAI", "main").err().unwrap();
/// assert!(error.message().contains("provider"));
/// ```
pub struct Context<'a> {
    namespace: &'a str,
    user_id: &'a str,
    provider: &'a str,
    label: &'a str,
}

impl<'a> Context<'a> {
    /// Checks the four strings: namespace 1-256 bytes of UTF-8, user id 1-512, provider
    /// `[a-z0-9][a-z0-9._-]{0,63}`, label 1-256.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the field.
    pub fn new(
        namespace: &'a str,
        user_id: &'a str,
        provider: &'a str,
        label: &'a str,
    ) -> Result<Self, VaultError> {
        check_text(
            "namespace",
            namespace,
            NAMESPACE_MAX_BYTES,
            "Leave it out for \"default\".",
        )?;
        check_text(
            "userId",
            user_id,
            USER_ID_MAX_BYTES,
            "Use your own id of the user.",
        )?;
        check_provider(provider)?;
        check_text(
            "label",
            label,
            LABEL_MAX_BYTES,
            "Leave it out for \"default\".",
        )?;
        Ok(Self {
            namespace,
            user_id,
            provider,
            label,
        })
    }

    /// The four fields as they enter the key derivation: `u8 4`, then for each field `u8 tag ||
    /// u32be length || bytes`.
    pub(crate) fn encode_fields(&self) -> Vec<u8> {
        let fields = [self.namespace, self.user_id, self.provider, self.label];
        let bytes: usize = fields.iter().map(|field| 5 + field.len()).sum();
        let mut encoded = Vec::with_capacity(1 + bytes);
        encoded.push(fields.len() as u8);
        for (tag, field) in (1_u8..).zip(fields) {
            encoded.push(tag);
            // Lossless: every field is at most 512 bytes.
            encoded.extend_from_slice(&(field.len() as u32).to_be_bytes());
            encoded.extend_from_slice(field.as_bytes());
        }
        encoded
    }
}

fn check_text(name: &str, text: &str, max_bytes: usize, advice: &str) -> Result<(), VaultError> {
    if text.is_empty() {
        return Err(VaultError::invalid_argument(format!(
            "`{name}` is an empty string. {advice}"
        )));
    }
    if text.len() > max_bytes {
        return Err(VaultError::invalid_argument(format!(
            "`{name}` is {} bytes of UTF-8 long, more than the {max_bytes} allowed. Use a shorter \
             one, such as its hash.",
            text.len()
        )));
    }
    Ok(())
}

fn check_provider(provider: &str) -> Result<(), VaultError> {
    let letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let valid = provider.len() <= PROVIDER_MAX_BYTES
        && provider.bytes().next().is_some_and(letter_or_digit)
        && provider
            .bytes()
            .all(|byte| letter_or_digit(byte) || b"._-".contains(&byte));
    if valid {
        return Ok(());
    }
    Err(VaultError::invalid_argument(
        "`provider` is not a provider id. Use 1 to 64 characters of a-z, 0-9, \".\", \"_\" and \
         \"-\", the first a letter or digit, such as \"openai\".",
    ))
}
