//! Images, files and audio inside messages: where their bytes are and what they are. Binary parts
//! arrive beside the JSON as attachments and become base64 here, away from JavaScript's thread.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// As the caller gave it: `{ "$bytes": n }` for the n-th attachment, or a text that is a URL, a data
/// URL or bare base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MediaInput {
    Attachment {
        #[serde(rename = "$bytes")]
        index: usize,
    },
    Text(String),
}

/// What a provider gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// An `http:` or `https:` URL that the provider fetches by itself.
    Url(String),
    Inline {
        media_type: String,
        base64: String,
    },
}

impl Media {
    /// The bytes of an inline one as a `data:` URL, the URL of a remote one.
    pub fn to_url(&self) -> String {
        match self {
            Media::Url(url) => url.clone(),
            Media::Inline { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
        }
    }

    /// `image/png` of an inline one; `None` for a URL.
    pub fn media_type(&self) -> Option<&str> {
        match self {
            Media::Url(_) => None,
            Media::Inline { media_type, .. } => Some(media_type),
        }
    }
}

impl MediaInput {
    /// Finds bytes, base64 and media type. `declared` is the caller's `mediaType` and wins over what
    /// the bytes look like.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming `path` when there is neither a known signature nor a `mediaType`, or
    /// the text is neither a URL nor base64.
    pub fn resolve(
        &self,
        attachments: &[Vec<u8>],
        declared: Option<&str>,
        path: &str,
    ) -> Result<Media> {
        match self {
            MediaInput::Attachment { index } => {
                let bytes = attachments.get(*index).ok_or_else(|| {
                    Error::invalid_argument(format!("{path}: attachment {index} is missing."))
                })?;
                let media_type = media_type_of(declared, bytes, path)?;
                Ok(Media::Inline {
                    media_type,
                    base64: STANDARD.encode(bytes),
                })
            }
            MediaInput::Text(text) => resolve_text(text, declared, path),
        }
    }
}

fn resolve_text(text: &str, declared: Option<&str>, path: &str) -> Result<Media> {
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(Media::Url(text.to_owned()));
    }
    if let Some(rest) = text.strip_prefix("data:") {
        let (head, data) = rest.split_once(',').ok_or_else(|| {
            Error::invalid_argument(format!("{path} is a data URL without a comma."))
        })?;
        let Some(media_type) = head.strip_suffix(";base64") else {
            return Err(Error::invalid_argument(format!(
                "{path} is a data URL that is not base64. Use data:<type>;base64,<data> or a Uint8Array."
            )));
        };
        let media_type = media_type.split(';').next().unwrap_or_default();
        let media_type = declared.or(Some(media_type).filter(|name| !name.is_empty()));
        let bytes = decode(data, path)?;
        return Ok(Media::Inline {
            media_type: media_type_of(media_type, &bytes, path)?,
            base64: STANDARD.encode(bytes),
        });
    }
    let bytes = decode(text, path)?;
    Ok(Media::Inline {
        media_type: media_type_of(declared, &bytes, path)?,
        base64: STANDARD.encode(bytes),
    })
}

fn decode(text: &str, path: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text.trim()).map_err(|_| {
        Error::invalid_argument(format!(
            "{path} must be a Uint8Array, an https URL, a data URL or base64 text; this text is none of them."
        ))
    })
}

fn media_type_of(declared: Option<&str>, bytes: &[u8], path: &str) -> Result<String> {
    declared.or_else(|| sniff(bytes)).map(str::to_owned).ok_or_else(|| {
        Error::invalid_argument(format!(
            "{path}: the bytes are of no kind that is recognised. Say what they are with mediaType, for example \"image/png\"."
        ))
    })
}

/// Signatures of the WHATWG MIME Sniffing standard, for the types that models take.
pub(crate) fn sniff(bytes: &[u8]) -> Option<&'static str> {
    const SIGNATURES: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n\x1A\n", "image/png"),
        (b"\xFF\xD8\xFF", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"ID3", "audio/mpeg"),
        (b"\xFF\xFB", "audio/mpeg"),
        (b"\xFF\xF3", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"\x1A\x45\xDF\xA3", "video/webm"),
    ];
    if bytes.starts_with(b"RIFF") {
        return match bytes.get(8..12)? {
            b"WEBP" => Some("image/webp"),
            b"WAVE" => Some("audio/wav"),
            _ => None,
        };
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return match bytes.get(8..11)? {
            b"M4A" => Some("audio/mp4"),
            b"hei" | b"mif" => Some("image/heic"),
            b"avi" => Some("image/avif"),
            _ => Some("video/mp4"),
        };
    }
    SIGNATURES
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: &str) -> Result<Media> {
        MediaInput::Text(input.to_owned()).resolve(&[], None, "messages[0].content[1].image")
    }

    #[test]
    fn bytes_are_recognised_by_their_signature() {
        let media = MediaInput::Attachment { index: 0 }
            .resolve(&[b"\x89PNG\r\n\x1A\n....".to_vec()], None, "image")
            .unwrap();
        assert_eq!(media.media_type(), Some("image/png"));
        assert!(
            media
                .to_url()
                .starts_with("data:image/png;base64,iVBORw0KGgo")
        );
    }

    #[test]
    fn urls_data_urls_and_base64_are_told_apart() {
        assert_eq!(
            text("https://a.b/c.png").unwrap(),
            Media::Url("https://a.b/c.png".into())
        );
        assert_eq!(
            text("data:image/gif;base64,R0lGODlh").unwrap().media_type(),
            Some("image/gif")
        );
        assert_eq!(text("R0lGODlh").unwrap().media_type(), Some("image/gif"));
    }

    #[test]
    fn unknown_bytes_ask_for_a_media_type_and_name_the_part() {
        let message = text("AAAA").unwrap_err().message().to_owned();
        assert!(
            message.starts_with("messages[0].content[1].image") && message.contains("mediaType")
        );
    }
}
