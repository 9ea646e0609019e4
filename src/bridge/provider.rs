//! The functions of providers that an app defines. The wrapper in `lib/provider-bridge.ts` finds the
//! function by the provider's name and the function's, and answers every call with an envelope.

use async_trait::async_trait;
use byok_core::error::Result;
use byok_core::provider::{Scripts, wrong_code};
use serde_json::value::RawValue;

use crate::callback::Callback;
use crate::envelope;

pub struct CallbackScripts(pub Callback);

#[async_trait]
impl Scripts for CallbackScripts {
    async fn call(
        &self,
        provider: &str,
        function: &'static str,
        arguments: String,
    ) -> Result<Box<RawValue>> {
        let answer = self
            .0
            .call(&format!("{provider}.{function}"), arguments)
            .await?;
        let value: &RawValue = envelope::decode(&answer, wrong_code(function))?;
        Ok(value.to_owned())
    }
}
