//! Images and documents as content blocks. Anthropic takes images (JPEG, PNG, GIF, WebP), PDF and
//! plain text, inline or by URL; it takes no audio.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::message::Block;
use crate::capability::media::Media;
use crate::error::{Error, Result};

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Source<'a> {
    Base64 {
        media_type: &'a str,
        data: &'a str,
    },
    Url {
        url: &'a str,
    },
    Text {
        media_type: &'static str,
        data: String,
    },
}

pub fn image(media: &Media) -> Block<'_> {
    Block::Image {
        source: source(media),
    }
}

/// A file is a document, unless it is an image. `declared` is the caller's media type, which alone
/// says what is behind a URL; without it a URL is a PDF's.
///
/// # Errors
/// `INVALID_ARGUMENT` naming `path` for types that the API has no block for.
pub fn file<'a>(
    media: &'a Media,
    declared: Option<&str>,
    filename: Option<&'a str>,
    path: &str,
) -> Result<Block<'a>> {
    let media_type = media.media_type().or(declared).unwrap_or("application/pdf");
    if media_type.starts_with("image/") {
        return Ok(image(media));
    }
    let source = match media {
        _ if media_type == "application/pdf" => source(media),
        Media::Inline { base64, .. } if is_text(media_type) => Source::Text {
            media_type: "text/plain",
            data: text(base64, path)?,
        },
        _ => {
            return Err(Error::invalid_argument(format!(
                "{path}: Anthropic takes PDF, plain text (inline only) and images as files, not {media_type}. Send the file's text instead."
            )));
        }
    };
    Ok(Block::Document {
        source,
        title: filename.filter(|name| !name.is_empty()),
    })
}

fn source(media: &Media) -> Source<'_> {
    match media {
        Media::Url(url) => Source::Url { url },
        Media::Inline { media_type, base64 } => Source::Base64 {
            media_type,
            data: base64,
        },
    }
}

fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/") || media_type == "application/json"
}

fn text(base64: &str, path: &str) -> Result<String> {
    let bytes = STANDARD.decode(base64).unwrap_or_default();
    String::from_utf8(bytes).map_err(|_| {
        Error::invalid_argument(format!(
            "{path}: the file says that it is text but is not valid UTF-8."
        ))
    })
}
