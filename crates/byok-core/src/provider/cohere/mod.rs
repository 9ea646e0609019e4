//! Cohere, the second version of its API: `/v2/chat` with its own events, `/v2/embed`. The rules are
//! read from the types of `cohere-ai` 8 and from recorded traffic. Each direction has its own file.

mod embed;
mod failure;
mod message;
mod request;
mod response;
mod stream;
mod wire;

use http::{HeaderMap, StatusCode};

use super::{ChatProvider, CredentialHeader, EmbedProvider, Failure, Fields, Provider};
use crate::capability::Capability;
use crate::capability::verify::VerifyRequest;

/// `cohere`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cohere;

impl Provider for Cohere {
    fn id(&self) -> &str {
        "cohere"
    }

    fn name(&self) -> &str {
        "Cohere"
    }

    /// Without a version, because the list of models is in the first one.
    fn base_url(&self) -> &str {
        "https://api.cohere.com"
    }

    fn credential(&self, _: &Fields) -> CredentialHeader<'_> {
        CredentialHeader::BEARER
    }

    fn verify(&self) -> VerifyRequest<'_> {
        VerifyRequest::get("/v1/models?page_size=1")
    }

    /// 40 letters and digits. Deepgram's keys are 40 hexadecimal digits, so those are left to it.
    fn recognizes(&self, key: &str) -> bool {
        key.len() == 40
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !key.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    fn default_model(&self, capability: Capability) -> Option<&str> {
        match capability {
            Capability::Chat => Some("command-a-03-2025"),
            Capability::Embeddings => Some("embed-v4.0"),
            _ => None,
        }
    }

    fn failure(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Failure {
        failure::read(status, body)
    }

    fn request_id_header(&self) -> Option<&'static str> {
        Some("x-debug-trace-id")
    }

    fn chat(&self) -> Option<&dyn ChatProvider> {
        Some(self)
    }

    fn embed(&self) -> Option<&dyn EmbedProvider> {
        Some(self)
    }
}
