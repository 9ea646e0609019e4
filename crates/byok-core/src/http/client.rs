//! The client: a pool for each address policy, since a connection keeps what it was checked for, and
//! connect timeout; and the one loop in which a request is sent, judged and sent again.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use tokio::time::Instant;
use url::Host;

use super::address::special_purpose;
use super::body::Body;
use super::resolve::PublicAddresses;
use super::{AddressPolicy, Call, Head, HttpOptions, Response, Timeouts, fault, retry, tls};
use crate::error::{Code, Error, Result};

/// What of a failed answer's body is read, in bytes.
const FAILURE_BYTES: usize = 1 << 20;

/// For a body that may take as long as it likes: a year, which no connection lives.
const LONGEST_BODY: Duration = Duration::from_secs(365 * 24 * 3600);

/// Sends requests; keeps connections for a short while. Made once an engine and shared by reference:
/// dropping it closes what is idle.
pub struct HttpClient {
    options: HttpOptions,
    tls: rustls::ClientConfig,
    pools: RwLock<Vec<Pool>>,
}

/// reqwest knows one connect timeout a client; so many are few, since the app sets them.
struct Pool {
    addresses: AddressPolicy,
    connect_timeout: Duration,
    client: reqwest::Client,
}

impl HttpClient {
    /// # Errors
    /// `INVALID_ARGUMENT` for a user agent, a proxy or root certificates that can't be used.
    pub fn new(options: &HttpOptions) -> Result<Self> {
        let client = HttpClient {
            options: options.clone(),
            tls: tls::config(options.extra_root_certificates.as_deref())?,
            pools: RwLock::default(),
        };
        client.add_pool(AddressPolicy::Any, Timeouts::default().connect)?;
        Ok(client)
    }

    /// Sends a request until it has a 2xx answer, and hands that on with its body unread: for
    /// streams. What breaks later is not repeated. Dropping the future or the response ends the
    /// exchange at once.
    ///
    /// # Errors
    /// What `call.failure` made of the last failed answer, with `retry_after_ms` when the server
    /// said so; `PROVIDER_UNAVAILABLE` without an answer; `TIMEOUT`; `PROVIDER_ERROR` for a redirect;
    /// `BAD_RESPONSE` for what is not HTTP; `INVALID_ARGUMENT` for an address that the policy refuses.
    pub async fn send(&self, call: Call<'_>) -> Result<Response> {
        Ok(self.exchange(call, false).await?.0)
    }

    /// As [`send`](Self::send), with the whole body; a body that breaks off is fetched again too.
    ///
    /// # Errors
    /// Also those of [`Response::chunk`].
    pub async fn fetch(&self, call: Call<'_>) -> Result<(Head, Bytes)> {
        let (response, body) = self.exchange(call, true).await?;
        let head = Head {
            status: response.status,
            headers: response.headers,
            retries: response.retries,
        };
        Ok((head, body))
    }

    /// Sends a request once and hands its answer on, whatever it is: an error, a redirect (which is
    /// not followed), a body of any size, that is read as it is asked for. The deadline ends with
    /// the head; `call.max_retries` and `call.failure` are not used.
    ///
    /// # Errors
    /// As [`send`](Self::send), without those of failed answers.
    pub async fn pass(&self, mut call: Call<'_>) -> Result<Response> {
        self.check_address(&call).await?;
        let headers = std::mem::take(&mut call.headers);
        let (status, headers, answer) = self.head(&call, headers).await?;
        check_encoding(&headers)?;
        let timeouts = Timeouts {
            deadline: Instant::now() + LONGEST_BODY,
            ..call.timeouts
        };
        Ok(Response {
            status,
            status_text: status_text(&answer),
            headers,
            retries: 0,
            body: Body::new(answer, timeouts, usize::MAX),
        })
    }

    async fn exchange(&self, mut call: Call<'_>, whole: bool) -> Result<(Response, Bytes)> {
        self.check_address(&call).await?;
        // Calls that are made together are sent together: their requests are mapped first, and go out in
        // one burst, which costs the network stack less than one every now and then.
        tokio::task::yield_now().await;
        let mut retries = 0;
        loop {
            let last = retries >= call.max_retries;
            let headers = if last {
                std::mem::take(&mut call.headers)
            } else {
                call.headers.clone()
            };
            let error = match self.attempt(&call, headers, retries, whole).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if last || !call.body.is_replayable() {
                return Err(error.with_retries(retries));
            }
            let Some(pause) = retry::pause(&error, retries, call.timeouts) else {
                return Err(error.with_retries(retries));
            };
            tokio::time::sleep(pause).await;
            retries += 1;
        }
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        headers: HeaderMap,
        retries: u32,
        whole: bool,
    ) -> Result<(Response, Bytes)> {
        let timeouts = call.timeouts;
        let (status, headers, answer) = self.head(call, headers).await?;
        if status.is_redirection() {
            let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
            return Err(fault::redirected(status.as_u16(), &call.url, location));
        }
        if !status.is_success() {
            let body = Body::new(answer, timeouts, FAILURE_BYTES).beginning().await;
            let error = (call.failure)(status, &headers, &body);
            return Err(retry::read_hints(error, &headers));
        }
        check_encoding(&headers)?;
        let mut body = Body::new(answer, timeouts, self.options.max_response_bytes);
        let bytes = if whole {
            body.rest().await?
        } else {
            Bytes::new()
        };
        let response = Response {
            status,
            status_text: String::new(),
            headers,
            retries,
            body,
        };
        Ok((response, bytes))
    }

    /// Sends a request and waits for the head of its answer.
    async fn head(
        &self,
        call: &Call<'_>,
        headers: HeaderMap,
    ) -> Result<(StatusCode, HeaderMap, reqwest::Response)> {
        let timeouts = call.timeouts;
        let client = self.pool(call.addresses, timeouts.connect)?;
        let mut request = reqwest::Request::new(call.method.clone(), call.url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = call.body.to_reqwest();
        let mut answer = tokio::time::timeout_at(timeouts.deadline, client.execute(request))
            .await
            .map_err(|_| fault::past_deadline())?
            .map_err(|error| match call.body.take_failure() {
                Some(failure) => failure,
                None => fault::unanswered(error, &call.url, timeouts.connect),
            })?;
        let headers = std::mem::take(answer.headers_mut());
        Ok((answer.status(), headers, answer))
    }

    fn pool(&self, addresses: AddressPolicy, connect_timeout: Duration) -> Result<reqwest::Client> {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        let known = find(&pools, addresses, connect_timeout);
        drop(pools);
        known.map_or_else(|| self.add_pool(addresses, connect_timeout), Ok)
    }

    fn add_pool(
        &self,
        addresses: AddressPolicy,
        connect_timeout: Duration,
    ) -> Result<reqwest::Client> {
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        // Another call may have been faster.
        if let Some(client) = find(&pools, addresses, connect_timeout) {
            return Ok(client);
        }
        let client = build(&self.options, self.tls.clone(), addresses, connect_timeout)?;
        pools.push(Pool {
            addresses,
            connect_timeout,
            client: client.clone(),
        });
        Ok(client)
    }

    /// What the resolver of the public pool can't see: addresses written out in the URL, and names
    /// that a proxy will look up.
    async fn check_address(&self, call: &Call<'_>) -> Result<()> {
        if call.addresses == AddressPolicy::Any {
            return Ok(());
        }
        let special = match call.url.host() {
            None => true,
            Some(Host::Ipv4(address)) => special_purpose(address.into()).is_some(),
            Some(Host::Ipv6(address)) => special_purpose(address.into()).is_some(),
            Some(Host::Domain(name)) if self.options.proxy.is_some() => {
                let look_up = tokio::net::lookup_host((name, 0));
                let found = tokio::time::timeout_at(call.timeouts.deadline, look_up)
                    .await
                    .map_err(|_| fault::past_deadline())?;
                // Behind a proxy a name may be known to the proxy alone.
                found.is_ok_and(|mut found| {
                    found.any(|address| special_purpose(address.ip()).is_some())
                })
            }
            Some(Host::Domain(_)) => false,
        };
        if special {
            return Err(fault::refused(&call.url));
        }
        Ok(())
    }
}

/// What reqwest has decompressed no longer says so.
fn check_encoding(headers: &HeaderMap) -> Result<()> {
    let is_encoded = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_encoded {
        return Err(fault::unknown_encoding());
    }
    Ok(())
}

/// What HTTP/1.1 says after the status; HTTP/2 says nothing.
fn status_text(answer: &reqwest::Response) -> String {
    if let Some(reason) = answer.extensions().get::<hyper::ext::ReasonPhrase>() {
        return reason.as_bytes().iter().copied().map(char::from).collect();
    }
    match answer.version() {
        Version::HTTP_10 | Version::HTTP_11 => answer.status().canonical_reason().unwrap_or(""),
        _ => "",
    }
    .to_owned()
}

fn find(
    pools: &[Pool],
    addresses: AddressPolicy,
    connect_timeout: Duration,
) -> Option<reqwest::Client> {
    let pool = pools
        .iter()
        .find(|pool| pool.addresses == addresses && pool.connect_timeout == connect_timeout)?;
    Some(pool.client.clone())
}

fn build(
    options: &HttpOptions,
    tls: rustls::ClientConfig,
    addresses: AddressPolicy,
    connect_timeout: Duration,
) -> Result<reqwest::Client> {
    let user_agent = HeaderValue::from_str(&options.user_agent).map_err(|_| {
        Error::invalid_argument("The user agent holds characters that can't be sent.")
    })?;
    let mut builder = reqwest::Client::builder()
        .user_agent(user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .tcp_nodelay(true)
        // Name look-up, TCP and TLS together.
        .connect_timeout(connect_timeout)
        // The pool looks for idle connections once a period, so one may live for two of them.
        .pool_idle_timeout(options.pool_idle_timeout / 2);
    match &options.proxy {
        Some(proxy) => {
            let proxy = reqwest::Proxy::all(proxy)
                .map_err(|_| Error::invalid_argument("The proxy is not a URL."))?;
            builder = builder.proxy(proxy);
        }
        None if addresses == AddressPolicy::Public => {
            builder = builder.dns_resolver(PublicAddresses);
        }
        None => {}
    }
    builder
        .build()
        .map_err(|_| Error::new(Code::Internal, "The HTTP client could not be set up."))
}
