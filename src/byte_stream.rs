//! `NativeByteStream`: a pull handle on an answer in bytes. `head()` gives what comes before them,
//! `next()` all that has arrived; `cancel()` and being collected stop the work at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use byok_core::engine::{ByteAnswer, Engine};
use byok_core::error::{Code, Error, Result};
use bytes::Bytes;
use futures_util::FutureExt;
use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Either, PromiseRaw};
use napi_derive::napi;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::callback::within;
use crate::engine::{aborted, closed};
use crate::{envelope, promise};

/// How many pieces of the network may wait for JavaScript before the reading stops.
const PENDING: usize = 16;

#[napi]
pub struct NativeByteStream {
    source: Arc<Mutex<Source>>,
    cancel: CancellationToken,
    _cancel_on_drop: DropGuard,
}

struct Source {
    head: Option<oneshot::Receiver<String>>,
    pieces: mpsc::Receiver<Bytes>,
    outcome: Option<oneshot::Receiver<Result<()>>>,
    batch: Vec<Bytes>,
}

#[napi]
impl NativeByteStream {
    pub(crate) fn open(
        engine: Arc<Engine>,
        closing: CancellationToken,
        op: String,
        json: String,
        attachments: Vec<Vec<u8>>,
        context: u32,
    ) -> Self {
        let (send_head, head) = oneshot::channel();
        let (sink, pieces) = mpsc::channel(PENDING);
        let (settle, outcome) = oneshot::channel();
        let cancel = CancellationToken::new();
        let token = cancel.clone();
        napi::bindgen_prelude::spawn(async move {
            // Boxed, so that spawning moves a few words and not a request's whole state.
            let work = Box::pin(async move {
                let call = dispatch(&engine, &op, &json, attachments);
                let ByteAnswer { head, mut source } = within(context, call).await?;
                let _ = send_head.send(head);
                while let Some(piece) = source.next().await? {
                    if sink.send(piece).await.is_err() {
                        break;
                    }
                }
                Ok(())
            });
            let outcome = tokio::select! {
                biased;
                () = token.cancelled() => Err(aborted()),
                () = closing.cancelled() => Err(closed()),
                done = AssertUnwindSafe(work).catch_unwind() => done.unwrap_or_else(|_| Err(promise::bug())),
            };
            let _ = settle.send(outcome);
        });
        NativeByteStream {
            source: Arc::new(Mutex::new(Source {
                head: Some(head),
                pieces,
                outcome: Some(outcome),
                batch: Vec::new(),
            })),
            _cancel_on_drop: cancel.clone().drop_guard(),
            cancel,
        }
    }

    /// An envelope of the operation's head, once the answer has begun. Once only, and first.
    #[napi(catch_unwind)]
    pub fn head<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        let source = self.source.clone();
        promise::spawn(env, async move {
            match source.lock().await.head().await {
                Ok(head) => format!("{{\"ok\":{head}}}"),
                Err(error) => envelope::error(&error),
            }
        })
    }

    /// All bytes that have arrived, waiting for the first; an empty text at the end, an error envelope
    /// for an answer that broke off.
    #[napi(catch_unwind)]
    pub fn next<'env>(
        &self,
        env: &'env Env,
    ) -> napi::Result<PromiseRaw<'env, Either<BufferSlice<'env>, String>>> {
        let source = self.source.clone();
        promise::spawn_bytes(env, async move {
            match source.lock().await.next().await {
                Ok(Some(bytes)) => Either::A(bytes),
                Ok(None) => Either::B(String::new()),
                Err(error) => Either::B(envelope::error(&error)),
            }
        })
    }

    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

/// The operations whose answer is bytes.
async fn dispatch(
    engine: &Engine,
    op: &str,
    json: &str,
    attachments: Vec<Vec<u8>>,
) -> Result<ByteAnswer> {
    match op {
        "forward" => engine.forward(json, attachments).await,
        "textToSpeechStream" => engine.text_to_speech_stream(json).await,
        _ => Err(Error::new(
            Code::Internal,
            format!("No operation {op:?} that answers with bytes."),
        )),
    }
}

impl Source {
    async fn head(&mut self) -> Result<String> {
        if let Some(head) = self.head.take()
            && let Ok(head) = head.await
        {
            return Ok(head);
        }
        self.end().await?;
        Err(over())
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.pieces.recv_many(&mut self.batch, PENDING).await == 0 {
            return self.end().await.map(|()| None);
        }
        let length = self.batch.iter().map(Bytes::len).sum();
        let mut bytes = Vec::with_capacity(length);
        for piece in self.batch.drain(..) {
            bytes.extend_from_slice(&piece);
        }
        Ok(Some(bytes))
    }

    /// Why there is nothing more: an error, or the end.
    async fn end(&mut self) -> Result<()> {
        match self.outcome.take() {
            Some(outcome) => outcome.await.unwrap_or_else(|_| Err(aborted())),
            None => Err(over()),
        }
    }
}

fn over() -> Error {
    Error::new(Code::Closed, "The stream is over.")
}
