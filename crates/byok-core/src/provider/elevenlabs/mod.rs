//! ElevenLabs: text to speech, whole and as it is made, and speech to text. The rules are read from
//! the API's own description and the types of `@elevenlabs/elevenlabs-js` 2; of real traffic there are
//! only a few recorded bodies.

mod failure;
mod format;
mod speech;
mod transcription;

use http::{HeaderMap, StatusCode};

use super::{CredentialHeader, Failure, Fields, Provider, SpeechProvider, TranscriptionProvider};
use crate::capability::Capability;
use crate::capability::verify::VerifyRequest;

/// `elevenlabs`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ElevenLabs;

impl Provider for ElevenLabs {
    fn id(&self) -> &str {
        "elevenlabs"
    }

    fn name(&self) -> &str {
        "ElevenLabs"
    }

    fn base_url(&self) -> &str {
        "https://api.elevenlabs.io"
    }

    fn credential(&self, _: &Fields) -> CredentialHeader<'_> {
        CredentialHeader {
            name: "xi-api-key",
            prefix: "",
        }
    }

    /// Keys can be restricted; one that may not read the user may still list models.
    fn verify(&self) -> VerifyRequest<'_> {
        VerifyRequest::get("/v1/user").or_get("/v1/models")
    }

    /// `sk_` and 48 hexadecimal digits. (Older keys are 32 of them without a prefix, as Azure's are.)
    fn recognizes(&self, key: &str) -> bool {
        key.strip_prefix("sk_").is_some_and(|rest| {
            rest.len() == 48 && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    fn default_model(&self, capability: Capability) -> Option<&str> {
        match capability {
            Capability::TextToSpeech => Some("eleven_multilingual_v2"),
            Capability::SpeechToText => Some("scribe_v2"),
            _ => None,
        }
    }

    fn failure(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Failure {
        failure::read(status, body)
    }

    fn request_id_header(&self) -> Option<&'static str> {
        Some("request-id")
    }

    fn speech(&self) -> Option<&dyn SpeechProvider> {
        Some(self)
    }

    fn transcription(&self) -> Option<&dyn TranscriptionProvider> {
        Some(self)
    }
}
