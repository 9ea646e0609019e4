//! The only place that spawns for JavaScript. A method hands over an owned future (its `Arc`s
//! cloned), so nothing borrows the native object: Node may free that under a running future when a
//! worker is terminated. What the futures give crosses in batches, since waking JavaScript costs more
//! than most answers: each environment has one bell and one queue.

use std::cell::RefCell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use byok_core::error::{Code, Error};
use futures_util::FutureExt;
use napi::bindgen_prelude::{BufferSlice, Either, PromiseRaw, ToNapiValue};
use napi::{Env, JsError, check_status, sys};

use crate::callback::Bell;
use crate::envelope;
use crate::task::{Outcome, TaskOutcome};

/// Bytes, or a text that says why there are none.
pub type BytesOrText = Either<Vec<u8>, String>;

/// A promise of the text that `future` gives; a panic inside becomes an error envelope.
pub fn spawn<'env>(
    env: &'env Env,
    future: impl Future<Output = String> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, String>> {
    let failed = || envelope::error(&bug());
    spawn_as(env, future, failed, value)
}

/// As [`spawn`], for a result that may be bytes: they become a `Buffer` of JavaScript's own memory,
/// which can be transferred to streams and workers.
pub fn spawn_bytes<'env>(
    env: &'env Env,
    future: impl Future<Output = BytesOrText> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, Either<BufferSlice<'env>, String>>> {
    let failed = || Either::B(envelope::error(&bug()));
    spawn_as(env, future, failed, |env, result| match result {
        Either::A(bytes) => value(env, BufferSlice::copy_from(env, bytes)?),
        Either::B(text) => value(env, text),
    })
}

/// As [`spawn`], for a text with bytes beside it.
pub fn spawn_outcome<'env>(
    env: &'env Env,
    future: impl Future<Output = Outcome> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, TaskOutcome<'env>>> {
    let failed = || Outcome::error(&bug());
    spawn_as(env, future, failed, |env, Outcome { envelope, bytes }| {
        let copies = bytes
            .into_iter()
            .map(|bytes| BufferSlice::copy_from(env, bytes));
        let bytes = copies.collect::<napi::Result<_>>()?;
        value(env, TaskOutcome { envelope, bytes })
    })
}

/// A promise, and the end that settles it.
pub fn open<T>(env: &Env) -> napi::Result<(Deferred, PromiseRaw<'_, T>)> {
    let channel = Channel::of(env)?;
    let mut promise = std::ptr::null_mut();
    let mut value = std::ptr::null_mut();
    // SAFETY: `env` is of this thread, and both places are ours.
    check_status!(unsafe { sys::napi_create_promise(env.raw(), &mut promise, &mut value) })?;
    if channel.queue.pending.fetch_add(1, Ordering::Relaxed) == 0 {
        channel.bell.keep_alive(env);
    }
    let promise = RawPromise(promise);
    Ok((
        Deferred { promise, channel },
        PromiseRaw::new(env.raw(), value),
    ))
}

/// Settles a promise from any thread. While there is one, the process stays alive.
pub struct Deferred {
    promise: RawPromise,
    channel: Arc<Channel>,
}

impl Deferred {
    /// As [`settle`](Self::settle), with a text.
    pub async fn settle_text(self, text: impl FnOnce() -> String + Send + 'static) {
        self.settle(move |env| value(env, text())).await;
    }

    /// Resolves the promise with what `make` gives on JavaScript's thread. The first answer of a batch
    /// lets the tasks that are ready run before it wakes that thread, so that theirs go with it.
    async fn settle(
        self,
        make: impl FnOnce(&Env) -> napi::Result<sys::napi_value> + Send + 'static,
    ) {
        let Deferred { promise, channel } = self;
        let make = Box::new(make);
        if channel.queue.push(Answer { promise, make }) == 1 {
            tokio::task::yield_now().await;
            channel.bell.ring();
        }
    }
}

fn spawn_as<'env, T: Send + 'static, J>(
    env: &'env Env,
    future: impl Future<Output = T> + Send + 'static,
    failed: fn() -> T,
    make: fn(&Env, T) -> napi::Result<sys::napi_value>,
) -> napi::Result<PromiseRaw<'env, J>> {
    let (deferred, promise) = open(env)?;
    napi::bindgen_prelude::spawn(async move {
        let done = AssertUnwindSafe(future).catch_unwind().await;
        let result = done.unwrap_or_else(|_| failed());
        deferred.settle(move |env| make(env, result)).await;
    });
    Ok(promise)
}

fn value<T: ToNapiValue>(env: &Env, value: T) -> napi::Result<sys::napi_value> {
    // SAFETY: `env` is of this thread.
    unsafe { T::to_napi_value(env.raw(), value) }
}

/// What an environment's promises share.
struct Channel {
    bell: Bell,
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
    promise: RawPromise,
    /// Asked on JavaScript's thread, so that a stream's answer is all that has come until then.
    make: MakeValue,
}

type MakeValue = Box<dyn FnOnce(&Env) -> napi::Result<sys::napi_value> + Send>;

/// It means nothing but on JavaScript's thread, and is just carried elsewhere.
struct RawPromise(sys::napi_deferred);

// SAFETY: used only by `settle`, on the thread that made it.
unsafe impl Send for RawPromise {}

thread_local! {
    /// The channels of this thread's environments, seldom more than one. Dropped by each environment's
    /// clean-up hook and by nothing else: without that, it is too late for Node-API.
    static CHANNELS: RefCell<Vec<(sys::napi_env, ManuallyDrop<Arc<Channel>>)>> =
        const { RefCell::new(Vec::new()) };
}

impl Channel {
    fn of(env: &Env) -> napi::Result<Arc<Self>> {
        let owner = env.raw();
        CHANNELS.with_borrow_mut(|channels| {
            if let Some((_, channel)) = channels.iter().find(|(known, _)| *known == owner) {
                return Ok(Arc::clone(channel));
            }
            let queue = Arc::<Queue>::default();
            let answers = queue.clone();
            let bell = Bell::new(env, move |env| answers.deliver(env))?;
            let channel = Arc::new(Channel { bell, queue });
            env.add_env_cleanup_hook(owner, Channel::forget)?;
            channels.push((owner, ManuallyDrop::new(channel.clone())));
            Ok(channel)
        })
    }

    fn forget(owner: sys::napi_env) {
        let mut gone = CHANNELS.with_borrow_mut(|channels| {
            let index = channels.iter().position(|(known, _)| *known == owner)?;
            Some(channels.swap_remove(index).1)
        });
        if let Some(channel) = &mut gone {
            // SAFETY: it was taken out of the list, so nothing sees it again.
            unsafe { ManuallyDrop::drop(channel) };
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
        for Answer { promise, make } in answers {
            settle(env, promise, make(env));
        }
        self.pending.fetch_sub(settled, Ordering::Relaxed) > settled
    }
}

/// Fails only when JavaScript can't run any more, and then nobody waits.
fn settle(env: &Env, RawPromise(promise): RawPromise, made: napi::Result<sys::napi_value>) {
    // SAFETY: `env` and `promise` are of this thread, and a promise is settled once: it is consumed.
    unsafe {
        match made {
            Ok(value) => sys::napi_resolve_deferred(env.raw(), promise, value),
            Err(error) => {
                let error = JsError::from(error).into_value(env.raw());
                sys::napi_reject_deferred(env.raw(), promise, error)
            }
        };
    }
}

pub fn bug() -> Error {
    Error::new(
        Code::Internal,
        "byok-ai failed inside. This is a bug: please report it with the version and what was called.",
    )
}
