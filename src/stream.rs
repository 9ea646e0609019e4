//! `NativeStream`: a pull handle on a running answer. `next()` gives all that is pending as one
//! batch; `cancel()` and being collected stop the work at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use byok_core::capability::chat::{ChatEvent, ChatResult};
use byok_core::engine::{ChatStreamItem, Engine};
use byok_core::error::{Code, Error, Result};
use byok_core::trace::Trace;
use futures_util::FutureExt;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::engine::{aborted, closed};
use crate::{envelope, promise};

/// How many pieces of the network may wait for JavaScript before the reading stops.
const PENDING: usize = 64;

#[napi]
pub struct NativeStream {
    source: Arc<Mutex<Source>>,
    cancel: CancellationToken,
    _cancel_on_drop: DropGuard,
}

struct Source {
    items: mpsc::Receiver<ChatStreamItem>,
    outcome: Option<oneshot::Receiver<Result<()>>>,
    batch: Vec<ChatStreamItem>,
    trace: Option<Trace>,
}

#[derive(Default, Serialize)]
struct Batch {
    events: Vec<ChatEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<ChatResult>>,
}

#[napi]
impl NativeStream {
    pub(crate) fn open(
        engine: Arc<Engine>,
        closing: CancellationToken,
        op: &str,
        json: String,
        attachments: Vec<Vec<u8>>,
        trace: Option<Trace>,
    ) -> Self {
        let (sink, items) = mpsc::channel(PENDING);
        let (settle, outcome) = oneshot::channel();
        let cancel = CancellationToken::new();
        let is_known = op == "chatStream";
        #[cfg(debug_assertions)]
        let panics = op == "panic";
        let token = cancel.clone();
        let following = trace.clone();
        napi::bindgen_prelude::spawn(async move {
            let work = async {
                #[cfg(debug_assertions)]
                if panics {
                    crate::engine::rehearse_panic();
                }
                if !is_known {
                    return Err(Error::new(Code::Internal, "No such streaming operation."));
                }
                // Boxed, so that spawning moves a few words and not a stream's whole state.
                let stream = Box::pin(engine.chat_stream(&json, &attachments, sink));
                envelope::traced(following, stream).await
            };
            let outcome = tokio::select! {
                biased;
                () = token.cancelled() => Err(aborted()),
                () = closing.cancelled() => Err(closed()),
                done = AssertUnwindSafe(work).catch_unwind() => done.unwrap_or_else(|_| Err(promise::bug())),
            };
            let _ = settle.send(outcome);
        });
        NativeStream {
            source: Arc::new(Mutex::new(Source {
                items,
                outcome: Some(outcome),
                batch: Vec::new(),
                trace,
            })),
            _cancel_on_drop: cancel.clone().drop_guard(),
            cancel,
        }
    }

    /// Everything that has arrived, waiting for the first piece: `{ events, result? }` in an envelope.
    /// `result` comes with the last batch; an error ends the stream.
    #[napi(catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        let source = self.source.clone();
        promise::spawn(env, async move {
            let mut source = source.lock().await;
            let batch = source.next().await;
            let is_last = batch.as_ref().map_or(true, |batch| batch.result.is_some());
            let trace = source.trace.as_ref().filter(|_| is_last);
            envelope::with_attempts(envelope::encode(&batch), trace)
        })
    }

    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl Source {
    async fn next(&mut self) -> Result<Batch> {
        if self.items.recv_many(&mut self.batch, PENDING).await == 0 {
            return Err(self.failure().await);
        }
        let mut batch = Batch::default();
        for item in self.batch.drain(..) {
            match item {
                ChatStreamItem::Events(mut events) if batch.events.is_empty() => {
                    std::mem::swap(&mut batch.events, &mut events);
                }
                ChatStreamItem::Events(mut events) => batch.events.append(&mut events),
                ChatStreamItem::Result(result) => batch.result = Some(result),
            }
        }
        Ok(batch)
    }

    /// Why there is nothing more.
    async fn failure(&mut self) -> Error {
        let over = || Error::new(Code::Closed, "The stream is over.");
        match self.outcome.take() {
            Some(outcome) => match outcome.await {
                Ok(Err(error)) => error,
                Ok(Ok(())) => over(),
                Err(_) => aborted(),
            },
            None => over(),
        }
    }
}
