//! The one way of a request to its provider: the key's call, and a failure as the provider means it, by
//! tables and, for a provider that an app defined, by the app's own function at the end.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::Engine;
use super::body::Audio;
use super::exchange::OpenKey;
use super::failure;
use super::request::Routing;
use crate::error::{Code, Error, Result};
use crate::http::{Head, Response};
use crate::provider::WireRequest;
use crate::redact::{bounded, redact, without};

/// So much of a failed answer is shown to an app's function.
const MOST_SHOWN: usize = 64 << 10;

impl Engine {
    /// Sends, and answers when the head of a 2xx has arrived.
    pub(super) async fn send(
        &self,
        key: &OpenKey,
        wire: WireRequest,
        audio: Option<Audio>,
        routing: &Routing,
    ) -> Result<Response> {
        let seen = Seen::default();
        let failure =
            |status, headers: &HeaderMap, body: &[u8]| seen.read(key, status, headers, body);
        let call = key.call(wire, audio, routing, &failure)?;
        match self.http.send(call).await {
            Ok(response) => Ok(response),
            Err(error) => Err(seen.explain(key, error).await),
        }
    }

    /// As [`Engine::send`], with the whole body.
    pub(super) async fn fetch(
        &self,
        key: &OpenKey,
        wire: WireRequest,
        audio: Option<Audio>,
        routing: &Routing,
    ) -> Result<(Head, Bytes)> {
        let seen = Seen::default();
        let failure =
            |status, headers: &HeaderMap, body: &[u8]| seen.read(key, status, headers, body);
        let call = key.call(wire, audio, routing, &failure)?;
        match self.http.fetch(call).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(seen.explain(key, error).await),
        }
    }
}

/// The last failed answer, where a function is to see it: without the key.
#[derive(Default)]
struct Seen(Mutex<Option<(u16, String)>>);

impl Seen {
    fn read(&self, key: &OpenKey, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        let secret = key.payload.api_key.expose();
        let scripted = key.registered.provider.scripted();
        if scripted.is_some_and(|scripted| scripted.reads_errors()) {
            let text = String::from_utf8_lossy(body);
            let text = redact(&text, secret).map_or(text, Cow::Owned);
            let shown = bounded(&text, MOST_SHOWN).into_owned();
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((status.as_u16(), shown));
        }
        failure::to_error(&key.registered, secret, status, headers, body)
    }

    /// Lets the definition's function say what the failure means; one that does not work is told of in
    /// the message, and the failure stays what it was.
    async fn explain(self, key: &OpenKey, error: Error) -> Error {
        let error = key.blame(error);
        let seen = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (Some((status, body)), Some(scripted)) = (seen, key.registered.provider.scripted())
        else {
            return error;
        };
        if error.status() != Some(status) {
            return error;
        }
        match scripted.explain(status, &body).await {
            Ok(explanation) => {
                let secret = key.payload.api_key.expose();
                failure::explained(error, key.registered.name(), secret, explanation)
            }
            Err(wrong) => {
                let error = error
                    .map_message(|message| Some(format!("{message} Besides: {}", wrong.message())));
                match wrong.cause_id() {
                    Some(cause_id) => error.with_cause_id(cause_id),
                    None => error,
                }
            }
        }
    }
}

impl OpenKey {
    /// A provider's answer as text for an app's functions: without the key, should it be in there.
    ///
    /// # Errors
    /// `BAD_RESPONSE` for bytes that are no UTF-8.
    pub(super) fn text_of<'a>(&self, body: &'a [u8]) -> Result<Cow<'a, str>> {
        let text = std::str::from_utf8(body).map_err(|_| {
            Error::new(
                Code::BadResponse,
                "The provider's answer is not valid UTF-8.",
            )
        })?;
        Ok(without(text, self.payload.api_key.expose()))
    }
}
