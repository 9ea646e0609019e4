//! Audio that does not come as itself: in base64 inside one JSON object, or in the pieces of an event
//! stream. Sources: Mistral's API description (`SpeechResponse`, `SpeechStreamEvents`), xAI's
//! `with_timestamps`, and OpenAI's `SpeechAudioDeltaEvent`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure;
use crate::capability::speech::SpeechUsage;
use crate::error::{Error, Result};
use crate::provider::{SpeechDecoder, cut_off, not_json};
use crate::sse::SseDecoder;

/// A piece of audio in base64 is far below; an endless line is not.
const EVENT_LIMIT: usize = 64 << 20;

/// One JSON object with all of the audio.
pub struct AudioInJson {
    content_type: String,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct WholeAnswer<'a> {
    #[serde(borrow, alias = "audio_data")]
    audio: Cow<'a, str>,
    #[serde(borrow, default)]
    content_type: Option<Cow<'a, str>>,
}

impl AudioInJson {
    pub fn new(content_type: &str) -> Self {
        AudioInJson {
            content_type: content_type.to_owned(),
            body: Vec::new(),
        }
    }
}

impl SpeechDecoder for AudioInJson {
    fn content_type(&self) -> &str {
        &self.content_type
    }

    fn push(&mut self, chunk: &[u8], _audio: &mut Vec<u8>) -> Result<()> {
        self.body.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(&mut self, audio: &mut Vec<u8>, _whole: bool) -> Result<()> {
        let answer: WholeAnswer = serde_json::from_slice(&self.body)
            .map_err(|error| not_json("The answer with the audio", &error))?;
        decode(&answer.audio, audio)?;
        if let Some(content_type) = answer.content_type {
            self.content_type = content_type.into_owned();
        }
        if audio.is_empty() {
            return Err(no_audio());
        }
        Ok(())
    }
}

/// Events that each have a piece of the audio; the last one has the usage.
pub struct AudioEvents {
    content_type: String,
    decoder: SseDecoder,
    usage: SpeechUsage,
    is_done: bool,
    has_audio: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default, alias = "audio_data")]
    audio: Cow<'a, str>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(alias = "prompt_tokens")]
    input_tokens: Option<u64>,
    #[serde(alias = "completion_tokens")]
    output_tokens: Option<u64>,
}

impl AudioEvents {
    pub fn new(content_type: &str) -> Self {
        AudioEvents {
            content_type: content_type.to_owned(),
            decoder: SseDecoder::new(EVENT_LIMIT),
            usage: SpeechUsage::default(),
            is_done: false,
            has_audio: false,
        }
    }

    /// Feeds the decoder; `None` is the end of the body.
    fn read(&mut self, chunk: Option<&[u8]>, audio: &mut Vec<u8>) -> Result<()> {
        let AudioEvents {
            decoder,
            usage,
            is_done,
            has_audio,
            ..
        } = self;
        let mut on_event = |event: crate::sse::SseEvent<'_>| {
            if event.data == "[DONE]" {
                *is_done = true;
                return Ok(());
            }
            let event: Event = serde_json::from_str(event.data)
                .map_err(|error| not_json("An event of the audio stream", &error))?;
            if let Some(error) = event.error {
                return Err(failure::from_raw(error).into_stream_error());
            }
            decode(&event.audio, audio)?;
            *has_audio |= !event.audio.is_empty();
            *is_done |= event.r#type == "speech.audio.done";
            if let Some(counted) = event.usage {
                usage.input_tokens = counted.input_tokens;
                usage.output_tokens = counted.output_tokens;
            }
            Ok(())
        };
        match chunk {
            Some(chunk) => decoder.push(chunk, &mut on_event),
            None => decoder.finish(&mut on_event),
        }
    }
}

impl SpeechDecoder for AudioEvents {
    fn content_type(&self) -> &str {
        &self.content_type
    }

    fn push(&mut self, chunk: &[u8], audio: &mut Vec<u8>) -> Result<()> {
        self.read(Some(chunk), audio)
    }

    fn finish(&mut self, audio: &mut Vec<u8>, _whole: bool) -> Result<()> {
        self.read(None, audio)?;
        if !self.is_done {
            return Err(cut_off());
        }
        if !self.has_audio {
            return Err(no_audio());
        }
        Ok(())
    }

    fn usage(&self) -> SpeechUsage {
        self.usage.clone()
    }
}

fn decode(base64: &str, audio: &mut Vec<u8>) -> Result<()> {
    STANDARD
        .decode_vec(base64.as_bytes(), audio)
        .map_err(|_| Error::bad_response("The audio is not the base64 that it should be."))
}

fn no_audio() -> Error {
    Error::bad_response("The provider answered without any audio. Send the request again.")
        .with_retryable(true)
}
