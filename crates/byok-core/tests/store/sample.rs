//! Records, ids and a folder of their own for the tests of the stores.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use byok_core::store::{KeyId, KeyRecord, KeyStatus};
use serde_json::json;

pub fn id(namespace: &str, user_id: &str, provider: &str, label: &str) -> KeyId {
    KeyId {
        namespace: namespace.into(),
        user_id: user_id.into(),
        provider: provider.into(),
        label: label.into(),
    }
}

pub fn user(user_id: &str) -> KeyId {
    id("default", user_id, "openai", "default")
}

/// The smallest record: every optional field absent.
pub fn record(id: KeyId, sealed: &str) -> KeyRecord {
    KeyRecord {
        id,
        sealed: sealed.into(),
        status: KeyStatus::Unverified,
        hint: "sk-...wxyz".into(),
        fingerprint: "5f2c".into(),
        created_at: "2026-01-02T03:04:05.678Z".into(),
        updated_at: "2026-01-02T03:04:05.678Z".into(),
        verified_at: None,
        metadata: None,
    }
}

/// Every field present, with texts that are hard to keep.
pub fn full_record(id: KeyId) -> KeyRecord {
    let metadata = json!({
        "z": 1, "a": [true, null, -0.5, 1e300, 9_007_199_254_740_991_i64],
        "text": "line\nbreak \"quoted\" \0 nul 🔑 \u{2028}", "empty": {}, "": "",
    });
    KeyRecord {
        sealed: format!("byok1.{}", "Ab-_9".repeat(1_000)),
        status: KeyStatus::Active,
        hint: "'; DROP TABLE byok_keys; -- \0 é 🔑".into(),
        fingerprint: String::new(),
        verified_at: Some(String::new()),
        metadata: metadata.as_object().cloned(),
        ..record(id, "")
    }
}

/// A folder that is removed with everything in it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("byok-store-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self) -> PathBuf {
        self.0.join("keys.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}
