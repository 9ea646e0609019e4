//! `batchEmbedContents`, also for a single text.
//!
//! `gemini-embedding-001` takes a `taskType`. `gemini-embedding-2` takes none: Google documents that what
//! the vectors are for is to be written in front of the text, so that is done there.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Gemini;
use super::request::{path, unwritable};
use crate::capability::Warning;
use crate::capability::embed::EmbedRequest;
use crate::error::Result;
use crate::provider::vector::Vector;
use crate::provider::{BatchLimit, EmbedBatch, EmbedProvider, WireRequest, merge, not_json};

impl EmbedProvider for Gemini {
    /// 100 texts by the server's own error; no limit of them together is documented.
    fn batch_limit(&self, _model: &str) -> BatchLimit {
        BatchLimit {
            inputs: 100,
            bytes: 4 << 20,
        }
    }

    fn request(
        &self,
        request: &EmbedRequest,
        inputs: &[String],
        model: &str,
    ) -> Result<WireRequest> {
        let path = path(model, "batchEmbedContents")?;
        let name = match model.split_once('/') {
            Some(_) => model.to_owned(),
            None => format!("models/{model}"),
        };
        let mut warnings = Vec::new();
        let mut task = Task::of(request.input_type.as_deref(), &name);
        if let Task::Unknown(word) = task {
            warnings.push(Warning::new(
                "inputType",
                format!(
                    "{model} has no word for {word}; write what the vectors are for into the texts."
                ),
            ));
            task = Task::None;
        }
        let mut requests = Vec::with_capacity(inputs.len());
        for input in inputs {
            let text = task.text(input);
            let mut one = Map::new();
            one.insert("model".into(), name.as_str().into());
            one.insert("content".into(), json!({ "parts": [{ "text": text }] }));
            if let Task::Type(kind) = &task {
                one.insert("taskType".into(), (*kind).into());
            }
            if let Some(dimensions) = request.dimensions {
                one.insert("outputDimensionality".into(), dimensions.into());
            }
            merge(&mut one, &request.provider_options);
            requests.push(Value::Object(one));
        }
        let body = serde_json::to_vec(&json!({ "requests": requests }))
            .map_err(|error| unwritable(&error))?;
        Ok(WireRequest::json(path, body).with_warnings(warnings))
    }

    fn response(&self, body: &[u8]) -> Result<EmbedBatch> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|error| not_json("Gemini's embeddings", &error))?;
        Ok(EmbedBatch {
            vectors: answer
                .embeddings
                .into_iter()
                .map(|embedding| embedding.values.0)
                .collect(),
            input_tokens: answer
                .usage_metadata
                .and_then(|usage| usage.prompt_token_count),
            model: None,
            id: None,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    embeddings: Vec<Embedding>,
    usage_metadata: Option<WireUsage>,
}

#[derive(Deserialize)]
struct Embedding {
    values: Vector,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUsage {
    prompt_token_count: Option<u64>,
}

/// How a model is told what the vectors are for.
enum Task<'a> {
    None,
    Type(&'a str),
    /// Goes in front of the text.
    Prefix(&'static str),
    Unknown(&'a str),
}

impl<'a> Task<'a> {
    fn of(input_type: Option<&'a str>, model: &str) -> Self {
        let Some(input_type) = input_type else {
            return Task::None;
        };
        if model.contains("gemini-embedding-2") {
            return match input_type {
                "query" | "RETRIEVAL_QUERY" => Task::Prefix("task: search result | query: "),
                "document" | "RETRIEVAL_DOCUMENT" => Task::Prefix("title: none | text: "),
                "similarity" | "SEMANTIC_SIMILARITY" => {
                    Task::Prefix("task: sentence similarity | query: ")
                }
                "classification" | "CLASSIFICATION" => {
                    Task::Prefix("task: classification | query: ")
                }
                "clustering" | "CLUSTERING" => Task::Prefix("task: clustering | query: "),
                "QUESTION_ANSWERING" => Task::Prefix("task: question answering | query: "),
                "FACT_VERIFICATION" => Task::Prefix("task: fact checking | query: "),
                "CODE_RETRIEVAL_QUERY" => Task::Prefix("task: code retrieval | query: "),
                other => Task::Unknown(other),
            };
        }
        Task::Type(match input_type {
            "query" => "RETRIEVAL_QUERY",
            "document" => "RETRIEVAL_DOCUMENT",
            "similarity" => "SEMANTIC_SIMILARITY",
            "classification" => "CLASSIFICATION",
            "clustering" => "CLUSTERING",
            other => other,
        })
    }

    fn text<'t>(&self, input: &'t str) -> Cow<'t, str> {
        match self {
            Task::Prefix(prefix) => Cow::Owned(format!("{prefix}{input}")),
            _ => Cow::Borrowed(input),
        }
    }
}
