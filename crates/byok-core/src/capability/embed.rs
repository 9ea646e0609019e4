//! The `embed` capability: texts to vectors.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::meta::Meta;
use crate::error::{Error, Result};

/// A request as the caller wrote it, without routing options.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbedRequest {
    #[serde(default)]
    pub input: EmbedInput,
    /// Length of each vector, for models that can shorten theirs.
    pub dimensions: Option<u32>,
    /// What the vectors are for, where the provider tells it apart: `query`, `document`,
    /// `similarity`, `classification` or `clustering`; others are passed on as they are.
    pub input_type: Option<String>,
    #[serde(default)]
    pub provider_options: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum EmbedInput {
    One(String),
    Many(Vec<String>),
}

impl Default for EmbedInput {
    fn default() -> Self {
        EmbedInput::Many(Vec::new())
    }
}

impl EmbedRequest {
    /// # Errors
    /// `INVALID_ARGUMENT` for no input, or an empty one, which every provider refuses.
    pub fn inputs(&self) -> Result<&[String]> {
        let inputs = match &self.input {
            EmbedInput::One(text) => std::slice::from_ref(text),
            EmbedInput::Many(texts) => texts,
        };
        if inputs.is_empty() {
            return Err(Error::invalid_argument(
                "input: there is nothing to embed. Give a text or an array of at least one.",
            ));
        }
        if let Some(index) = inputs.iter().position(String::is_empty) {
            return Err(Error::invalid_argument(format!(
                "input[{index}] is empty, and no provider embeds an empty text. Leave it out."
            )));
        }
        Ok(inputs)
    }
}

/// The vectors themselves cross beside this, as one attachment of 32-bit floats in little-endian order,
/// one vector after the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbedResult {
    /// How many vectors there are: one for each input, in their order.
    pub count: usize,
    /// Length of each.
    pub dimensions: usize,
    pub usage: EmbedUsage,
    #[serde(flatten)]
    pub meta: Meta,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbedUsage {
    /// Absent when the provider does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
}
