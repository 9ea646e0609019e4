//! The `generateImage` capability: a prompt to images, and images with a prompt to others (edits).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::media::{Media, MediaInput};
use super::meta::Meta;
use crate::error::{Error, Result};

/// A request as the caller wrote it, without routing options.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageRequest {
    #[serde(default)]
    pub prompt: String,
    /// How many; 1 when absent.
    pub n: Option<u32>,
    /// `1024x1536`. Give this or `aspect_ratio`.
    pub size: Option<String>,
    /// `16:9`.
    pub aspect_ratio: Option<String>,
    /// `low`, `medium`, `high` or `auto`; others are passed on as they are.
    pub quality: Option<String>,
    /// `transparent`, `opaque` or `auto`.
    pub background: Option<String>,
    /// `png`, `jpeg` or `webp`.
    pub format: Option<String>,
    pub seed: Option<i64>,
    /// What is to be edited or used as a reference.
    #[serde(default)]
    pub images: Vec<MediaInput>,
    /// Where the first image may change: its transparent parts.
    pub mask: Option<MediaInput>,
    #[serde(default)]
    pub provider_options: Map<String, Value>,
    /// `images`, resolved by [`ImageRequest::prepare`].
    #[serde(skip)]
    pub sources: Vec<Media>,
    /// `mask`, resolved.
    #[serde(skip)]
    pub mask_source: Option<Media>,
}

pub const MAX_IMAGES: u32 = 100;

impl ImageRequest {
    /// # Errors
    /// `INVALID_ARGUMENT` for no prompt, both size and aspect ratio, a mask without an image, or images
    /// that can't be read.
    pub fn prepare(&mut self, attachments: &[Vec<u8>]) -> Result<()> {
        if self.prompt.trim().is_empty() {
            return Err(Error::invalid_argument(
                "prompt: say what the image should show.",
            ));
        }
        if self.size.is_some() && self.aspect_ratio.is_some() {
            return Err(Error::invalid_argument(
                "Give size or aspectRatio, not both.",
            ));
        }
        if !(1..=MAX_IMAGES).contains(&self.count()) {
            return Err(Error::invalid_argument(format!(
                "n must be from 1 to {MAX_IMAGES}."
            )));
        }
        if self.mask.is_some() && self.images.is_empty() {
            return Err(Error::invalid_argument(
                "mask: a mask needs an image to lie on. Give images, too.",
            ));
        }
        for (index, image) in self.images.iter().enumerate() {
            let path = format!("images[{index}]");
            self.sources.push(image.resolve(attachments, None, &path)?);
        }
        if let Some(mask) = &self.mask {
            self.mask_source = Some(mask.resolve(attachments, None, "mask")?);
        }
        Ok(())
    }

    pub fn count(&self) -> u32 {
        self.n.unwrap_or(1)
    }

    /// Width and height of `size`, when it is `<width>x<height>`.
    pub fn dimensions(&self) -> Option<(u32, u32)> {
        let (width, height) = self.size.as_deref()?.split_once(['x', 'X'])?;
        Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
    }
}

/// What `generateImage` gives back; the images cross beside it as attachments, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageResult {
    pub images: Vec<ImageInfo>,
    pub usage: ImageUsage,
    #[serde(flatten)]
    pub meta: Meta,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageInfo {
    pub content_type: String,
    /// What the provider made of the prompt, when it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
}

/// What the provider counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
}

impl ImageUsage {
    /// Adds what another request of the same call used.
    pub fn add(&mut self, other: &ImageUsage) {
        let sum = |a: &mut Option<u64>, b: Option<u64>| {
            if let Some(b) = b {
                *a = Some(a.unwrap_or(0) + b);
            }
        };
        sum(&mut self.input_tokens, other.input_tokens);
        sum(&mut self.output_tokens, other.output_tokens);
        sum(&mut self.total_tokens, other.total_tokens);
    }
}
