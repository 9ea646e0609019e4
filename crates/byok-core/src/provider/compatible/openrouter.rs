//! OpenRouter's images: one endpoint for making and changing them, whoever makes them. Source: the
//! `@openrouter/sdk` types (`ImageGenerationRequest`) and recorded traffic.

use serde_json::{Map, Value, json};

use crate::capability::image::ImageRequest;
use crate::error::Result;
use crate::provider::WireRequest;
use crate::provider::openai::parts::no_place;
use crate::provider::openai::speech::json_request;

/// # Errors
/// `INVALID_ARGUMENT` for a mask.
pub fn image(request: &ImageRequest, n: u32, model: &str, name: &str) -> Result<WireRequest> {
    if request.mask_source.is_some() {
        return Err(no_place("mask", "masks", name));
    }
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("prompt".into(), request.prompt.as_str().into());
    if request.n.is_some() {
        body.insert("n".into(), n.into());
    }
    let options = [
        ("size", &request.size),
        ("aspect_ratio", &request.aspect_ratio),
        ("quality", &request.quality),
        ("background", &request.background),
        ("output_format", &request.format),
    ];
    for (field, value) in options {
        if let Some(value) = value {
            body.insert(field.into(), value.as_str().into());
        }
    }
    if let Some(seed) = request.seed {
        body.insert("seed".into(), seed.into());
    }
    if !request.sources.is_empty() {
        let references: Vec<Value> = request
            .sources
            .iter()
            .map(|image| json!({ "type": "image_url", "image_url": { "url": image.to_url() } }))
            .collect();
        body.insert("input_references".into(), references.into());
    }
    json_request("/images", body, &request.provider_options, Vec::new())
}
