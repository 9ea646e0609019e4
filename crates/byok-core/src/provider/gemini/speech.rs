//! Speech through `generateContent` with the modality AUDIO: base64 of bare samples (`audio/L16`, in
//! little-endian order whatever the name says), which become a WAV file unless `pcm` is asked for. Models
//! since Gemini 3.8 can answer with a WAV file of their own; that is handed on as it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::Gemini;
use super::failure;
use super::outcome::finish_reason;
use super::request::{generate, path, unwritable};
use super::wire::Answer;
use crate::capability::Warning;
use crate::capability::chat::FinishReason;
use crate::capability::speech::{SpeechRequest, SpeechUsage};
use crate::error::{Code, Error, Result};
use crate::provider::{SpeechDecoder, SpeechProvider, WireRequest, cut_off, merge, not_json, wav};
use crate::sse::SseDecoder;

const DEFAULT_VOICE: &str = "Kore";

/// What the samples have when their type does not say.
const DEFAULT_RATE: u32 = 24_000;

/// Audio comes in few, large events.
const MAX_EVENT_BYTES: usize = 64 << 20;

impl SpeechProvider for Gemini {
    fn request(&self, request: &SpeechRequest, model: &str, stream: bool) -> Result<WireRequest> {
        let mut warnings = Vec::new();
        let path = path(model, generate(stream))?;
        let takes_style = takes_style(model);
        let mut part = json!({ "text": request.text });
        if let Some(instructions) = &request.instructions {
            if takes_style {
                part["speechMetadata"] = json!({ "style": instructions });
            } else {
                part["text"] = format!("{instructions}: {}", request.text).into();
            }
        }
        let mut speech = json!({});
        // Several speakers have their voices there, and the two exclude each other.
        let has_speakers = (request.provider_options.get("generationConfig"))
            .is_some_and(|config| !config["speechConfig"]["multiSpeakerVoiceConfig"].is_null());
        if !has_speakers {
            let voice = request.voice.as_deref().unwrap_or(DEFAULT_VOICE);
            speech["voiceConfig"] = json!({ "prebuiltVoiceConfig": { "voiceName": voice } });
        }
        if let Some(language) = &request.language {
            speech["languageCode"] = language.as_str().into();
        }
        let mut config = json!({ "responseModalities": ["AUDIO"], "speechConfig": speech });
        let kind = match request.format.as_deref() {
            None => None,
            Some("wav") => Some("AUDIO_WAV"),
            Some("pcm") => Some("AUDIO_L16"),
            Some(other) => {
                warnings.push(Warning::new(
                    "format",
                    format!("Gemini makes no {other}; wav was made. It knows wav and pcm."),
                ));
                None
            }
        };
        if takes_style && let Some(kind) = kind {
            config["responseFormat"] = json!({ "audio": { "mimeType": kind } });
        }
        if request.speed.is_some() {
            warnings.push(Warning::new(
                "speed",
                "Gemini has no speed; say it in instructions.",
            ));
        }
        let mut body = Map::new();
        body.insert(
            "contents".into(),
            json!([{ "role": "user", "parts": [part] }]),
        );
        body.insert("generationConfig".into(), config);
        merge(&mut body, &request.provider_options);
        let body = serde_json::to_vec(&Value::Object(body)).map_err(|error| unwritable(&error))?;
        Ok(WireRequest::json(path, body).with_warnings(warnings))
    }

    fn decoder(
        &self,
        request: &SpeechRequest,
        _headers: &HeaderMap,
        stream: bool,
    ) -> Result<Box<dyn SpeechDecoder>> {
        let audio = Audio {
            wants_pcm: request.format.as_deref() == Some("pcm"),
            content_type: "audio/wav".to_owned(),
            begun: None,
            bytes: 0,
            usage: SpeechUsage::default(),
            finish_reason: None,
            blocked: None,
        };
        Ok(if stream {
            Box::new(Streamed {
                events: SseDecoder::new(MAX_EVENT_BYTES),
                audio,
            })
        } else {
            Box::new(Whole {
                body: Vec::new(),
                audio,
            })
        })
    }
}

/// Gemini 2.5 and 3.1 take directions as words before the text; models after them in a field.
fn takes_style(model: &str) -> bool {
    let name = model.strip_prefix("models/").unwrap_or(model);
    !name.starts_with("gemini-2.5-") && !name.starts_with("gemini-3.1-")
}

/// One JSON document, read when it is complete.
struct Whole {
    body: Vec<u8>,
    audio: Audio,
}

impl SpeechDecoder for Whole {
    fn content_type(&self) -> &str {
        &self.audio.content_type
    }

    fn push(&mut self, chunk: &[u8], _audio: &mut Vec<u8>) -> Result<()> {
        self.body.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(&mut self, audio: &mut Vec<u8>, whole: bool) -> Result<()> {
        let answer: Answer<'_> = serde_json::from_slice(&self.body)
            .map_err(|error| not_json("Gemini's speech", &error))?;
        if let Some(error) = answer.error {
            return Err(failure::read_error(error.get()).into_error());
        }
        self.audio.read(&answer, audio)?;
        self.audio.finish(audio, whole)
    }

    fn usage(&self) -> SpeechUsage {
        self.audio.usage.clone()
    }
}

/// Server-sent events, each with a piece of the samples.
struct Streamed {
    events: SseDecoder,
    audio: Audio,
}

impl Streamed {
    fn event(state: &mut Audio, data: &str, audio: &mut Vec<u8>) -> Result<()> {
        let data = data.trim();
        if data.is_empty() {
            return Ok(());
        }
        let answer: Answer<'_> = serde_json::from_str(data).map_err(|error| {
            if error.is_eof() {
                cut_off()
            } else {
                not_json("An event of Gemini's speech", &error)
            }
        })?;
        if let Some(error) = answer.error {
            return Err(failure::read_error(error.get()).into_stream_error());
        }
        state.read(&answer, audio)
    }
}

impl SpeechDecoder for Streamed {
    fn content_type(&self) -> &str {
        &self.audio.content_type
    }

    fn push(&mut self, chunk: &[u8], audio: &mut Vec<u8>) -> Result<()> {
        let state = &mut self.audio;
        self.events
            .push(chunk, |event| Self::event(state, event.data, audio))
    }

    fn finish(&mut self, audio: &mut Vec<u8>, whole: bool) -> Result<()> {
        let state = &mut self.audio;
        self.events
            .finish(|event| Self::event(state, event.data, audio))?;
        self.audio.finish(audio, whole)
    }

    fn usage(&self) -> SpeechUsage {
        self.audio.usage.clone()
    }
}

/// What the answers have in common, whole or in pieces.
struct Audio {
    wants_pcm: bool,
    content_type: String,
    /// Once audio has come: the sample rate of samples that we put into a WAV file, else `None`.
    begun: Option<Option<u32>>,
    bytes: usize,
    usage: SpeechUsage,
    finish_reason: Option<String>,
    blocked: Option<String>,
}

impl Audio {
    fn read(&mut self, answer: &Answer<'_>, audio: &mut Vec<u8>) -> Result<()> {
        if let Some(usage) = &answer.usage_metadata {
            self.usage.input_tokens = usage.prompt_token_count.or(self.usage.input_tokens);
            self.usage.output_tokens = usage.candidates_token_count.or(self.usage.output_tokens);
        }
        let blocked = answer.prompt_feedback.as_ref();
        if let Some(reason) = blocked.and_then(|feedback| feedback.block_reason.as_deref()) {
            self.blocked = Some(reason.to_owned());
        }
        for candidate in answer.candidates.as_deref().unwrap_or_default() {
            let content = candidate.content.as_ref();
            let parts = content.and_then(|content| content.parts.as_deref());
            for data in parts
                .unwrap_or_default()
                .iter()
                .filter_map(|part| part.inline_data.as_ref())
            {
                let kind = data.mime_type.as_deref().unwrap_or_default();
                self.append(kind, data.data.as_deref().unwrap_or_default(), audio)?;
            }
            if let Some(reason) = candidate.finish_reason.as_deref() {
                self.finish_reason = Some(reason.to_owned());
            }
        }
        Ok(())
    }

    fn append(&mut self, kind: &str, base64: &str, audio: &mut Vec<u8>) -> Result<()> {
        if self.begun.is_none() {
            self.begun = Some(self.begin(kind, audio));
        }
        let before = audio.len();
        STANDARD.decode_vec(base64, audio).map_err(|_| {
            Error::bad_response("Gemini's audio is no valid base64. Send the request again.")
                .with_retryable(true)
        })?;
        self.bytes += audio.len() - before;
        Ok(())
    }

    /// Learns what the audio is, and begins the WAV file if it is to be one.
    fn begin(&mut self, kind: &str, audio: &mut Vec<u8>) -> Option<u32> {
        let lower = kind.to_ascii_lowercase();
        let name = lower.split(';').next().unwrap_or_default().trim();
        let is_bare = matches!(name, "" | "audio/l16" | "audio/pcm");
        if !is_bare {
            self.content_type = kind.to_owned();
            return None;
        }
        let rate = lower
            .split(';')
            .find_map(|part| part.trim().strip_prefix("rate=")?.parse().ok())
            .unwrap_or(DEFAULT_RATE);
        if self.wants_pcm {
            self.content_type = wav::pcm_type(rate);
            return None;
        }
        audio.extend_from_slice(&wav::head(rate, None));
        Some(rate)
    }

    fn finish(&mut self, audio: &mut [u8], whole: bool) -> Result<()> {
        let raw = self.finish_reason.as_deref();
        let meaning = raw.map(|raw| finish_reason(raw, false));
        if let Some(reason) = self
            .blocked
            .as_deref()
            .or(raw.filter(|_| meaning == Some(FinishReason::ContentFilter)))
        {
            return Err(Error::new(
                Code::ContentFiltered,
                format!("Gemini's filter let no speech through ({reason}). Change the text."),
            ));
        }
        if self.begun.is_some() && meaning.is_none() {
            return Err(cut_off());
        }
        if meaning == Some(FinishReason::Length) {
            return Err(Error::bad_response(
                "Gemini reached its limit of audio before the end of the text, so what came is incomplete. Split the text.",
            ));
        }
        if self.bytes == 0 {
            let reason = raw.unwrap_or("no reason given");
            return Err(Error::bad_response(format!(
                "Gemini answered without any audio ({reason}). Send the request again, with a text that is plainly to be read out."
            ))
            .with_retryable(true));
        }
        if let Some(Some(rate)) = self.begun
            && whole
        {
            audio[..wav::HEAD_BYTES].copy_from_slice(&wav::head(rate, Some(self.bytes)));
        }
        Ok(())
    }
}
