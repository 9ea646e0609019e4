//! Embeddings, as one provider speaks them.

use super::WireRequest;
use crate::capability::embed::EmbedRequest;
use crate::error::Result;

pub trait EmbedProvider: Send + Sync {
    /// How much one request may hold; the engine splits what is more.
    fn batch_limit(&self, model: &str) -> BatchLimit;

    /// # Errors
    /// `INVALID_ARGUMENT` when the request can't be expressed at all; what is merely unsupported
    /// becomes a warning.
    fn request(
        &self,
        request: &EmbedRequest,
        inputs: &[String],
        model: &str,
    ) -> Result<WireRequest>;

    /// Reads the answer to one batch.
    ///
    /// # Errors
    /// `BAD_RESPONSE` for what is not the provider's JSON.
    fn response(&self, body: &[u8]) -> Result<EmbedBatch>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    pub inputs: usize,
    /// Of all inputs together, in UTF-8. A token is at least a byte, so a limit of tokens can stand here.
    pub bytes: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbedBatch {
    /// In the order of the inputs.
    pub vectors: Vec<Vec<f32>>,
    /// Absent when the provider does not say.
    pub input_tokens: Option<u64>,
    /// The model that answered, as the provider names it.
    pub model: Option<String>,
    pub id: Option<String>,
}
