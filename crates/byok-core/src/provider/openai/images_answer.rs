//! The answers with images in OpenAI's style, one reader for all: base64 or URLs, with a media type per
//! image (OpenRouter, xAI) or one for all (OpenAI), and usage under either pair of names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::text::Text;
use crate::capability::Warning;
use crate::capability::image::ImageUsage;
use crate::error::{Code, Error, Result};
use crate::provider::{GeneratedImages, ImageSource, not_json};

/// # Errors
/// `BAD_RESPONSE` for what is no list of images, `CONTENT_FILTERED` when the filter left none.
pub fn response(body: &[u8]) -> Result<GeneratedImages> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| not_json("The images", &error))?;
    let format = answer
        .output_format
        .and_then(filled)
        .map(|format| format!("image/{format}"));
    let mut images = Vec::new();
    let mut filtered = 0;
    for item in answer.data.unwrap_or_default() {
        if item.respect_moderation == Some(false) {
            filtered += 1;
            continue;
        }
        let revised_prompt = item.revised_prompt.and_then(filled);
        let (base64, url) = (item.b64_json, item.url.and_then(filled));
        images.push(match (base64.filter(|text| !text.is_empty()), url) {
            (Some(base64), _) => ImageSource::Bytes {
                data: STANDARD.decode(base64.as_bytes()).map_err(|_| {
                    Error::bad_response("An image is not the base64 that it should be.")
                })?,
                media_type: item.media_type.and_then(filled).or_else(|| format.clone()),
                revised_prompt,
            },
            (None, Some(url)) => ImageSource::Url {
                url,
                revised_prompt,
            },
            (None, None) => {
                return Err(Error::bad_response(
                    "The provider answered with an image that has neither data nor a URL.",
                ));
            }
        });
    }
    if images.is_empty() && filtered > 0 {
        return Err(Error::new(
            Code::ContentFiltered,
            "The provider's filter let no image through. Change the prompt.",
        ));
    }
    Ok(GeneratedImages {
        images,
        usage: answer.usage.map(Usage::read).unwrap_or_default(),
        model: filled(answer.model),
        id: filled(answer.id),
        warnings: withheld(filtered),
    })
}

fn filled(text: Text<'_>) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

fn withheld(count: usize) -> Vec<Warning> {
    if count == 0 {
        return Vec::new();
    }
    vec![Warning::new(
        "n",
        format!("The provider's filter withheld {count} of the images."),
    )]
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    data: Option<Vec<Item<'a>>>,
    #[serde(borrow, default)]
    output_format: Option<Text<'a>>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    b64_json: Option<Text<'a>>,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
    #[serde(borrow, default, alias = "mime_type")]
    media_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    revised_prompt: Option<Text<'a>>,
    /// xAI: false for an image that was withheld.
    respect_moderation: Option<bool>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(alias = "prompt_tokens")]
    input_tokens: Option<u64>,
    #[serde(alias = "completion_tokens")]
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

impl Usage {
    fn read(self) -> ImageUsage {
        ImageUsage {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            total_tokens: self.total_tokens,
        }
    }
}
