//! `NativeTask`: a running operation that reports progress or gives back bytes beside its JSON.
//! `cancel()` and being collected stop the work at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use byok_core::engine::Engine;
use byok_core::error::{Code, Error, Result};
use byok_core::progress::{Progress, ProgressReport};
use byok_core::trace::Trace;
use futures_util::FutureExt;
use napi::Env;
use napi::bindgen_prelude::{BufferSlice, PromiseRaw};
use napi_derive::napi;
use serde::Serialize;
use tokio::sync::{Mutex, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::callback::within;
use crate::engine::{aborted, closed};
use crate::{envelope, promise};

#[napi]
pub struct NativeTask {
    progress: Arc<Mutex<watch::Receiver<ProgressReport>>>,
    outcome: Arc<Mutex<Option<oneshot::Receiver<Outcome>>>>,
    cancel: CancellationToken,
    _cancel_on_drop: DropGuard,
}

/// An envelope, and the bytes that its value speaks of.
pub struct Outcome {
    pub envelope: String,
    pub bytes: Vec<Vec<u8>>,
}

/// An [`Outcome`] in JavaScript.
#[napi(object, object_from_js = false)]
pub struct TaskOutcome<'env> {
    pub envelope: String,
    pub bytes: Vec<BufferSlice<'env>>,
}

#[napi]
impl NativeTask {
    pub(crate) fn start(
        engine: Arc<Engine>,
        closing: CancellationToken,
        op: String,
        json: String,
        attachments: Vec<Vec<u8>>,
        trace: Option<Trace>,
        context: u32,
    ) -> Self {
        let (progress, reports) = Progress::new();
        let (settle, outcome) = oneshot::channel();
        let cancel = CancellationToken::new();
        let token = cancel.clone();
        napi::bindgen_prelude::spawn(async move {
            // Boxed, so that spawning moves a few words and not an operation's whole state.
            let following = trace.clone();
            let call = async move { dispatch(&engine, &op, &json, attachments, &progress).await };
            let work = Box::pin(within(context, envelope::traced(following, call)));
            let mut outcome = tokio::select! {
                biased;
                () = token.cancelled() => Outcome::error(&aborted()),
                () = closing.cancelled() => Outcome::error(&closed()),
                done = AssertUnwindSafe(work).catch_unwind() =>
                    done.unwrap_or_else(|_| Outcome::error(&promise::bug())),
            };
            outcome.envelope = envelope::with_attempts(outcome.envelope, trace.as_ref());
            let _ = settle.send(outcome);
        });
        NativeTask {
            progress: Arc::new(Mutex::new(reports)),
            outcome: Arc::new(Mutex::new(Some(outcome))),
            _cancel_on_drop: cancel.clone().drop_guard(),
            cancel,
        }
    }

    /// An envelope of `{ done, total? }` once that has changed; an empty text when the work is over.
    #[napi(catch_unwind)]
    pub fn progress<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        let progress = self.progress.clone();
        promise::spawn(env, async move {
            let mut reports = progress.lock().await;
            match reports.changed().await {
                Ok(()) => envelope::ok(&*reports.borrow_and_update()),
                Err(_) => String::new(),
            }
        })
    }

    /// The outcome. Once only.
    #[napi(catch_unwind)]
    pub fn result<'env>(
        &self,
        env: &'env Env,
    ) -> napi::Result<PromiseRaw<'env, TaskOutcome<'env>>> {
        let outcome = self.outcome.clone();
        promise::spawn_outcome(env, async move {
            match outcome.lock().await.take() {
                Some(outcome) => outcome.await.unwrap_or_else(|_| Outcome::error(&aborted())),
                None => Outcome::error(&Error::new(Code::Closed, "The task is over.")),
            }
        })
    }

    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl Outcome {
    pub fn error(error: &Error) -> Self {
        Outcome {
            envelope: envelope::error(error),
            bytes: Vec::new(),
        }
    }

    fn of<T: Serialize>(result: Result<T>) -> Self {
        Outcome {
            envelope: envelope::encode(&result),
            bytes: Vec::new(),
        }
    }

    fn with_bytes<T: Serialize>(result: Result<(T, Vec<Vec<u8>>)>) -> Self {
        match result {
            Ok((value, bytes)) => Outcome {
                envelope: envelope::ok(&value),
                bytes,
            },
            Err(error) => Outcome::error(&error),
        }
    }
}

async fn dispatch(
    engine: &Engine,
    op: &str,
    json: &str,
    attachments: Vec<Vec<u8>>,
    progress: &Progress,
) -> Outcome {
    match op {
        "embed" => Outcome::with_bytes(engine.embed(json, progress).await),
        "textToSpeech" => Outcome::with_bytes(engine.text_to_speech(json).await),
        "speechToText" => Outcome::of(engine.speech_to_text(json, attachments, progress).await),
        "generateImage" => Outcome::with_bytes(engine.generate_image(json, &attachments).await),
        "rewrapKeys" => Outcome::of(engine.rewrap_keys(json, progress).await),
        "checkKeys" => Outcome::of(engine.check_keys(json, progress).await),
        _ => Outcome::error(&Error::new(Code::Internal, format!("No task {op:?}."))),
    }
}
