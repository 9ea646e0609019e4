//! `NativeEngine`: the engine as a JavaScript object. `call` for what has one answer, `open` for what
//! has many; both take an operation's name, JSON and bytes.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use byok_core::engine::{Engine, EngineConfig, Services, from_vault, parse};
use byok_core::error::{Code, Error, Result};
use byok_core::limit::Limiter;
use byok_core::store::KeyStore;
use byok_core::trace::Trace;
use byok_core::usage::UsageStore;
use byok_vault::MasterKey;
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw, Uint8Array};
use napi_derive::napi;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::bridge::limiter::CallbackLimiter;
use crate::bridge::notice::notify;
use crate::bridge::store::CallbackStore;
use crate::bridge::usage::CallbackUsage;
use crate::byte_stream::NativeByteStream;
use crate::callback::{Callback, RawCallback, within};
use crate::store::NativeStore;
use crate::stream::NativeStream;
use crate::task::NativeTask;
use crate::upload::NativeUpload;
use crate::{envelope, promise};

const DEFAULT_CALLBACK_TIMEOUT: Duration = Duration::from_secs(10);

/// An app's store, wrapped by `lib/bridge.ts`.
#[napi(object, object_to_js = false)]
pub struct StoreCallbacks {
    #[napi(ts_type = "(op: string, json: string, context: number) => Promise<string>")]
    pub call: RawCallback,
    /// Names of the methods that it has.
    pub has: Vec<String>,
}

/// What the app brings beside its store, wrapped in TypeScript.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct ServiceCallbacks {
    #[napi(ts_type = "(op: string, json: string, context: number) => Promise<string>")]
    pub limiter: Option<RawCallback>,
    #[napi(ts_type = "(op: string, json: string, context: number) => Promise<string>")]
    pub usage: Option<RawCallback>,
    #[napi(ts_type = "(op: string, json: string, context: number) => Promise<string>")]
    pub notice: Option<RawCallback>,
}

#[napi]
pub struct NativeEngine {
    engine: Arc<Engine>,
    calls: Arc<Mutex<HashMap<u32, CancellationToken>>>,
    /// Ends what is running when the engine is closed.
    closing: CancellationToken,
    /// Whether calls say which attempts they made.
    tracing: AtomicBool,
}

#[napi]
impl NativeEngine {
    /// Throws an error whose message is an envelope.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        config: String,
        store: Option<&NativeStore>,
        callbacks: Option<StoreCallbacks>,
        usage_store: Option<&NativeStore>,
        services: Option<ServiceCallbacks>,
    ) -> napi::Result<Self> {
        create(&config, store, callbacks, usage_store, services)
            .map(|engine| {
                let engine = Arc::new(engine);
                if engine.needs_tending() {
                    napi::bindgen_prelude::spawn(Engine::tend(Arc::downgrade(&engine)));
                }
                NativeEngine {
                    engine,
                    calls: Arc::default(),
                    closing: CancellationToken::new(),
                    tracing: AtomicBool::new(false),
                }
            })
            .map_err(|error| napi::Error::from_reason(envelope::error(&error)))
    }

    /// Sets the master keys and gives an envelope; byte arrays are wiped in place.
    #[napi(catch_unwind)]
    pub fn set_master_keys(
        &self,
        current: Either<String, Uint8Array>,
        previous: Vec<Either<String, Uint8Array>>,
    ) -> String {
        let current = master_key(current);
        // All of them are read, and so wiped, before the first error counts.
        let previous: Vec<_> = previous.into_iter().map(master_key).collect();
        let set = || {
            let previous = previous.into_iter().collect::<Result<Vec<_>>>()?;
            self.engine.set_master_keys(current?, previous)
        };
        envelope::encode(&set())
    }

    /// Starts an operation; the promise resolves to an envelope. `call_id` is for `cancel`; 0 is none.
    /// Callbacks get `context` back.
    /// The operation `close` settles all others, streams too, with `CLOSED`.
    #[napi(catch_unwind)]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        op: String,
        json: String,
        bytes: Option<Vec<Uint8Array>>,
        call_id: u32,
        context: Option<u32>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let engine = self.engine.clone();
        let attachments = take_bytes(bytes, op == "registerKey");
        if op == "close" {
            self.closing.cancel();
            return promise::spawn(env, async move { encode(engine.close()).await });
        }
        let closing = self.closing.clone();
        let registration = (call_id != 0).then(|| Registration::new(&self.calls, call_id));
        let trace = self.trace();
        promise::spawn(env, async move {
            let cancelled = async {
                match &registration {
                    Some(registration) => registration.token.cancelled().await,
                    None => std::future::pending().await,
                }
            };
            let call = within(
                context.unwrap_or(0),
                dispatch(&engine, &op, &json, attachments),
            );
            let answer = tokio::select! {
                biased;
                () = cancelled => envelope::error(&aborted()),
                () = closing.cancelled() => envelope::error(&closed()),
                answer = envelope::traced(trace.clone(), call) => answer,
            };
            envelope::with_attempts(answer, trace.as_ref())
        })
    }

    /// Whether calls from now on say which attempts they made: `attempts` beside the outcome.
    #[napi(catch_unwind)]
    pub fn set_tracing(&self, on: bool) {
        self.tracing.store(on, Ordering::Relaxed);
    }

    /// Settles a pending call with `ABORTED`; a call that is over is left alone.
    #[napi(catch_unwind)]
    pub fn cancel(&self, call_id: u32) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = calls.get(&call_id) {
            token.cancel();
        }
    }

    /// Starts a streaming operation. Domain errors come out of the stream's first `next()`.
    #[napi(catch_unwind)]
    pub fn open(
        &self,
        op: String,
        json: String,
        bytes: Option<Vec<Uint8Array>>,
        context: Option<u32>,
    ) -> NativeStream {
        #[cfg(debug_assertions)]
        if op == "panic at once" {
            rehearse_panic();
        }
        NativeStream::open(
            self.engine.clone(),
            self.closing.clone(),
            &op,
            json,
            take_bytes(bytes, false),
            self.trace(),
            context.unwrap_or(0),
        )
    }

    /// Starts an operation whose answer is bytes. Domain errors come out of the stream's `head()`.
    #[napi(catch_unwind)]
    pub fn open_bytes(
        &self,
        op: String,
        json: String,
        bytes: Option<Vec<Uint8Array>>,
        context: Option<u32>,
    ) -> NativeByteStream {
        NativeByteStream::open(
            self.engine.clone(),
            self.closing.clone(),
            op,
            json,
            take_bytes(bytes, false),
            context.unwrap_or(0),
        )
    }

    /// Starts an operation that reports progress or gives back bytes. Domain errors come out of
    /// `result()`.
    #[napi(catch_unwind)]
    pub fn start(
        &self,
        op: String,
        json: String,
        bytes: Option<Vec<Uint8Array>>,
        context: Option<u32>,
    ) -> NativeTask {
        NativeTask::start(
            self.engine.clone(),
            self.closing.clone(),
            op,
            json,
            take_bytes(bytes, false),
            self.trace(),
            context.unwrap_or(0),
        )
    }

    /// Begins an upload that a request's JSON names by `{ "$upload": id }`. `length` is what will be
    /// written in all, in bytes, where that is known.
    #[napi(catch_unwind)]
    pub fn upload(&self, length: Option<f64>) -> NativeUpload {
        NativeUpload::open(self.engine.uploads(), length)
    }
}

impl NativeEngine {
    fn trace(&self) -> Option<Trace> {
        self.tracing.load(Ordering::Relaxed).then(Trace::default)
    }
}

pub fn aborted() -> Error {
    Error::new(Code::Aborted, "The call was aborted.")
}

pub fn closed() -> Error {
    Error::new(
        Code::Closed,
        "This BYOK was closed while the call was running. Close it when the last request is done.",
    )
}

fn create(
    config: &str,
    store: Option<&NativeStore>,
    callbacks: Option<StoreCallbacks>,
    usage_store: Option<&NativeStore>,
    services: Option<ServiceCallbacks>,
) -> Result<Engine> {
    let config: EngineConfig = parse(config)?;
    let timeout = config
        .callback_timeout_ms
        .map_or(DEFAULT_CALLBACK_TIMEOUT, Duration::from_millis);
    let store: Arc<dyn KeyStore> = match (store, callbacks) {
        (Some(native), None) => native.store.clone(),
        (None, Some(StoreCallbacks { call, has })) => {
            Arc::new(CallbackStore::new(Callback::store(call, timeout), &has))
        }
        _ => return Err(Error::invalid_argument("store: give one store.")),
    };
    let ServiceCallbacks {
        limiter,
        usage,
        notice,
    } = services.unwrap_or_default();
    let usage: Option<Arc<dyn UsageStore>> = match (usage_store, usage) {
        (Some(native), _) => native.usage.clone(),
        (None, Some(call)) => Some(Arc::new(CallbackUsage(Callback::usage(call, timeout)))),
        (None, None) => None,
    };
    let limiter = limiter.map(|call| -> Arc<dyn Limiter> {
        Arc::new(CallbackLimiter(Callback::limiter(call, timeout)))
    });
    let services = Services {
        limiter,
        usage,
        notify: notice.map(|call| notify(Callback::notice(call, timeout))),
    };
    Engine::with(config, store, services)
}

/// What tests of debug builds see become an error: nothing else here is known to panic.
#[cfg(debug_assertions)]
#[allow(clippy::panic)]
pub fn rehearse_panic() -> ! {
    panic!("what a panic says")
}

async fn dispatch(engine: &Engine, op: &str, json: &str, mut bytes: Vec<Vec<u8>>) -> String {
    match op {
        "chat" => encode(engine.chat(json, &bytes)).await,
        "registerKey" => {
            let key = Zeroizing::new(if bytes.is_empty() {
                Vec::new()
            } else {
                bytes.remove(0)
            });
            encode(engine.register_key(json, key)).await
        }
        "hasKey" => encode(engine.has_key(json)).await,
        "listKeys" => encode(engine.list_keys(json)).await,
        "verifyKey" => encode(engine.verify_key(json)).await,
        "deleteKey" => encode(engine.delete_key(json)).await,
        "deleteUser" => encode(engine.delete_user(json)).await,
        "capabilities" => encode(engine.capabilities(json)).await,
        "usage" => encode(engine.usage(json)).await,
        "exportUsage" => encode(engine.export_usage(json)).await,
        "setPrices" => encode(engine.set_prices(json)).await,
        "limits" => encode(engine.limits(json)).await,
        "importKeys" => encode(engine.import_keys(json, &bytes)).await,
        #[cfg(debug_assertions)]
        "panic" => rehearse_panic(),
        _ => envelope::error(&Error::new(Code::Internal, format!("No operation {op:?}."))),
    }
}

/// Boxed, so that what is spawned is a few words: a chat's state is kilobytes, and spawning moves it
/// several times on JavaScript's thread.
fn encode<'a, T: Serialize>(
    work: impl Future<Output = Result<T>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = String> + Send + 'a>> {
    Box::pin(async move { envelope::encode(&work.await) })
}

/// Copies the bytes, since JavaScript may change its arrays while the call runs; a key's array is
/// wiped in place.
fn take_bytes(bytes: Option<Vec<Uint8Array>>, wipe: bool) -> Vec<Vec<u8>> {
    let copy = |mut array: Uint8Array| {
        let copy = array.to_vec();
        if wipe {
            wipe_array(&mut array);
        }
        copy
    };
    bytes.unwrap_or_default().into_iter().map(copy).collect()
}

fn master_key(input: Either<String, Uint8Array>) -> Result<MasterKey> {
    let key = match input {
        Either::A(text) => MasterKey::parse(&Zeroizing::new(text)),
        Either::B(mut array) => {
            let mut copy = Zeroizing::new(array.to_vec());
            wipe_array(&mut array);
            MasterKey::from_bytes(&mut copy)
        }
    };
    key.map_err(from_vault)
}

fn wipe_array(array: &mut Uint8Array) {
    // SAFETY: called on JavaScript's thread inside the synchronous call that got the array, so
    // nothing else reads or writes it.
    let bytes = unsafe { array.as_mut() };
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// Keeps a call's token findable until the call is over.
struct Registration {
    calls: Arc<Mutex<HashMap<u32, CancellationToken>>>,
    call_id: u32,
    token: CancellationToken,
}

impl Registration {
    fn new(calls: &Arc<Mutex<HashMap<u32, CancellationToken>>>, call_id: u32) -> Self {
        let token = CancellationToken::new();
        calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(call_id, token.clone());
        Registration {
            calls: calls.clone(),
            call_id,
            token,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.call_id);
    }
}
