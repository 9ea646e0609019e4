//! The answer of a forwarded request on its way to the caller: piece by piece as it arrives, without
//! the key should the provider repeat it.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use url::Url;

use super::Head;
use super::headers::from_provider;
use super::mask::Mask;
use crate::engine::byte_answer::{ByteAnswer, ByteSource};
use crate::engine::exchange::OpenKey;
use crate::error::{Code, Error, Result};
use crate::http::Response;
use crate::redact::redact;

/// How much of a failed answer is looked through for parts of the key.
const FAILURE_BYTES: usize = 1 << 20;

pub struct Passing {
    /// Gone at the end.
    response: Option<Response>,
    key: OpenKey,
    mask: Mask,
    /// The beginning of a failed answer, which was read ahead.
    beginning: Option<Bytes>,
}

impl Passing {
    /// Makes the head, and reads a failed answer as far as providers repeat keys in it ("Incorrect API
    /// key provided: sk-..."): of those even parts of the key are taken out.
    pub async fn begin(
        response: Response,
        key: OpenKey,
        url: Url,
        is_proxied: bool,
    ) -> Result<ByteAnswer> {
        let status = response.status;
        let status_text = response.status_text.clone();
        let mut headers = response.headers.clone();
        let mut passing = Passing {
            response: Some(response),
            key,
            mask: Mask::default(),
            beginning: None,
        };
        if status.is_client_error() || status.is_server_error() {
            let (beginning, was_changed) = passing.failure().await?;
            passing.beginning = Some(beginning);
            if was_changed {
                headers.remove(CONTENT_LENGTH);
            }
        }
        let secret = passing.key.payload.api_key.expose();
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

    async fn failure(&mut self) -> Result<(Bytes, bool)> {
        let mut read = BytesMut::new();
        while read.len() < FAILURE_BYTES {
            match self.masked().await? {
                Some(piece) => read.extend_from_slice(&piece),
                None => break,
            }
        }
        let text = std::str::from_utf8(&read).ok();
        let redacted = text.and_then(|text| redact(text, self.key.payload.api_key.expose()));
        let was_changed = redacted.is_some();
        let bytes = redacted.map_or_else(|| read.freeze(), Bytes::from);
        Ok((bytes, was_changed))
    }

    async fn masked(&mut self) -> Result<Option<Bytes>> {
        let secret = self.key.payload.api_key.expose();
        while let Some(response) = &mut self.response {
            let piece = match response.chunk().await {
                Ok(Some(piece)) => self.mask.piece(piece, secret),
                Ok(None) => {
                    self.response = None;
                    self.mask.rest(secret)
                }
                Err(error) => return Err(self.key.blame(error)),
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
            Some(beginning) if !beginning.is_empty() => Ok(Some(beginning)),
            _ => self.masked().await,
        }
    }
}
