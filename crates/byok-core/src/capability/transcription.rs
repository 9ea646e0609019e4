//! The `speechToText` capability: audio to text, with times where the provider has them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::meta::Meta;

/// A request as the caller wrote it, without routing options.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TranscriptionRequest {
    pub audio: AudioInput,
    /// With an extension: providers tell the format by it. Made from the media type when absent.
    #[serde(default)]
    pub filename: String,
    /// `audio/wav`. Found by the file name or the first bytes when absent.
    #[serde(default)]
    pub media_type: String,
    /// ISO 639-1; detected by the provider when absent.
    pub language: Option<String>,
    /// Words and names that may occur, for models that take it.
    pub prompt: Option<String>,
    /// Which times are wanted; those that come unasked are given in any case.
    pub timestamps: Option<Timestamps>,
    /// Whether speakers are to be told apart.
    pub diarize: Option<bool>,
    pub temperature: Option<f64>,
    #[serde(default)]
    pub provider_options: Map<String, Value>,
}

/// Where the audio is: bytes beside the JSON, or an upload that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum AudioInput {
    #[serde(rename = "$bytes")]
    Attachment(usize),
    #[serde(rename = "$upload")]
    Upload(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timestamps {
    None,
    Segment,
    Word,
}

/// What `speechToText` gives back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TranscriptionResult {
    #[serde(flatten)]
    pub transcript: Transcript,
    #[serde(flatten)]
    pub meta: Meta,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    pub text: String,
    /// As the provider names it: usually ISO 639-1, `english` at some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    pub usage: TranscriptionUsage,
    #[serde(skip)]
    pub id: Option<String>,
    #[serde(skip)]
    pub model: Option<String>,
}

/// Seconds from the beginning of the audio.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    pub text: String,
    pub start_seconds: f64,
    pub end_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
}

/// Seconds from the beginning of the audio.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    pub text: String,
    pub start_seconds: f64,
    pub end_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
}

/// What the provider counted: tokens or seconds, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptionUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
}
