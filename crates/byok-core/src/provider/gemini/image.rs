//! Images through `generateContent` with the modality IMAGE: one a request, and edits by sending images
//! along. Gemini thinks of images in aspect ratios and three sizes, so a size in pixels becomes the nearest
//! of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Gemini;
use super::failure;
use super::media::MediaPart;
use super::outcome::finish_reason;
use super::request::{generate, path, unwritable};
use super::wire::Answer;
use crate::capability::Warning;
use crate::capability::chat::FinishReason;
use crate::capability::image::{ImageRequest, ImageUsage};
use crate::error::{Code, Error, Result};
use crate::provider::{GeneratedImages, ImageProvider, ImageSource, WireRequest, merge, not_json};

/// By the API's description (`ImageConfig`).
const RATIOS: [(&str, f64); 14] = [
    ("1:1", 1.0),
    ("1:4", 1.0 / 4.0),
    ("4:1", 4.0),
    ("1:8", 1.0 / 8.0),
    ("8:1", 8.0),
    ("2:3", 2.0 / 3.0),
    ("3:2", 3.0 / 2.0),
    ("3:4", 3.0 / 4.0),
    ("4:3", 4.0 / 3.0),
    ("4:5", 4.0 / 5.0),
    ("5:4", 5.0 / 4.0),
    ("9:16", 9.0 / 16.0),
    ("16:9", 16.0 / 9.0),
    ("21:9", 21.0 / 9.0),
];

impl ImageProvider for Gemini {
    fn most_at_once(&self, _model: &str) -> u32 {
        1
    }

    fn request(&self, request: &ImageRequest, _n: u32, model: &str) -> Result<WireRequest> {
        if request.mask_source.is_some() {
            return Err(Error::invalid_argument(
                "mask: Gemini takes no mask. Say in the prompt what is to change.",
            ));
        }
        let mut warnings = Vec::new();
        let path = path(model, generate(false))?;
        let mut config = json!({ "responseModalities": ["IMAGE"] });
        if let Some(seed) = request.seed {
            config["seed"] = seed.into();
        }
        let image_config = image_config(request, model, &mut warnings);
        if !image_config.is_empty() {
            config["imageConfig"] = image_config.into();
        }
        for (option, value, advice) in [
            (
                "quality",
                &request.quality,
                "size: \"2K\" or \"4K\" makes larger images",
            ),
            ("background", &request.background, "say it in the prompt"),
            ("format", &request.format, "contentType says what came"),
        ] {
            if value.is_some() {
                warnings.push(Warning::new(
                    option,
                    format!("Gemini has no {option}; {advice}."),
                ));
            }
        }
        let mut parts = vec![Part {
            text: Some(&request.prompt),
            media: None,
        }];
        parts.extend(request.sources.iter().map(|source| Part {
            text: None,
            media: Some(MediaPart::new(source, None)),
        }));
        let mut rest = Map::new();
        rest.insert("generationConfig".into(), config);
        merge(&mut rest, &request.provider_options);
        let contents = [Content {
            role: "user",
            parts,
        }];
        let body = Body {
            contents: (!rest.contains_key("contents")).then_some(contents),
            rest,
        };
        let body = serde_json::to_vec(&body).map_err(|error| unwritable(&error))?;
        Ok(WireRequest::json(path, body).with_warnings(warnings))
    }

    fn response(&self, _request: &ImageRequest, body: &[u8]) -> Result<GeneratedImages> {
        let answer: Answer<'_> =
            serde_json::from_slice(body).map_err(|error| not_json("Gemini's image", &error))?;
        if let Some(error) = answer.error {
            return Err(failure::read_error(error.get()).into_error());
        }
        let mut images = Vec::new();
        let mut reason = None;
        for candidate in answer.candidates.as_deref().unwrap_or_default() {
            reason = reason.or(candidate.finish_reason.as_deref());
            let content = candidate.content.as_ref();
            let parts = content.and_then(|content| content.parts.as_deref());
            // Thoughts can hold drafts.
            let parts = parts.unwrap_or_default().iter();
            for part in parts.filter(|part| part.thought != Some(true)) {
                if let Some(data) = &part.inline_data {
                    images.push(source(
                        data.mime_type.as_deref(),
                        data.data.as_deref().unwrap_or_default(),
                    )?);
                }
            }
        }
        if images.is_empty() {
            let blocked = answer.prompt_feedback.as_ref();
            let blocked = blocked.and_then(|feedback| feedback.block_reason.as_deref());
            return Err(no_image(blocked, reason));
        }
        let usage = answer.usage_metadata.as_ref();
        Ok(GeneratedImages {
            images,
            usage: usage.map_or_else(ImageUsage::default, |usage| ImageUsage {
                input_tokens: usage.prompt_token_count,
                output_tokens: usage
                    .candidates_token_count
                    .map(|tokens| tokens.saturating_add(usage.thoughts_token_count.unwrap_or(0))),
                total_tokens: usage.total_token_count,
            }),
            model: answer.model_version.map(|model| model.to_string()),
            id: answer.response_id.map(|id| id.to_string()),
            warnings: Vec::new(),
        })
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<[Content<'a>; 1]>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize)]
struct Content<'a> {
    role: &'static str,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    media: Option<MediaPart<'a>>,
}

fn image_config(
    request: &ImageRequest,
    model: &str,
    warnings: &mut Vec<Warning>,
) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(ratio) = &request.aspect_ratio {
        config.insert("aspectRatio".into(), ratio.as_str().into());
    }
    let Some(size) = &request.size else {
        return config;
    };
    let image_size = match request.dimensions() {
        Some((width, height)) => {
            let (ratio, is_exact) = nearest_ratio(width, height);
            config.insert("aspectRatio".into(), ratio.into());
            let size = match width.max(height) {
                0..=1536 => "1K",
                1537..=3072 => "2K",
                _ => "4K",
            };
            if !is_exact {
                warnings.push(Warning::new(
                    "size",
                    format!("Gemini makes images of certain shapes; {ratio} is the nearest to {width}x{height}."),
                ));
            }
            size
        }
        // `1K`, `2K` and `4K`, or what comes after them.
        None => size.as_str(),
    };
    if model.contains("gemini-2.5-") {
        if image_size != "1K" {
            warnings.push(Warning::new(
                "size",
                "Gemini 2.5 makes images of one size; only the shape was asked for.",
            ));
        }
    } else {
        config.insert("imageSize".into(), image_size.into());
    }
    config
}

/// The ratio that is nearest by factor, and whether it is the very one.
fn nearest_ratio(width: u32, height: u32) -> (&'static str, bool) {
    let wanted = f64::from(width.max(1)) / f64::from(height.max(1));
    let distance = |ratio: f64| (ratio / wanted).ln().abs();
    let nearest = RATIOS
        .iter()
        .min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
    let (name, ratio) = nearest.copied().unwrap_or(("1:1", 1.0));
    (name, distance(ratio) < 0.01)
}

fn source(media_type: Option<&str>, base64: &str) -> Result<ImageSource> {
    let data = STANDARD.decode(base64).map_err(|_| {
        Error::bad_response("Gemini's image is no valid base64. Send the request again.")
            .with_retryable(true)
    })?;
    Ok(ImageSource::Bytes {
        data,
        media_type: media_type.map(str::to_owned),
        revised_prompt: None,
    })
}

fn no_image(blocked: Option<&str>, reason: Option<&str>) -> Error {
    let filtered = reason.filter(|raw| finish_reason(raw, false) == FinishReason::ContentFilter);
    if let Some(reason) = blocked.or(filtered) {
        return Error::new(
            Code::ContentFiltered,
            format!("Gemini's filter let no image through ({reason}). Change the prompt."),
        );
    }
    let reason = reason.unwrap_or("no reason given");
    Error::bad_response(format!(
        "Gemini answered without an image ({reason}). Send the request again, with a prompt that plainly asks for one."
    ))
    .with_retryable(true)
}

#[cfg(test)]
mod tests {
    use super::nearest_ratio;

    #[test]
    fn pixels_become_the_nearest_shape() {
        assert_eq!(nearest_ratio(1024, 1024), ("1:1", true));
        assert_eq!(nearest_ratio(1024, 1536), ("2:3", true));
        assert_eq!(nearest_ratio(1920, 1080), ("16:9", true));
        assert_eq!(nearest_ratio(1000, 1100), ("1:1", false));
        assert_eq!(nearest_ratio(0, 0), ("1:1", true));
    }
}
