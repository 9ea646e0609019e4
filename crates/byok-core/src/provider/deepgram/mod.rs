//! Deepgram: text to speech (Aura) and speech to text (Nova). Parameters go into the query; the body is
//! the text or the audio itself. The rules are read from the types of `@deepgram/sdk` 5 and one recorded
//! exchange.

mod failure;
mod query;
mod speech;
mod transcription;

use http::{HeaderMap, StatusCode};

use super::{CredentialHeader, Failure, Fields, Provider, SpeechProvider, TranscriptionProvider};
use crate::capability::Capability;
use crate::capability::verify::VerifyRequest;

/// `deepgram`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deepgram;

impl Provider for Deepgram {
    fn id(&self) -> &str {
        "deepgram"
    }

    fn name(&self) -> &str {
        "Deepgram"
    }

    fn base_url(&self) -> &str {
        "https://api.deepgram.com"
    }

    fn credential(&self, _: &Fields) -> CredentialHeader<'_> {
        CredentialHeader {
            name: "authorization",
            prefix: "Token ",
        }
    }

    /// A key without the scope to list projects may still read about itself.
    fn verify(&self) -> VerifyRequest<'_> {
        VerifyRequest::get("/v1/projects").or_get("/v1/auth/token")
    }

    /// 40 hexadecimal digits.
    fn recognizes(&self, key: &str) -> bool {
        key.len() == 40
            && key
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    fn default_model(&self, capability: Capability) -> Option<&str> {
        match capability {
            Capability::TextToSpeech => Some("aura-2-thalia-en"),
            Capability::SpeechToText => Some("nova-3"),
            _ => None,
        }
    }

    fn failure(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Failure {
        failure::read(status, body)
    }

    fn request_id_header(&self) -> Option<&'static str> {
        Some("dg-request-id")
    }

    fn speech(&self) -> Option<&dyn SpeechProvider> {
        Some(self)
    }

    fn transcription(&self) -> Option<&dyn TranscriptionProvider> {
        Some(self)
    }
}
