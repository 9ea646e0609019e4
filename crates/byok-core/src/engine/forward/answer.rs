//! The answer of a forwarded request on its way to the caller: piece by piece as it arrives, without
//! the key should the provider repeat it, and counted as it passes.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};

use super::headers::from_provider;
use super::mask::Mask;
use super::meter::Meter;
use super::{Answered, Head};
use crate::engine::byte_answer::{ByteAnswer, ByteSource};
use crate::engine::pace::Paced;
use crate::engine::route::Attempt;
use crate::error::{Code, Error, Result};
use crate::http::Response;
use crate::provider::content_type;
use crate::redact::redact;

/// How much of a failed answer is looked through for its reason and for parts of the key.
const FAILURE_BYTES: usize = 1 << 20;

pub struct Passing {
    attempt: Attempt,
    body: Masked,
    meter: Option<Meter>,
    path: String,
    /// The beginning of a failed answer, which was read ahead.
    beginning: Option<Bytes>,
}

enum Body {
    Events(Paced),
    Other(Response),
}

/// A body without the key in it.
struct Masked {
    /// Gone at the end.
    body: Option<Body>,
    mask: Mask,
}

impl Passing {
    /// Makes the head, and reads a failed answer as far as providers repeat keys in it ("Incorrect API
    /// key provided: sk-..."): of those even parts of the key are taken out.
    pub async fn begin(
        answered: Answered,
        attempt: Attempt,
        max_event_bytes: usize,
    ) -> Result<ByteAnswer> {
        let Answered {
            mut response,
            url,
            is_proxied,
            capability,
            asked,
        } = answered;
        let status = response.status;
        let status_text = std::mem::take(&mut response.status_text);
        let mut headers = response.headers.clone();
        let path = url.path().to_owned();
        let meter = capability
            .filter(|_| status.is_success() && attempt.observation.is_wanted())
            .map(|capability| {
                let provider = &*attempt.key.registered.provider;
                Meter::new(
                    provider,
                    capability,
                    &asked,
                    &path,
                    &headers,
                    max_event_bytes,
                )
            });
        let mut passing = Passing {
            body: Masked {
                body: Some(Body::new(response)),
                mask: Mask::default(),
            },
            meter,
            path,
            beginning: None,
            attempt,
        };
        let request_id = passing.attempt.key.request_id(&headers);
        passing
            .attempt
            .observation
            .answered(0, request_id.as_deref());
        if status.is_client_error() || status.is_server_error() {
            passing.read_failure(status, &mut headers).await?;
        }
        let secret = passing.attempt.key.payload.api_key.expose();
        let head = Head {
            status: status.as_u16(),
            status_text: &status_text,
            headers: from_provider(&headers, secret, is_proxied),
            url: url.as_str(),
        };
        Ok(ByteAnswer {
            head: serde_json::to_string(&head)
                .map_err(|error| Error::new(Code::Internal, error.to_string()))?,
            source: Box::new(passing),
        })
    }

    /// Reads ahead what a failed answer says, counts the call as failed, and takes the key out.
    async fn read_failure(&mut self, status: StatusCode, headers: &mut HeaderMap) -> Result<()> {
        let mut read = BytesMut::new();
        while read.len() < FAILURE_BYTES {
            match self.masked().await? {
                Some(piece) => read.extend_from_slice(&piece),
                None => break,
            }
        }
        let Attempt {
            key, observation, ..
        } = &mut self.attempt;
        observation.failed(&key.failure()(status, headers, &read));
        let text = std::str::from_utf8(&read).ok();
        let redacted = text.and_then(|text| redact(text, key.payload.api_key.expose()));
        if redacted.is_some() {
            headers.remove(CONTENT_LENGTH);
        }
        self.beginning = Some(redacted.map_or_else(|| read.freeze(), Bytes::from));
        Ok(())
    }

    async fn masked(&mut self) -> Result<Option<Bytes>> {
        let Attempt {
            key, observation, ..
        } = &mut self.attempt;
        let piece = self.body.next(key.payload.api_key.expose()).await;
        piece.map_err(|error| {
            let error = key.blame(error);
            observation.failed(&error);
            error
        })
    }
}

impl Body {
    fn new(response: Response) -> Self {
        if content_type(&response.headers).starts_with("text/event-stream") {
            Body::Events(Paced::new(response))
        } else {
            Body::Other(response)
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Body::Events(events) => events.next().await,
            Body::Other(response) => response.chunk().await,
        }
    }
}

impl Masked {
    async fn next(&mut self, secret: &[u8]) -> Result<Option<Bytes>> {
        while let Some(body) = &mut self.body {
            let piece = match body.next().await? {
                Some(piece) => self.mask.piece(piece, secret),
                None => {
                    self.body = None;
                    self.mask.rest(secret)
                }
            };
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl ByteSource for Passing {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self.beginning.take() {
            Some(beginning) if !beginning.is_empty() => return Ok(Some(beginning)),
            _ => {}
        }
        let piece = self.masked().await?;
        let observation = &mut self.attempt.observation;
        match &piece {
            Some(piece) => {
                observation.output();
                if let Some(meter) = &mut self.meter {
                    meter.piece(piece, observation);
                }
            }
            None => {
                if let Some(meter) = self.meter.take() {
                    let provider = &*self.attempt.key.registered.provider;
                    meter.end(provider, &self.path, observation);
                }
                observation.succeeded();
            }
        }
        Ok(piece)
    }
}
