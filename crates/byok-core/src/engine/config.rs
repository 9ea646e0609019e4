//! What the app configured, checked once: every mistake is found when the engine is made.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;

use crate::capability::Capability;
use crate::error::{Error, Result};
use crate::health::HealthConfig;
use crate::limit::LimitsConfig;
use crate::provider::Definition;
use crate::store::CacheConfig;
use crate::usage::Price;

/// Options of the whole engine, as JSON from the app.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineConfig {
    /// Tenant or environment; `default` unless set.
    pub namespace: Option<String>,
    #[serde(default)]
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Provider ids, best first.
    #[serde(default)]
    pub prefer: Vec<String>,
    #[serde(default)]
    pub http: HttpConfig,
    /// Longest wait for one call of the app's own code (a store), in milliseconds; default 10,000.
    pub callback_timeout_ms: Option<u64>,
    pub user_agent: Option<String>,
    /// No limits unless given.
    pub limits: Option<LimitsConfig>,
    #[serde(default)]
    pub usage: UsageConfig,
    #[serde(default)]
    pub health: HealthConfig,
    /// Absent: every request asks the store.
    pub cache: Option<CacheConfig>,
}

/// How usage is counted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageConfig {
    /// Counts nothing.
    #[serde(default)]
    pub off: bool,
    #[serde(default)]
    pub prices: BTreeMap<String, Price>,
    /// Events kept in memory when there is no store for them; default 10,000.
    pub max_events: Option<usize>,
    pub flush_interval_ms: Option<u64>,
    pub max_batch: Option<usize>,
    pub max_buffered: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpConfig {
    /// How long an unused connection is kept; default 15,000. A kept connection may hold the bytes
    /// of the last request's headers.
    pub pool_idle_timeout_ms: Option<u64>,
    /// Largest response, decompressed; default 64 MiB.
    pub max_response_bytes: Option<usize>,
    /// Largest single event of a stream; default 1 MiB.
    pub max_event_bytes: Option<usize>,
    /// `http://` or `https://` proxy for all requests; the environment's is never used.
    pub proxy: Option<String>,
    /// Certificates (PEM) trusted besides the system's.
    pub extra_root_certificates: Option<String>,
}

/// Options of one provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderConfig {
    /// `openai-compatible` or `defined` for a provider of the app's own.
    pub r#type: Option<String>,
    #[serde(rename = "baseURL")]
    pub base_url: Option<String>,
    /// The whole call with all retries; default 600,000.
    pub timeout_ms: Option<u64>,
    /// Establishing a connection; default 10,000.
    pub connect_timeout_ms: Option<u64>,
    /// Silence between two pieces of an answer; default 300,000.
    pub idle_timeout_ms: Option<u64>,
    /// Retries after the first try; default 2.
    pub max_retries: Option<u32>,
    #[serde(default)]
    pub default_models: BTreeMap<Capability, String>,
    /// Sent with every request; never credentials.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Allows `http:` and private addresses: for providers on the app's own network, and tests.
    #[serde(default)]
    pub allow_private_network: bool,
    /// Allows `registerKey({ baseURL })`, so that users bring their own endpoint.
    #[serde(default, rename = "allowUserBaseURL")]
    pub allow_user_base_url: bool,
    /// The declarative part of a provider of type `defined`; its functions are the engine's scripts.
    pub definition: Option<Definition>,
}

pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
pub const DEFAULT_MAX_RETRIES: u32 = 2;
pub const DEFAULT_MAX_EVENT_BYTES: usize = 1 << 20;

/// Headers that carry credentials anywhere: the user's own goes in natively, and nobody else's is sent.
pub const CREDENTIAL_HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "xi-api-key",
    "cookie",
];

/// Headers that the HTTP layer owns; callers can't set them either.
const OWNED_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "upgrade",
    "accept-encoding",
    "content-type",
];

/// Adds the caller's headers to `headers`.
///
/// # Errors
/// `INVALID_ARGUMENT` for a reserved or malformed one.
pub fn add_headers(headers: &mut HeaderMap, extra: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in extra {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            Error::invalid_argument(format!("headers: {name:?} is not a valid header name."))
        })?;
        if is_reserved(parsed.as_str()) {
            return Err(Error::invalid_argument(format!(
                "headers: {name} can't be set. Credentials come from the user's stored key; the others belong to the HTTP client."
            )));
        }
        let value = HeaderValue::from_str(value).map_err(|_| {
            Error::invalid_argument(format!(
                "headers: the value of {name} has characters that headers can't hold."
            ))
        })?;
        headers.insert(parsed, value);
    }
    Ok(())
}

/// Checks the headers that an app's function gave.
///
/// # Errors
/// `INVALID_ARGUMENT` for a reserved one.
pub fn check_headers(headers: &[(Cow<'static, str>, String)]) -> Result<()> {
    match headers.iter().find(|(name, _)| is_reserved(name)) {
        Some((name, _)) => Err(Error::invalid_argument(format!(
            "headers: {name} can't be set by a provider's functions. The key is put in natively; the others belong to the HTTP client."
        ))),
        None => Ok(()),
    }
}

fn is_reserved(name: &str) -> bool {
    CREDENTIAL_HEADERS
        .iter()
        .chain(OWNED_HEADERS)
        .any(|own| own.eq_ignore_ascii_case(name))
}

/// Checks a base URL and returns it without a trailing slash.
///
/// # Errors
/// `INVALID_ARGUMENT` for anything but `https:` (or `http:` where `allow_http`), and for credentials, a
/// query or a fragment in it.
pub fn check_base_url(text: &str, allow_http: bool, option: &str) -> Result<String> {
    let url = Url::parse(text.trim()).map_err(|error| {
        Error::invalid_argument(format!(
            "{option} must be an absolute URL such as https://api.example.com/v1 ({error})."
        ))
    })?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        "http" => {
            return Err(Error::invalid_argument(format!(
                "{option} must be https: keys are never sent in clear text. For a server on your own network set allowPrivateNetwork: true for this provider."
            )));
        }
        scheme => {
            return Err(Error::invalid_argument(format!(
                "{option} must be https, not {scheme}."
            )));
        }
    }
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    if has_credentials || url.query().is_some() || url.fragment().is_some() || !url.has_host() {
        return Err(Error::invalid_argument(format!(
            "{option} must hold a host and a path only: no user, password, query or fragment."
        )));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_https_without_credentials_query_or_fragment() {
        assert_eq!(
            check_base_url("https://a.b/v1/", false, "x").unwrap(),
            "https://a.b/v1"
        );
        assert_eq!(
            check_base_url("http://127.0.0.1:1", true, "x").unwrap(),
            "http://127.0.0.1:1"
        );
        for bad in [
            "http://a.b",
            "ftp://a.b",
            "a.b/v1",
            "https://u:p@a.b",
            "https://a.b?x=1",
            "https://a.b#x",
        ] {
            assert!(check_base_url(bad, false, "x").is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_in_caller_headers_are_refused() {
        for name in [
            "Authorization",
            "x-api-key",
            "X-Goog-Api-Key",
            "api-key",
            "Host",
            "bad name",
        ] {
            let extra = BTreeMap::from([(name.to_owned(), "v".to_owned())]);
            assert!(
                add_headers(&mut HeaderMap::new(), &extra).is_err(),
                "{name}"
            );
        }
    }
}
