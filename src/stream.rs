//! `NativeStream`: a pull handle on a running answer. `next()` gives all that is pending as one
//! batch; `cancel()` and being collected stop the work at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use byok_core::engine::{ChatStreamItem, Engine};
use byok_core::error::{Code, Error};
use byok_core::trace::Trace;
use futures_util::FutureExt;
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw};
use napi_derive::napi;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::callback::within;
use crate::engine::{aborted, closed};
use crate::feed::Feed;
use crate::{envelope, promise};

#[napi]
pub struct NativeStream {
    feed: Arc<Feed>,
    cancel: CancellationToken,
    _cancel_on_drop: DropGuard,
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
        context: u32,
    ) -> Self {
        let feed = Arc::new(Feed::new(trace.clone()));
        let cancel = CancellationToken::new();
        let is_known = op == "chatStream";
        #[cfg(debug_assertions)]
        let panics = op == "panic";
        let (token, sink) = (cancel.clone(), feed.clone());
        napi::bindgen_prelude::spawn(async move {
            let work = async {
                #[cfg(debug_assertions)]
                if panics {
                    crate::engine::rehearse_panic();
                }
                if !is_known {
                    return Err(Error::new(Code::Internal, "No such streaming operation."));
                }
                // The feed bounds how far the reading runs ahead; this just joins the two.
                let (items, received) = mpsc::channel(1);
                // Boxed, so that spawning moves a few words and not a stream's whole state.
                let stream = Box::pin(engine.chat_stream(&json, &attachments, items));
                let stream = within(context, envelope::traced(trace, stream));
                let (outcome, ()) = tokio::join!(stream, forward(received, &sink));
                outcome
            };
            let outcome = tokio::select! {
                biased;
                () = token.cancelled() => Err(aborted()),
                () = closing.cancelled() => Err(closed()),
                done = AssertUnwindSafe(work).catch_unwind() => done.unwrap_or_else(|_| Err(promise::bug())),
            };
            if let Some(waiting) = sink.end(outcome) {
                waiting.settle_text(move || sink.answer()).await;
            }
        });
        NativeStream {
            feed,
            _cancel_on_drop: cancel.clone().drop_guard(),
            cancel,
        }
    }

    /// Everything that has arrived, or else a promise of what comes next: `{ events, result? }` in an
    /// envelope. `result` comes with the last batch; an error ends the stream. One call at a time.
    #[napi(catch_unwind)]
    pub fn next<'env>(
        &self,
        env: &'env Env,
    ) -> napi::Result<Either<String, PromiseRaw<'env, String>>> {
        let mut promise = None;
        let ready = self.feed.next(|| {
            let (waiting, opened) = promise::open(env)?;
            promise = Some(opened);
            Ok(waiting)
        })?;
        Ok(match promise {
            Some(promise) => Either::B(promise),
            None => Either::A(ready.unwrap_or_default()),
        })
    }

    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

async fn forward(mut items: mpsc::Receiver<ChatStreamItem>, feed: &Arc<Feed>) {
    while let Some(item) = items.recv().await {
        if let Some(waiting) = feed.push(item).await {
            let feed = feed.clone();
            waiting.settle_text(move || feed.answer()).await;
        }
    }
}
