//! The only use of `ThreadsafeFunction`: one call into JavaScript, with a deadline, and a bell that
//! is heard on JavaScript's thread. Weak, so that a store does not keep the process alive;
//! `call_async_catch` only, since the other form kills the process when JavaScript throws.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use byok_core::error::{Code, Error, Result};
use napi::bindgen_prelude::{FnArgs, Promise};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, sys};

type Args = FnArgs<(String, String, u32)>;
pub type RawCallback = ThreadsafeFunction<Args, Promise<String>, Args, Status, false, true>;

tokio::task_local! {
    /// The JavaScript context that the call which runs now was made in, by its number.
    static CONTEXT: u32;
}

/// Runs a call whose callbacks are to run in the context of that number (`lib/contexts.ts`); 0 is none.
pub async fn within<T>(context: u32, call: impl Future<Output = T>) -> T {
    CONTEXT.scope(context, call).await
}

#[derive(Clone)]
pub struct Callback {
    function: Arc<RawCallback>,
    timeout: Duration,
    /// What the app knows it as: `store`.
    name: &'static str,
    /// What to look at when it does not answer.
    check: &'static str,
    failed: Code,
    timed_out: Code,
}

impl Callback {
    pub fn store(function: RawCallback, timeout: Duration) -> Self {
        Callback {
            function: Arc::new(function),
            timeout,
            name: "store",
            check: "Check the database",
            failed: Code::StoreError,
            timed_out: Code::StoreTimeout,
        }
    }

    pub fn limiter(function: RawCallback, timeout: Duration) -> Self {
        Callback {
            function: Arc::new(function),
            timeout,
            name: "limiter",
            check: "Check Redis, or whatever it asks",
            failed: Code::LimiterError,
            timed_out: Code::LimiterError,
        }
    }

    pub fn usage(function: RawCallback, timeout: Duration) -> Self {
        Callback {
            name: "usage.sink",
            ..Callback::store(function, timeout)
        }
    }

    pub fn notice(function: RawCallback, timeout: Duration) -> Self {
        Callback {
            name: "listener",
            failed: Code::Internal,
            timed_out: Code::Internal,
            ..Callback::store(function, timeout)
        }
    }

    /// Calls `(op, json, context)` and waits for the envelope that its promise resolves to.
    ///
    /// # Errors
    /// The timeout's code when it does not settle in time, the failure's when JavaScript is gone or
    /// the wrapper itself failed.
    pub async fn call(&self, op: &str, json: String) -> Result<String> {
        let context = CONTEXT.try_with(|context| *context).unwrap_or(0);
        let arguments = FnArgs::from((op.to_owned(), json, context));
        let answer = async {
            let promise = self.function.call_async_catch(arguments).await?;
            promise.await
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(envelope)) => Ok(envelope),
            Ok(Err(error)) => Err(Error::new(
                self.failed,
                format!("{}.{op} could not be called: {}.", self.name, error.reason),
            )),
            Err(_) => Err(Error::new(
                self.timed_out,
                format!(
                    "{}.{op} did not answer within {} ms. {}; callbackTimeoutMs sets the limit.",
                    self.name,
                    self.timeout.as_millis(),
                    self.check
                ),
            )),
        }
    }

    pub fn failed(&self) -> Code {
        self.failed
    }
}

/// Calls native code on JavaScript's thread, from any thread. The process may end while nobody holds
/// it open.
pub struct Bell(ThreadsafeFunction<(), (), (), Status, false, true>);

impl Bell {
    /// `heard` runs on JavaScript's thread after each [`ring`](Self::ring); several rings may make one
    /// run. It says whether the process must stay alive.
    pub fn new(env: &Env, mut heard: impl FnMut(&Env) -> bool + 'static) -> napi::Result<Self> {
        let handle = Rc::new(Cell::new(std::ptr::null_mut()));
        let own = handle.clone();
        let function = env
            .create_function_from_closure::<(), (), _>("byok-ai", |_| Ok(()))?
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .callee_handled::<false>()
            .build_callback(move |call| {
                if !heard(&call.env) {
                    // SAFETY: this is JavaScript's thread, and the function that runs is not freed.
                    unsafe { sys::napi_unref_threadsafe_function(call.env.raw(), own.get()) };
                }
                Ok(())
            })?;
        handle.set(function.raw());
        Ok(Bell(function))
    }

    /// Rings; nothing happens once JavaScript is gone.
    pub fn ring(&self) {
        #[allow(clippy::disallowed_methods)] // Nothing is waited for.
        self.0.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }

    /// Keeps the process alive until `heard` says that it need not be. On JavaScript's thread only.
    pub fn keep_alive(&self, env: &Env) {
        self.0.handle.with_read_aborted(|aborted| {
            if !aborted {
                // SAFETY: this is JavaScript's thread, and the function is alive under this lock.
                unsafe { sys::napi_ref_threadsafe_function(env.raw(), self.0.raw()) };
            }
        });
    }
}
