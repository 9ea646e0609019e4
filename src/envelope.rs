//! How outcomes cross to JavaScript: `{"ok": value}` or `{"error": {...}}` as JSON text, since an
//! error of Node-API itself can't carry a code, hints and a cause.

use byok_core::error::{Code, Error, Result};
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
