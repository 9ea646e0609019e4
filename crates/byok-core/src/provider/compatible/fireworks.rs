//! Fireworks' images: a path per model, and the picture itself as the answer. Models that are asked for
//! their result again and again (FLUX Kontext) are not served. Source: `@ai-sdk/fireworks` 4.

use serde_json::Map;

use crate::capability::image::ImageRequest;
use crate::capability::media::sniff;
use crate::error::{Error, Result};
use crate::provider::openai::parts::no_place;
use crate::provider::openai::speech::{json_request, left_out};
use crate::provider::wire::path_of;
use crate::provider::{GeneratedImages, ImageSource, WireRequest};

/// # Errors
/// `INVALID_ARGUMENT` for input images, a mask, and a model that answers later.
pub fn image(request: &ImageRequest, _n: u32, model: &str, name: &str) -> Result<WireRequest> {
    if !request.sources.is_empty() {
        return Err(no_place("images", "input images here", name));
    }
    if model.contains("flux-kontext") {
        return Err(Error::invalid_argument(format!(
            "model: {model} gives its image only later, which is not supported. Use a model that answers at once, for example accounts/fireworks/models/flux-1-schnell-fp8."
        )));
    }
    let mut warnings = Vec::new();
    let mut body = Map::new();
    body.insert("prompt".into(), request.prompt.as_str().into());
    let takes_sizes = takes_sizes(model);
    match (&request.size, request.dimensions()) {
        (Some(_), Some((width, height))) if takes_sizes => {
            body.insert("width".into(), width.into());
            body.insert("height".into(), height.into());
        }
        (Some(_), _) => warnings.push(left_out("size", model, "takes an aspectRatio instead")),
        (None, _) => {}
    }
    match &request.aspect_ratio {
        Some(_) if takes_sizes => {
            warnings.push(left_out("aspectRatio", model, "takes a size instead"));
        }
        Some(ratio) => {
            body.insert("aspect_ratio".into(), ratio.as_str().into());
        }
        None => {}
    }
    if let Some(seed) = request.seed {
        body.insert("seed".into(), seed.into());
    }
    for (option, is_given) in [
        ("quality", request.quality.is_some()),
        ("background", request.background.is_some()),
    ] {
        if is_given {
            warnings.push(left_out(option, name, "has no choice of it"));
        }
    }
    let place = path_of(model)?;
    let path = if takes_sizes {
        format!("/image_generation/{place}")
    } else {
        format!("/workflows/{place}/text_to_image")
    };
    let mut wire = json_request(path, body, &request.provider_options, warnings)?;
    let accept = match request.format.as_deref() {
        Some("jpeg") => "image/jpeg",
        _ => "image/png",
    };
    wire.headers.push(("accept", accept.to_owned()));
    Ok(wire)
}

/// The diffusion models before FLUX.
fn takes_sizes(model: &str) -> bool {
    ["playground-", "stable-diffusion", "SSD-1B"]
        .iter()
        .any(|part| model.contains(part))
}

/// # Errors
/// `BAD_RESPONSE` for a body that is no image.
pub fn image_answer(body: &[u8]) -> Result<GeneratedImages> {
    if !sniff(body).is_some_and(|kind| kind.starts_with("image/")) {
        return Err(Error::bad_response(
            "The provider answered with something else than an image.",
        ));
    }
    Ok(GeneratedImages {
        images: vec![ImageSource::Bytes {
            data: body.to_vec(),
            media_type: None,
            revised_prompt: None,
        }],
        ..GeneratedImages::default()
    })
}
