//! A [`Limiter`] that lives in JavaScript: Redis, or any limiter of the app's. The wrapper in
//! `lib/limits/bridge.ts` answers every call with an envelope.

use async_trait::async_trait;
use byok_core::error::{Error, Result};
use byok_core::limit::{Correction, Limiter, RemoteAnswer, RemoteClaim};
use serde_json::json;

use crate::callback::Callback;
use crate::envelope;

pub struct CallbackLimiter(pub Callback);

#[async_trait]
impl Limiter for CallbackLimiter {
    async fn take(&self, claims: &[RemoteClaim]) -> Result<RemoteAnswer> {
        let answer = self.0.call("take", encode(&self.0, &claims)?).await?;
        envelope::decode(&answer, self.0.failed())
    }

    async fn settle(&self, corrections: &[Correction]) -> Result<()> {
        let answer = self
            .0
            .call("settle", encode(&self.0, &corrections)?)
            .await?;
        envelope::decode(&answer, self.0.failed())
    }
}

fn encode(callback: &Callback, value: &(impl serde::Serialize + Sync)) -> Result<String> {
    serde_json::to_string(&json!(value))
        .map_err(|error| Error::new(callback.failed(), error.to_string()))
}
