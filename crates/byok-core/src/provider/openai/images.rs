//! Images as OpenAI makes them: JSON for `POST /images/generations`, a form (or JSON, when images are
//! URLs) for `POST /images/edits`. Source: the `openai` 7 types (`ImageGenerateParams`, `ImageEditParams`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::form::{Arrays, Form};
use super::parts::no_place;
use super::speech::{json_request, left_out};
use crate::capability::Warning;
use crate::capability::image::ImageRequest;
use crate::capability::media::Media;
use crate::error::{Error, Result};
use crate::provider::{FileContent, FormField, WireBody, WireRequest};

/// One server's way of speaking OpenAI's images.
#[derive(Debug, Clone, Copy)]
pub struct ImageDialect {
    /// Which models must be asked for base64; those of the others refuse to be asked, and give nothing else.
    pub asks_for_base64: fn(&str) -> bool,
    /// Whether an edit takes URLs (as JSON) beside bytes.
    pub edits_by_url: bool,
    pub most_at_once: fn(&str) -> u32,
}

pub const OPENAI: ImageDialect = ImageDialect {
    asks_for_base64: |model| model.starts_with("dall-e"),
    edits_by_url: true,
    most_at_once: |model| if model.starts_with("dall-e-3") { 1 } else { 10 },
};

/// What is assumed of a server of which nothing is known: it may give URLs, which are fetched.
pub const COMPATIBLE: ImageDialect = ImageDialect {
    edits_by_url: false,
    most_at_once: |_| 1,
    ..OPENAI
};

/// # Errors
/// `INVALID_ARGUMENT` for images by URL where the server takes bytes only.
pub fn request(
    request: &ImageRequest,
    n: u32,
    model: &str,
    name: &str,
    dialect: &ImageDialect,
) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let body = fields(request, n, model, name, dialect, &mut warnings);
    if request.sources.is_empty() {
        return json_request(
            "/images/generations",
            body,
            &request.provider_options,
            warnings,
        );
    }
    let is_url = |media: &Media| matches!(media, Media::Url(_));
    let mut all = request.sources.iter().chain(&request.mask_source);
    if !all.any(is_url) {
        return Ok(edit_form(request, body)?.with_warnings(warnings));
    }
    if !dialect.edits_by_url {
        return Err(no_place("images", "images by URL (send the bytes)", name));
    }
    edit_by_url(request, body, warnings)
}

/// What generations and edits have in common.
fn fields(
    request: &ImageRequest,
    n: u32,
    model: &str,
    name: &str,
    dialect: &ImageDialect,
    warnings: &mut Vec<Warning>,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("prompt".into(), request.prompt.as_str().into());
    if request.n.is_some() {
        body.insert("n".into(), n.into());
    }
    let size = request
        .size
        .clone()
        .or_else(|| size_of(request.aspect_ratio.as_deref()?, model, warnings));
    let options = [
        ("size", &size),
        ("quality", &request.quality),
        ("background", &request.background),
        ("output_format", &request.format),
    ];
    for (field, value) in options {
        if let Some(value) = value {
            body.insert(field.into(), value.as_str().into());
        }
    }
    if (dialect.asks_for_base64)(model) {
        body.insert("response_format".into(), "b64_json".into());
    }
    if request.seed.is_some() {
        warnings.push(left_out("seed", name, "takes none"));
    }
    body
}

/// The size that comes nearest to an aspect ratio, of the three that every model takes.
fn size_of(ratio: &str, model: &str, warnings: &mut Vec<Warning>) -> Option<String> {
    let (wide, tall) = if model.starts_with("dall-e-3") {
        ((1792, 1024), (1024, 1792))
    } else {
        ((1536, 1024), (1024, 1536))
    };
    let Some(wanted) = quotient(ratio) else {
        warnings.push(Warning::new(
            "aspectRatio",
            format!("{ratio:?} is no ratio like \"3:2\"; it was left out."),
        ));
        return None;
    };
    let nearest = [(1024, 1024), wide, tall]
        .into_iter()
        .min_by(|a, b| distance(*a, wanted).total_cmp(&distance(*b, wanted)))?;
    let size = format!("{}x{}", nearest.0, nearest.1);
    if distance(nearest, wanted) > 0.01 {
        warnings.push(Warning::new(
            "aspectRatio",
            format!("{model} has no {ratio}; the nearest size is {size}."),
        ));
    }
    Some(size)
}

fn quotient(ratio: &str) -> Option<f64> {
    let (width, height) = ratio.split_once(':')?;
    let quotient = width.trim().parse::<f64>().ok()? / height.trim().parse::<f64>().ok()?;
    (quotient.is_finite() && quotient > 0.0).then_some(quotient)
}

/// How many times wider or narrower, as a logarithm.
fn distance((width, height): (u32, u32), wanted: f64) -> f64 {
    (f64::from(width) / f64::from(height) / wanted).ln().abs()
}

fn edit_form(request: &ImageRequest, body: Map<String, Value>) -> Result<WireRequest> {
    let mut form = Form::new(Arrays::Brackets);
    form.merge(&body);
    form.merge(&request.provider_options);
    // As the official SDKs name them: dall-e-2 knows only the lone one.
    let name = if request.sources.len() == 1 {
        "image"
    } else {
        "image[]"
    };
    let mut files = Vec::new();
    for (index, image) in request.sources.iter().enumerate() {
        files.push(file(name, &format!("image-{index}"), image)?);
    }
    if let Some(mask) = &request.mask_source {
        files.push(file("mask", "mask", mask)?);
    }
    Ok(WireRequest::new(
        "/images/edits",
        WireBody::Form(form.with_files(files)),
    ))
}

fn file(name: &'static str, stem: &str, media: &Media) -> Result<FormField> {
    let Media::Inline { media_type, base64 } = media else {
        return Err(Error::invalid_argument("images: send the bytes, no URL."));
    };
    let bytes = STANDARD
        .decode(base64)
        .map_err(|_| Error::invalid_argument("images: an image is not base64."))?;
    let extension = media_type.rsplit('/').next().unwrap_or("png");
    Ok(FormField::file(
        name,
        format!("{stem}.{extension}"),
        media_type.as_str(),
        FileContent::Bytes(bytes),
    ))
}

fn edit_by_url(
    request: &ImageRequest,
    mut body: Map<String, Value>,
    warnings: Vec<Warning>,
) -> Result<WireRequest> {
    let reference = |media: &Media| json!({ "image_url": media.to_url() });
    let images: Vec<Value> = request.sources.iter().map(reference).collect();
    body.insert("images".into(), images.into());
    if let Some(mask) = &request.mask_source {
        body.insert("mask".into(), reference(mask));
    }
    json_request("/images/edits", body, &request.provider_options, warnings)
}
