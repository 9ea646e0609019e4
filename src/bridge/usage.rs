//! A [`UsageStore`] that lives in JavaScript. The wrapper in `lib/usage/bridge.ts` answers every call
//! with an envelope; a sink that only writes can't be asked.

use async_trait::async_trait;
use byok_core::error::{Error, Result};
use byok_core::usage::{
    Position, UsageFilter, UsageQuery, UsageRecord, UsageRow, UsageStore, iso, uuid,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::callback::Callback;
use crate::envelope;

pub struct CallbackUsage(pub Callback);

impl CallbackUsage {
    async fn call<T: DeserializeOwned>(
        &self,
        op: &str,
        arguments: &(impl Serialize + Sync),
    ) -> Result<T> {
        let json = serde_json::to_string(arguments)
            .map_err(|error| Error::new(self.0.failed(), error.to_string()))?;
        let answer = self.0.call(op, json).await?;
        envelope::decode(&answer, self.0.failed())
    }
}

#[async_trait]
impl UsageStore for CallbackUsage {
    async fn write(&self, records: &[UsageRecord]) -> Result<()> {
        self.call("write", &records).await
    }

    async fn query(&self, query: &UsageQuery) -> Result<Vec<UsageRow>> {
        self.call("query", query).await
    }

    async fn events(
        &self,
        filter: &UsageFilter,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>> {
        let after = after.map(|after| json!({ "at": iso(after.at_ms), "id": uuid(after.id) }));
        let arguments = json!({ "filter": filter, "after": after, "limit": limit });
        self.call("events", &arguments).await
    }

    async fn close(&self) -> Result<()> {
        self.call("close", &json!({})).await
    }
}
