//! A request that some other client made for a provider (an SDK, a frontend behind the app), sent with
//! the user's own credential: what the caller placed as one is taken out, the key is put in, and the
//! answer passes through as it arrives. Sent once: retries and redirects are the client's business.

mod address;
mod answer;
mod headers;
mod mask;

use std::sync::Arc;

use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use url::Url;

use self::address::Places;
use self::answer::Passing;
use self::headers::Pairs;
use super::byte_answer::ByteAnswer;
use super::exchange::OpenKey;
use super::registry::Registered;
use super::request::parse;
use super::{Engine, context, from_vault};
use crate::error::{Code, Error, Result};
use crate::http::{Call, RequestBody, Response, Timeouts, UploadId};

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
        let places_before = places(&registered, &registered.base_url);
        let url = places_before
            .absolute(&request.url)
            .and_then(|url| {
                places_before.check(&url, registered.allow_user_base_url)?;
                Ok(url)
            })
            .map_err(|error| error.with_provider(registered.id()))?;
        let key = self.forwarding_key(&request, registered).await?;
        let blame = |error: Error| key.blame(error);
        let mut url = places(&key.registered, key.base_url())
            .translate(&url)
            .map_err(blame)?;
        if let Some(query) = url.query().and_then(headers::without_key) {
            url.set_query((!query.is_empty()).then_some(query.as_str()));
        }
        let call = self.forwarded_call(&request, &key, url.clone(), bytes)?;
        let response = self.http.pass(call).await.map_err(blame)?;
        refuse_redirect(&request.redirect, &response, &url).map_err(blame)?;
        Passing::begin(response, key, url, request.is_proxied).await
    }

    async fn forwarding_key(
        &self,
        request: &ForwardRequest,
        registered: Arc<Registered>,
    ) -> Result<OpenKey> {
        let ring = self.ring()?;
        let record = self
            .record_of(
                &request.user_id,
                &request.provider,
                request.label.as_deref(),
            )
            .await?;
        let payload = ring
            .open(&context(&record.id)?, &record.sealed)
            .map_err(|error| from_vault(error).with_provider(registered.id()))?;
        OpenKey::new(registered, payload)
    }

    fn forwarded_call<'a>(
        &self,
        request: &ForwardRequest,
        key: &OpenKey,
        url: Url,
        mut bytes: Vec<Vec<u8>>,
    ) -> Result<Call<'a>> {
        let registered = &key.registered;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Error::invalid_argument("method: this is not an HTTP method."))?;
        let body = match &request.body {
            None => RequestBody::default(),
            Some(BodyRef::Upload(upload)) => self.uploads.take(upload.id)?.into(),
            Some(BodyRef::Bytes(BytesRef { index })) => match bytes.get_mut(*index) {
                Some(bytes) => std::mem::take(bytes).into(),
                None => {
                    return Err(Error::new(
                        Code::Internal,
                        "The body of the request is missing.",
                    ));
                }
            },
        };
        let mut headers = headers::to_provider(&request.headers, request.is_proxied)?;
        for (name, value) in &registered.headers {
            if name != CONTENT_TYPE && !headers.contains_key(name) {
                headers.append(name, value.clone());
            }
        }
        key.put_credential(&mut headers)?;
        if body.is_empty() && has_length_without_body(&method) {
            headers.insert(CONTENT_LENGTH, 0.into());
        }
        Ok(Call {
            method,
            url,
            headers,
            body,
            timeouts: Timeouts {
                deadline: Instant::now() + registered.timeout,
                connect: registered.connect_timeout,
                idle: registered.idle_timeout,
            },
            max_retries: 0,
            addresses: key.addresses(),
            failure: &|status, _, _| {
                Error::new(Code::ProviderError, "The request failed.").with_status(status.as_u16())
            },
        })
    }
}

fn places<'a>(registered: &'a Registered, target: &'a str) -> Places<'a> {
    Places {
        public: registered.provider.base_url(),
        configured: &registered.base_url,
        target,
        owns_origin: !registered.is_custom,
    }
}

/// Methods that have a body, so that a server would wait for one without being told (RFC 9110,
/// section 8.6).
fn has_length_without_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT)
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
