//! Speech to text, as one provider speaks it.

use super::WireRequest;
use crate::capability::transcription::{Transcript, TranscriptionRequest};
use crate::error::Result;

pub trait TranscriptionProvider: Send + Sync {
    /// The audio itself is put in by the engine, where the body says so; `request` has its name and
    /// media type.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the request can't be expressed at all; what is merely unsupported
    /// becomes a warning.
    fn request(&self, request: &TranscriptionRequest, model: &str) -> Result<WireRequest>;

    /// # Errors
    /// `BAD_RESPONSE` for what is not the provider's JSON.
    fn response(&self, request: &TranscriptionRequest, body: &[u8]) -> Result<Transcript>;
}
