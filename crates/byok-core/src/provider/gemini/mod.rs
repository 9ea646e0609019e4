//! Google's Gemini API (AI Studio), `v1beta`: `generateContent` and `streamGenerateContent?alt=sse` for
//! chat, speech, transcripts and images, `batchEmbedContents` for vectors. The rules here are read from the types of `@google/genai` 3, the v1beta discovery
//! document and recorded traffic. Each direction has its own file; this one only names them.

mod contents;
mod embed;
mod failure;
mod image;
mod media;
mod outcome;
mod partial;
mod reader;
mod reasoning;
mod request;
mod response;
mod speech;
mod transcription;
mod wire;

use http::{HeaderMap, StatusCode};

use super::{
    ChatProvider, CredentialHeader, EmbedProvider, Failure, Fields, ImageProvider, Provider,
    SpeechProvider, TranscriptionProvider,
};
use crate::capability::Capability;
use crate::capability::verify::VerifyRequest;

/// `gemini`: users' keys of Google AI Studio.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gemini;

impl Provider for Gemini {
    fn id(&self) -> &str {
        "gemini"
    }

    fn name(&self) -> &str {
        "Gemini"
    }

    fn base_url(&self) -> &str {
        "https://generativelanguage.googleapis.com/v1beta"
    }

    /// Never `?key=`, which ends up in logs.
    fn credential(&self, _: &Fields) -> CredentialHeader<'_> {
        CredentialHeader {
            name: "x-goog-api-key",
            prefix: "",
        }
    }

    fn verify(&self) -> VerifyRequest<'_> {
        VerifyRequest::get("/models?pageSize=1")
    }

    /// `AQ.` since 2026, `AIza` before.
    fn recognizes(&self, key: &str) -> bool {
        key.starts_with("AQ.") || key.starts_with("AIza")
    }

    fn default_model(&self, capability: Capability) -> Option<&str> {
        match capability {
            Capability::Chat | Capability::SpeechToText => Some("gemini-3.7-flash"),
            Capability::Embeddings => Some("gemini-embedding-001"),
            Capability::TextToSpeech => Some("gemini-2.5-flash-preview-tts"),
            Capability::ImageGeneration => Some("gemini-3.1-flash-image-preview"),
        }
    }

    fn failure(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Failure {
        failure::read(status, body)
    }

    /// Gemini has none; an answer's `responseId` becomes its `id`.
    fn request_id_header(&self) -> Option<&'static str> {
        None
    }

    fn chat(&self) -> Option<&dyn ChatProvider> {
        Some(self)
    }

    fn embed(&self) -> Option<&dyn EmbedProvider> {
        Some(self)
    }

    fn speech(&self) -> Option<&dyn SpeechProvider> {
        Some(self)
    }

    fn transcription(&self) -> Option<&dyn TranscriptionProvider> {
        Some(self)
    }

    fn image(&self) -> Option<&dyn ImageProvider> {
        Some(self)
    }
}
