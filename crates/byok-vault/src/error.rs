//! The vault's one error type. A message says what happened and what to do, and never holds a
//! key, a user id or any other value that was handed in.

use std::borrow::Cow;
use std::fmt;

/// What went wrong, for code to branch on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultErrorKind {
    /// A master key that can't be a good one, or two that are the same.
    InvalidMasterKey,
    /// A context or a payload outside the format's limits.
    InvalidArgument,
    /// The record was sealed under a master key that this ring does not hold.
    UnknownMasterKey {
        /// The id of the key that is needed: 16 lower-case hex digits.
        kid: String,
    },
    /// Not a record of this format. Depends on public bytes only.
    BadRecord,
    /// The record does not belong to this tuple, or was changed. One answer for commitment, tag
    /// and payload alike, so that it tells an attacker nothing.
    DecryptFailed,
    /// The operating system's random source failed.
    Random,
}

/// An error of the vault.
///
/// ```
/// use byok_vault::{MasterKey, VaultErrorKind};
///
/// let error = MasterKey::parse("too short").err().unwrap();
/// assert_eq!(error.kind(), &VaultErrorKind::InvalidMasterKey);
/// assert!(error.message().contains("keygen"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultError {
    kind: VaultErrorKind,
    message: Cow<'static, str>,
}

impl VaultError {
    /// What went wrong, for code to branch on.
    pub fn kind(&self) -> &VaultErrorKind {
        &self.kind
    }

    /// What happened, then what to do.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: VaultErrorKind::InvalidArgument,
            message: message.into(),
        }
    }

    pub(crate) fn bad_record(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: VaultErrorKind::BadRecord,
            message: message.into(),
        }
    }

    pub(crate) fn invalid_master_key(problem: impl fmt::Display) -> Self {
        Self {
            kind: VaultErrorKind::InvalidMasterKey,
            message: format!(
                "{problem} A master key is 32 random bytes: make one with `npx byok-ai keygen` \
                 or `openssl rand -base64 32`."
            )
            .into(),
        }
    }

    pub(crate) fn unknown_master_key(kid: String) -> Self {
        let message = format!(
            "The record is sealed under master key {kid}, which was not given. Add that key to \
             `masterKeys.previous` until all records are rewrapped."
        );
        Self {
            kind: VaultErrorKind::UnknownMasterKey { kid },
            message: message.into(),
        }
    }

    pub(crate) fn decrypt_failed() -> Self {
        Self {
            kind: VaultErrorKind::DecryptFailed,
            message: "The record does not open: it was changed, or it was sealed for another \
                      namespace, user, provider or label. Register the key again."
                .into(),
        }
    }

    pub(crate) fn not_opened(message: &'static str) -> Self {
        Self {
            kind: VaultErrorKind::DecryptFailed,
            message: message.into(),
        }
    }

    pub(crate) fn unknown_foreign_key(fingerprint: String) -> Self {
        let message =
            format!("It is sealed with the key {fingerprint}, which was not given. Add that key.");
        Self {
            kind: VaultErrorKind::UnknownMasterKey { kid: fingerprint },
            message: message.into(),
        }
    }

    pub(crate) fn random(source: getrandom::Error) -> Self {
        Self {
            kind: VaultErrorKind::Random,
            message: format!(
                "The operating system gave no random bytes ({source}). Nothing was sealed; try \
                 again."
            )
            .into(),
        }
    }
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for VaultError {}
