//! One opened key on its way to its provider: where it may go, the header that carries it, and the
//! HTTP call around it. The key is wiped when this is dropped.

use std::sync::Arc;
use std::time::Duration;

use byok_vault::Payload;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::body::{self, Audio};
use super::config::{add_headers, check_headers};
use super::failure;
use super::registry::Registered;
use super::request::Routing;
use crate::capability::Capability;
use crate::error::{Code, Error, Result};
use crate::http::{AddressPolicy, Call, Timeouts};
use crate::provider::{CredentialHeader, Fields, Provider, WireBody, WireRequest};
use crate::redact::redact;

/// The sealed field that says what the payload's key is when it is no API key: the name of the
/// field that the user gave (`token`), or [`NO_CREDENTIAL`].
pub(super) const CREDENTIAL_FIELD: &str = "credential";
pub(super) const NO_CREDENTIAL: &str = "none";

/// Where a client that has no key placed what it took for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// `authorization: Bearer` and nowhere else.
    AsBearer,
    Otherwise,
}

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
        let mut open = OpenKey {
            registered,
            payload,
            base_url: String::new(),
            addresses,
        };
        open.base_url = open.find_base_url()?;
        // Without the app's word any user could have this machine call itself, or send a key in clear text.
        if open.base_url.starts_with("http:") && !open.registered.allow_private_network {
            let id = open.registered.id();
            let what = if is_own {
                format!("{id} is a server on your own machine or network.")
            } else {
                format!("The endpoint stored with this {id} key is not a public one with https:.")
            };
            return Err(Error::invalid_argument(format!(
                "{what} Allow it with new BYOK({{ providers: {{ {id}: {{ allowPrivateNetwork: true }} }} }})."
            )));
        }
        Ok(open)
    }

    fn find_base_url(&self) -> Result<String> {
        if let Some(origin) = &self.payload.origin {
            return Ok(origin.clone());
        }
        if self.registered.has_own_base_url {
            return Ok(self.registered.base_url.clone());
        }
        let of_fields = self.registered.provider.base_url_of(&self.fields())?;
        Ok(of_fields.unwrap_or_else(|| self.registered.base_url.clone()))
    }

    /// The HTTP call for one request: POST with a body, GET without.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for headers that callers can't set.
    pub fn call<'a>(
        &self,
        mut wire: WireRequest,
        audio: Option<Audio>,
        routing: &Routing,
        failure: &'a (dyn Fn(StatusCode, &HeaderMap, &[u8]) -> Error + Send + Sync),
    ) -> Result<Call<'a>> {
        let registered = &self.registered;
        let fields = self.fields();
        if registered.provider.scripted().is_some() {
            check_headers(&wire.headers)?;
        }
        registered.provider.finish_request(&mut wire, &fields);
        let mut headers = registered.headers.clone();
        add_headers(&mut headers, &routing.headers)?;
        for (name, value) in &wire.headers {
            let value = HeaderValue::from_str(value).map_err(|_| {
                Error::invalid_argument(format!("The header {name} has invalid characters."))
            })?;
            headers.insert(header_name(name)?, value);
        }
        let method = match wire.body {
            WireBody::Empty => Method::GET,
            _ => Method::POST,
        };
        let (body, content_type) = body::encode(wire.body, audio)?;
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        self.put_credential(&mut headers)?;
        Ok(Call {
            method,
            url: self.url(&wire.path)?,
            headers,
            body,
            timeouts: self.timeouts(routing),
            max_retries: routing.max_retries.unwrap_or(registered.max_retries),
            addresses: self.addresses,
            failure,
        })
    }

    pub fn timeouts(&self, routing: &Routing) -> Timeouts {
        let Registered {
            timeout,
            connect_timeout,
            idle_timeout,
            ..
        } = *self.registered;
        let own = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
        let default = Timeouts::default();
        Timeouts {
            deadline: routing
                .deadline
                .unwrap_or_else(|| Instant::now() + own(routing.timeout_ms, timeout)),
            connect: connect_timeout,
            idle: own(routing.idle_timeout_ms, idle_timeout),
            longest_wait: routing.longest_wait.unwrap_or(default.longest_wait),
        }
    }

    /// What the credential has beside the key.
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(self.payload.fields.iter().filter_map(|(name, value)| {
            Some((name.as_str(), std::str::from_utf8(value.expose()).ok()?))
        }))
    }

    /// Reads a failed answer as the provider means it, without the key in it.
    pub fn failure(&self) -> impl Fn(StatusCode, &HeaderMap, &[u8]) -> Error + Send + Sync + '_ {
        move |status, headers, body| {
            let secret = self.payload.api_key.expose();
            failure::to_error(&self.registered, secret, status, headers, body)
        }
    }

    /// Names the provider in an error and takes the key out of its message.
    pub fn blame(&self, error: Error) -> Error {
        error
            .with_provider(self.registered.id())
            .map_message(|message| redact(message, self.payload.api_key.expose()))
    }

    /// The error of a capability that this provider has not.
    pub fn cannot(&self, capability: Capability) -> Error {
        let name = self.registered.name();
        let message = format!("{name} can't do {}.", capability.as_str());
        Error::new(Code::CapabilityUnsupported, message).with_provider(self.registered.id())
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

    /// Puts the key where this provider takes it, unless the user has none (a server of their own).
    pub fn put_credential(&self, headers: &mut HeaderMap) -> Result<()> {
        let fields = self.fields();
        if fields.get(CREDENTIAL_FIELD) == Some(NO_CREDENTIAL) {
            return Ok(());
        }
        self.put(self.registered.provider.credential(&fields), headers)
    }

    /// Puts the key where a client placed its own, if this provider takes it there, else where it does.
    pub fn put_credential_like(&self, placed: Placed, headers: &mut HeaderMap) -> Result<()> {
        if placed == Placed::AsBearer && self.registered.provider.takes_bearer() {
            return self.put(CredentialHeader::BEARER, headers);
        }
        self.put_credential(headers)
    }

    fn put(&self, credential: CredentialHeader, headers: &mut HeaderMap) -> Result<()> {
        headers.insert(
            header_name(credential.name)?,
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

    /// Where the key goes: scheme, host and port.
    pub fn origin(&self) -> String {
        Url::parse(&self.base_url).map_or_else(
            |_| self.registered.id().to_owned(),
            |url| url.origin().ascii_serialization(),
        )
    }

    fn url(&self, path: &str) -> Result<Url> {
        let text = [self.base_url.as_str(), path].concat();
        let url = Url::parse(&text)
            .map_err(|_| Error::invalid_argument("The model's name can't be part of a URL."))?;
        Ok(url)
    }
}

fn header_name(name: &str) -> Result<HeaderName> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Error::invalid_argument(format!("{name:?} is not a valid header name.")))
}
