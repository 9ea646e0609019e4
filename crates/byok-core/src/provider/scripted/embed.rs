//! Embeddings of a defined provider.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::ScriptedProvider;
use super::failure::Said;
use crate::capability::embed::EmbedRequest;
use crate::error::{Code, Error, Result};
use crate::provider::{BatchLimit, EmbedBatch, WireRequest};

/// One batch of inputs on its way through a provider's functions.
pub struct ScriptedEmbed<'a> {
    provider: &'a ScriptedProvider,
    request: Box<RawValue>,
    options: &'a Map<String, Value>,
    model: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_type: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct RequestArguments<'a> {
    pub request: &'a RawValue,
    pub model: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    embeddings: Vec<Vector>,
    usage: Option<Counted>,
    model: Option<String>,
    id: Option<String>,
    error: Option<Said>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    /// 32-bit floats, little-endian.
    Base64(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counted {
    input_tokens: Option<u64>,
}

impl ScriptedProvider {
    pub fn batch_limit(&self) -> BatchLimit {
        let embed = self.definition.embed.as_ref();
        embed.map_or(
            BatchLimit {
                inputs: 1,
                bytes: usize::MAX,
            },
            |embed| embed.batch_limit(),
        )
    }

    pub fn embed<'a>(
        &'a self,
        request: &'a EmbedRequest,
        inputs: &[String],
        model: &'a str,
    ) -> Result<ScriptedEmbed<'a>> {
        let asked = Asked {
            input: inputs,
            dimensions: request.dimensions,
            input_type: request.input_type.as_deref(),
        };
        Ok(ScriptedEmbed {
            provider: self,
            request: raw(&asked)?,
            options: &request.provider_options,
            model,
        })
    }
}

pub(super) fn raw(value: &impl Serialize) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(value)
        .map_err(|error| Error::new(Code::Internal, error.to_string()))
}

impl ScriptedEmbed<'_> {
    pub async fn request(&self) -> Result<WireRequest> {
        let arguments = RequestArguments {
            request: &self.request,
            model: self.model,
        };
        self.provider
            .outgoing("embed.request", &arguments, self.options, None)
            .await
    }

    pub async fn response(&self, body: &str) -> Result<EmbedBatch> {
        let answer: Answer = self
            .provider
            .incoming("embed.response", body, &self.request, self.model)
            .await?;
        if let Some(said) = answer.error {
            return Err(said.into_failure().into_error());
        }
        let vectors = answer.embeddings.into_iter().map(Vector::into_floats);
        Ok(EmbedBatch {
            vectors: vectors.collect::<Option<_>>().ok_or_else(|| {
                let what = ": an embedding is neither numbers nor base64 of 32-bit floats";
                self.provider.malformed("embed.response", what)
            })?,
            input_tokens: answer.usage.and_then(|usage| usage.input_tokens),
            model: answer.model,
            id: answer.id,
        })
    }
}

impl Vector {
    fn into_floats(self) -> Option<Vec<f32>> {
        match self {
            Vector::Numbers(numbers) => Some(numbers),
            Vector::Base64(text) => {
                let bytes = STANDARD.decode(text).ok()?;
                let (floats, rest) = bytes.as_chunks::<4>();
                let floats = floats.iter().copied().map(f32::from_le_bytes).collect();
                rest.is_empty().then_some(floats)
            }
        }
    }
}
