//! What Cohere's errors mean: `{ "message", "id", "error_type"? }`. Most differences are in the words
//! of the message alone.

use http::StatusCode;
use serde::Deserialize;

use crate::error::Code;
use crate::provider::Failure;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    message: Option<String>,
    id: Option<String>,
    error_type: Option<String>,
}

pub fn read(status: StatusCode, body: &[u8]) -> Failure {
    let failure = Failure::from_status(status);
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return failure;
    };
    let words = body.message.as_deref().unwrap_or_default();
    let words = words.to_ascii_lowercase();
    let code = meaning(
        status,
        body.error_type.as_deref().unwrap_or_default(),
        &words,
    );
    let mut failure = match code {
        Some(code) => failure.recoded(code),
        None => failure,
    }
    .with_message(body.message.as_deref());
    failure.request_id = body.id;
    failure
}

/// `words` are in lower case.
fn meaning(status: StatusCode, error_type: &str, words: &str) -> Option<Code> {
    let says = |any: &[&str]| any.iter().any(|text| words.contains(text));
    match status.as_u16() {
        400 | 422 if error_type == "TOO_MANY_TOKENS" || says(&["too many tokens"]) => {
            Some(Code::ContextTooLong)
        }
        400 | 404 | 422 if says(&["model '", "model \""]) && says(&["not found", "removed"]) => {
            Some(Code::ModelNotFound)
        }
        400 | 403 if says(&["blocked"]) => Some(Code::ContentFiltered),
        // A trial key's calls of a month, and a limit that the customer set on spending.
        429 if says(&["/ month", "per month", "monthly", "billing", "spend"]) => {
            Some(Code::QuotaExceeded)
        }
        498 => Some(Code::KeyInvalid),
        // The request was given up before it was answered.
        499 => Some(Code::ProviderUnavailable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: u16, message: &str) -> Failure {
        let body = serde_json::json!({ "message": message, "id": "abc" }).to_string();
        read(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn a_trial_key_that_is_used_up_is_out_of_quota_and_one_that_is_too_fast_is_not() {
        let month = code(
            429,
            "You are using a Trial key, which is limited to 1000 API calls / month.",
        );
        assert_eq!(month.code, Code::QuotaExceeded);
        assert!(!month.retryable);
        let minute = code(
            429,
            "You are using a Trial key, which is limited to 40 API calls / minute.",
        );
        assert_eq!(minute.code, Code::ProviderRateLimited);
        assert!(minute.retryable);
    }

    #[test]
    fn errors_are_told_apart_by_status_and_words() {
        let cases = [
            (401, "invalid api token", Code::KeyInvalid),
            (498, "invalid token", Code::KeyInvalid),
            (
                404,
                "model 'command-x' not found, make sure the correct model ID was used",
                Code::ModelNotFound,
            ),
            (
                404,
                "model 'command-r' was removed on September 15, 2025.",
                Code::ModelNotFound,
            ),
            (404, "not found", Code::ProviderError),
            (
                400,
                "too many tokens: size limit exceeded",
                Code::ContextTooLong,
            ),
            (500, "internal server error", Code::ProviderUnavailable),
        ];
        for (status, message, expected) in cases {
            let failure = code(status, message);
            assert_eq!(failure.code, expected, "{message}");
            assert_eq!(failure.request_id.as_deref(), Some("abc"));
        }
    }
}
