//! An answer that is bytes: its head as JSON, and a source that gives the bytes as they arrive.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;
use crate::http::Response;

pub struct ByteAnswer {
    /// JSON of what is known before the first byte.
    pub head: String,
    pub source: Box<dyn ByteSource>,
}

/// Bytes as they arrive. Dropping it ends the exchange behind it.
#[async_trait]
pub trait ByteSource: Send {
    /// The next piece; `None` at the end. Not called again after an error or the end.
    ///
    /// # Errors
    /// What broke the answer off.
    async fn next(&mut self) -> Result<Option<Bytes>>;
}

/// The body as it is.
#[async_trait]
impl ByteSource for Response {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.chunk().await
    }
}
