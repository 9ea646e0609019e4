//! The answers of speech to text in OpenAI's style, one reader for all: `json`, `verbose_json`,
//! `diarized_json`, plain text and subtitles, the event stream, and what Mistral, Together, OpenRouter and xAI
//! have in other places.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::failure;
use super::text::Text;
use crate::capability::transcription::{
    Segment, Transcript, TranscriptionRequest, TranscriptionUsage, Word,
};
use crate::error::Result;
use crate::provider::{cut_off, not_json};
use crate::sse::SseDecoder;

/// # Errors
/// `BAD_RESPONSE` for what is not JSON, unless the caller asked for another format with
/// `providerOptions: { response_format }`; `STREAM_INTERRUPTED` for events without the last one.
pub fn response(request: &TranscriptionRequest, body: &[u8]) -> Result<Transcript> {
    let format = request.provider_options.get("response_format");
    if let Some("text" | "srt" | "vtt") = format.and_then(Value::as_str) {
        return Ok(Transcript {
            text: String::from_utf8_lossy(body).into_owned(),
            ..Transcript::default()
        });
    }
    let start = body.trim_ascii_start();
    if start.starts_with(b"data:") || start.starts_with(b"event:") {
        return events(body);
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| not_json("The transcript", &error))?;
    Ok(answer.into_transcript())
}

#[derive(Default, Deserialize)]
struct Answer<'a> {
    text: String,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    language: Text<'a>,
    /// Of gpt-transcribe: what was heard, in order of likelihood.
    #[serde(borrow, default)]
    languages: Option<Vec<Language<'a>>>,
    duration: Option<f64>,
    #[serde(default)]
    segments: Option<Vec<Piece>>,
    #[serde(default)]
    words: Option<Vec<Piece>>,
    /// Together, of a diarized one: the segments that have speakers.
    #[serde(default)]
    speaker_segments: Option<Vec<Piece>>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Language<'a> {
    #[serde(borrow, default)]
    code: Text<'a>,
}

#[derive(Deserialize)]
struct Piece {
    #[serde(alias = "word")]
    text: String,
    start: Option<f64>,
    end: Option<f64>,
    /// A name, a letter or a number.
    #[serde(alias = "speaker_id")]
    speaker: Option<Value>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(alias = "prompt_tokens")]
    input_tokens: Option<u64>,
    #[serde(alias = "completion_tokens")]
    output_tokens: Option<u64>,
    #[serde(alias = "prompt_audio_seconds")]
    seconds: Option<f64>,
}

impl Answer<'_> {
    fn into_transcript(self) -> Transcript {
        let language = Some(self.language.to_string())
            .filter(|language| !language.is_empty())
            .or_else(|| match self.languages.as_deref() {
                Some([only]) => Some(only.code.to_string()),
                _ => None,
            });
        let usage = self.usage.map(Usage::read).unwrap_or_default();
        let segments = self.speaker_segments.filter(|all| !all.is_empty());
        let segments = segments.or(self.segments).unwrap_or_default();
        Transcript {
            text: self.text,
            language,
            duration_seconds: self.duration.or(usage.audio_seconds),
            segments: segments.into_iter().map(Piece::into_segment).collect(),
            words: self
                .words
                .unwrap_or_default()
                .into_iter()
                .map(|piece| {
                    let Segment {
                        text,
                        start_seconds,
                        end_seconds,
                        speaker,
                    } = piece.into_segment();
                    Word {
                        text,
                        start_seconds,
                        end_seconds,
                        speaker,
                    }
                })
                .collect(),
            usage,
            id: None,
            model: Some(self.model.to_string()).filter(|model| !model.is_empty()),
        }
    }
}

impl Piece {
    fn into_segment(self) -> Segment {
        Segment {
            text: self.text,
            start_seconds: self.start.unwrap_or_default(),
            end_seconds: self.end.unwrap_or_default(),
            speaker: match self.speaker {
                Some(Value::String(name)) => Some(name),
                Some(Value::Number(number)) => Some(number.to_string()),
                _ => None,
            },
        }
    }
}

impl Usage {
    fn read(self) -> TranscriptionUsage {
        TranscriptionUsage {
            audio_seconds: self.seconds,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
        }
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The stream that `providerOptions: { stream: true }` asks for, all of it: segments one by one, and the
/// text and the usage in the last event.
fn events(body: &[u8]) -> Result<Transcript> {
    let mut segments = Vec::new();
    let mut done = None;
    let mut decoder = SseDecoder::new(body.len());
    let mut on_event = |event: crate::sse::SseEvent<'_>| {
        if event.data == "[DONE]" {
            return Ok(());
        }
        let unreadable = |error| not_json("An event of the transcript", &error);
        let Event { r#type, error } = serde_json::from_str(event.data).map_err(unreadable)?;
        if let Some(error) = error {
            return Err(failure::from_raw(error).into_error());
        }
        match &*r#type {
            "transcript.text.segment" | "transcription.segment" => {
                let piece: Piece = serde_json::from_str(event.data).map_err(unreadable)?;
                segments.push(piece.into_segment());
            }
            "transcript.text.done" | "transcription.done" => {
                let answer: Answer = serde_json::from_str(event.data).map_err(unreadable)?;
                done = Some(answer.into_transcript());
            }
            _ => {}
        }
        Ok(())
    };
    decoder.push(body, &mut on_event)?;
    decoder.finish(&mut on_event)?;
    let mut transcript = done.ok_or_else(cut_off)?;
    if transcript.segments.is_empty() {
        transcript.segments = segments;
    }
    Ok(transcript)
}
