//! Opens what other libraries sealed, so that an app can move its users' keys here: one way, nothing is
//! ever sealed in these formats. It knows no store and no user.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, KeyInit};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::hex;
use crate::secret::Secret;

const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const CLOAK_FINGERPRINT_CHARS: usize = 8;
const CLOAK_KEY: &str = "k1.aesgcm256.";

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// How another library wrote a key down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignFormat {
    /// `v1.aesgcm256.<fingerprint>.<iv>.<ciphertext and tag>` of `@47ng/cloak`
    /// (<https://github.com/47ng/cloak>).
    CloakV1,
    /// `iv:tag:ciphertext` in hex, as `node:crypto`'s AES-256-GCM is mostly written down.
    AesGcmHex,
    /// The same in base64 or base64url.
    AesGcmBase64,
}

impl ForeignFormat {
    const NAMES: [(ForeignFormat, &'static str); 3] = [
        (ForeignFormat::CloakV1, "cloak-v1"),
        (ForeignFormat::AesGcmHex, "aes-256-gcm-hex"),
        (ForeignFormat::AesGcmBase64, "aes-256-gcm-base64"),
    ];

    /// The format of that name: `cloak-v1`, `aes-256-gcm-hex` or `aes-256-gcm-base64`.
    ///
    /// ```
    /// use byok_vault::ForeignFormat;
    ///
    /// assert_eq!(ForeignFormat::from_name("cloak-v1"), Some(ForeignFormat::CloakV1));
    /// assert_eq!(ForeignFormat::from_name("rot13"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(format, _)| *format)
    }
}

/// The keys that another library sealed with; wiped on drop.
pub struct ForeignKeys {
    format: ForeignFormat,
    keys: Vec<ForeignKey>,
}

struct ForeignKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    /// Cloak's public name of the key.
    fingerprint: String,
}

/// The parts of a sealed text.
struct Parts<'t> {
    iv: &'t str,
    tag: Option<&'t str>,
    body: &'t str,
}

impl ForeignKeys {
    /// Reads keys as that library has them. Cloak: `k1.aesgcm256.<base64url>`, any number. The others: one,
    /// as 32 bytes, or as 64 hex digits or base64 of them.
    ///
    /// # Errors
    /// `InvalidArgument`; the message never holds a key.
    pub fn new(format: ForeignFormat, keys: &[impl AsRef<[u8]>]) -> Result<Self, VaultError> {
        let keys: Vec<ForeignKey> = keys
            .iter()
            .map(|key| match format {
                ForeignFormat::CloakV1 => cloak_key(key.as_ref()),
                _ => raw_key(key.as_ref()),
            })
            .collect::<Result<_, _>>()?;
        if keys.is_empty() || (format != ForeignFormat::CloakV1 && keys.len() > 1) {
            return Err(VaultError::invalid_argument(
                "Give the key that the records to import were sealed with. Only Cloak's records say which \
                 of several it was.",
            ));
        }
        Ok(Self { format, keys })
    }

    /// Opens one sealed text. `additional_data` is what it was bound to, mostly nothing.
    ///
    /// # Errors
    /// `BadRecord` when it is not of this format; `UnknownMasterKey` when it names a key that was not
    /// given; `DecryptFailed` when the key is another one or the text was changed.
    ///
    /// ```
    /// use byok_vault::{ForeignFormat, ForeignKeys};
    ///
    /// let keys = ForeignKeys::new(ForeignFormat::AesGcmHex, &[[7; 32]])?;
    /// assert!(keys.open("not:sealed", b"").is_err());
    /// # Ok::<(), byok_vault::VaultError>(())
    /// ```
    pub fn open(&self, sealed: &str, additional_data: &[u8]) -> Result<Secret, VaultError> {
        let (parts, key) = match self.format {
            ForeignFormat::CloakV1 => self.cloak(sealed)?,
            _ => (three_parts(sealed)?, &self.keys[0]),
        };
        let iv = self.decode(parts.iv)?;
        let mut body = Zeroizing::new(self.decode(parts.body)?);
        let tag = match parts.tag {
            Some(tag) => self.decode(tag)?,
            None => {
                let at = body.len().checked_sub(TAG_BYTES).ok_or_else(bad_format)?;
                body.split_off(at)
            }
        };
        let tag: [u8; TAG_BYTES] = tag.try_into().map_err(|_| {
            VaultError::bad_record(
                "The authentication tag is not 16 bytes long: check the order, iv:tag:ciphertext.",
            )
        })?;

        let cipher_key = (&*key.bytes).into();
        let buffer = body.as_mut_slice().into();
        let opened = match iv.len() {
            12 => AesGcm::<Aes256, U12>::new(cipher_key).decrypt_inout_detached(
                &fixed::<12>(&iv).into(),
                additional_data,
                buffer,
                &tag.into(),
            ),
            16 => AesGcm::<Aes256, U16>::new(cipher_key).decrypt_inout_detached(
                &fixed::<16>(&iv).into(),
                additional_data,
                buffer,
                &tag.into(),
            ),
            _ => {
                return Err(VaultError::bad_record(
                    "The IV is neither 12 nor 16 bytes long: check the order, iv:tag:ciphertext, and \
                     the encoding.",
                ));
            }
        };
        opened.map_err(|_| {
            VaultError::not_opened(
                "It does not open: it was sealed with another key or other additional data, or was \
                 changed.",
            )
        })?;
        Ok(Secret::copy_from(&body))
    }

    fn cloak<'t>(&self, sealed: &'t str) -> Result<(Parts<'t>, &ForeignKey), VaultError> {
        let parts: Vec<&str> = sealed.split('.').collect();
        let ["v1", "aesgcm256", fingerprint, iv, body] = parts[..] else {
            return Err(bad_format());
        };
        let digits = fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
        if fingerprint.len() != CLOAK_FINGERPRINT_CHARS || !digits {
            return Err(bad_format());
        }
        let key = self
            .keys
            .iter()
            .find(|key| key.fingerprint.eq_ignore_ascii_case(fingerprint))
            .ok_or_else(|| VaultError::unknown_foreign_key(fingerprint.to_owned()))?;
        let parts = Parts {
            iv,
            tag: None,
            body,
        };
        Ok((parts, key))
    }

    fn decode(&self, text: &str) -> Result<Vec<u8>, VaultError> {
        if self.format == ForeignFormat::AesGcmHex {
            let mut bytes = vec![0; text.len() / 2];
            return if hex::decode_into(text.as_bytes(), &mut bytes) {
                Ok(bytes)
            } else {
                Err(bad_format())
            };
        }
        any_base64(text).ok_or_else(bad_format)
    }
}

fn three_parts(sealed: &str) -> Result<Parts<'_>, VaultError> {
    let parts: Vec<&str> = sealed.split(':').collect();
    let [iv, tag, body] = parts[..] else {
        return Err(bad_format());
    };
    Ok(Parts {
        iv,
        tag: Some(tag),
        body,
    })
}

fn cloak_key(key: &[u8]) -> Result<ForeignKey, VaultError> {
    let text = std::str::from_utf8(key.trim_ascii()).unwrap_or_default();
    let bytes = text
        .strip_prefix(CLOAK_KEY)
        .and_then(any_base64)
        .map(Zeroizing::new);
    let bytes = bytes.and_then(|bytes| {
        Some(Zeroizing::new(
            <[u8; KEY_BYTES]>::try_from(&bytes[..]).ok()?,
        ))
    });
    let mut fingerprint = hex::encode(&Sha256::digest(text.as_bytes()));
    fingerprint.truncate(CLOAK_FINGERPRINT_CHARS);
    Ok(ForeignKey {
        bytes: bytes.ok_or_else(|| {
            VaultError::invalid_argument(
                "A key of Cloak is \"k1.aesgcm256.\" and 32 bytes in base64url. Give it as `cloak generate` \
                 printed it.",
            )
        })?,
        fingerprint,
    })
}

fn raw_key(key: &[u8]) -> Result<ForeignKey, VaultError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    let text = key.trim_ascii();
    let found = if key.len() == KEY_BYTES {
        bytes.copy_from_slice(key);
        true
    } else if hex::decode_into(text, bytes.as_mut_slice()) {
        true
    } else {
        let decoded = std::str::from_utf8(text).ok().and_then(any_base64);
        let decoded = Zeroizing::new(decoded.unwrap_or_default());
        let fits = decoded.len() == KEY_BYTES;
        if fits {
            bytes.copy_from_slice(&decoded);
        }
        fits
    };
    if !found {
        return Err(VaultError::invalid_argument(
            "The key for AES-256-GCM is not 32 bytes, nor 64 hex digits or base64 of them. Where it is \
             derived from a passphrase, derive it and give the bytes.",
        ));
    }
    Ok(ForeignKey {
        bytes,
        fingerprint: String::new(),
    })
}

fn any_base64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) {
        BASE64URL
    } else {
        BASE64
    };
    engine.decode(text).ok()
}

/// Of a length that the caller has looked at.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

fn bad_format() -> VaultError {
    VaultError::bad_record(
        "It is not in this format. Check `format` and the column that it came from.",
    )
}
