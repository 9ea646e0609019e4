//! What an error body in OpenAI's style means. Read by content, never by content type: OpenAI has
//! sent JSON as `text/plain`, xAI puts the text into `error` itself, Mistral into `detail` or beside
//! `object`, OpenRouter numbers into `code`, Google's compatible endpoint wraps it all in an array.

use http::StatusCode;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Code;
use crate::provider::Failure;

/// Longer messages of providers are cut here; they may repeat parts of the request.
const MAX_MESSAGE_CHARS: usize = 600;

/// Reads the body of a failed request. A body that is not JSON says nothing beyond the status.
pub fn from_body(status: StatusCode, body: &[u8]) -> Failure {
    match serde_json::from_slice(body) {
        Ok(envelope) => from_json(Some(status), &envelope),
        Err(_) => Failure::from_status(status),
    }
}

/// Reads an error object or the envelope around it; `status` is absent for an error inside a 200.
pub fn from_json(status: Option<StatusCode>, envelope: &Value) -> Failure {
    let said = Said::read(envelope);
    let status = status.or_else(|| {
        said.code
            .parse()
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok())
    });
    let failure = match status {
        Some(status) if !status.is_success() => Failure::from_status(status),
        _ => Failure::from_status(StatusCode::BAD_REQUEST),
    };
    let failure = match said.meaning(status.map(|status| status.as_u16())) {
        Some(code) => failure.recoded(code),
        None => failure,
    };
    // A single request that is over the limit per minute stays so however long one waits.
    let retryable = failure.retryable && !said.is_about(&["request too large"]);
    Failure {
        retryable,
        ..failure.with_message(said.message.as_deref())
    }
}

/// Reads an error object inside a 200 or a stream, as it stood there.
pub fn from_raw(error: &RawValue) -> Failure {
    from_json(None, &serde_json::from_str(error.get()).unwrap_or_default())
}

/// What was said, wherever it stood.
struct Said {
    code: String,
    kind: String,
    message: Option<String>,
    /// The message in lower case, to look for words in it.
    lower: String,
    moderated: bool,
}

impl Said {
    fn read(envelope: &Value) -> Said {
        let envelope = envelope.get(0).unwrap_or(envelope);
        let error = match envelope.get("error") {
            Some(error @ Value::Object(_)) => error,
            _ => envelope,
        };
        let field = |name| {
            let found = error
                .get(name)
                .filter(|value| !value.is_null())
                .or_else(|| envelope.get(name));
            match found {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            }
        };
        let metadata = error.get("metadata");
        let upstream = metadata.and_then(|metadata| upstream(metadata.get("raw")?));
        let own = ["message", "detail", "error"]
            .iter()
            .flat_map(|name| [error.get(*name), envelope.get(*name)])
            .flatten()
            .find_map(words);
        let message = match (own, upstream) {
            (Some(own), Some(upstream)) => Some(format!("{own}: {upstream}")),
            (own, upstream) => own.or(upstream),
        };
        let message = message.map(|text| text.chars().take(MAX_MESSAGE_CHARS).collect::<String>());
        Said {
            code: field("code").to_lowercase(),
            kind: field("type").to_lowercase(),
            lower: message.as_deref().unwrap_or_default().to_lowercase(),
            message,
            moderated: metadata.is_some_and(|metadata| metadata.get("flagged_input").is_some()),
        }
    }

    fn is(&self, words: &[&str]) -> bool {
        words
            .iter()
            .any(|word| self.code == *word || self.kind == *word)
    }

    fn is_about(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.lower.contains(word))
    }

    /// A meaning more precise than the status has, if the words give one. Order matters: quota and
    /// permission also come as 401 or 429.
    fn meaning(&self, status: Option<u16>) -> Option<Code> {
        let is_refusal = matches!(status, None | Some(200 | 400 | 404 | 413 | 422));
        if self.is(&[
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "insufficient_balance",
            "exceeded_current_quota_error",
            "insufficient_user_quota",
        ]) || (status == Some(429)
            && self.is_about(&["exceeded your current quota", "insufficient balance"]))
        {
            return Some(Code::QuotaExceeded);
        }
        if self.is(&[
            "model_not_found",
            "invalid_model",
            "model_not_available",
            "model_decommissioned",
            // Azure.
            "deploymentnotfound",
        ]) || (is_refusal && self.names_unknown_model())
        {
            return Some(Code::ModelNotFound);
        }
        if self.is(&["missing_scope", "insufficient_permissions"])
            || (status == Some(401)
                && self.is_about(&["insufficient permissions", "missing scopes"]))
        {
            return Some(Code::PermissionDenied);
        }
        if self.is(&[
            "invalid_api_key",
            "authentication_error",
            "invalid_authentication_error",
        ]) || (is_refusal
            && self.is_about(&["incorrect api key", "invalid api key", "api key not valid"]))
        {
            return Some(Code::KeyInvalid);
        }
        if self.is(&["context_length_exceeded", "too_many_prompt_tokens"])
            || (is_refusal
                && self.is_about(&[
                    "maximum context length",
                    "context window",
                    "context length",
                    "prompt too long",
                    "prompt is too long",
                    "maximum prompt length",
                    "model token limit",
                ]))
        {
            return Some(Code::ContextTooLong);
        }
        if self.moderated
            || self.is(&[
                "content_filter",
                "content_policy_violation",
                "moderation_blocked",
                "image_content_policy_violation",
                "bio_policy",
                "misalignment_policy_violation",
            ])
            || (is_refusal && self.is_about(&["usage policy", "content management policy"]))
        {
            return Some(Code::ContentFiltered);
        }
        if self.is(&[
            "rate_limit_exceeded",
            "rate_limit_error",
            "rate_limit_reached_error",
        ]) {
            return Some(Code::ProviderRateLimited);
        }
        if status.is_none()
            && self.is(&[
                "server_error",
                "api_error",
                "internal_error",
                "overloaded_error",
                "engine_overloaded_error",
            ])
        {
            return Some(Code::ProviderUnavailable);
        }
        None
    }

    fn names_unknown_model(&self) -> bool {
        self.is_about(&[
            "model not exist",
            "model not found",
            "not a valid model",
            "supported api model names",
        ]) || (self.is_about(&["the model "]) && self.is_about(&["does not exist", "not found"]))
    }
}

/// A message: a text, an object that has one, or the first of FastAPI's list.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(all) => all.first().and_then(words),
        Value::Object(fields) => ["message", "msg", "detail"]
            .iter()
            .find_map(|name| fields.get(*name).and_then(words)),
        _ => None,
    }
}

/// What the provider behind OpenRouter said: JSON in a text, or plain words.
fn upstream(raw: &Value) -> Option<String> {
    let text = raw.as_str()?;
    match serde_json::from_str::<Value>(text) {
        Ok(envelope) => words(envelope.get("error").unwrap_or(&envelope)),
        Err(_) => words(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Failure {
        from_body(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn each_provider_says_the_same_things_in_its_own_way() {
        let cases = [
            (
                401,
                r#"{"error":{"message":"Incorrect API key provided: x","type":"invalid_request_error","param":null,"code":"invalid_api_key"},"status":401}"#,
                Code::KeyInvalid,
            ),
            (
                400,
                r#"{"code":"invalid-argument","error":"Incorrect API key provided. You can obtain an API key from https://console.x.ai."}"#,
                Code::KeyInvalid,
            ),
            (401, r#"{"detail":"Invalid API Key"}"#, Code::KeyInvalid),
            (
                401,
                r#"{"error":{"message":"Missing Authentication header","code":401}}"#,
                Code::KeyInvalid,
            ),
            (
                401,
                r#"{"error":{"message":"Authentication Fails, Your api key: ****-key is invalid","type":"authentication_error","param":null,"code":"invalid_request_error"}}"#,
                Code::KeyInvalid,
            ),
            (
                401,
                r#"{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: model.request.","type":"invalid_request_error","code":null}}"#,
                Code::PermissionDenied,
            ),
            (
                403,
                r#"{"error":{"message":"You are not allowed to sample from this model","type":"invalid_request_error","param":null,"code":null}}"#,
                Code::PermissionDenied,
            ),
            (
                429,
                r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
                Code::QuotaExceeded,
            ),
            (
                402,
                r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
                Code::QuotaExceeded,
            ),
            (
                429,
                r#"{"error":{"message":"Rate limit reached for gpt-5 in organization","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
                Code::ProviderRateLimited,
            ),
            (
                404,
                r#"{"error":{"message":"The model `nonexistent` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
                Code::ModelNotFound,
            ),
            (
                400,
                r#"{"object":"error","message":"Invalid model: nonexistent","type":"invalid_model","param":null,"code":"1500"}"#,
                Code::ModelNotFound,
            ),
            (
                400,
                r#"{"error":{"message":"nonexistent is not a valid model ID","code":400},"user_id":"u"}"#,
                Code::ModelNotFound,
            ),
            (
                400,
                r#"{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}}"#,
                Code::ContextTooLong,
            ),
            (
                400,
                r#"{"error":{"message":"The total length of all messages is too long.","type":"too_many_prompt_tokens","code":400}}"#,
                Code::ContextTooLong,
            ),
            (
                400,
                r#"{"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy.","type":"invalid_request_error","code":"invalid_prompt"}}"#,
                Code::ContentFiltered,
            ),
            (
                403,
                r#"{"error":{"code":403,"message":"Input was flagged","metadata":{"reasons":["violence"],"flagged_input":"..."}}}"#,
                Code::ContentFiltered,
            ),
            (
                400,
                r#"{"error":{"message":"Unsupported parameter: 'max_tokens'","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#,
                Code::ProviderError,
            ),
            (
                422,
                r#"{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]}"#,
                Code::ProviderError,
            ),
            (503, "<html>upstream</html>", Code::ProviderUnavailable),
            (
                400,
                r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
                Code::KeyInvalid,
            ),
        ];
        for (status, body, code) in cases {
            assert_eq!(read(status, body).code, code, "{status} {body}");
        }
    }

    #[test]
    fn a_spent_quota_is_not_retried_and_a_rate_limit_is() {
        assert!(!read(429, r#"{"error":{"code":"insufficient_quota"}}"#).retryable);
        assert!(read(429, r#"{"error":{"code":"rate_limit_exceeded"}}"#).retryable);
        let too_large = r#"{"error":{"code":"rate_limit_exceeded","message":"Request too large for gpt-4o on tokens per min"}}"#;
        assert!(!read(429, too_large).retryable);
    }

    #[test]
    fn messages_are_found_wherever_they_stand() {
        let message = |body| read(400, body).message.unwrap();
        assert_eq!(
            message(r#"{"detail":[{"msg":"Field required"}]}"#),
            "Field required"
        );
        assert_eq!(message(r#"{"error":"no"}"#), "no");
        assert_eq!(
            message(
                r#"{"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"slow down"}}}"#
            ),
            "Provider returned error: slow down"
        );
        assert_eq!(
            message(
                r#"{"error":{"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"message\":\"busy\"}}"}}}"#
            ),
            "Provider returned error: busy"
        );
        assert_eq!(read(502, "<html>").message, None);
    }

    #[test]
    fn a_number_stands_for_the_status_inside_a_stream() {
        let error = serde_json::json!({ "code": 502, "message": "Upstream error" });
        assert_eq!(from_json(None, &error).code, Code::ProviderUnavailable);
        let error = serde_json::json!({ "type": "server_error", "message": "oops", "code": null });
        assert_eq!(from_json(None, &error).code, Code::ProviderUnavailable);
    }
}
