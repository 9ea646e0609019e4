//! A provider's request body as bytes for the network: JSON as it is, multipart forms (RFC 7578), and
//! the caller's audio, which is never copied into memory as a whole when it is an upload.

use bytes::Bytes;
use http::HeaderValue;

use crate::error::{Code, Error, Result};
use crate::http::{Part, RequestBody, Upload};
use crate::provider::{FileContent, FormField, FormValue, WireBody};

/// The caller's audio.
pub(super) struct Audio {
    pub source: AudioSource,
    pub media_type: String,
}

pub(super) enum AudioSource {
    Bytes(Bytes),
    Upload(Upload),
}

impl AudioSource {
    fn into_part(self) -> Part {
        match self {
            AudioSource::Bytes(bytes) => Part::Bytes(bytes),
            AudioSource::Upload(upload) => Part::Upload(upload),
        }
    }

    fn into_base64(self) -> Part {
        use base64::Engine as _;
        match self {
            AudioSource::Bytes(bytes) => Part::Bytes(
                base64::engine::general_purpose::STANDARD
                    .encode(bytes)
                    .into(),
            ),
            AudioSource::Upload(upload) => Part::Base64(upload),
        }
    }
}

/// The body, and its `content-type` when it is not the JSON that every request says it is.
///
/// # Errors
/// `INTERNAL` when a body asks for audio that is not there.
pub(super) fn encode(
    body: WireBody,
    audio: Option<Audio>,
) -> Result<(RequestBody, Option<HeaderValue>)> {
    Ok(match body {
        WireBody::Empty => (RequestBody::default(), None),
        WireBody::Json(json) => (json.into(), None),
        WireBody::Form(fields) => form(fields, audio)?,
        WireBody::Audio => {
            let Audio { source, media_type } = audio.ok_or_else(no_audio)?;
            let body = RequestBody::parts(vec![source.into_part()]);
            (body, Some(header(&media_type)?))
        }
        WireBody::JsonAroundAudio { before, after } => {
            let Audio { source, .. } = audio.ok_or_else(no_audio)?;
            let parts = vec![
                Part::Bytes(before.into()),
                source.into_base64(),
                Part::Bytes(after.into()),
            ];
            (RequestBody::parts(parts), None)
        }
    })
}

fn form(
    fields: Vec<FormField>,
    audio: Option<Audio>,
) -> Result<(RequestBody, Option<HeaderValue>)> {
    let boundary = boundary()?;
    let mut audio = audio.map(|audio| audio.source);
    let mut parts = Vec::new();
    let mut text = Vec::new();
    for FormField { name, value } in fields {
        text.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        let name = escaped(&name);
        match value {
            FormValue::Text(value) => {
                let head = format!("content-disposition: form-data; name=\"{name}\"\r\n\r\n");
                text.extend_from_slice(head.as_bytes());
                text.extend_from_slice(value.as_bytes());
            }
            FormValue::File {
                filename,
                media_type,
                content,
            } => {
                let filename = escaped(&filename);
                let media_type = media_type.replace(['\r', '\n'], "");
                let head = format!(
                    "content-disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\ncontent-type: {media_type}\r\n\r\n"
                );
                text.extend_from_slice(head.as_bytes());
                match content {
                    FileContent::Bytes(bytes) => text.extend_from_slice(&bytes),
                    FileContent::Audio => {
                        parts.push(Part::Bytes(std::mem::take(&mut text).into()));
                        parts.push(audio.take().ok_or_else(no_audio)?.into_part());
                    }
                }
            }
        }
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    parts.push(Part::Bytes(text.into()));
    let content_type = header(&format!("multipart/form-data; boundary={boundary}"))?;
    Ok((RequestBody::parts(parts), Some(content_type)))
}

/// As browsers do it (HTML standard, multipart/form-data encoding).
fn escaped(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Random, so that nothing in a file can be taken for it.
fn boundary() -> Result<String> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random)
        .map_err(|_| Error::new(Code::Internal, "The system gives no random numbers."))?;
    Ok(format!("byok-{:032x}", u128::from_be_bytes(random)))
}

fn header(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text)
        .map_err(|_| Error::invalid_argument("mediaType has characters that a header can't hold."))
}

fn no_audio() -> Error {
    Error::new(Code::Internal, "The request has no audio to send.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_without_uploads_is_one_body_with_a_boundary_of_its_own() {
        let fields = || {
            vec![
                FormField::text("model", "m"),
                FormField::file("file", "a\"b\r\n.wav", "audio/wav", FileContent::Audio),
            ]
        };
        let audio = || {
            Some(Audio {
                source: AudioSource::Bytes(Bytes::from_static(b"RIFF")),
                media_type: "audio/wav".into(),
            })
        };
        let (body, first) = encode(WireBody::Form(fields()), audio()).unwrap();
        let (_, second) = encode(WireBody::Form(fields()), audio()).unwrap();
        assert!(body.is_replayable() && !body.is_empty());
        assert_ne!(first, second);
        assert!(encode(WireBody::Form(fields()), None).is_err());
        assert_eq!(escaped("a\"b\r\n.wav"), "a%22b%0D%0A.wav");
    }
}
