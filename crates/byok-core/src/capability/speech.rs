//! The `textToSpeech` capability: a text to audio, whole or as it is made.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::meta::Meta;
use crate::error::{Error, Result};

/// A request as the caller wrote it, without routing options.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpeechRequest {
    #[serde(default)]
    pub text: String,
    /// The provider's own name or id of a voice; a provider's default without it.
    pub voice: Option<String>,
    /// `mp3`, `wav`, `pcm`, `opus`, `aac` or `flac`, or a name of the provider's own
    /// (`mp3_44100_192`). Default: what the provider gives unasked, `wav` where that is bare samples.
    pub format: Option<String>,
    /// 1 is the voice's own speed.
    pub speed: Option<f64>,
    /// How to speak, for models that take it.
    pub instructions: Option<String>,
    /// ISO 639-1.
    pub language: Option<String>,
    #[serde(default)]
    pub provider_options: Map<String, Value>,
}

impl SpeechRequest {
    /// # Errors
    /// `INVALID_ARGUMENT` for an empty text.
    pub fn prepare(&self) -> Result<()> {
        if self.text.trim().is_empty() {
            return Err(Error::invalid_argument(
                "text: there is nothing to say. Give a text that is not empty.",
            ));
        }
        Ok(())
    }
}

/// What `textToSpeech` gives back; the audio crosses beside it as an attachment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechResult {
    pub content_type: String,
    pub usage: SpeechUsage,
    #[serde(flatten)]
    pub meta: Meta,
}

/// What the provider counted; it counts one of them or none.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub characters: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
}
