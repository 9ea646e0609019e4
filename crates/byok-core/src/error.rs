//! The one error type of the core and the one table of codes. An error is built from an allowlist
//! (code, message, provider, status, request id, retry hints) and never holds a key, a URL's query,
//! a prompt or a response body.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::limit::Standing;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in one word that programs match on. Codes are added, never renamed;
/// `docs/reference/errors.md` and the TypeScript union list the same ones, and a test compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    InvalidArgument,
    InvalidMasterKey,
    KeyNotFound,
    KeyRejected,
    KeyInvalid,
    UnknownProvider,
    CapabilityUnsupported,
    RateLimited,
    ProviderRateLimited,
    QuotaExceeded,
    PermissionDenied,
    ModelNotFound,
    ContextTooLong,
    ContentFiltered,
    ProviderError,
    ProviderUnavailable,
    BadResponse,
    StreamInterrupted,
    Timeout,
    Aborted,
    StoreError,
    StoreTimeout,
    LimiterError,
    DecryptFailed,
    UnknownMasterKey,
    BadRecord,
    Closed,
    Internal,
}

impl Code {
    pub const ALL: &'static [Code] = &[
        Code::InvalidArgument,
        Code::InvalidMasterKey,
        Code::KeyNotFound,
        Code::KeyRejected,
        Code::KeyInvalid,
        Code::UnknownProvider,
        Code::CapabilityUnsupported,
        Code::RateLimited,
        Code::ProviderRateLimited,
        Code::QuotaExceeded,
        Code::PermissionDenied,
        Code::ModelNotFound,
        Code::ContextTooLong,
        Code::ContentFiltered,
        Code::ProviderError,
        Code::ProviderUnavailable,
        Code::BadResponse,
        Code::StreamInterrupted,
        Code::Timeout,
        Code::Aborted,
        Code::StoreError,
        Code::StoreTimeout,
        Code::LimiterError,
        Code::DecryptFailed,
        Code::UnknownMasterKey,
        Code::BadRecord,
        Code::Closed,
        Code::Internal,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::InvalidMasterKey => "INVALID_MASTER_KEY",
            Code::KeyNotFound => "KEY_NOT_FOUND",
            Code::KeyRejected => "KEY_REJECTED",
            Code::KeyInvalid => "KEY_INVALID",
            Code::UnknownProvider => "UNKNOWN_PROVIDER",
            Code::CapabilityUnsupported => "CAPABILITY_UNSUPPORTED",
            Code::RateLimited => "RATE_LIMITED",
            Code::ProviderRateLimited => "PROVIDER_RATE_LIMITED",
            Code::QuotaExceeded => "QUOTA_EXCEEDED",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ModelNotFound => "MODEL_NOT_FOUND",
            Code::ContextTooLong => "CONTEXT_TOO_LONG",
            Code::ContentFiltered => "CONTENT_FILTERED",
            Code::ProviderError => "PROVIDER_ERROR",
            Code::ProviderUnavailable => "PROVIDER_UNAVAILABLE",
            Code::BadResponse => "BAD_RESPONSE",
            Code::StreamInterrupted => "STREAM_INTERRUPTED",
            Code::Timeout => "TIMEOUT",
            Code::Aborted => "ABORTED",
            Code::StoreError => "STORE_ERROR",
            Code::StoreTimeout => "STORE_TIMEOUT",
            Code::LimiterError => "LIMITER_ERROR",
            Code::DecryptFailed => "DECRYPT_FAILED",
            Code::UnknownMasterKey => "UNKNOWN_MASTER_KEY",
            Code::BadRecord => "BAD_RECORD",
            Code::Closed => "CLOSED",
            Code::Internal => "INTERNAL",
        }
    }

    pub fn from_name(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An error of any part of the core: small to move, plain data inside.
pub struct Error(Box<Inner>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// The provider's HTTP status, when it answered at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Whether the same call may succeed later without being changed.
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// The numbers of the app's limits, when one of them refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Vec<Standing>>,
    /// Where the caller's own exception is kept (JavaScript errors stay on their thread).
    #[serde(skip_serializing_if = "Option::is_none")]
    cause_id: Option<u32>,
    /// How often the request was sent again before this was its outcome.
    #[serde(skip)]
    retries: u32,
}

impl Error {
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Error(Box::new(Inner {
            code,
            message: message.into(),
            provider: None,
            status: None,
            request_id: None,
            retryable: matches!(
                code,
                Code::ProviderRateLimited
                    | Code::ProviderUnavailable
                    | Code::RateLimited
                    | Code::StreamInterrupted
                    | Code::Timeout
                    | Code::StoreTimeout
                    | Code::LimiterError
            ),
            retry_after_ms: None,
            limits: None,
            cause_id: None,
            retries: 0,
        }))
    }

    pub fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Code::InvalidArgument, message)
    }

    pub fn bad_response(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Code::BadResponse, message)
    }

    pub fn with_provider(mut self, provider: &str) -> Self {
        self.0.provider.get_or_insert_with(|| provider.to_owned());
        self
    }

    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub fn with_request_id(mut self, request_id: Option<&str>) -> Self {
        if self.0.request_id.is_none() {
            self.0.request_id = request_id.map(str::to_owned);
        }
        self
    }

    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    pub fn with_retry_after_ms(mut self, retry_after_ms: Option<u64>) -> Self {
        if retry_after_ms.is_some() {
            self.0.retry_after_ms = retry_after_ms;
        }
        self
    }

    pub fn with_limits(mut self, limits: Vec<Standing>) -> Self {
        self.0.limits = Some(limits);
        self
    }

    pub fn with_cause_id(mut self, cause_id: u32) -> Self {
        self.0.cause_id = Some(cause_id);
        self
    }

    pub fn with_retries(mut self, retries: u32) -> Self {
        self.0.retries = retries;
        self
    }

    /// The same error under another code and message (a rejected key at registration, say).
    pub fn recoded(mut self, code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = code;
        self.0.message = message.into();
        self
    }

    /// Rewrites the message, for the redactor.
    pub fn map_message(mut self, rewrite: impl FnOnce(&str) -> Option<String>) -> Self {
        if let Some(message) = rewrite(&self.0.message) {
            self.0.message = Cow::Owned(message);
        }
        self
    }

    pub fn code(&self) -> Code {
        self.0.code
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// The numbers of the app's limits; empty unless one of them refused.
    pub fn limits(&self) -> &[Standing] {
        self.0.limits.as_deref().unwrap_or_default()
    }

    pub fn retries(&self) -> u32 {
        self.0.retries
    }

    pub fn retry_after_ms(&self) -> Option<u64> {
        self.0.retry_after_ms
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code.as_str())
            .field("message", &self.0.message)
            .field("provider", &self.0.provider)
            .field("status", &self.0.status)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {}

impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_and_is_found_by_it() {
        for code in Code::ALL {
            assert_eq!(Code::from_name(code.as_str()), Some(*code));
        }
    }

    #[test]
    fn an_error_crosses_as_plain_data_without_absent_fields() {
        let error = Error::new(Code::KeyNotFound, "no key").with_provider("openai");
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"code":"KEY_NOT_FOUND","message":"no key","provider":"openai","retryable":false}"#
        );
    }
}
