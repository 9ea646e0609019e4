//! The live check of a key: the provider's cheapest authenticated request. It succeeds, or fails
//! with the code that the provider's own error mapping gives: `KEY_INVALID` (the key is wrong),
//! `PERMISSION_DENIED`, `QUOTA_EXCEEDED`, `PROVIDER_RATE_LIMITED` or `PROVIDER_UNAVAILABLE`.

/// A request that costs nothing (or next to it) and needs a valid key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyRequest<'a> {
    /// Relative to the provider's base URL, with a leading slash.
    pub path: &'a str,
    /// JSON to post, where there is nothing to get.
    pub body: Option<&'a str>,
    /// Another path to get when a valid key may not do the first: keys with restricted scopes.
    pub otherwise: Option<&'a str>,
}

impl<'a> VerifyRequest<'a> {
    pub const fn get(path: &'a str) -> Self {
        VerifyRequest {
            path,
            body: None,
            otherwise: None,
        }
    }

    pub const fn post(path: &'a str, body: &'a str) -> Self {
        VerifyRequest {
            body: Some(body),
            ..VerifyRequest::get(path)
        }
    }

    pub const fn or_get(self, path: &'a str) -> Self {
        VerifyRequest {
            otherwise: Some(path),
            ..self
        }
    }
}
