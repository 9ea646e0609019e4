//! Image generation and edits of a defined provider.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::ScriptedProvider;
use super::chat::media;
use super::embed::raw;
use super::failure::Said;
use crate::capability::Warning;
use crate::capability::image::{ImageRequest, ImageUsage};
use crate::error::Result;
use crate::provider::{GeneratedImages, ImageSource, WireRequest};

/// One request for images on its way through a provider's functions.
pub struct ScriptedImage<'a> {
    provider: &'a ScriptedProvider,
    request: Box<RawValue>,
    options: &'a Map<String, Value>,
    n: u32,
    model: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<Value>,
}

#[derive(Serialize)]
struct RequestArguments<'a> {
    request: &'a RawValue,
    n: u32,
    model: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    images: Vec<Image>,
    usage: Option<Counted>,
    model: Option<String>,
    id: Option<String>,
    #[serde(default)]
    warnings: Vec<Warning>,
    error: Option<Said>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Image {
    base64: Option<String>,
    media_type: Option<String>,
    url: Option<String>,
    revised_prompt: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counted {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

impl ScriptedProvider {
    pub fn most_images_at_once(&self) -> u32 {
        let image = self.definition.generate_image.as_ref();
        image.map_or(1, |image| image.most_at_once)
    }

    pub fn image<'a>(
        &'a self,
        request: &'a ImageRequest,
        n: u32,
        model: &'a str,
    ) -> Result<ScriptedImage<'a>> {
        let asked = Asked {
            prompt: &request.prompt,
            size: request.size.as_deref(),
            aspect_ratio: request.aspect_ratio.as_deref(),
            quality: request.quality.as_deref(),
            background: request.background.as_deref(),
            format: request.format.as_deref(),
            seed: request.seed,
            images: request.sources.iter().map(media).collect(),
            mask: request.mask_source.as_ref().map(media),
        };
        Ok(ScriptedImage {
            provider: self,
            request: raw(&asked)?,
            options: &request.provider_options,
            n,
            model,
        })
    }
}

impl ScriptedImage<'_> {
    pub async fn request(&self) -> Result<WireRequest> {
        let function = "generateImage.request";
        let arguments = RequestArguments {
            request: &self.request,
            n: self.n,
            model: self.model,
        };
        self.provider
            .outgoing(function, &arguments, self.options, None)
            .await
    }

    pub async fn response(&self, body: &str) -> Result<GeneratedImages> {
        let function = "generateImage.response";
        let answer: Answer = self
            .provider
            .incoming(function, body, &self.request, self.model)
            .await?;
        if let Some(said) = answer.error {
            return Err(said.into_failure().into_error());
        }
        let sources = answer.images.into_iter().map(Image::into_source);
        let usage = answer.usage.unwrap_or_default();
        Ok(GeneratedImages {
            images: sources.collect::<Option<_>>().ok_or_else(|| {
                let what = ": an image needs url or base64 (valid base64), and not both";
                self.provider.malformed(function, what)
            })?,
            usage: ImageUsage {
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                total_tokens: usage.total_tokens,
            },
            model: answer.model,
            id: answer.id,
            warnings: answer.warnings,
        })
    }
}

impl Image {
    fn into_source(self) -> Option<ImageSource> {
        let revised_prompt = self.revised_prompt;
        match (self.base64, self.url) {
            (Some(base64), None) => Some(ImageSource::Bytes {
                data: STANDARD.decode(base64).ok()?,
                media_type: self.media_type,
                revised_prompt,
            }),
            (None, Some(url)) => Some(ImageSource::Url {
                url,
                revised_prompt,
            }),
            _ => None,
        }
    }
}
