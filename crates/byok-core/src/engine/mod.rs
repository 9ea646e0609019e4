//! The engine: everything that a BYOK instance is, wired together. It owns the store, the key ring,
//! the HTTP client and the providers, and knows nothing of JavaScript.

mod body;
mod byte_answer;
mod chat;
mod choose;
mod config;
mod credential;
mod describe;
mod embed;
mod exchange;
mod failure;
mod forward;
mod gathered;
mod guards;
mod hint;
mod image;
mod import;
mod keys;
mod nearest;
mod observation;
mod pace;
mod registry;
mod request;
mod rotation;
mod route;
mod send;
mod speech;
mod tend;
mod transcription;
mod usage;

pub use byte_answer::{ByteAnswer, ByteSource};
pub use chat::ChatStreamItem;
pub use config::{EngineConfig, HttpConfig, ProviderConfig};
pub use describe::{FieldInfo, ProviderInfo};
pub use import::{ImportBatch, ImportFailure};
pub use request::parse;
pub use rotation::{KeyReport, KeyRole, KeyUse, RecordFailure, RewrapReport};
pub use usage::{ExportPage, UsageReport};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use byok_vault::{Context, KeyRing, MasterKey, VaultError, VaultErrorKind};

use crate::error::{Code, Error, Result};
use crate::http::{HttpClient, HttpOptions, Uploads};
use crate::limit::{Clock, Limiter, Limits, OnTrouble};
use crate::notice::{Notice, Notify};
use crate::provider::Scripts;
use crate::store::{CachedStore, KeyId, KeyStore};
use crate::usage::UsageStore;
use guards::Guards;
use registry::Registry;

pub const DEFAULT_NAMESPACE: &str = "default";
pub const DEFAULT_LABEL: &str = "default";

pub struct Engine {
    namespace: String,
    prefer: Vec<String>,
    registry: Registry,
    store: Arc<dyn KeyStore>,
    http: HttpClient,
    uploads: Arc<Uploads>,
    max_event_bytes: usize,
    ring: RwLock<Option<Arc<KeyRing>>>,
    closed: AtomicBool,
    guards: Arc<Guards>,
    recheck: Option<Duration>,
}

/// What the app brings beside its key store.
#[derive(Default)]
pub struct Services {
    /// Where limits are counted that are not counted in this process.
    pub limiter: Option<Arc<dyn Limiter>>,
    /// Where usage is kept; in memory when absent.
    pub usage: Option<Arc<dyn UsageStore>>,
    pub notify: Option<Notify>,
    /// The functions of the providers that the app defines.
    pub scripts: Option<Arc<dyn Scripts>>,
}

impl Engine {
    /// # Errors
    /// As [`Engine::with`].
    pub fn new(config: EngineConfig, store: Arc<dyn KeyStore>) -> Result<Self> {
        Engine::with(config, store, Services::default())
    }

    /// # Errors
    /// `INVALID_ARGUMENT` or `UNKNOWN_PROVIDER` for a configuration that can't work.
    pub fn with(
        config: EngineConfig,
        store: Arc<dyn KeyStore>,
        services: Services,
    ) -> Result<Self> {
        let namespace = config
            .namespace
            .clone()
            .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        Context::new(&namespace, "u", "p", DEFAULT_LABEL).map_err(from_vault)?;
        let defaults = HttpOptions::default();
        let http = HttpOptions {
            pool_idle_timeout: config
                .http
                .pool_idle_timeout_ms
                .map_or(defaults.pool_idle_timeout, Duration::from_millis),
            max_response_bytes: config
                .http
                .max_response_bytes
                .unwrap_or(defaults.max_response_bytes),
            user_agent: config.user_agent.clone().unwrap_or(defaults.user_agent),
            proxy: config.http.proxy.clone(),
            extra_root_certificates: config.http.extra_root_certificates.clone(),
        };
        let store: Arc<dyn KeyStore> = Arc::new(CachedStore::new(store, config.cache.as_ref())?);
        Ok(Engine {
            registry: Registry::new(&config, services.scripts.as_ref())?,
            guards: guards(&config, services, store.clone())?,
            recheck: config.health.recheck_ms.map(Duration::from_millis),
            namespace,
            prefer: config.prefer,
            store,
            http: HttpClient::new(&http)?,
            uploads: Arc::default(),
            max_event_bytes: config
                .http
                .max_event_bytes
                .unwrap_or(config::DEFAULT_MAX_EVENT_BYTES),
            ring: RwLock::new(None),
            closed: AtomicBool::new(false),
        })
    }

    /// Sets the master keys; nothing works before.
    ///
    /// # Errors
    /// `INVALID_MASTER_KEY` for two keys that are the same.
    pub fn set_master_keys(&self, current: MasterKey, previous: Vec<MasterKey>) -> Result<()> {
        let ring = KeyRing::new(current, previous).map_err(from_vault)?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(ring));
        Ok(())
    }

    /// Where callers leave bytes for requests that name them by `{ "$upload": id }`.
    pub fn uploads(&self) -> &Arc<Uploads> {
        &self.uploads
    }

    /// Closes the store; calls that come later fail with `CLOSED`. Those in flight are
    /// their owner's to drop.
    pub async fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.uploads.clear();
        let counted = self.guards.close().await;
        self.store.close().await.and(counted)
    }

    fn ring(&self) -> Result<Arc<KeyRing>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(
                Code::Closed,
                "This BYOK instance is closed. Make a new one, or close it later.",
            ));
        }
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.clone().ok_or_else(|| {
            Error::new(
                Code::InvalidMasterKey,
                "The master key has not been loaded yet.",
            )
        })
    }

    /// The checked id of one key in this engine's namespace.
    fn key_id(&self, user_id: &str, provider: &str, label: Option<&str>) -> Result<KeyId> {
        let id = KeyId {
            namespace: self.namespace.clone(),
            user_id: user_id.to_owned(),
            provider: provider.to_owned(),
            label: label.unwrap_or(DEFAULT_LABEL).to_owned(),
        };
        context(&id)?;
        Ok(id)
    }
}

fn guards(
    config: &EngineConfig,
    services: Services,
    store: Arc<dyn KeyStore>,
) -> Result<Arc<Guards>> {
    let Services {
        limiter,
        usage: usage_store,
        notify,
        scripts: _,
    } = services;
    let recorder = usage::recorder(&config.usage, usage_store, notify.clone())?;
    let told = notify.clone();
    let on_trouble: OnTrouble = Arc::new(move |error| {
        if let Some(notify) = &told {
            notify(Notice::LimiterFailed {
                code: error.code(),
                message: error.message().to_owned(),
            });
        }
    });
    let limits = match &config.limits {
        None => None,
        Some(limits) => {
            let limits = Limits::new(limits, limiter, Some(on_trouble), Clock::system())?;
            let has_prices = recorder
                .as_ref()
                .is_some_and(|recorder| !recorder.prices().is_empty());
            if limits.counts_money() && !has_prices {
                return Err(Error::invalid_argument(
                    "limits: a rule counts money (spend), which needs usage.prices. Nothing would ever have a price.",
                ));
            }
            Some(Arc::new(limits))
        }
    };
    Ok(Guards::new(limits, recorder, &config.health, notify, store))
}

fn context(id: &KeyId) -> Result<Context<'_>> {
    Context::new(&id.namespace, &id.user_id, &id.provider, &id.label).map_err(from_vault)
}

/// The vault's errors under the public codes.
pub fn from_vault(error: VaultError) -> Error {
    let code = match error.kind() {
        VaultErrorKind::InvalidMasterKey => Code::InvalidMasterKey,
        VaultErrorKind::InvalidArgument => Code::InvalidArgument,
        VaultErrorKind::UnknownMasterKey { .. } => Code::UnknownMasterKey,
        VaultErrorKind::BadRecord => Code::BadRecord,
        VaultErrorKind::DecryptFailed => Code::DecryptFailed,
        _ => Code::Internal,
    };
    Error::new(code, error.message().to_owned())
}
