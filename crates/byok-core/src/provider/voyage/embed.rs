//! `POST /embeddings`. Vectors come as base64. Voyage shortens texts that are too long for the model
//! unless `providerOptions.truncation` is false.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Voyage;
use crate::capability::Warning;
use crate::capability::embed::EmbedRequest;
use crate::error::{Error, Result};
use crate::provider::vector::Vector;
use crate::provider::{BatchLimit, EmbedBatch, EmbedProvider, WireRequest, merge, not_json};

impl EmbedProvider for Voyage {
    /// 1,000 texts; the tokens of all together are limited by the model.
    fn batch_limit(&self, model: &str) -> BatchLimit {
        let has = |part: &str| model.contains(part);
        let bytes = if has("-lite") {
            1_000_000
        } else if model == "voyage-3.5" || model == "voyage-2" || model == "voyage-4" {
            320_000
        } else {
            120_000
        };
        BatchLimit {
            inputs: 1000,
            bytes,
        }
    }

    fn request(
        &self,
        request: &EmbedRequest,
        inputs: &[String],
        model: &str,
    ) -> Result<WireRequest> {
        let mut warnings = Vec::new();
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("input".into(), inputs.into());
        body.insert("encoding_format".into(), "base64".into());
        match request.input_type.as_deref() {
            Some(other @ ("similarity" | "classification" | "clustering")) => {
                warnings.push(Warning::new(
                    "inputType",
                    format!("Voyage AI tells queries and documents apart only; {other} was left out, which it recommends for other uses."),
                ));
            }
            Some(input_type) => {
                body.insert("input_type".into(), input_type.into());
            }
            None => {}
        }
        if let Some(dimensions) = request.dimensions {
            body.insert("output_dimension".into(), dimensions.into());
        }
        merge(&mut body, &request.provider_options);
        // Other types than float are no 32-bit floats in base64.
        if body
            .get("output_dtype")
            .and_then(Value::as_str)
            .is_some_and(|kind| kind != "float")
        {
            body.remove("encoding_format");
        }
        let body = serde_json::to_vec(&body)
            .map_err(|error| Error::invalid_argument(error.to_string()))?;
        Ok(WireRequest::json("/embeddings", body).with_warnings(warnings))
    }

    fn response(&self, body: &[u8]) -> Result<EmbedBatch> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|error| not_json("Voyage AI's embeddings", &error))?;
        let mut items = answer.data;
        items.sort_by_key(|item| item.index);
        Ok(EmbedBatch {
            vectors: items.into_iter().map(|item| item.embedding.0).collect(),
            input_tokens: answer.usage.and_then(|usage| usage.total_tokens),
            model: answer.model,
            id: None,
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
    model: Option<String>,
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: u64,
    embedding: Vector,
}

#[derive(Deserialize)]
struct WireUsage {
    total_tokens: Option<u64>,
}
