//! What a request carries: nothing, bytes, or a sequence of bytes and uploads that is sent as it is
//! read, so that a large file is never whole in memory. A sequence can be sent again only while
//! nothing of it was read.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};

use super::upload::Upload;
use crate::error::Error;

/// The body of a request. Its length is sent ahead when all parts know theirs.
#[derive(Default)]
pub struct RequestBody(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Bytes(Bytes),
    Sequence(Arc<Mutex<Sequence>>),
}

/// One part of a body.
pub enum Part {
    Bytes(Bytes),
    Upload(Upload),
    /// An upload inside a JSON string: standard base64 with padding, without quotes.
    Base64(Upload),
}

impl RequestBody {
    /// Parts that are sent one after the other.
    pub fn parts(parts: Vec<Part>) -> Self {
        let is_bytes = parts.iter().all(|part| matches!(part, Part::Bytes(_)));
        if is_bytes {
            let mut whole = BytesMut::new();
            for part in parts {
                if let Part::Bytes(bytes) = part {
                    whole.extend_from_slice(&bytes);
                }
            }
            return whole.freeze().into();
        }
        let left = parts
            .iter()
            .map(Part::length)
            .try_fold(0_u64, |sum, length| sum.checked_add(length?));
        RequestBody(Kind::Sequence(Arc::new(Mutex::new(Sequence {
            parts: parts.into(),
            carry: Vec::new(),
            left,
            touched: false,
            failure: None,
        }))))
    }

    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Bytes(bytes) => bytes.is_empty(),
            Kind::Sequence(_) => false,
        }
    }

    /// Whether the body can be sent, be it for the first time or again: an upload is read only once.
    pub fn is_replayable(&self) -> bool {
        match &self.0 {
            Kind::Empty | Kind::Bytes(_) => true,
            Kind::Sequence(sequence) => !lock(sequence).touched,
        }
    }

    /// Why an upload could not be read, when that is what ended the request.
    pub(super) fn take_failure(&self) -> Option<Error> {
        match &self.0 {
            Kind::Empty | Kind::Bytes(_) => None,
            Kind::Sequence(sequence) => lock(sequence).failure.take(),
        }
    }

    /// The body for one attempt.
    pub(super) fn to_reqwest(&self) -> Option<reqwest::Body> {
        match &self.0 {
            Kind::Empty => None,
            Kind::Bytes(bytes) => (!bytes.is_empty()).then(|| bytes.clone().into()),
            Kind::Sequence(sequence) => Some(reqwest::Body::wrap(Sending(sequence.clone()))),
        }
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        RequestBody(Kind::Bytes(bytes))
    }
}

impl From<Vec<u8>> for RequestBody {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<Upload> for RequestBody {
    fn from(upload: Upload) -> Self {
        RequestBody::parts(vec![Part::Upload(upload)])
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Empty => "no body",
            Kind::Bytes(_) => "a body of bytes",
            Kind::Sequence(_) => "a body of parts",
        })
    }
}

impl Part {
    /// The bytes that it becomes on the wire, where that is known.
    fn length(&self) -> Option<u64> {
        match self {
            Part::Bytes(bytes) => Some(bytes.len() as u64),
            Part::Upload(upload) => upload.length(),
            Part::Base64(upload) => upload.length()?.div_ceil(3).checked_mul(4),
        }
    }
}

struct Sequence {
    parts: VecDeque<Part>,
    /// Up to two bytes that wait for a third to become base64.
    carry: Vec<u8>,
    /// What is still to come, where all parts know.
    left: Option<u64>,
    touched: bool,
    failure: Option<Error>,
}

impl Sequence {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, UploadFailed>>> {
        self.touched = true;
        loop {
            let read = match self.parts.front_mut() {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    self.parts.pop_front();
                    bytes
                }
                Some(Part::Upload(upload)) => match std::task::ready!(upload.poll_next(context)) {
                    Some(Ok(piece)) => piece,
                    Some(Err(error)) => return self.fail(error),
                    None => {
                        self.parts.pop_front();
                        continue;
                    }
                },
                Some(Part::Base64(upload)) => match std::task::ready!(upload.poll_next(context)) {
                    Some(Ok(piece)) => encode(&mut self.carry, &piece),
                    Some(Err(error)) => return self.fail(error),
                    None => {
                        self.parts.pop_front();
                        STANDARD.encode(std::mem::take(&mut self.carry)).into()
                    }
                },
            };
            if read.is_empty() {
                continue;
            }
            self.left = self.left.map(|left| left.saturating_sub(read.len() as u64));
            return Poll::Ready(Some(Ok(read)));
        }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Bytes, UploadFailed>>> {
        self.failure = Some(error);
        self.parts.clear();
        Poll::Ready(Some(Err(UploadFailed)))
    }
}

/// Encodes all whole groups of three bytes and keeps the rest.
fn encode(carry: &mut Vec<u8>, piece: &Bytes) -> Bytes {
    let mut whole = Vec::with_capacity(carry.len() + piece.len());
    whole.append(carry);
    whole.extend_from_slice(piece);
    let rest = whole.len() % 3;
    *carry = whole.split_off(whole.len() - rest);
    STANDARD.encode(whole).into()
}

fn lock(sequence: &Mutex<Sequence>) -> MutexGuard<'_, Sequence> {
    sequence.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sequence as the HTTP client reads it. The parts stay with the [`RequestBody`] until the first
/// read, so that an attempt that never got that far can be repeated.
struct Sending(Arc<Mutex<Sequence>>);

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = UploadFailed;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailed>>> {
        lock(&self.0)
            .poll(context)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0)
            .left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Says that [`RequestBody::take_failure`] has something to say.
#[derive(Debug)]
struct UploadFailed;

impl fmt::Display for UploadFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an upload failed")
    }
}

impl std::error::Error for UploadFailed {}

#[cfg(test)]
mod tests {
    use super::super::upload::upload;
    use super::*;

    #[tokio::test]
    async fn base64_of_pieces_is_base64_of_the_whole_however_they_are_cut() {
        let bytes: Vec<u8> = (0..=255).collect();
        for size in 1..20 {
            for length in [0, 1, 2, 3, 4, 5, 100, 256] {
                let (writer, upload) = upload(Some(length as u64));
                let body = RequestBody::parts(vec![
                    Part::Bytes(Bytes::from_static(b"{\"")),
                    Part::Base64(upload),
                    Part::Bytes(Bytes::from_static(b"\"}")),
                ]);
                let whole = bytes[..length].to_vec();
                let expected = format!("{{\"{}\"}}", STANDARD.encode(&whole));
                assert_eq!(hint(&body), Some(expected.len() as u64));
                let writing = async move {
                    for piece in whole.chunks(size) {
                        assert!(writer.write(Bytes::copy_from_slice(piece)).await);
                    }
                    writer.end();
                };
                let (sent, ()) = tokio::join!(read(&body), writing);
                assert_eq!(sent.unwrap(), expected.as_bytes(), "{size} {length}");
            }
        }
    }

    #[tokio::test]
    async fn a_body_can_be_sent_again_until_an_upload_was_read() {
        let bytes = RequestBody::parts(vec![Part::Bytes(Bytes::from_static(b"x"))]);
        assert_eq!(read(&bytes).await.unwrap(), b"x");
        assert!(bytes.is_replayable());

        let (writer, upload) = upload(None);
        let body = RequestBody::from(upload);
        writer.fail(Error::invalid_argument("no"));
        drop(body.to_reqwest());
        assert!(body.is_replayable());
        assert_eq!(hint(&body), None);
        assert!(read(&body).await.is_err());
        assert!(!body.is_replayable());
        assert_eq!(body.take_failure().unwrap().message(), "no");
    }

    fn hint(body: &RequestBody) -> Option<u64> {
        http_body::Body::size_hint(&body.to_reqwest().unwrap()).exact()
    }

    async fn read(body: &RequestBody) -> Result<Vec<u8>, reqwest::Error> {
        let mut sending = body.to_reqwest().unwrap();
        let mut all = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| {
            http_body::Body::poll_frame(Pin::new(&mut sending), context)
        })
        .await
        {
            all.extend_from_slice(&frame?.into_data().unwrap());
        }
        Ok(all)
    }
}
