//! What xAI does its own way: `/tts`, `/stt` and edits of images as JSON. Source: `@ai-sdk/xai` 4 and recorded
//! traffic. Neither speech API takes a model; the names here only fill the result.

use serde_json::{Map, Value, json};

use crate::capability::Warning;
use crate::capability::image::ImageRequest;
use crate::capability::speech::SpeechRequest;
use crate::capability::transcription::{Timestamps, TranscriptionRequest};
use crate::error::Result;
use crate::provider::WireRequest;
use crate::provider::openai::form::{Arrays, Form};
use crate::provider::openai::parts::no_place;
use crate::provider::openai::speech::{json_request, left_out};
use crate::provider::openai::transcription::form_request;

pub fn speech(
    request: &SpeechRequest,
    _model: &str,
    _stream: bool,
    name: &str,
) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let mut body = Map::new();
    body.insert("text".into(), request.text.as_str().into());
    let language = request.language.as_deref().unwrap_or("auto");
    body.insert("language".into(), language.into());
    if let Some(voice) = &request.voice {
        body.insert("voice_id".into(), voice.as_str().into());
    }
    if let Some(format) = &request.format {
        body.insert("output_format".into(), json!({ "codec": format }));
    }
    if let Some(speed) = request.speed {
        body.insert("speed".into(), speed.into());
    }
    if request.instructions.is_some() {
        warnings.push(left_out(
            "instructions",
            name,
            "takes none; its speech tags stand in the text",
        ));
    }
    json_request("/tts", body, &request.provider_options, warnings)
}

/// Words have times in any case.
pub fn transcription(
    request: &TranscriptionRequest,
    _model: &str,
    name: &str,
) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let mut form = Form::new(Arrays::Repeated);
    if let Some(language) = &request.language {
        form.text("language", language.as_str());
    }
    if request.diarize == Some(true) {
        form.text("diarize", "true");
    }
    if request.timestamps == Some(Timestamps::Segment) {
        warnings.push(Warning::new(
            "timestamps",
            format!("{name} gives the times of words, not of segments."),
        ));
    }
    if request.prompt.is_some() {
        warnings.push(left_out(
            "prompt",
            name,
            "takes words as providerOptions: { keyterm: [...] } instead",
        ));
    }
    if request.temperature.is_some() {
        warnings.push(left_out("temperature", name, "takes none"));
    }
    form.merge(&request.provider_options);
    Ok(form_request("/stt", form, request).with_warnings(warnings))
}

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
    body.insert("response_format".into(), "b64_json".into());
    let ratio = request
        .aspect_ratio
        .clone()
        .or_else(|| ratio_of(request, name, &mut warnings));
    let options = [
        ("aspect_ratio", &ratio),
        ("quality", &request.quality),
        ("output_format", &request.format),
    ];
    for (field, value) in options {
        if let Some(value) = value {
            body.insert(field.into(), value.as_str().into());
        }
    }
    if request.background.is_some() {
        warnings.push(left_out("background", name, "has no choice of it"));
    }
    if request.seed.is_some() {
        warnings.push(left_out("seed", name, "takes none"));
    }
    let mut images: Vec<Value> = request
        .sources
        .iter()
        .map(|image| json!({ "type": "image_url", "url": image.to_url() }))
        .collect();
    let path = match images.len() {
        0 => "/images/generations",
        1 => {
            body.insert("image".into(), images.remove(0));
            "/images/edits"
        }
        _ => {
            body.insert("images".into(), images.into());
            "/images/edits"
        }
    };
    json_request(path, body, &request.provider_options, warnings)
}

/// The shape of a size, since only that can be chosen.
fn ratio_of(request: &ImageRequest, name: &str, warnings: &mut Vec<Warning>) -> Option<String> {
    request.size.as_ref()?;
    let Some((width, height)) = request.dimensions().filter(|(w, h)| *w > 0 && *h > 0) else {
        warnings.push(left_out("size", name, "takes an aspectRatio instead"));
        return None;
    };
    let divisor = greatest_common_divisor(width, height);
    let ratio = format!("{}:{}", width / divisor, height / divisor);
    warnings.push(Warning::new(
        "size",
        format!("{name} has no sizes; the aspect ratio {ratio} was sent."),
    ));
    Some(ratio)
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
