//! The only use of `ThreadsafeFunction`: one call into JavaScript, with a deadline. Weak, so that a
//! store does not keep the process alive; `call_async_catch` only, since the other form kills the
//! process when JavaScript throws.

use std::sync::Arc;
use std::time::Duration;

use byok_core::error::{Code, Error, Result};
use napi::Status;
use napi::bindgen_prelude::{FnArgs, Promise};
use napi::threadsafe_function::ThreadsafeFunction;

type Args = FnArgs<(String, String)>;
pub type RawCallback = ThreadsafeFunction<Args, Promise<String>, Args, Status, false, true>;

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

    /// Calls `(op, json)` and waits for the envelope that its promise resolves to.
    ///
    /// # Errors
    /// The timeout's code when it does not settle in time, the failure's when JavaScript is gone or
    /// the wrapper itself failed.
    pub async fn call(&self, op: &str, json: String) -> Result<String> {
        let arguments = FnArgs::from((op.to_owned(), json));
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
