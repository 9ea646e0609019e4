//! `POST /v2/embed`. Cohere must be told what the vectors are for; documents are taken for granted
//! when the caller does not say.

use serde::Deserialize;
use serde_json::{Map, json};

use super::Cohere;
use crate::capability::Warning;
use crate::capability::embed::EmbedRequest;
use crate::error::{Error, Result};
use crate::provider::vector::Vector;
use crate::provider::{BatchLimit, EmbedBatch, EmbedProvider, WireRequest, merge, not_json};

impl EmbedProvider for Cohere {
    /// 96 texts by the API's description, which knows no limit of them together.
    fn batch_limit(&self, _model: &str) -> BatchLimit {
        BatchLimit {
            inputs: 96,
            bytes: 4 << 20,
        }
    }

    fn request(
        &self,
        request: &EmbedRequest,
        inputs: &[String],
        model: &str,
    ) -> Result<WireRequest> {
        let mut warnings = Vec::new();
        let input_type = match request.input_type.as_deref() {
            None | Some("document") => "search_document",
            Some("query") => "search_query",
            Some("similarity") => {
                warnings.push(Warning::new(
                    "inputType",
                    "Cohere has no inputType for similarity; the texts were embedded as documents.",
                ));
                "search_document"
            }
            Some(other) => other,
        };
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("texts".into(), inputs.into());
        body.insert("input_type".into(), input_type.into());
        body.insert("embedding_types".into(), json!(["float"]));
        if let Some(dimensions) = request.dimensions {
            body.insert("output_dimension".into(), dimensions.into());
        }
        merge(&mut body, &request.provider_options);
        let body = serde_json::to_vec(&body)
            .map_err(|error| Error::invalid_argument(error.to_string()))?;
        Ok(WireRequest::json("/v2/embed", body).with_warnings(warnings))
    }

    fn response(&self, body: &[u8]) -> Result<EmbedBatch> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|error| not_json("Cohere's embeddings", &error))?;
        let vectors = answer.embeddings.float.or(answer.embeddings.base64);
        let Some(vectors) = vectors else {
            return Err(Error::bad_response(
                "Cohere's answer has no embeddings of the type float or base64. Leave embedding_types out of providerOptions.",
            ));
        };
        let billed = answer.meta.and_then(|meta| meta.billed_units);
        Ok(EmbedBatch {
            vectors: vectors.into_iter().map(|Vector(vector)| vector).collect(),
            input_tokens: billed
                .and_then(|units| units.input_tokens)
                .map(|tokens| tokens as u64),
            model: None,
            id: answer.id,
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    id: Option<String>,
    embeddings: ByType,
    meta: Option<ApiMeta>,
}

#[derive(Deserialize)]
struct ByType {
    float: Option<Vec<Vector>>,
    base64: Option<Vec<Vector>>,
}

#[derive(Deserialize)]
struct ApiMeta {
    billed_units: Option<BilledUnits>,
}

#[derive(Deserialize)]
struct BilledUnits {
    input_tokens: Option<f64>,
}
