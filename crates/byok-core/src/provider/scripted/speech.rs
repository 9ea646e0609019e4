//! Text to speech of a defined provider. A body that is audio is streamed as it comes and never seen by
//! JavaScript; one that is JSON is read as a whole by the provider's function.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::ScriptedProvider;
use super::embed::raw;
use super::failure::Said;
use crate::capability::speech::{SpeechRequest, SpeechUsage};
use crate::error::Result;
use crate::provider::{RawAudio, WireRequest, check_is_audio};

/// One text on its way through a provider's functions.
pub struct ScriptedSpeech<'a> {
    provider: &'a ScriptedProvider,
    request: Box<RawValue>,
    options: &'a Map<String, Value>,
    model: &'a str,
}

/// What a function found in a JSON answer.
pub struct SpokenAudio {
    pub audio: Vec<u8>,
    pub content_type: String,
    pub usage: SpeechUsage,
}

#[derive(Serialize)]
struct Asked<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
}

#[derive(Serialize)]
struct RequestArguments<'a> {
    request: &'a RawValue,
    model: &'a str,
    stream: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    audio: Option<String>,
    content_type: Option<String>,
    usage: Option<Counted>,
    error: Option<Said>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counted {
    characters: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl ScriptedProvider {
    pub fn speech<'a>(
        &'a self,
        request: &'a SpeechRequest,
        model: &'a str,
    ) -> Result<ScriptedSpeech<'a>> {
        let asked = Asked {
            text: &request.text,
            voice: request.voice.as_deref(),
            format: request.format.as_deref(),
            speed: request.speed,
            instructions: request.instructions.as_deref(),
            language: request.language.as_deref(),
        };
        Ok(ScriptedSpeech {
            provider: self,
            request: raw(&asked)?,
            options: &request.provider_options,
            model,
        })
    }

    /// Whether a function reads the answer; else its body is the audio.
    pub fn speaks_json(&self) -> bool {
        let speech = self.definition.text_to_speech.as_ref();
        speech.is_some_and(|speech| speech.response)
    }

    /// The decoder of a body that is the audio.
    ///
    /// # Errors
    /// `BAD_RESPONSE` for an answer that calls itself something else.
    pub fn audio(&self, headers: &HeaderMap) -> Result<RawAudio> {
        check_is_audio(headers)?;
        let speech = self.definition.text_to_speech.as_ref();
        let otherwise = speech.and_then(|speech| speech.content_type.as_deref());
        let otherwise = otherwise.unwrap_or("application/octet-stream");
        Ok(RawAudio::of(headers, otherwise, SpeechUsage::default()))
    }
}

impl ScriptedSpeech<'_> {
    pub async fn request(&self, stream: bool) -> Result<WireRequest> {
        let function = "textToSpeech.request";
        let arguments = RequestArguments {
            request: &self.request,
            model: self.model,
            stream,
        };
        self.provider
            .outgoing(function, &arguments, self.options, None)
            .await
    }

    pub async fn response(&self, body: &str) -> Result<SpokenAudio> {
        let function = "textToSpeech.response";
        let answer: Answer = self
            .provider
            .incoming(function, body, &self.request, self.model)
            .await?;
        if let Some(said) = answer.error {
            return Err(said.into_failure().into_error());
        }
        let audio = answer.audio.and_then(|text| STANDARD.decode(text).ok());
        let Some(audio) = audio.filter(|audio| !audio.is_empty()) else {
            let what = ": audio must be base64 text and not empty";
            return Err(self.provider.malformed(function, what));
        };
        let speech = self.provider.definition.text_to_speech.as_ref();
        let usage = answer.usage.unwrap_or_default();
        Ok(SpokenAudio {
            audio,
            content_type: answer
                .content_type
                .or_else(|| speech?.content_type.clone())
                .unwrap_or_else(|| "application/octet-stream".to_owned()),
            usage: SpeechUsage {
                characters: usage.characters,
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
            },
        })
    }
}
