//! The live check of a key: the provider's cheapest authenticated request. It succeeds, or fails
//! with the code that the provider's own error mapping gives: `KEY_INVALID` (the key is wrong),
//! `PERMISSION_DENIED`, `QUOTA_EXCEEDED`, `PROVIDER_RATE_LIMITED` or `PROVIDER_UNAVAILABLE`.

/// A bodiless GET that costs nothing and needs a valid key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyRequest {
    /// Relative to the provider's base URL, with a leading slash.
    pub path: &'static str,
}
