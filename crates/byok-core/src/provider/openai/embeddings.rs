//! Embeddings as OpenAI speaks them and most others do: `POST /embeddings`, vectors as numbers or as
//! base64 of 32-bit floats. Source: the `openai` 7 types (`EmbeddingCreateParams`), and the providers'
//! API descriptions for what differs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};

use super::text::Text;
use crate::capability::Warning;
use crate::capability::embed::EmbedRequest;
use crate::error::{Error, Result};
use crate::provider::vector::Vector;
use crate::provider::{BatchLimit, EmbedBatch, WireRequest, merge, not_json};

/// One server's way of speaking embeddings.
#[derive(Debug, Clone, Copy)]
pub struct EmbedDialect {
    pub path: &'static str,
    /// The field of `dimensions`; `None` where no model can shorten its vectors.
    pub dimensions: Option<&'static str>,
    /// The field of `inputType`.
    pub input_type: Option<&'static str>,
    /// Our kinds of inputs and the server's words for them, where they differ.
    pub input_types: &'static [(&'static str, &'static str)],
    /// What is asked for in `encoding_format`; nothing with `None`.
    pub encoding: Option<&'static str>,
    /// The vectors come as base64 of signed bytes (Perplexity), not of 32-bit floats.
    pub quantised: bool,
    pub limit: BatchLimit,
}

/// What is assumed of a server of which nothing is known.
pub const COMPATIBLE: EmbedDialect = EmbedDialect {
    path: "/embeddings",
    dimensions: Some("dimensions"),
    input_type: None,
    input_types: &[],
    encoding: None,
    quantised: false,
    limit: BatchLimit {
        inputs: 256,
        bytes: 300_000,
    },
};

/// OpenAI takes 2048 inputs of 300,000 tokens together.
pub const OPENAI: EmbedDialect = EmbedDialect {
    encoding: Some("base64"),
    limit: BatchLimit {
        inputs: 2048,
        bytes: 300_000,
    },
    ..COMPATIBLE
};

/// Makes the request for one batch. `name` is the provider's, for warnings.
///
/// # Errors
/// `INVALID_ARGUMENT` for a `providerOptions.encoding_format` that makes no vectors of numbers.
pub fn request(
    request: &EmbedRequest,
    inputs: &[String],
    model: &str,
    name: &str,
    dialect: &EmbedDialect,
) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("input".into(), inputs.into());
    if let Some(dimensions) = request.dimensions {
        match dialect.dimensions {
            Some(field) => {
                body.insert(field.into(), dimensions.into());
            }
            None => warnings.push(Warning::new(
                "dimensions",
                format!("{name} can't shorten its vectors; they have the model's own length."),
            )),
        }
    }
    if let Some(input_type) = &request.input_type {
        match dialect.input_type {
            Some(field) => {
                let theirs = dialect
                    .input_types
                    .iter()
                    .find(|(ours, _)| ours == input_type);
                let word = theirs.map_or(input_type.as_str(), |(_, theirs)| theirs);
                body.insert(field.into(), word.into());
            }
            None => warnings.push(Warning::new(
                "inputType",
                format!("{name} does not tell kinds of inputs apart; it was left out."),
            )),
        }
    }
    if let Some(encoding) = dialect.encoding {
        body.insert("encoding_format".into(), encoding.into());
    }
    merge(&mut body, &request.provider_options);
    check_encoding(&body, dialect)?;
    let body =
        serde_json::to_vec(&body).map_err(|error| Error::invalid_argument(error.to_string()))?;
    Ok(WireRequest::json(dialect.path, body).with_warnings(warnings))
}

/// Packed bits and the like are no vectors of numbers, and an answer does not say which it is.
fn check_encoding(body: &Map<String, Value>, dialect: &EmbedDialect) -> Result<()> {
    let given = body.get("encoding_format").map(Value::as_str);
    let is_readable = match given {
        None => true,
        Some(Some(encoding)) if dialect.quantised => Some(encoding) == dialect.encoding,
        Some(encoding) => matches!(encoding, Some("float" | "base64")),
    };
    if !is_readable {
        return Err(Error::invalid_argument(
            "providerOptions.encoding_format: the vectors could not be read back. Leave it out.",
        ));
    }
    let kind = body.get("output_dtype").and_then(Value::as_str);
    if given == Some(Some("base64")) && kind.is_some_and(|kind| kind != "float") {
        return Err(Error::invalid_argument(
            "providerOptions.output_dtype: base64 of anything but floats could not be read back. Leave out encoding_format.",
        ));
    }
    Ok(())
}

/// # Errors
/// `BAD_RESPONSE` for anything that is not a list of vectors.
pub fn response(body: &[u8], dialect: &EmbedDialect) -> Result<EmbedBatch> {
    if dialect.quantised {
        read::<SignedBytes>(body, |bytes| bytes.0)
    } else {
        read::<Vector>(body, |vector| vector.0)
    }
}

fn read<'a, V: Deserialize<'a>>(
    body: &'a [u8],
    numbers: impl Fn(V) -> Vec<f32>,
) -> Result<EmbedBatch> {
    let answer: Answer<V> =
        serde_json::from_slice(body).map_err(|error| not_json("The embeddings", &error))?;
    let mut data = answer.data;
    if data.iter().all(|item| item.index.is_some()) {
        data.sort_by_key(|item| item.index);
    }
    let usage = answer.usage;
    Ok(EmbedBatch {
        vectors: data
            .into_iter()
            .map(|item| numbers(item.embedding))
            .collect(),
        input_tokens: usage.and_then(|usage| usage.prompt_tokens.or(usage.total_tokens)),
        model: Some(answer.model.to_string()).filter(|model| !model.is_empty()),
        id: Some(answer.id.to_string()).filter(|id| !id.is_empty()),
    })
}

#[derive(Deserialize)]
#[serde(bound = "V: Deserialize<'de>")]
struct Answer<'a, V> {
    data: Vec<Item<V>>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item<V> {
    index: Option<u64>,
    embedding: V,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

/// Base64 of signed bytes, as numbers.
struct SignedBytes(Vec<f32>);

impl<'de> Deserialize<'de> for SignedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        let numbers = bytes.into_iter().map(|byte| byte.cast_signed().into());
        Ok(SignedBytes(numbers.collect()))
    }
}
