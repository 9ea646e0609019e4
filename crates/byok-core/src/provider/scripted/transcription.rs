//! Speech to text of a defined provider. The audio itself goes from the caller to the network without
//! passing through the provider's functions.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::ScriptedProvider;
use super::embed::{RequestArguments, raw};
use super::failure::Said;
use super::request::AudioName;
use crate::capability::transcription::{
    Segment, Timestamps, Transcript, TranscriptionRequest, TranscriptionUsage, Word,
};
use crate::error::Result;
use crate::provider::WireRequest;

/// One transcription on its way through a provider's functions.
pub struct ScriptedTranscription<'a> {
    provider: &'a ScriptedProvider,
    request: Box<RawValue>,
    options: &'a Map<String, Value>,
    audio: AudioName<'a>,
    model: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    filename: &'a str,
    media_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamps: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diarize: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    text: Option<String>,
    language: Option<String>,
    duration_seconds: Option<f64>,
    #[serde(default)]
    segments: Vec<Timed>,
    #[serde(default)]
    words: Vec<Timed>,
    usage: Option<Counted>,
    id: Option<String>,
    model: Option<String>,
    error: Option<Said>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Timed {
    text: String,
    start_seconds: f64,
    end_seconds: f64,
    speaker: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counted {
    audio_seconds: Option<f64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl ScriptedProvider {
    pub fn transcription<'a>(
        &'a self,
        request: &'a TranscriptionRequest,
        model: &'a str,
    ) -> Result<ScriptedTranscription<'a>> {
        let asked = Asked {
            filename: &request.filename,
            media_type: &request.media_type,
            language: request.language.as_deref(),
            prompt: request.prompt.as_deref(),
            timestamps: request.timestamps.map(|timestamps| match timestamps {
                Timestamps::None => "none",
                Timestamps::Segment => "segment",
                Timestamps::Word => "word",
            }),
            diarize: request.diarize,
            temperature: request.temperature,
        };
        Ok(ScriptedTranscription {
            provider: self,
            request: raw(&asked)?,
            options: &request.provider_options,
            audio: AudioName {
                filename: &request.filename,
                media_type: &request.media_type,
            },
            model,
        })
    }
}

impl ScriptedTranscription<'_> {
    pub async fn request(&self) -> Result<WireRequest> {
        let function = "speechToText.request";
        let arguments = RequestArguments {
            request: &self.request,
            model: self.model,
        };
        self.provider
            .outgoing(function, &arguments, self.options, Some(&self.audio))
            .await
    }

    pub async fn response(&self, body: &str) -> Result<Transcript> {
        let function = "speechToText.response";
        let answer: Answer = self
            .provider
            .incoming(function, body, &self.request, self.model)
            .await?;
        if let Some(said) = answer.error {
            return Err(said.into_failure().into_error());
        }
        let Some(text) = answer.text else {
            return Err(self.provider.malformed(function, ": text is missing"));
        };
        let usage = answer.usage.unwrap_or_default();
        let segment = |timed: Timed| Segment {
            text: timed.text,
            start_seconds: timed.start_seconds,
            end_seconds: timed.end_seconds,
            speaker: timed.speaker,
        };
        let word = |timed: Timed| Word {
            text: timed.text,
            start_seconds: timed.start_seconds,
            end_seconds: timed.end_seconds,
            speaker: timed.speaker,
        };
        Ok(Transcript {
            text,
            language: answer.language,
            duration_seconds: answer.duration_seconds,
            segments: answer.segments.into_iter().map(segment).collect(),
            words: answer.words.into_iter().map(word).collect(),
            usage: TranscriptionUsage {
                audio_seconds: usage.audio_seconds,
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
            },
            id: answer.id,
            model: answer.model,
        })
    }
}
