//! Server-sent events as the three providers frame them, one event to a chunk.

use bytes::Bytes;
use serde_json::Value;

/// `event:` and `data:` lines, as Anthropic and OpenAI's Responses send them; the name is the payload's `type`.
pub fn named(payload: &Value) -> Bytes {
    let name = payload["type"].as_str().unwrap_or("message");
    Bytes::from(format!("event: {name}\ndata: {payload}\n\n"))
}

/// A bare `data:` line, as OpenAI's Chat Completions sends it.
pub fn bare(payload: &Value) -> Bytes {
    Bytes::from(format!("data: {payload}\n\n"))
}

/// A bare `data:` line that ends in CRLF, as Gemini sends it.
pub fn bare_crlf(payload: &Value) -> Bytes {
    Bytes::from(format!("data: {payload}\r\n\r\n"))
}
