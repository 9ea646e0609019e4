//! One opened key on its way to its provider: where it may go, the header that carries it, and the
//! HTTP call around it. The key is wiped when this is dropped.

use std::sync::Arc;
use std::time::Duration;

use byok_vault::Payload;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::config::add_headers;
use super::failure;
use super::registry::Registered;
use super::request::Routing;
use crate::error::{Code, Error, Result};
use crate::http::{AddressPolicy, Call, RequestBody, Timeouts};
use crate::provider::Provider;
use crate::redact::redact;

pub(super) struct OpenKey {
    pub registered: Arc<Registered>,
    pub payload: Payload,
    base_url: String,
    addresses: AddressPolicy,
}

impl OpenKey {
    /// The key goes to the origin sealed with it, else to the provider's own.
    pub fn new(registered: Arc<Registered>, payload: Payload) -> Result<Self> {
        let is_own = payload.origin.is_none();
        let addresses = if is_own || registered.allow_private_network {
            AddressPolicy::Any
        } else {
            AddressPolicy::Public
        };
        let base_url = payload
            .origin
            .clone()
            .unwrap_or_else(|| registered.base_url.clone());
        Ok(OpenKey {
            registered,
            payload,
            base_url,
            addresses,
        })
    }

    /// The HTTP call for one request: POST with a body, GET without.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for headers that callers can't set.
    pub fn call<'a>(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        extra_headers: &[(&'static str, String)],
        routing: &Routing,
        failure: &'a (dyn Fn(StatusCode, &HeaderMap, &[u8]) -> Error + Send + Sync),
    ) -> Result<Call<'a>> {
        let registered = &self.registered;
        let mut headers = registered.headers.clone();
        add_headers(&mut headers, &routing.headers)?;
        for (name, value) in extra_headers {
            let value = HeaderValue::from_str(value).map_err(|_| {
                Error::invalid_argument(format!("The header {name} has invalid characters."))
            })?;
            headers.insert(*name, value);
        }
        self.put_credential(&mut headers)?;
        let timeout = routing
            .timeout_ms
            .map_or(registered.timeout, Duration::from_millis);
        Ok(Call {
            method: if body.is_some() {
                Method::POST
            } else {
                Method::GET
            },
            url: self.url(path)?,
            headers,
            body: body.map(RequestBody::from).unwrap_or_default(),
            timeouts: Timeouts {
                deadline: Instant::now() + timeout,
                connect: registered.connect_timeout,
                idle: routing
                    .idle_timeout_ms
                    .map_or(registered.idle_timeout, Duration::from_millis),
            },
            max_retries: routing.max_retries.unwrap_or(registered.max_retries),
            addresses: self.addresses,
            failure,
        })
    }

    /// Reads a failed answer as the provider means it, without the key in it.
    pub fn failure(&self) -> impl Fn(StatusCode, &HeaderMap, &[u8]) -> Error + Send + Sync + '_ {
        move |status, headers, body| {
            failure::to_error(
                &self.registered,
                self.payload.api_key.expose(),
                status,
                headers,
                body,
            )
        }
    }

    /// Names the provider in an error and takes the key out of its message.
    pub fn blame(&self, error: Error) -> Error {
        error
            .with_provider(self.registered.id())
            .map_message(|message| redact(message, self.payload.api_key.expose()))
    }

    /// The provider's id of a request, from the response head.
    pub fn request_id(&self, headers: &HeaderMap) -> Option<String> {
        let name = self.registered.provider.request_id_header()?;
        Some(headers.get(name)?.to_str().ok()?.to_owned())
    }

    /// Whether the key has the shape of `provider`'s keys.
    pub fn looks_like(&self, provider: &dyn Provider) -> bool {
        std::str::from_utf8(self.payload.api_key.expose()).is_ok_and(|key| provider.recognizes(key))
    }

    /// Where the key goes: the base URL of its paths.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Which addresses that may lead to.
    pub fn addresses(&self) -> AddressPolicy {
        self.addresses
    }

    /// Puts the key where this provider takes it.
    pub fn put_credential(&self, headers: &mut HeaderMap) -> Result<()> {
        let credential = self.registered.provider.credential();
        headers.insert(
            HeaderName::from_static(credential.name),
            self.header_value(credential.prefix)?,
        );
        Ok(())
    }

    fn header_value(&self, prefix: &str) -> Result<HeaderValue> {
        let key = self.payload.api_key.expose();
        let mut bytes = Vec::with_capacity(prefix.len() + key.len());
        bytes.extend_from_slice(prefix.as_bytes());
        bytes.extend_from_slice(key);
        // Moves the buffer, so no second copy of the key is made.
        let mut value = HeaderValue::from_maybe_shared(Bytes::from(bytes)).map_err(|_| {
            Error::new(
                Code::BadRecord,
                "The stored key has characters that headers can't hold.",
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn url(&self, path: &str) -> Result<Url> {
        let text = [self.base_url.as_str(), path].concat();
        let url = Url::parse(&text)
            .map_err(|_| Error::invalid_argument("The model's name can't be part of a URL."))?;
        Ok(url)
    }
}
