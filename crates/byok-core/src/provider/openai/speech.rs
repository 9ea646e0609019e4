//! Text to speech as OpenAI speaks it and most others do: `POST /audio/speech`, and the body of the
//! answer is the audio. Source: the `openai` 7 types (`SpeechCreateParams`), and the providers' API
//! descriptions for what differs.

use std::borrow::Cow;

use http::HeaderMap;
use serde_json::{Map, Value};

use super::audio_answer::{AudioEvents, AudioInJson};
use crate::capability::Warning;
use crate::capability::speech::{SpeechRequest, SpeechUsage};
use crate::error::{Error, Result};
use crate::provider::{RawAudio, SpeechDecoder, WireRequest, check_is_audio, content_type, merge};

/// One server's way of speaking text to speech.
#[derive(Debug, Clone, Copy)]
pub struct SpeechDialect {
    /// What is asked for when the caller names no format; `None` leaves it to the server.
    pub format: Option<&'static str>,
    /// How bare samples are asked for.
    pub pcm: fn(&mut Map<String, Value>),
    /// The voice for a model when the caller names none; `None` leaves it to the server.
    pub voice: fn(&str) -> Option<&'static str>,
    pub speed: bool,
    /// Whether a model takes `instructions`.
    pub instructions: fn(&str) -> bool,
    /// The field of `language`.
    pub language: Option<&'static str>,
}

/// What is assumed of a server of which nothing is known.
pub const COMPATIBLE: SpeechDialect = SpeechDialect {
    format: None,
    pcm: |body| {
        body.insert("response_format".into(), "pcm".into());
    },
    voice: |_| None,
    speed: true,
    instructions: |_| true,
    language: None,
};

pub const OPENAI: SpeechDialect = SpeechDialect {
    voice: |_| Some("alloy"),
    // Those models ignore them.
    instructions: |model| !model.starts_with("tts-1"),
    ..COMPATIBLE
};

/// What OpenAI's bare samples are, and those of the servers that follow it: 16 bits, one channel.
pub const PCM: &str = "encoding=s16le;channels=1";
/// The rate of bare samples unless the caller asks for another one.
const RATE: u64 = 24_000;

/// Makes the request for `POST /audio/speech`. The body of the answer arrives as it is made in any case,
/// so a stream needs nothing else. `name` is the provider's, for warnings.
pub fn request(
    request: &SpeechRequest,
    model: &str,
    name: &str,
    dialect: &SpeechDialect,
) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("input".into(), request.text.as_str().into());
    if let Some(voice) = request.voice.as_deref().or_else(|| (dialect.voice)(model)) {
        body.insert("voice".into(), voice.into());
    }
    match request.format.as_deref().or(dialect.format) {
        Some("pcm") => (dialect.pcm)(&mut body),
        Some(format) => {
            body.insert("response_format".into(), format.into());
        }
        None => {}
    }
    match request.speed {
        Some(speed) if dialect.speed => {
            body.insert("speed".into(), speed.into());
        }
        Some(_) => warnings.push(left_out("speed", name, "speaks at one speed only")),
        None => {}
    }
    match &request.instructions {
        Some(text) if (dialect.instructions)(model) => {
            body.insert("instructions".into(), text.as_str().into());
        }
        Some(_) => warnings.push(left_out(
            "instructions",
            name,
            &format!("takes none with the model {model}"),
        )),
        None => {}
    }
    match (&request.language, dialect.language) {
        (Some(language), Some(field)) => {
            body.insert(field.into(), language.as_str().into());
        }
        (Some(_), None) => warnings.push(left_out(
            "language",
            name,
            "takes none; it goes by the text",
        )),
        (None, _) => {}
    }
    json_request("/audio/speech", body, &request.provider_options, warnings)
}

/// The warning for an option without a place in a request.
pub fn left_out(option: &str, name: &str, why: &str) -> Warning {
    Warning::new(option, format!("{name} {why}; {option} was left out."))
}

/// A body with the caller's `providerOptions` over it.
pub fn json_request(
    path: impl Into<String>,
    mut body: Map<String, Value>,
    options: &Map<String, Value>,
    warnings: Vec<Warning>,
) -> Result<WireRequest> {
    merge(&mut body, options);
    let body =
        serde_json::to_vec(&body).map_err(|error| Error::invalid_argument(error.to_string()))?;
    Ok(WireRequest::json(path, body).with_warnings(warnings))
}

/// Reads an answer by what it says it is: audio, JSON with audio in base64 (Mistral), or events with
/// pieces of it (Mistral's stream; OpenAI with `providerOptions: { stream_format: "sse" }`).
/// `pcm` says what bare samples are, as parameters of their media type.
///
/// # Errors
/// `BAD_RESPONSE` for an answer that is any other text.
pub fn decoder(
    request: &SpeechRequest,
    headers: &HeaderMap,
    pcm: &str,
) -> Result<Box<dyn SpeechDecoder>> {
    let own = content_type(headers);
    let by_format = content_type_of(request, pcm);
    if own.starts_with("text/event-stream") {
        return Ok(Box::new(AudioEvents::new(&by_format)));
    }
    if own.starts_with("application/json") {
        return Ok(Box::new(AudioInJson::new(&by_format)));
    }
    check_is_audio(headers)?;
    let usage = SpeechUsage::default();
    if request.format.as_deref() == Some("pcm") {
        // The header says less.
        return Ok(Box::new(RawAudio::new(by_format, usage)));
    }
    Ok(Box::new(RawAudio::of(headers, &by_format, usage)))
}

/// The media type of a format; that of MP3, the default everywhere, for one that is not known.
fn content_type_of(request: &SpeechRequest, pcm: &str) -> Cow<'static, str> {
    Cow::Borrowed(match request.format.as_deref() {
        Some("pcm") => return format!("audio/pcm;rate={};{pcm}", rate(request)).into(),
        Some("wav") => "audio/wav",
        Some("opus" | "ogg") => "audio/ogg",
        Some("aac") => "audio/aac",
        Some("flac") => "audio/flac",
        Some("mulaw") => "audio/basic",
        _ => "audio/mpeg",
    })
}

fn rate(request: &SpeechRequest) -> u64 {
    let options = &request.provider_options;
    options
        .get("sample_rate")
        .or_else(|| options.get("output_format")?.get("sample_rate"))
        .and_then(Value::as_u64)
        .unwrap_or(RATE)
}
