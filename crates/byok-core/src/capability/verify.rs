//! The live check of a key: the provider's cheapest authenticated request. It succeeds, or fails
//! with the code that the provider's own error mapping gives: `KEY_INVALID` (the key is wrong),
//! `PERMISSION_DENIED`, `QUOTA_EXCEEDED`, `PROVIDER_RATE_LIMITED` or `PROVIDER_UNAVAILABLE`.

/// A request that costs nothing (or next to it) and needs a valid key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyRequest {
    /// Relative to the provider's base URL, with a leading slash.
    pub path: &'static str,
    /// JSON to post, where there is nothing to get.
    pub body: Option<&'static str>,
    /// Another path to get when a valid key may not do the first: keys with restricted scopes.
    pub otherwise: Option<&'static str>,
}

impl VerifyRequest {
    pub const fn get(path: &'static str) -> Self {
        VerifyRequest {
            path,
            body: None,
            otherwise: None,
        }
    }

    pub const fn post(path: &'static str, body: &'static str) -> Self {
        VerifyRequest {
            body: Some(body),
            ..VerifyRequest::get(path)
        }
    }

    pub const fn or_get(self, path: &'static str) -> Self {
        VerifyRequest {
            otherwise: Some(path),
            ..self
        }
    }
}
