//! The only place that spawns for JavaScript. A method hands over an owned future (its `Arc`s
//! cloned), so nothing borrows the native object: Node may free that under a running future when a
//! worker is terminated.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use byok_core::error::{Code, Error};
use futures_util::FutureExt;
use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Either, PromiseRaw};

use crate::envelope;
use crate::task::{Outcome, TaskOutcome};

/// A promise of the text that `future` gives; a panic inside becomes an error envelope.
pub fn spawn<'env>(
    env: &'env Env,
    future: impl Future<Output = String> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, String>> {
    env.spawn_future(async move {
        Ok(AssertUnwindSafe(future)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| envelope::error(&bug())))
    })
}

/// Bytes, or a text that says why there are none.
pub type BytesOrText = Either<Vec<u8>, String>;

/// As [`spawn`], for a result that may be bytes: they become a `Buffer` of JavaScript's own memory,
/// which can be transferred to streams and workers.
pub fn spawn_bytes<'env>(
    env: &'env Env,
    future: impl Future<Output = BytesOrText> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, Either<BufferSlice<'env>, String>>> {
    let future = async move {
        Ok(AssertUnwindSafe(future)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Either::B(envelope::error(&bug()))))
    };
    env.spawn_future_with_callback(future, |env, result| {
        Ok(match result {
            Either::A(bytes) => Either::A(BufferSlice::copy_from(env, bytes)?),
            Either::B(text) => Either::B(text),
        })
    })
}

/// As [`spawn`], for a text with bytes beside it.
pub fn spawn_outcome<'env>(
    env: &'env Env,
    future: impl Future<Output = Outcome> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, TaskOutcome<'env>>> {
    let future = async move {
        Ok(AssertUnwindSafe(future)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Outcome::error(&bug())))
    };
    env.spawn_future_with_callback(future, |env, Outcome { envelope, bytes }| {
        let copies = bytes
            .into_iter()
            .map(|bytes| BufferSlice::copy_from(env, bytes));
        Ok(TaskOutcome {
            envelope,
            bytes: copies.collect::<napi::Result<_>>()?,
        })
    })
}

pub fn bug() -> Error {
    Error::new(
        Code::Internal,
        "byok-ai failed inside. This is a bug: please report it with the version and what was called.",
    )
}
