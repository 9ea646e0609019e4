//! What Voyage's errors mean: `{ "detail": "..." }`, so the words are all there is beside the status.

use http::StatusCode;
use serde::Deserialize;

use crate::error::Code;
use crate::provider::Failure;

#[derive(Deserialize)]
struct Body {
    detail: Option<String>,
}

pub fn read(status: StatusCode, body: &[u8]) -> Failure {
    let failure = Failure::from_status(status);
    let Ok(Body {
        detail: Some(detail),
    }) = serde_json::from_slice(body)
    else {
        return failure;
    };
    let words = detail.to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|text| words.contains(text));
    let code = match status.as_u16() {
        400 | 404 if words.starts_with("model ") && says(&["not supported", "not found"]) => {
            Some(Code::ModelNotFound)
        }
        400 if says(&["max allowed tokens", "context length", "too many tokens"]) => {
            Some(Code::ContextTooLong)
        }
        _ => None,
    };
    match code {
        Some(code) => failure.recoded(code),
        None => failure,
    }
    .with_message(Some(first_sentence(&detail)))
}

/// An unknown model is answered with the names of all the others.
fn first_sentence(detail: &str) -> &str {
    detail
        .split_once(". Supported models")
        .map_or(detail, |(first, _)| first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_status_and_words() {
        let cases = [
            (401, "Provided API key is invalid.", Code::KeyInvalid),
            (
                400,
                "Model nonexistent is not supported. Supported models are ['a', 'b'].",
                Code::ModelNotFound,
            ),
            (
                400,
                "Request to model 'voyage-3.5' failed. The max allowed tokens per submitted batch is 320000.",
                Code::ContextTooLong,
            ),
            (
                429,
                "You have not yet added your payment method",
                Code::ProviderRateLimited,
            ),
            (502, "Bad gateway", Code::ProviderUnavailable),
        ];
        for (status, detail, expected) in cases {
            let body = serde_json::json!({ "detail": detail }).to_string();
            let failure = read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!(failure.code, expected, "{detail}");
            assert!(!failure.message.unwrap().contains("'b'"));
        }
    }
}
