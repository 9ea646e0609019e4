//! Requests over the network: one pooled client an engine, timeouts, retries, bounded bodies and the
//! rule that a key never follows a redirect. The only folder that names reqwest; it knows nothing of
//! providers, keys or JSON. Errors say what happened and to which host, never a URL's path or query.

mod address;
mod body;
mod client;
mod fault;
mod request_body;
mod resolve;
mod retry;
mod tls;
mod upload;

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;
use url::{Host, Url};

use crate::error::{Error, Result};

pub use address::special_purpose;
pub use body::Response;
pub use client::HttpClient;
pub(crate) use fault::redirected;
pub use request_body::{Part, RequestBody};
pub use upload::{Offer, Upload, UploadId, UploadWriter, Uploads, upload};

/// What every request of one client shares.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// An idle connection is closed at the latest after this time (and at the earliest after half
    /// of it): as long as it lives, the last request's header bytes do too. 15 s by default.
    pub pool_idle_timeout: Duration,
    /// The largest body that is read, in bytes after decompression. 64 MiB by default.
    pub max_response_bytes: usize,
    pub user_agent: String,
    /// `http://user:password@host:port`. `HTTPS_PROXY` and the like are never read. The proxy then
    /// looks names up, so for [`AddressPolicy::Public`] our own check is only a first line; give
    /// the proxy a rule of its own.
    pub proxy: Option<String>,
    /// Certificates (PEM) that are trusted besides the system's, as `NODE_EXTRA_CA_CERTS` does.
    pub extra_root_certificates: Option<String>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            pool_idle_timeout: Duration::from_secs(15),
            max_response_bytes: 64 << 20,
            user_agent: concat!("byok-ai/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            extra_root_certificates: None,
        }
    }
}

/// One request.
pub struct Call<'a> {
    pub method: Method,
    pub url: Url,
    /// The credential is in already, marked sensitive.
    pub headers: HeaderMap,
    /// One with an upload is sent again only while nothing of the upload was read.
    pub body: RequestBody,
    pub timeouts: Timeouts,
    /// How many times the request may be sent again after the first attempt.
    pub max_retries: u32,
    pub addresses: AddressPolicy,
    /// Turns an answer that is neither 2xx nor 3xx into an error, by the provider's mapping. Gets at
    /// most the first 1 MiB of the body; its `retryable` decides whether the request is sent again.
    pub failure: &'a (dyn Fn(StatusCode, &HeaderMap, &[u8]) -> Error + Send + Sync),
}

#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// The end of the whole call, with its retries, their pauses and the body.
    pub deadline: Instant,
    /// For one connection: name look-up, TCP and TLS. 10 s unless the app says otherwise.
    pub connect: Duration,
    /// The longest silence inside a body. Counts only while we wait, so a slow reader is no fault.
    pub idle: Duration,
    /// A server that asks for a longer pause before a retry is not waited for: the caller can plan
    /// better than a held call.
    pub longest_wait: Duration,
}

impl Default for Timeouts {
    /// Ten minutes in all, 10 s to connect, 5 minutes of silence, a minute before a retry.
    fn default() -> Self {
        Timeouts {
            deadline: Instant::now() + Duration::from_secs(600),
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// Which addresses a request may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPolicy {
    /// For origins that users supply: an address with a special purpose (see [`special_purpose`]) is
    /// refused after the name was looked up, and the address checked is the address connected to.
    Public,
    /// For built-in origins and for apps that set `allowPrivateNetwork`.
    Any,
}

/// The parts of a [`Response`] that come before its body.
#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub retries: u32,
}

/// Whether a key may be sent to this URL at all: `https:`, or `http:` where the app allowed it, with
/// a host and without user name and password.
///
/// # Errors
/// `INVALID_ARGUMENT`, without the URL, which may hold a secret.
pub fn check_url(url: &Url, allow_http: bool) -> Result<()> {
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        "http" => {
            return Err(Error::invalid_argument(
                "The base URL starts with http:, which would send the key readable by anyone on the way. Use https:, or set allowPrivateNetwork for this provider.",
            ));
        }
        _ => {
            return Err(Error::invalid_argument(
                "The base URL must start with https:.",
            ));
        }
    }
    match url.host() {
        None | Some(Host::Domain("")) => {
            return Err(Error::invalid_argument("The base URL has no host."));
        }
        Some(_) => {}
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid_argument(
            "The base URL holds a user name or a password. Give the key as the key instead.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_https_url_without_user_info_takes_a_key_unless_http_was_allowed() {
        let check = |text: &str, allow| check_url(&Url::parse(text).unwrap(), allow).is_ok();
        assert!(check("https://api.example.com/v1", false));
        assert!(!check("http://127.0.0.1:11434", false));
        assert!(check("http://127.0.0.1:11434", true));
        for refused in [
            "ftp://example.com",
            "file:///etc/passwd",
            "https://user@example.com",
            "https://:pass@example.com",
            "data:text/plain,x",
        ] {
            assert!(!check(refused, true), "{refused}");
        }
    }
}
