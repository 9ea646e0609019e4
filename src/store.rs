//! The native stores as JavaScript objects: the same `KeyStore` methods as any other store, by name
//! and JSON. An engine takes the store itself and makes no hop through JavaScript.

use std::path::Path;
use std::sync::Arc;

use byok_core::engine::parse;
use byok_core::error::{Error, Result};
use byok_core::store::{
    KeyId, KeyRecord, KeyStore, MemoryStore, Replacement, ScanOptions, SqliteStore, SqliteUsage,
};
use byok_core::usage::UsageStore;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{envelope, promise};

#[napi]
pub struct NativeStore {
    pub(crate) store: Arc<dyn KeyStore>,
    /// The same database, for usage.
    pub(crate) usage: Option<Arc<dyn UsageStore>>,
}

#[napi]
impl NativeStore {
    #[napi(factory, catch_unwind)]
    pub fn memory() -> Self {
        NativeStore {
            store: Arc::new(MemoryStore::new()),
            usage: None,
        }
    }

    /// Opens or makes a database file. Throws an error whose message is an envelope.
    #[napi(factory, catch_unwind)]
    pub fn sqlite(path: String) -> napi::Result<Self> {
        match SqliteStore::open(Path::new(&path)) {
            Ok(store) => {
                let store = Arc::new(store);
                Ok(NativeStore {
                    usage: Some(Arc::new(SqliteUsage::new(store.clone()))),
                    store,
                })
            }
            Err(error) => Err(napi::Error::from_reason(envelope::error(&error))),
        }
    }

    #[napi(catch_unwind)]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        op: String,
        json: String,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let store = self.store.clone();
        promise::spawn(env, async move {
            envelope::encode(&dispatch(&*store, &op, &json).await)
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListOptions {
    namespace: Option<String>,
    user_id: String,
}

#[derive(Deserialize)]
struct ReplaceOptions {
    record: KeyRecord,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    sealed: String,
}

async fn dispatch(store: &dyn KeyStore, op: &str, json: &str) -> Result<Value> {
    Ok(match op {
        "get" => json!(store.get(&parse::<KeyId>(json)?).await?),
        "set" => json!(store.set(&parse::<KeyRecord>(json)?).await?),
        "delete" => json!(store.delete(&parse::<KeyId>(json)?).await?),
        "list" => {
            let ListOptions { namespace, user_id } = parse(json)?;
            let namespace = namespace
                .as_deref()
                .unwrap_or(byok_core::engine::DEFAULT_NAMESPACE);
            json!(store.list(namespace, &user_id).await?)
        }
        "replace" => {
            let ReplaceOptions { record, expected } = parse(json)?;
            json!(store.replace(&record, &expected.sealed).await?)
        }
        "replaceMany" => {
            let items: Vec<ReplaceOptions> = parse(json)?;
            let items = items.into_iter().map(|item| Replacement {
                record: item.record,
                expected_sealed: item.expected.sealed,
            });
            json!(store.replace_many(items.collect()).await?)
        }
        "scan" => json!(store.scan(&parse::<ScanOptions>(json)?).await?),
        "close" => json!(store.close().await?),
        _ => {
            return Err(Error::invalid_argument(format!(
                "A store has no method {op:?}."
            )));
        }
    })
}
