//! What Deepgram's errors mean: `{ "err_code", "err_msg", "request_id" }`, in newer parts of the API
//! `{ "category", "message", "details", "request_id" }`.

use http::StatusCode;
use serde::Deserialize;

use crate::error::Code;
use crate::provider::Failure;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    err_code: Option<String>,
    err_msg: Option<String>,
    category: Option<String>,
    message: Option<String>,
    details: Option<String>,
    request_id: Option<String>,
}

pub fn read(status: StatusCode, body: &[u8]) -> Failure {
    let failure = Failure::from_status(status);
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return failure;
    };
    let word = body.err_code.or(body.category).unwrap_or_default();
    let said = body.err_msg.or(match (body.message, body.details) {
        (Some(message), Some(details)) => Some(format!("{message} {details}")),
        (message, details) => message.or(details),
    });
    let words = said.as_deref().unwrap_or_default().to_ascii_lowercase();
    let code = match word.to_ascii_uppercase().as_str() {
        "INVALID_AUTH" | "UNAUTHORIZED" => Some(Code::KeyInvalid),
        "ASR_PAYMENT_REQUIRED" | "PAYMENT_REQUIRED" | "INSUFFICIENT_CREDITS" => {
            Some(Code::QuotaExceeded)
        }
        "INSUFFICIENT_PERMISSIONS" | "FORBIDDEN" => Some(Code::PermissionDenied),
        "TOO_MANY_REQUESTS" | "RATE_LIMIT_EXCEEDED" => Some(Code::ProviderRateLimited),
        // "No such model/language/tier combination found.", "Invalid 'model' value".
        _ if status.is_client_error()
            && (words.contains("no such model") || words.contains("'model'")) =>
        {
            Some(Code::ModelNotFound)
        }
        // A text of more than 2,000 characters.
        _ if status == StatusCode::PAYLOAD_TOO_LARGE
            || words.contains("character limit")
            || words.contains("maximum characters") =>
        {
            Some(Code::ContextTooLong)
        }
        _ => None,
    };
    let mut failure = match code {
        Some(code) => failure.recoded(code),
        None => failure,
    };
    failure.request_id = body.request_id;
    failure.with_message(said.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_are_read() {
        let cases = [
            (
                401,
                r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"r"}"#,
                Code::KeyInvalid,
            ),
            (
                401,
                r#"{"category":"UNAUTHORIZED","message":"Not allowed.","details":"Bad key.","request_id":"r"}"#,
                Code::KeyInvalid,
            ),
            (
                402,
                r#"{"err_code":"ASR_PAYMENT_REQUIRED","err_msg":"Project does not have enough credits","request_id":"r"}"#,
                Code::QuotaExceeded,
            ),
            (
                403,
                r#"{"err_code":"INSUFFICIENT_PERMISSIONS","err_msg":"User does not have permission.","request_id":"r"}"#,
                Code::PermissionDenied,
            ),
            (
                400,
                r#"{"err_code":"Bad Request","err_msg":"Bad Request: No such model/language/tier combination found.","request_id":"r"}"#,
                Code::ModelNotFound,
            ),
            (
                413,
                r#"{"err_code":"PAYLOAD_TOO_LARGE","err_msg":"Input text exceeds maximum characters","request_id":"r"}"#,
                Code::ContextTooLong,
            ),
            (
                429,
                r#"{"err_code":"TOO_MANY_REQUESTS","err_msg":"Too many requests.","request_id":"r"}"#,
                Code::ProviderRateLimited,
            ),
        ];
        for (status, body, expected) in cases {
            let failure = read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!(failure.code, expected, "{body}");
            assert_eq!(failure.request_id.as_deref(), Some("r"));
            assert!(failure.message.is_some());
        }
    }
}
