//! Together's images: width and height as numbers, input images as URLs in the JSON. Source: the
//! `together-ai` types (`ImageGenerateParams`) and `@ai-sdk/togetherai` 4.

use serde_json::{Map, Value};

use crate::capability::image::ImageRequest;
use crate::error::Result;
use crate::provider::WireRequest;
use crate::provider::openai::parts::no_place;
use crate::provider::openai::speech::{json_request, left_out};

/// # Errors
/// `INVALID_ARGUMENT` for a mask.
pub fn image(request: &ImageRequest, n: u32, model: &str, name: &str) -> Result<WireRequest> {
    if request.mask_source.is_some() {
        return Err(no_place("mask", "masks", name));
    }
    let mut warnings = Vec::new();
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("prompt".into(), request.prompt.as_str().into());
    if request.n.is_some() {
        body.insert("n".into(), n.into());
    }
    body.insert("response_format".into(), "base64".into());
    match (&request.size, request.dimensions()) {
        (Some(_), Some((width, height))) => {
            body.insert("width".into(), width.into());
            body.insert("height".into(), height.into());
        }
        (Some(_), None) => {
            warnings.push(left_out("size", name, "takes <width>x<height> only"));
        }
        (None, _) => {}
    }
    if request.aspect_ratio.is_some() {
        warnings.push(left_out("aspectRatio", name, "takes a size instead"));
    }
    for (option, is_given) in [
        ("quality", request.quality.is_some()),
        ("background", request.background.is_some()),
    ] {
        if is_given {
            warnings.push(left_out(option, name, "has no choice of it"));
        }
    }
    if let Some(format) = &request.format {
        body.insert("output_format".into(), format.as_str().into());
    }
    if let Some(seed) = request.seed {
        body.insert("seed".into(), seed.into());
    }
    match request.sources.as_slice() {
        [] => {}
        [only] => {
            body.insert("image_url".into(), only.to_url().into());
        }
        several => {
            let urls: Vec<Value> = several.iter().map(|image| image.to_url().into()).collect();
            body.insert("reference_images".into(), urls.into());
        }
    }
    json_request(
        "/images/generations",
        body,
        &request.provider_options,
        warnings,
    )
}
