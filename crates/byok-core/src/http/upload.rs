//! Bytes on their way from a caller into a request: a writer that waits for room, and the upload
//! that a request body reads. Uploads wait under a number until the request that names it takes
//! them. Nothing here knows where the bytes come from or go to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::error::{Code, Error, Result};
use crate::progress::Progress;

/// How many pieces may wait for the network before the writer has to.
const PENDING: usize = 4;

/// How a request's JSON names an upload: `{ "$upload": 7 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadId {
    #[serde(rename = "$upload")]
    pub id: u32,
}

/// Uploads that no request has taken yet.
#[derive(Default)]
pub struct Uploads(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    last_id: u32,
    by_id: HashMap<u32, Upload>,
}

impl Uploads {
    /// Begins an upload. `length` is what will be written in all, in bytes, where that is known.
    pub fn open(&self, length: Option<u64>) -> (u32, UploadWriter) {
        let (writer, upload) = upload(length);
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.last_id = waiting.last_id.wrapping_add(1);
        let id = waiting.last_id;
        waiting.by_id.insert(id, upload);
        (id, writer)
    }

    /// Hands an upload to its request: once.
    ///
    /// # Errors
    /// `INTERNAL` for one that was taken already or never opened.
    pub fn take(&self, id: u32) -> Result<Upload> {
        self.remove(id).ok_or_else(|| {
            Error::new(
                Code::Internal,
                format!("There is no upload {id}, or a request has it already."),
            )
        })
    }

    /// Drops an upload that no request took.
    pub fn forget(&self, id: u32) {
        self.remove(id);
    }

    /// Drops all of them: no request will come.
    pub fn clear(&self) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.by_id.clear();
    }

    /// How many wait for a request.
    pub fn len(&self) -> usize {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_id
            .len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn remove(&self, id: u32) -> Option<Upload> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.by_id.remove(&id)
    }
}

/// A writer and the upload that gets what it writes. Dropping the writer without
/// [`end`](UploadWriter::end) breaks the upload off.
pub fn upload(length: Option<u64>) -> (UploadWriter, Upload) {
    let (sender, pieces) = mpsc::channel(PENDING);
    let end = Arc::new(Mutex::new(None));
    let writer = UploadWriter {
        sender,
        end: end.clone(),
    };
    let upload = Upload {
        pieces,
        end,
        length,
        read: 0,
        progress: None,
    };
    (writer, upload)
}

/// How an upload ended: well, or with the writer's error.
type End = Arc<Mutex<Option<Result<()>>>>;

/// The end of an upload that the caller holds.
#[derive(Clone)]
pub struct UploadWriter {
    sender: mpsc::Sender<Bytes>,
    end: End,
}

/// What came of offering a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer {
    Taken,
    /// There is no room now: [`write`](UploadWriter::write) waits for it.
    Full,
    /// Nobody reads any more: the request is over.
    Unwanted,
}

impl UploadWriter {
    /// Takes a piece if there is room for it at once; only then is it made.
    pub fn offer(&self, piece: impl FnOnce() -> Bytes) -> Offer {
        match self.sender.try_reserve() {
            Ok(room) => {
                room.send(piece());
                Offer::Taken
            }
            Err(TrySendError::Full(())) => Offer::Full,
            Err(TrySendError::Closed(())) => Offer::Unwanted,
        }
    }

    /// Waits for room. False when nobody reads any more, since the request is over.
    pub async fn write(&self, piece: Bytes) -> bool {
        self.sender.send(piece).await.is_ok()
    }

    /// Everything is written.
    pub fn end(self) {
        self.settle(Ok(()));
    }

    /// The bytes can't be had: the request ends with this error after what was written.
    pub fn fail(self, error: Error) {
        self.settle(Err(error));
    }

    fn settle(self, outcome: Result<()>) {
        self.end
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(outcome);
    }
}

/// The end of an upload that a request reads, once.
pub struct Upload {
    pieces: mpsc::Receiver<Bytes>,
    end: End,
    length: Option<u64>,
    read: u64,
    progress: Option<Progress>,
}

impl Upload {
    /// Tells `progress` of every piece that is read.
    pub fn watched(mut self, progress: &Progress) -> Self {
        self.progress = Some(progress.clone());
        self
    }

    /// What it holds in all, in bytes, where the writer knew.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The writer's own; `ABORTED` when it went away before the end; `INVALID_ARGUMENT` for more or
    /// fewer bytes than announced.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        match self.pieces.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(piece)) => {
                self.read += piece.len() as u64;
                if let Some(progress) = &self.progress {
                    progress.set(self.read, self.length);
                }
                if self.length.is_some_and(|length| self.read > length) {
                    return Poll::Ready(Some(Err(self.wrong_length())));
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(None) => {
                let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
                let outcome = end.take().unwrap_or_else(|| Err(given_up()));
                drop(end);
                Poll::Ready(match outcome {
                    Ok(()) if self.length.is_some_and(|length| self.read < length) => {
                        Some(Err(self.wrong_length()))
                    }
                    Ok(()) => None,
                    Err(error) => Some(Err(error)),
                })
            }
        }
    }

    fn wrong_length(&self) -> Error {
        Error::invalid_argument(format!(
            "The upload was announced with {} bytes and has {} {}.",
            self.length.unwrap_or_default(),
            if self.length.is_some_and(|length| self.read > length) {
                "at least"
            } else {
                "only"
            },
            self.read
        ))
    }
}

fn given_up() -> Error {
    Error::new(Code::Aborted, "The upload was given up before its end.")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut upload: Upload) -> std::result::Result<Vec<u8>, Code> {
        let mut all = Vec::new();
        while let Some(piece) = upload.next().await {
            all.extend_from_slice(&piece.map_err(|error| error.code())?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn what_is_written_is_read_until_the_end() {
        let (writer, upload) = upload(Some(6));
        assert!(writer.write(Bytes::from_static(b"abc")).await);
        assert_eq!(writer.offer(|| Bytes::from_static(b"def")), Offer::Taken);
        writer.end();
        assert_eq!(read(upload).await.unwrap(), b"abcdef");
    }

    #[tokio::test]
    async fn a_writer_waits_while_nobody_reads_and_hears_when_nobody_will() {
        let (writer, upload) = upload(None);
        for _ in 0..PENDING {
            assert_eq!(writer.offer(|| Bytes::from_static(b"x")), Offer::Taken);
        }
        assert_eq!(writer.offer(|| unreachable!()), Offer::Full);
        let waiting = tokio::spawn(async move { writer.write(Bytes::new()).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(upload);
        assert!(!waiting.await.unwrap());
    }

    #[tokio::test]
    async fn an_upload_that_is_failed_dropped_or_of_another_length_is_an_error() {
        let (writer, failed) = upload(None);
        writer.fail(Error::new(Code::StoreError, "no disk"));
        assert_eq!(read(failed).await, Err(Code::StoreError));

        let (writer, dropped) = upload(None);
        drop(writer);
        assert_eq!(read(dropped).await, Err(Code::Aborted));

        for bytes in ["ab", "abcd"] {
            let (writer, wrong) = upload(Some(3));
            assert!(writer.write(Bytes::from(bytes)).await);
            writer.end();
            assert_eq!(read(wrong).await, Err(Code::InvalidArgument), "{bytes}");
        }
    }

    #[test]
    fn an_upload_is_taken_once_and_one_that_is_forgotten_is_gone() {
        let uploads = Uploads::default();
        let (first, _writer) = uploads.open(None);
        let (second, writer) = uploads.open(None);
        assert!(uploads.take(first).is_ok());
        assert!(uploads.take(first).is_err());
        uploads.forget(second);
        assert!(uploads.is_empty());
        assert_eq!(writer.offer(|| unreachable!()), Offer::Unwanted);
    }
}
