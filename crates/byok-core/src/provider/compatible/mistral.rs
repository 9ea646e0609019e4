//! What Mistral does its own way: speech as JSON or events, and speech to text with fields of its own.
//! Source: its API description (`SpeechRequest`, `AudioTranscriptionRequest`) and `@mistralai/mistralai` 2.

use serde_json::Map;

use crate::capability::Warning;
use crate::capability::speech::SpeechRequest;
use crate::capability::transcription::{Timestamps, TranscriptionRequest};
use crate::error::Result;
use crate::provider::WireRequest;
use crate::provider::openai::form::{Arrays, Form};
use crate::provider::openai::speech::{json_request, left_out};
use crate::provider::openai::transcription::form_request;

/// The API needs a voice or a clip to take one from; this one speaks in the recorded traffic.
const VOICE: &str = "en_paul_neutral";
/// Of `context_bias`.
const MOST_WORDS: usize = 100;

pub fn speech(
    request: &SpeechRequest,
    model: &str,
    stream: bool,
    name: &str,
) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("input".into(), request.text.as_str().into());
    let has_clip = request.provider_options.contains_key("ref_audio");
    let voice = request.voice.as_deref().or((!has_clip).then_some(VOICE));
    if let Some(voice) = voice {
        body.insert("voice_id".into(), voice.into());
    }
    if let Some(format) = &request.format {
        body.insert("response_format".into(), format.as_str().into());
    }
    if stream {
        body.insert("stream".into(), true.into());
    }
    if request.speed.is_some() {
        warnings.push(left_out("speed", name, "speaks at one speed only"));
    }
    if request.instructions.is_some() {
        warnings.push(left_out("instructions", name, "takes none"));
    }
    if request.language.is_some() {
        warnings.push(left_out(
            "language",
            name,
            "takes none; it goes by the text",
        ));
    }
    json_request("/audio/speech", body, &request.provider_options, warnings)
}

pub fn transcription(
    request: &TranscriptionRequest,
    model: &str,
    name: &str,
) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let mut form = Form::new(Arrays::Repeated);
    form.text("model", model);
    let diarize = request.diarize == Some(true);
    let times = match request.timestamps {
        Some(Timestamps::Word) if !diarize => Some("word"),
        Some(Timestamps::Segment | Timestamps::Word) => Some("segment"),
        // Speakers come with segments only.
        _ => diarize.then_some("segment"),
    };
    if request.timestamps == Some(Timestamps::Word) && diarize {
        warnings.push(Warning::new(
            "timestamps",
            format!("{name} tells speakers apart by segment; the times are those of segments."),
        ));
    }
    match (&request.language, times) {
        (Some(_), Some(_)) => warnings.push(left_out(
            "language",
            name,
            "takes no language together with times",
        )),
        (Some(language), None) => form.text("language", language.as_str()),
        (None, _) => {}
    }
    if let Some(times) = times {
        form.list("timestamp_granularities", [times.to_owned()]);
    }
    if diarize {
        form.text("diarize", "true");
    }
    if let Some(prompt) = &request.prompt {
        form.list("context_bias", words(prompt));
    }
    form.number("temperature", request.temperature);
    form.merge(&request.provider_options);
    Ok(form_request("/audio/transcriptions", form, request).with_warnings(warnings))
}

/// Mistral takes words, not sentences: no commas, no spaces in one.
fn words(prompt: &str) -> impl Iterator<Item = String> {
    prompt
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .take(MOST_WORDS)
        .map(str::to_owned)
}
