//! The only place that spawns for JavaScript. A method hands over an owned future (its `Arc`s
//! cloned), so nothing borrows the native object: Node may free that under a running future when a
//! worker is terminated. What the futures give crosses in batches: waking JavaScript costs more than
//! most answers.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use byok_core::error::{Code, Error};
use futures_util::FutureExt;
use napi::bindgen_prelude::PromiseRaw;
use napi::{Env, check_status, sys};

use crate::callback::Bell;
use crate::envelope;

/// Makes promises on one JavaScript thread. While one of them is pending, the process stays alive.
#[derive(Clone)]
pub struct Promises {
    bell: Arc<Bell>,
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Answers that JavaScript has not taken yet.
    answers: Mutex<Vec<Answer>>,
    /// Promises that are not settled. Changes on JavaScript's thread only.
    pending: AtomicUsize,
}

struct Answer {
    promise: Deferred,
    /// Asked on JavaScript's thread, so that a stream's answer is all that has come until then.
    text: Box<dyn FnOnce() -> String + Send>,
}

/// The settling end of a promise. It means nothing but on JavaScript's thread, and is just carried
/// elsewhere.
pub struct Deferred(sys::napi_deferred);

// SAFETY: used only by `Queue::deliver`, on the thread that made it.
unsafe impl Send for Deferred {}

impl Promises {
    pub fn new(env: &Env) -> napi::Result<Self> {
        let queue = Arc::<Queue>::default();
        let answers = queue.clone();
        let bell = Bell::new(env, move |env| answers.deliver(env))?;
        Ok(Promises {
            bell: Arc::new(bell),
            queue,
        })
    }

    /// A promise of the text that `future` gives; a panic inside becomes an error envelope.
    pub fn spawn<'env>(
        &self,
        env: &'env Env,
        future: impl Future<Output = String> + Send + 'static,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let (deferred, promise) = self.open(env)?;
        let promises = self.clone();
        napi::bindgen_prelude::spawn(async move {
            let text = AssertUnwindSafe(future)
                .catch_unwind()
                .await
                .unwrap_or_else(|_| envelope::error(&bug()));
            promises.settle(deferred, move || text).await;
        });
        Ok(promise)
    }

    /// A promise that [`settle`](Self::settle) must be called for.
    pub fn open<'env>(&self, env: &'env Env) -> napi::Result<(Deferred, PromiseRaw<'env, String>)> {
        let created = create(env)?;
        if self.queue.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            self.bell.keep_alive(env);
        }
        Ok(created)
    }

    /// Resolves a promise with what `text` gives on JavaScript's thread. The first answer of a batch
    /// lets the tasks that are ready run before it wakes that thread, so that theirs go with it.
    pub async fn settle(&self, promise: Deferred, text: impl FnOnce() -> String + Send + 'static) {
        let text = Box::new(text);
        if self.queue.push(Answer { promise, text }) == 1 {
            tokio::task::yield_now().await;
            self.bell.ring();
        }
    }
}

impl Queue {
    /// How many wait now.
    fn push(&self, answer: Answer) -> usize {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push(answer);
        answers.len()
    }

    /// Settles what has an answer; whether promises are left.
    fn deliver(&self, env: &Env) -> bool {
        let answers =
            std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let settled = answers.len();
        for Answer { promise, text } in answers {
            resolve(env, promise, &text());
        }
        self.pending.fetch_sub(settled, Ordering::Relaxed) > settled
    }
}

fn create<'env>(env: &'env Env) -> napi::Result<(Deferred, PromiseRaw<'env, String>)> {
    let mut deferred = std::ptr::null_mut();
    let mut promise = std::ptr::null_mut();
    // SAFETY: `env` is of this thread, and both places are ours.
    check_status!(unsafe { sys::napi_create_promise(env.raw(), &mut deferred, &mut promise) })?;
    Ok((Deferred(deferred), PromiseRaw::new(env.raw(), promise)))
}

/// Fails only when JavaScript can't run any more, and then nobody waits.
fn resolve(env: &Env, Deferred(promise): Deferred, text: &str) {
    let mut value = std::ptr::null_mut();
    // SAFETY: `env` and `promise` are of this thread, and a promise is settled once: it is consumed.
    unsafe {
        let length = text.len() as isize;
        sys::napi_create_string_utf8(env.raw(), text.as_ptr().cast(), length, &mut value);
        sys::napi_resolve_deferred(env.raw(), promise, value);
    }
}

pub fn bug() -> Error {
    Error::new(
        Code::Internal,
        "byok-ai failed inside. This is a bug: please report it with the version and what was called.",
    )
}
