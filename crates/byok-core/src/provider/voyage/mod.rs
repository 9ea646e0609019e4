//! Voyage AI: embeddings. The rules are read from the types of `voyageai` and from recorded traffic.

mod embed;
mod failure;

use http::{HeaderMap, StatusCode};

use super::{CredentialHeader, EmbedProvider, Failure, Fields, Provider};
use crate::capability::Capability;
use crate::capability::verify::VerifyRequest;

/// `voyage`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Voyage;

impl Provider for Voyage {
    fn id(&self) -> &str {
        "voyage"
    }

    fn name(&self) -> &str {
        "Voyage AI"
    }

    fn base_url(&self) -> &str {
        "https://api.voyageai.com/v1"
    }

    fn credential(&self, _: &Fields) -> CredentialHeader<'_> {
        CredentialHeader::BEARER
    }

    /// Voyage lists no models; the list of uploaded files is the request that costs nothing.
    fn verify(&self) -> VerifyRequest<'_> {
        VerifyRequest::get("/files?limit=1")
    }

    /// `pa-` at Voyage itself, `al-` from MongoDB Atlas.
    fn recognizes(&self, key: &str) -> bool {
        key.starts_with("pa-") || key.starts_with("al-")
    }

    fn default_model(&self, capability: Capability) -> Option<&str> {
        (capability == Capability::Embeddings).then_some("voyage-3.5")
    }

    fn failure(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Failure {
        failure::read(status, body)
    }

    fn request_id_header(&self) -> Option<&'static str> {
        None
    }

    fn embed(&self) -> Option<&dyn EmbedProvider> {
        Some(self)
    }
}
