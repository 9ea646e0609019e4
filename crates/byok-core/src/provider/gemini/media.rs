//! Media parts: bytes as `inlineData`, URLs as `fileData`, which Gemini fetches by itself (public
//! https, YouTube, and files of its own Files API).

use serde::Serialize;

use crate::capability::media::Media;

/// The two fields of a part that a medium can fill.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MediaPart<'a> {
    InlineData(Blob<'a>),
    FileData(FileData<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    file_uri: &'a str,
}

impl<'a> MediaPart<'a> {
    /// `declared` is the caller's `mediaType`. A URL without one gets the type of its ending; without
    /// a known ending Gemini finds out for itself (it does for YouTube and its own files).
    pub fn new(media: &'a Media, declared: Option<&'a str>) -> Self {
        match media {
            Media::Inline { media_type, base64 } => MediaPart::InlineData(Blob {
                mime_type: media_type,
                data: base64,
            }),
            Media::Url(url) => MediaPart::FileData(FileData {
                mime_type: declared.or_else(|| type_of_ending(url)),
                file_uri: url,
            }),
        }
    }
}

fn type_of_ending(url: &str) -> Option<&'static str> {
    const ENDINGS: &[(&str, &str)] = &[
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("gif", "image/gif"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
        ("avif", "image/avif"),
        ("pdf", "application/pdf"),
        ("txt", "text/plain"),
        ("md", "text/markdown"),
        ("csv", "text/csv"),
        ("html", "text/html"),
        ("json", "application/json"),
        ("mp3", "audio/mpeg"),
        ("wav", "audio/wav"),
        ("ogg", "audio/ogg"),
        ("flac", "audio/flac"),
        ("m4a", "audio/mp4"),
        ("aac", "audio/aac"),
        ("mp4", "video/mp4"),
        ("webm", "video/webm"),
        ("mov", "video/quicktime"),
    ];
    let path = url.split(['?', '#']).next()?;
    let (_, after_host) = path.split_once("://")?.1.split_once('/')?;
    let (_, ending) = after_host.rsplit('/').next()?.rsplit_once('.')?;
    ENDINGS
        .iter()
        .find(|(known, _)| ending.eq_ignore_ascii_case(known))
        .map(|(_, media_type)| *media_type)
}
