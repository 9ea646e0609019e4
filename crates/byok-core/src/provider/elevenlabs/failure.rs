//! What ElevenLabs' errors mean. `detail` is an object with a word (`status`, in newer answers `code`),
//! an array of what was wrong with the request, or a text. 401 is a bad key as well as an exhausted
//! quota and a missing permission: only the word tells.

use http::StatusCode;
use serde::Deserialize;

use crate::error::Code;
use crate::provider::Failure;

#[derive(Deserialize)]
struct Body {
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    Said(Said),
    Invalid(Vec<Problem>),
    Text(String),
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
}

/// Where and what, never the value that was sent.
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    loc: Vec<serde_json::Value>,
    #[serde(default)]
    msg: String,
}

pub fn read(status: StatusCode, body: &[u8]) -> Failure {
    let failure = Failure::from_status(status);
    match serde_json::from_slice(body) {
        Ok(Body {
            detail: Detail::Said(said),
        }) => {
            let words = [&said.status, &said.code];
            let code = words
                .into_iter()
                .flatten()
                .find_map(|word| meaning(status, word));
            let mut failure = match code {
                Some(code) => failure.recoded(code),
                None => failure,
            };
            failure.request_id = said.request_id;
            failure.with_message(said.message.as_deref().or(said.status.as_deref()))
        }
        Ok(Body {
            detail: Detail::Invalid(problems),
        }) => {
            let problems: Vec<String> = problems.iter().map(Problem::describe).collect();
            failure.with_message(Some(&problems.join("; ")))
        }
        Ok(Body {
            detail: Detail::Text(text),
        }) => failure.with_message(Some(&text)),
        Err(_) => failure,
    }
}

fn meaning(status: StatusCode, word: &str) -> Option<Code> {
    Some(match word {
        "invalid_api_key" | "missing_api_key" | "needs_authorization" | "api_key_disabled" => {
            Code::KeyInvalid
        }
        "quota_exceeded" | "insufficient_credits" | "payment_required" | "payment_issue" => {
            Code::QuotaExceeded
        }
        "missing_permissions"
        | "insufficient_permissions"
        | "detected_unusual_activity"
        | "can_not_use_instant_voice_cloning"
        | "voice_access_denied"
        | "output_format_not_allowed"
        | "subscription_required" => Code::PermissionDenied,
        "too_many_concurrent_requests"
        | "concurrent_limit_exceeded"
        | "rate_limit_exceeded"
        | "system_busy" => Code::ProviderRateLimited,
        "model_not_found" | "invalid_model" | "unsupported_model" => Code::ModelNotFound,
        "max_character_limit_exceeded" | "text_too_long" => Code::ContextTooLong,
        "content_against_policy" | "content_policy_violation" => Code::ContentFiltered,
        word if word.starts_with("only_for_") => Code::PermissionDenied,
        // Any other word with 401 is about the request, unless the status alone is known.
        _ if status == StatusCode::UNAUTHORIZED && word.contains("permission") => {
            Code::PermissionDenied
        }
        _ => return None,
    })
}

impl Problem {
    fn describe(&self) -> String {
        let place: Vec<String> = self
            .loc
            .iter()
            .map(|step| {
                step.as_str()
                    .map_or_else(|| step.to_string(), str::to_owned)
            })
            .collect();
        format!("{}: {}", place.join("."), self.msg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, body: &str) -> Failure {
        read(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn an_exhausted_quota_is_no_bad_key_although_both_are_401() {
        let said =
            |status: &str| format!(r#"{{"detail":{{"status":"{status}","message":"No."}}}}"#);
        let code = |word: &str| failure(401, &said(word)).code;
        assert_eq!(code("invalid_api_key"), Code::KeyInvalid);
        assert_eq!(code("quota_exceeded"), Code::QuotaExceeded);
        assert_eq!(code("missing_permissions"), Code::PermissionDenied);
        assert_eq!(code("detected_unusual_activity"), Code::PermissionDenied);
        assert_eq!(code("something_new"), Code::KeyInvalid);
    }

    #[test]
    fn words_decide_over_the_status() {
        let cases = [
            (400, "max_character_limit_exceeded", Code::ContextTooLong),
            (400, "voice_not_found", Code::ProviderError),
            (403, "only_for_creator+", Code::PermissionDenied),
            (
                429,
                "too_many_concurrent_requests",
                Code::ProviderRateLimited,
            ),
            (429, "system_busy", Code::ProviderRateLimited),
            (429, "quota_exceeded", Code::QuotaExceeded),
        ];
        for (status, word, expected) in cases {
            let body = format!(r#"{{"detail":{{"status":"{word}"}}}}"#);
            let failure = failure(status, &body);
            assert_eq!(failure.code, expected, "{word}");
            assert_eq!(failure.message.as_deref(), Some(word));
            assert_eq!(failure.retryable, expected == Code::ProviderRateLimited);
        }
    }

    #[test]
    fn validation_says_what_was_wrong_and_where_and_a_text_is_a_message() {
        let body = r#"{"detail":[{"loc":["body","text"],"msg":"Field required","type":"missing","input":"secret"},
            {"loc":["query",0],"msg":"Bad","type":"x"}]}"#;
        let message = failure(422, body).message.unwrap();
        assert_eq!(message, "body.text: Field required; query.0: Bad");
        let text = failure(404, r#"{"detail":"Not Found"}"#);
        assert_eq!(text.message.as_deref(), Some("Not Found"));
        assert_eq!(failure(503, "<html>").code, Code::ProviderUnavailable);
    }
}
