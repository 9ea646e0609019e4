//! Image generation and edits, as one provider speaks them.

use super::WireRequest;
use crate::capability::Warning;
use crate::capability::image::{ImageRequest, ImageUsage};
use crate::error::Result;

pub trait ImageProvider: Send + Sync {
    /// How many images one request can ask for; the engine sends several requests for more.
    fn most_at_once(&self, model: &str) -> u32;

    /// # Errors
    /// `INVALID_ARGUMENT` when the request can't be expressed at all; what is merely unsupported
    /// becomes a warning. `n` is at most [`most_at_once`](Self::most_at_once).
    fn request(&self, request: &ImageRequest, n: u32, model: &str) -> Result<WireRequest>;

    /// # Errors
    /// `BAD_RESPONSE` for what is not the provider's JSON; `CONTENT_FILTERED` when the filter let no
    /// image through.
    fn response(&self, request: &ImageRequest, body: &[u8]) -> Result<GeneratedImages>;
}

#[derive(Debug, Default)]
pub struct GeneratedImages {
    pub images: Vec<ImageSource>,
    pub usage: ImageUsage,
    pub model: Option<String>,
    pub id: Option<String>,
    pub warnings: Vec<Warning>,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq)]
pub enum ImageSource {
    Bytes {
        data: Vec<u8>,
        /// `image/png`; found by its signature when the provider does not say.
        media_type: Option<String>,
        revised_prompt: Option<String>,
    },
    /// The engine fetches it, without the key.
    Url {
        url: String,
        revised_prompt: Option<String>,
    },
}
