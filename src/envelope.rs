//! How outcomes cross to JavaScript: `{"ok": value}` or `{"error": {...}}` as JSON text, since an
//! error of Node-API itself can't carry a code, hints and a cause.

use byok_core::error::{Code, Error, Result};
use byok_core::trace::Trace;
use serde::{Deserialize, Serialize};

pub fn encode<T: Serialize>(result: &Result<T>) -> String {
    match result {
        Ok(value) => ok(value),
        Err(failure) => error(failure),
    }
}

pub fn ok<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text = Vec::with_capacity(256);
    text.extend_from_slice(b"{\"ok\":");
    if let Err(failure) = serde_json::to_writer(&mut text, value) {
        return error(&Error::new(Code::Internal, failure.to_string()));
    }
    text.push(b'}');
    String::from_utf8(text).unwrap_or_default()
}

pub fn error(failure: &Error) -> String {
    let text = serde_json::to_string(failure).unwrap_or_else(|_| {
        r#"{"code":"INTERNAL","message":"An error could not be encoded.","retryable":false}"#.into()
    });
    format!("{{\"error\":{text}}}")
}

/// Puts a call's attempts beside its outcome, for telemetry.
pub fn with_attempts(mut envelope: String, trace: Option<&Trace>) -> String {
    let attempts = trace.map(|trace| serde_json::to_string(&trace.take()));
    if let Some(Ok(attempts)) = attempts
        && envelope.pop() == Some('}')
    {
        envelope.push_str(",\"attempts\":");
        envelope.push_str(&attempts);
        envelope.push('}');
    }
    envelope
}

/// Runs a call, and notes its attempts where somebody wants them.
pub async fn traced<T>(trace: Option<Trace>, call: impl Future<Output = T>) -> T {
    match trace {
        Some(trace) => trace.follow(call).await,
        None => call.await,
    }
}

/// What JavaScript answered to a callback.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer<T> {
    Ok(T),
    Error(Failure),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    code: String,
    message: String,
    cause_id: Option<u32>,
}

/// Reads an envelope that JavaScript made. `fallback` is the code of what can't be read.
pub fn decode<'de, T: Deserialize<'de>>(text: &'de str, fallback: Code) -> Result<T> {
    match serde_json::from_str(text) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Error(Failure {
            code,
            message,
            cause_id,
        })) => {
            let error = Error::new(Code::from_name(&code).unwrap_or(fallback), message);
            Err(match cause_id {
                Some(cause_id) => error.with_cause_id(cause_id),
                None => error,
            })
        }
        Err(failure) => Err(Error::new(
            fallback,
            format!("A callback's answer could not be read: {failure}."),
        )),
    }
}
