//! A request that some other client made for a provider (an SDK, a frontend behind the app), sent with
//! the user's own credential: what the caller placed as one is taken out, the key is put in, and the
//! answer passes through as it arrives. Sent once: retries and redirects are the client's business.

mod address;
mod answer;
mod headers;
mod mask;
mod meter;

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use url::Url;

use self::address::Places;
use self::answer::Passing;
use self::headers::Pairs;
use self::meter::{Asked, capability_of};
use super::Engine;
use super::byte_answer::ByteAnswer;
use super::exchange::Placed;
use super::registry::Registered;
use super::request::{Routing, parse};
use super::route::{Attempt, Candidate, Route};
use crate::capability::Capability;
use crate::error::{Code, Error, Result};
use crate::http::{Call, RequestBody, Response, UploadId};

/// One request as its client made it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ForwardRequest {
    user_id: String,
    provider: String,
    label: Option<String>,
    method: String,
    /// Absolute, or a path at the provider.
    url: String,
    headers: Pairs,
    body: Option<BodyRef>,
    redirect: Redirect,
    /// The request came from a client of the app's: what clients say of themselves stays here.
    #[serde(default)]
    is_proxied: bool,
}

/// A body is bytes beside the JSON, or an upload.
#[derive(Deserialize)]
#[serde(untagged)]
enum BodyRef {
    Bytes(BytesRef),
    Upload(UploadId),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BytesRef {
    #[serde(rename = "$bytes")]
    index: usize,
}

/// What `fetch` does with a redirect; following one is not among it here.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Redirect {
    Follow,
    Error,
    Manual,
}

/// What is known of an answer before its body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    status: u16,
    status_text: &'a str,
    headers: Pairs,
    /// Where the answer came from.
    url: &'a str,
}

/// A request that is checked as far as it can be before its key is open.
struct Checked {
    method: Method,
    url: Url,
    headers: HeaderMap,
    placed: Placed,
    body: RequestBody,
    redirect: Redirect,
    is_proxied: bool,
    capability: Option<Capability>,
    asked: Asked,
}

impl Engine {
    /// Sends a client's request with the user's key and hands on whatever the provider answers, also
    /// an error. `bytes` are what the JSON names by `{ "$bytes": n }`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a URL outside of where this key may go, before the key is opened;
    /// `KEY_NOT_FOUND`, `UNKNOWN_PROVIDER`, those of store and vault; `PROVIDER_UNAVAILABLE`, `TIMEOUT`
    /// and `BAD_RESPONSE` when there is no answer; `PROVIDER_ERROR` for a redirect.
    pub async fn forward(&self, json: &str, bytes: Vec<Vec<u8>>) -> Result<ByteAnswer> {
        let request = parse::<ForwardRequest>(json)?;
        let registered = self.registry.get(&request.provider)?.clone();
        let routing = Routing {
            user_id: request.user_id.clone(),
            provider: Some(request.provider.clone()),
            label: request.label.clone(),
            ..Routing::default()
        };
        let checked = self
            .check(request, &registered, bytes)
            .map_err(|error| error.with_provider(registered.id()))?;
        let mut attempt = self.forwarding(routing, registered, &checked).await?;
        match self.pass(&attempt, checked).await {
            Ok(passing) => Passing::begin(passing, attempt, self.max_event_bytes).await,
            Err(error) => {
                let error = attempt.key.blame(error);
                attempt.observation.failed(&error);
                Err(error)
            }
        }
    }

    fn check(
        &self,
        request: ForwardRequest,
        registered: &Registered,
        mut bytes: Vec<Vec<u8>>,
    ) -> Result<Checked> {
        let public = public_base(registered);
        let places = places(registered, &public, &registered.base_url);
        let url = places.absolute(&request.url)?;
        places.check(&url, may_have_own_origin(registered))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Error::invalid_argument("method: this is not an HTTP method."))?;
        let capability = capability_of(&method, url.path());
        let (body, asked) = match request.body {
            None => (RequestBody::default(), meter::asked(&url, None, capability)),
            Some(BodyRef::Upload(upload)) => {
                let upload = self.uploads.take(upload.id)?;
                (upload.into(), meter::asked(&url, None, capability))
            }
            Some(BodyRef::Bytes(BytesRef { index })) => {
                let Some(bytes) = bytes.get_mut(index).map(std::mem::take) else {
                    let message = "The body of the request is missing.";
                    return Err(Error::new(Code::Internal, message));
                };
                let asked = meter::asked(&url, Some(&bytes), capability);
                (bytes.into(), asked)
            }
        };
        Ok(Checked {
            headers: headers::to_provider(&request.headers, request.is_proxied)?,
            placed: headers::placed(&request.headers),
            method,
            url,
            body,
            redirect: request.redirect,
            is_proxied: request.is_proxied,
            capability,
            asked,
        })
    }

    /// Opens the key, on the way that all requests go.
    async fn forwarding(
        &self,
        mut routing: Routing,
        registered: Arc<Registered>,
        checked: &Checked,
    ) -> Result<Attempt> {
        self.ring()?;
        let record = self
            .record_of(&routing.user_id, registered.id(), routing.label.as_deref())
            .await?;
        routing.model = checked.asked.model.clone();
        let candidate = Candidate { registered, record };
        let capability = checked.capability.unwrap_or(Capability::Chat);
        let mut route = Route::new(capability, routing, [candidate].into());
        route.expect(checked.asked.weight.clone());
        let mut attempt = route.next(self).await?;
        if checked.asked.model.is_none() {
            attempt.observation.model_unknown();
        }
        if checked.capability.is_none() {
            attempt.observation.discard();
        }
        Ok(attempt)
    }

    async fn pass(&self, attempt: &Attempt, checked: Checked) -> Result<Answered> {
        let key = &attempt.key;
        let public = public_base(&key.registered);
        let mut url = places(&key.registered, &public, key.base_url()).translate(&checked.url)?;
        if let Some(query) = url.query().and_then(headers::without_key) {
            url.set_query((!query.is_empty()).then_some(query.as_str()));
        }
        let mut headers = checked.headers;
        for (name, value) in &key.registered.headers {
            if name != CONTENT_TYPE && !headers.contains_key(name) {
                headers.append(name, value.clone());
            }
        }
        key.put_credential_like(checked.placed, &mut headers)?;
        if checked.body.is_empty() && matches!(checked.method, Method::POST | Method::PUT) {
            // They have a body, so that a server would wait for one (RFC 9110, section 8.6).
            headers.insert(CONTENT_LENGTH, 0.into());
        }
        let failure = key.failure();
        let response = self
            .http
            .pass(Call {
                method: checked.method,
                url: url.clone(),
                headers,
                body: checked.body,
                timeouts: key.timeouts(&attempt.routing),
                max_retries: 0,
                addresses: key.addresses(),
                failure: &failure,
            })
            .await?;
        refuse_redirect(&checked.redirect, &response, &url)?;
        Ok(Answered {
            response,
            url,
            is_proxied: checked.is_proxied,
            capability: checked.capability,
            asked: checked.asked,
        })
    }
}

/// An answer that has begun.
struct Answered {
    response: Response,
    url: Url,
    is_proxied: bool,
    capability: Option<Capability>,
    asked: Asked,
}

/// Whether a key of this provider may lead elsewhere than all others: users bring endpoints, or their
/// credentials name one.
fn may_have_own_origin(registered: &Registered) -> bool {
    let by_fields = !registered.has_own_base_url && !registered.provider.fields().is_empty();
    registered.allow_user_base_url || by_fields
}

/// The provider's public base URL. One whose host is a user's own has a blank in it, which a URL can't
/// have: a name stands in for it, so that paths have a place to begin at.
fn public_base(registered: &Registered) -> Cow<'_, str> {
    let base = registered.provider.base_url();
    if base.contains('{') {
        base.replace(['{', '}'], "").into()
    } else {
        base.into()
    }
}

fn places<'a>(registered: &'a Registered, public: &'a str, target: &'a str) -> Places<'a> {
    Places {
        public,
        configured: &registered.base_url,
        target,
        owns_origin: !registered.is_custom,
    }
}

/// # Errors
/// `PROVIDER_ERROR` for an answer that fetch would follow, unless the caller wants to see it.
fn refuse_redirect(redirect: &Redirect, response: &Response, url: &Url) -> Result<()> {
    let is_redirect = matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    if !is_redirect || *redirect == Redirect::Manual {
        return Ok(());
    }
    let location = response
        .headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    Err(crate::http::redirected(
        response.status.as_u16(),
        url,
        location,
    ))
}
