//! What a failed request means: the status and words as most providers use them, then the definition's
//! own tables, which go before; and what the definition's function makes of it in the end.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::ScriptedProvider;
use super::definition::ErrorDefinition;
use crate::error::{Code, Error, Result};
use crate::provider::Failure;
use crate::provider::openai::failure as common;

pub(super) fn read(errors: &ErrorDefinition, status: StatusCode, body: &[u8]) -> Failure {
    let failure = common::from_body(status, body);
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let by_word = || words(&body).find_map(|word| errors.words.get(word).copied());
    let by_status = || errors.statuses.get(status.as_str()).copied();
    match by_word().or_else(by_status) {
        Some(code) => failure.recoded(code),
        None => failure,
    }
}

/// Where providers put the word for what went wrong.
fn words(body: &Value) -> impl Iterator<Item = &str> {
    let error = body.get("error").unwrap_or(&Value::Null);
    const NAMES: [&str; 4] = ["code", "type", "status", "reason"];
    NAMES
        .iter()
        .filter_map(|name| error.get(*name))
        .chain(std::iter::once(error))
        .chain(NAMES.iter().filter_map(|name| body.get(*name)))
        .filter_map(Value::as_str)
}

/// What the definition's function says about a failure. What it leaves out stays.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Explanation {
    pub code: Option<Code>,
    pub message: Option<String>,
    pub retryable: Option<bool>,
    pub retry_after_ms: Option<u64>,
}

/// An error inside an answer that has a status of success.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Said {
    code: Option<Code>,
    message: Option<String>,
    retry_after_ms: Option<u64>,
}

impl Said {
    pub fn into_failure(self) -> Failure {
        let failure = Failure::from_status(StatusCode::BAD_REQUEST)
            .recoded(self.code.unwrap_or(Code::ProviderError))
            .with_message(self.message.as_deref());
        Failure {
            retry_after_ms: self.retry_after_ms,
            ..failure
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seen<'a> {
    status: u16,
    /// Absent when it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<&'a RawValue>,
    text: &'a str,
}

impl ScriptedProvider {
    pub fn reads_errors(&self) -> bool {
        self.definition.errors.read
    }

    /// Asks the definition's function about a failure; `body` is without the key.
    ///
    /// # Errors
    /// Those of a function that does not work.
    pub async fn explain(&self, status: u16, body: &str) -> Result<Explanation, Error> {
        let seen = Seen {
            status,
            json: serde_json::from_str(body).ok(),
            text: body,
        };
        let explanation: Option<Explanation> = self.ask("errors.read", &seen).await?;
        Ok(explanation.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_before_statuses_and_both_before_what_is_common() {
        let errors: ErrorDefinition = serde_json::from_str(
            r#"{"statuses":{"418":"CONTENT_FILTERED"},"words":{"out_of_tokens":"QUOTA_EXCEEDED"}}"#,
        )
        .unwrap();
        let code = |status, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            read(&errors, status, body.as_bytes()).code
        };
        assert_eq!(code(418, ""), Code::ContentFiltered);
        assert_eq!(code(401, "<html>"), Code::KeyInvalid);
        for body in [
            r#"{"error":{"code":"out_of_tokens"}}"#,
            r#"{"error":{"code":7,"type":"out_of_tokens"}}"#,
            r#"{"error":"out_of_tokens"}"#,
            r#"{"reason":"out_of_tokens"}"#,
        ] {
            assert_eq!(code(418, body), Code::QuotaExceeded, "{body}");
        }
    }
}
