//! The Node-API binding: it knows napi and the core; no provider, no store product, no HTTP. What
//! crosses is JSON text and bytes; domain errors cross as data (see `envelope`), and every
//! asynchronous export is a synchronous method that clones an `Arc` and spawns (see `promise`).

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod allocator;
mod bridge;
mod byte_stream;
mod callback;
mod engine;
mod envelope;
mod feed;
#[cfg(target_os = "linux")]
mod linux_allocator;
mod promise;
mod store;
mod stream;
mod task;
mod upload;

use napi_derive::napi;

#[global_allocator]
static ALLOCATOR: allocator::WipingAllocator = allocator::WipingAllocator;

/// A few named threads are enough: the work is waiting for the network, and Node needs its cores.
const MAX_WORKER_THREADS: usize = 4;

#[napi_derive::module_init]
fn init() {
    // A panic's text could hold what it was about; the place is enough to find it.
    std::panic::set_hook(Box::new(|_| {}));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(MAX_WORKER_THREADS))
        .thread_name("byok-ai")
        .enable_all()
        .build();
    // Without threads napi tries again with its own settings and reports what is wrong.
    if let Ok(runtime) = runtime {
        napi::bindgen_prelude::create_custom_tokio_runtime(runtime);
    }
}

/// A new master key: 32 random bytes as base64.
#[napi(catch_unwind)]
pub fn generate_master_key() -> String {
    match byok_vault::generate_master_key() {
        Ok(key) => envelope::ok(&key),
        Err(error) => envelope::error(&byok_core::engine::from_vault(error)),
    }
}

/// The addon's version, which must be the package's.
#[napi(catch_unwind)]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
