//! What Anthropic's error bodies mean: `{"type":"error","error":{"type","message","details"},
//! "request_id"}`, the same in answers and in streams. `type` decides; the message only tells apart
//! what comes under one type (`invalid_request_error` is also a long prompt and an empty account).

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Code, Error};
use crate::provider::Failure;

#[derive(Deserialize)]
struct Body {
    error: Detail,
    #[serde(default)]
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    details: Value,
}

/// A failed request. `x-should-retry` is the server's own word on retrying and wins.
pub fn of_response(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let mut failure = read(Failure::from_status(status), body);
    match headers.get("x-should-retry").map(|value| value.as_bytes()) {
        Some(b"true") => failure.retryable = true,
        Some(b"false") => failure.retryable = false,
        _ => {}
    }
    failure
}

/// An `error` event in the middle of a stream.
pub fn of_event(data: &str) -> Error {
    read(Failure::from_status(StatusCode::OK), data.as_bytes()).into_stream_error()
}

/// An error where an answer should be, under a status that says all is well.
pub fn of_answer(body: &[u8]) -> Error {
    let failure = read(Failure::from_status(StatusCode::OK), body);
    let message = failure.message.unwrap_or_else(|| "no reason given".into());
    Error::new(
        failure.code,
        format!("The provider answered with an error: {message}"),
    )
    .with_request_id(failure.request_id.as_deref())
    .with_retryable(failure.retryable)
}

fn read(by_status: Failure, body: &[u8]) -> Failure {
    let Ok(Body { error, request_id }) = serde_json::from_slice::<Body>(body) else {
        return by_status;
    };
    let message = error.message.as_deref();
    let code = code(&error).unwrap_or(by_status.code);
    Failure {
        request_id,
        ..by_status.recoded(code).with_message(message)
    }
}

/// `None` where the status knows more.
fn code(error: &Detail) -> Option<Code> {
    let message = error.message.as_deref().unwrap_or_default();
    let has = |part: &str| message.contains(part);
    match error.type_name() {
        "authentication_error" => Some(Code::KeyInvalid),
        "billing_error" => Some(Code::QuotaExceeded),
        "permission_error" => Some(Code::PermissionDenied),
        "request_too_large" => Some(Code::ContextTooLong),
        "timeout_error" | "api_error" | "overloaded_error" => Some(Code::ProviderUnavailable),
        // A limit on spending is no limit on the rate: waiting a minute doesn't help.
        "rate_limit_error" if error.code().ends_with("_spend_limit_reached") => {
            Some(Code::QuotaExceeded)
        }
        "rate_limit_error" => Some(Code::ProviderRateLimited),
        "not_found_error" if has("model") => Some(Code::ModelNotFound),
        "not_found_error" => Some(Code::ProviderError),
        "invalid_request_error" if error.code() == "organization_on_hold" => {
            Some(Code::PermissionDenied)
        }
        "invalid_request_error" if has("credit balance is too low") || has("API usage limits") => {
            Some(Code::QuotaExceeded)
        }
        "invalid_request_error"
            if has("prompt is too long")
                || has("exceed context limit")
                || has("context window") =>
        {
            Some(Code::ContextTooLong)
        }
        "invalid_request_error" if has("content filtering policy") => Some(Code::ContentFiltered),
        _ => None,
    }
}

impl Detail {
    fn type_name(&self) -> &str {
        self.r#type.as_deref().unwrap_or_default()
    }

    fn code(&self) -> &str {
        self.details["error_code"].as_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, kind: &str, message: &str) -> Failure {
        let body = serde_json::json!({
            "type": "error",
            "error": { "type": kind, "message": message },
            "request_id": "req_1",
        });
        let status = StatusCode::from_u16(status).unwrap();
        of_response(status, &HeaderMap::new(), body.to_string().as_bytes())
    }

    #[test]
    fn the_type_decides_what_an_error_means() {
        let cases = [
            (
                401,
                "authentication_error",
                "API key is invalid.",
                Code::KeyInvalid,
                false,
            ),
            (402, "billing_error", "x", Code::QuotaExceeded, false),
            (403, "permission_error", "x", Code::PermissionDenied, false),
            (
                404,
                "not_found_error",
                "model: claude-9",
                Code::ModelNotFound,
                false,
            ),
            (
                404,
                "not_found_error",
                "Not found",
                Code::ProviderError,
                false,
            ),
            (413, "request_too_large", "x", Code::ContextTooLong, false),
            (
                429,
                "rate_limit_error",
                "x",
                Code::ProviderRateLimited,
                true,
            ),
            (500, "api_error", "x", Code::ProviderUnavailable, true),
            (504, "timeout_error", "x", Code::ProviderUnavailable, true),
            (
                529,
                "overloaded_error",
                "Overloaded",
                Code::ProviderUnavailable,
                true,
            ),
            (
                400,
                "invalid_request_error",
                "temperature: no",
                Code::ProviderError,
                false,
            ),
            (
                400,
                "invalid_request_error",
                "prompt is too long: 3333404 tokens > 200000 maximum",
                Code::ContextTooLong,
                false,
            ),
            (
                400,
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000",
                Code::ContextTooLong,
                false,
            ),
            (
                400,
                "invalid_request_error",
                "Your credit balance is too low to access the Anthropic API.",
                Code::QuotaExceeded,
                false,
            ),
            (
                400,
                "invalid_request_error",
                "Output blocked by content filtering policy",
                Code::ContentFiltered,
                false,
            ),
        ];
        for (status, kind, message, code, retryable) in cases {
            let failure = failure(status, kind, message);
            assert_eq!(failure.code, code, "{kind}: {message}");
            assert_eq!(failure.retryable, retryable, "{kind}: {message}");
            assert_eq!(failure.message.as_deref(), Some(message));
            assert_eq!(failure.request_id.as_deref(), Some("req_1"));
        }
    }

    #[test]
    fn a_spending_limit_is_a_quota_though_it_comes_as_a_rate_limit() {
        let body = br#"{"type":"error","error":{"type":"rate_limit_error","message":"x","details":{"error_code":"enforced_spend_limit_reached"}},"request_id":null}"#;
        let failure = of_response(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), body);
        assert_eq!(failure.code, Code::QuotaExceeded);
        assert!(!failure.retryable);
    }

    #[test]
    fn a_body_that_is_not_json_leaves_the_word_to_the_status() {
        let status = StatusCode::from_u16(529).unwrap();
        let failure = of_response(status, &HeaderMap::new(), b"<html>busy</html>");
        assert_eq!(failure.code, Code::ProviderUnavailable);
        assert_eq!(failure.message, None);
    }

    #[test]
    fn the_servers_own_word_on_retrying_wins() {
        let mut headers = HeaderMap::new();
        headers.insert("x-should-retry", "false".parse().unwrap());
        assert!(!of_response(StatusCode::BAD_GATEWAY, &headers, b"").retryable);
    }

    #[test]
    fn an_error_event_is_typed_and_keeps_the_request_id() {
        let error = of_event(
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_9"}"#,
        );
        assert_eq!(error.code(), Code::ProviderUnavailable);
        assert_eq!(error.request_id(), Some("req_9"));
        let error =
            of_event(r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#);
        assert_eq!(error.code(), Code::ProviderRateLimited);
    }
}
