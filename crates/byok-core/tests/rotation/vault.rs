//! Engines, rings and records under three master keys.

use std::sync::Arc;

use byok_core::engine::{Engine, EngineConfig};
use byok_core::progress::Progress;
use byok_core::store::{KeyId, KeyRecord, KeyStatus, KeyStore, ScanOptions};
use byok_vault::{Context, KeyRing, MasterKey, Payload, Secret};
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub const OLD: &str = "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f";
pub const NEW: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0ff1e2d3c4b5a69788796a5b4c3d2e1f00";
pub const OTHER: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00011223344556677fedcba9876543210";

pub fn master(key: &str) -> MasterKey {
    MasterKey::parse(key).unwrap()
}

pub fn ring(key: &str) -> KeyRing {
    KeyRing::new(master(key), Vec::new()).unwrap()
}

pub fn kid(key: &str) -> String {
    ring(key).kids()[0].clone()
}

pub fn engine(store: &Arc<dyn KeyStore>, current: &str, previous: &[&str]) -> Engine {
    engine_in("default", store, current, previous)
}

pub fn engine_in(
    namespace: &str,
    store: &Arc<dyn KeyStore>,
    current: &str,
    previous: &[&str],
) -> Engine {
    let config = EngineConfig {
        namespace: Some(namespace.to_owned()),
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, store.clone()).unwrap();
    let previous = previous.iter().map(|key| master(key)).collect();
    engine.set_master_keys(master(current), previous).unwrap();
    engine
}

pub fn id(user_id: &str) -> KeyId {
    KeyId {
        namespace: "default".into(),
        user_id: user_id.into(),
        provider: "openai".into(),
        label: "default".into(),
    }
}

pub async fn register(engine: &Engine, user_id: &str, key: &str) {
    let json = json!({ "userId": user_id, "provider": "openai", "validate": "format" });
    let key = Zeroizing::new(key.as_bytes().to_vec());
    engine.register_key(&json.to_string(), key).await.unwrap();
}

/// A record as an engine under `master` would have made it.
pub fn record(user_id: &str, key: &str, master: &str) -> KeyRecord {
    let id = id(user_id);
    let ring = ring(master);
    let payload = Payload::new(Secret::copy_from(key.as_bytes())).unwrap();
    let context = Context::new(&id.namespace, &id.user_id, &id.provider, &id.label).unwrap();
    KeyRecord {
        sealed: ring.seal(&context, &payload).unwrap(),
        fingerprint: ring.fingerprint(key.as_bytes()),
        status: KeyStatus::Unverified,
        hint: "sk-...".into(),
        created_at: "2026-01-02T03:04:05.678Z".into(),
        updated_at: "2026-01-02T03:04:05.678Z".into(),
        verified_at: None,
        metadata: None,
        id,
    }
}

pub fn open(ring: &KeyRing, record: &KeyRecord) -> String {
    let KeyId {
        namespace,
        user_id,
        provider,
        label,
    } = &record.id;
    let context = Context::new(namespace, user_id, provider, label).unwrap();
    let payload = ring.open(&context, &record.sealed).unwrap();
    String::from_utf8(payload.api_key.expose().to_vec()).unwrap()
}

/// All records, in the store's order.
pub async fn stored(store: &dyn KeyStore) -> Vec<KeyRecord> {
    let mut options = ScanOptions {
        limit: 1_000,
        ..ScanOptions::default()
    };
    let mut records = Vec::new();
    loop {
        let page = store.scan(&options).await.unwrap().unwrap();
        records.extend(page.records);
        match page.cursor {
            Some(cursor) => options.cursor = Some(cursor),
            None => return records,
        }
    }
}

pub async fn rewrap(engine: &Engine) -> Value {
    let report = engine.rewrap_keys("{}", &Progress::unwatched()).await;
    serde_json::to_value(report.unwrap()).unwrap()
}

pub async fn check(engine: &Engine, json: &str) -> Value {
    let report = engine.check_keys(json, &Progress::unwatched()).await;
    serde_json::to_value(report.unwrap()).unwrap()
}
