//! What there is to know of an engine's providers, without any user.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Engine;
use super::registry::Registered;
use crate::capability::Capability;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderInfo {
    /// What requests and records call it.
    pub provider: String,
    /// What people call it.
    pub name: String,
    #[serde(rename = "baseURL")]
    pub base_url: String,
    pub capabilities: Vec<Capability>,
    /// The app's, else the provider's.
    pub default_models: BTreeMap<Capability, String>,
    /// What a credential has beside the key.
    pub fields: Vec<FieldInfo>,
    pub key_is_optional: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldInfo {
    pub name: String,
    pub required: bool,
    pub what: String,
}

impl Engine {
    /// All providers: the built-in ones, then the app's own.
    ///
    /// # Errors
    /// `CLOSED`.
    pub async fn providers(&self) -> Result<Vec<ProviderInfo>> {
        self.ring()?;
        Ok(self
            .registry
            .iter()
            .map(|registered| describe(registered))
            .collect())
    }
}

fn describe(registered: &Registered) -> ProviderInfo {
    let capabilities = registered.capabilities();
    let model = |capability: &Capability| {
        let model = registered.default_model(*capability)?;
        Some((*capability, model.to_owned()))
    };
    let fields = registered.provider.fields();
    ProviderInfo {
        provider: registered.id().to_owned(),
        name: registered.name().to_owned(),
        base_url: registered.base_url.clone(),
        default_models: capabilities.iter().filter_map(model).collect(),
        capabilities,
        fields: fields
            .into_iter()
            .map(|field| FieldInfo {
                name: field.name.to_owned(),
                required: field.is_required,
                what: field.what.to_owned(),
            })
            .collect(),
        key_is_optional: registered.provider.key_is_optional(),
    }
}
