//! A [`KeyStore`] that lives in JavaScript. The wrapper in `lib/bridge.ts` answers every call with an
//! envelope; what is optional there (`replace`, `replaceMany`, `scan`, `close`) is asked once.

use std::sync::Arc;

use async_trait::async_trait;
use byok_core::error::{Error, Result};
use byok_core::store::{
    KeyId, KeyRecord, KeyStore, Replacement, ScanOptions, ScanPage, replace_each,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::callback::Callback;
use crate::envelope;

pub struct CallbackStore {
    callback: Callback,
    can_replace: bool,
    can_replace_many: bool,
    can_scan: bool,
    can_close: bool,
}

impl CallbackStore {
    /// `has` names the methods that the app's store has.
    pub fn new(callback: Callback, has: &[String]) -> Self {
        let can = |name: &str| has.iter().any(|method| method == name);
        CallbackStore {
            callback,
            can_replace: can("replace"),
            can_replace_many: can("replaceMany"),
            can_scan: can("scan"),
            can_close: can("close"),
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        op: &str,
        arguments: &(impl Serialize + Sync),
    ) -> Result<T> {
        let json = serde_json::to_string(arguments)
            .map_err(|error| Error::new(self.callback.failed(), error.to_string()))?;
        let answer = self.callback.call(op, json).await?;
        envelope::decode(&answer, self.callback.failed())
    }
}

/// What `replaceMany` takes for each item.
#[derive(Serialize)]
struct Swap<'a> {
    record: &'a KeyRecord,
    expected: Expected<'a>,
}

#[derive(Serialize)]
struct Expected<'a> {
    sealed: &'a str,
}

impl<'a> From<&'a Replacement> for Swap<'a> {
    fn from(item: &'a Replacement) -> Self {
        Swap {
            record: &item.record,
            expected: Expected {
                sealed: &item.expected_sealed,
            },
        }
    }
}

#[async_trait]
impl KeyStore for CallbackStore {
    async fn get(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        self.call("get", id).await
    }

    async fn set(&self, record: &KeyRecord) -> Result<()> {
        self.call("set", record).await
    }

    async fn delete(&self, id: &KeyId) -> Result<bool> {
        self.call("delete", id).await
    }

    async fn list(&self, namespace: &str, user_id: &str) -> Result<Vec<KeyRecord>> {
        self.call(
            "list",
            &json!({ "namespace": namespace, "userId": user_id }),
        )
        .await
    }

    async fn replace(&self, record: &KeyRecord, expected_sealed: &str) -> Result<Option<bool>> {
        if !self.can_replace {
            return Ok(None);
        }
        let arguments = json!({ "record": record, "expected": { "sealed": expected_sealed } });
        self.call("replace", &arguments).await.map(Some)
    }

    async fn replace_many(&self, items: Arc<[Replacement]>) -> Result<Option<Vec<bool>>> {
        if !self.can_replace_many {
            return replace_each(self, items).await;
        }
        let arguments: Vec<_> = items.iter().map(Swap::from).collect();
        self.call("replaceMany", &arguments).await.map(Some)
    }

    async fn scan(&self, options: &ScanOptions) -> Result<Option<ScanPage>> {
        if !self.can_scan {
            return Ok(None);
        }
        self.call("scan", options).await.map(Some)
    }

    async fn close(&self) -> Result<()> {
        if !self.can_close {
            return Ok(());
        }
        self.call("close", &json!({})).await
    }
}
