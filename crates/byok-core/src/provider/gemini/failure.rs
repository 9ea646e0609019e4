//! What Gemini's errors mean. They have the shape of `google.rpc.Status` inside `error`, at times
//! wrapped in an array; the precise reason is in `details`, and only some reasons are in the message
//! alone. A bad key is a 400, and one status (429) stands for "wait a minute" and "not today" alike.

use http::StatusCode;
use serde::Deserialize;

use crate::error::Code;
use crate::provider::Failure;

#[derive(Debug, Default, Deserialize)]
struct Body {
    error: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: Option<u16>,
    message: Option<String>,
    status: Option<String>,
    details: Option<Vec<Detail>>,
}

/// `ErrorInfo`, `QuotaFailure`, `RetryInfo` and others in one, told apart by their fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    reason: Option<String>,
    violations: Option<Vec<Violation>>,
    retry_delay: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Violation {
    quota_id: Option<String>,
    quota_value: Option<String>,
}

/// The answer to a failed request.
pub fn read(status: StatusCode, body: &[u8]) -> Failure {
    let body = body.trim_ascii();
    let parsed = if body.starts_with(b"[") {
        serde_json::from_slice::<Vec<Body>>(body)
            .ok()
            .and_then(|all| all.into_iter().next())
    } else {
        serde_json::from_slice::<Body>(body).ok()
    };
    match parsed.and_then(|body| body.error) {
        Some(error) => judge(status, &error),
        None => Failure::from_status(status),
    }
}

/// The `error` object itself, for errors inside a 200; its own `code` stands for the HTTP status.
pub fn read_error(error: &str) -> Failure {
    let error: Status = serde_json::from_str(error).unwrap_or_default();
    let status = error.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    judge(status, &error)
}

fn judge(status: StatusCode, error: &Status) -> Failure {
    let message = error.message.as_deref().unwrap_or_default();
    let code = code(status, error, &message.to_ascii_lowercase());
    let mut failure = Failure::from_status(status)
        .recoded(code)
        .with_message(Some(message));
    if failure.retryable {
        failure.retry_after_ms =
            details(error).find_map(|detail| detail.retry_delay.as_deref().and_then(duration_ms));
    }
    failure
}

/// `message` is in lower case.
fn code(status: StatusCode, error: &Status, message: &str) -> Code {
    for detail in details(error) {
        match detail.reason.as_deref() {
            Some("API_KEY_INVALID" | "API_KEY_EXPIRED" | "CONSUMER_INVALID") => {
                return Code::KeyInvalid;
            }
            // Restrictions of a key that is right in itself.
            Some(
                "API_KEY_SERVICE_BLOCKED"
                | "API_KEY_HTTP_REFERRER_BLOCKED"
                | "API_KEY_IP_ADDRESS_BLOCKED"
                | "API_KEY_ANDROID_APP_BLOCKED"
                | "API_KEY_IOS_APP_BLOCKED"
                | "SERVICE_DISABLED"
                | "BILLING_DISABLED"
                | "CONSUMER_SUSPENDED",
            ) => return Code::PermissionDenied,
            _ => {}
        }
    }
    let is_bad_key = [
        "api key not valid",
        "api key expired",
        "api key not found",
        "reported as leaked",
    ]
    .iter()
    .any(|text| message.contains(text));
    let word = error.status.as_deref().unwrap_or_default();
    match (word, status.as_u16()) {
        (_, 400 | 401 | 403) if is_bad_key => Code::KeyInvalid,
        ("UNAUTHENTICATED", _) | (_, 401) => Code::KeyInvalid,
        ("RESOURCE_EXHAUSTED", _) | (_, 429) if is_out_of_quota(error, message) => {
            Code::QuotaExceeded
        }
        ("RESOURCE_EXHAUSTED", _) | (_, 429) => Code::ProviderRateLimited,
        ("PERMISSION_DENIED", _) | (_, 403) => Code::PermissionDenied,
        // "User location is not supported", "enable billing": the key is right, its owner may not.
        ("FAILED_PRECONDITION", _)
            if ["location", "country", "billing"]
                .iter()
                .any(|text| message.contains(text)) =>
        {
            Code::PermissionDenied
        }
        ("NOT_FOUND", _) if message.contains("model") => Code::ModelNotFound,
        ("INVALID_ARGUMENT", _) if message.contains("unexpected model name") => Code::ModelNotFound,
        ("INVALID_ARGUMENT", _)
            if message.contains("token count") && message.contains("exceed") =>
        {
            Code::ContextTooLong
        }
        ("UNAVAILABLE" | "INTERNAL" | "DEADLINE_EXCEEDED" | "ABORTED" | "CANCELLED", _) => {
            Code::ProviderUnavailable
        }
        _ => Failure::from_status(status).code,
    }
}

/// Per-minute limits say "check your plan and billing details" too, so the named limits decide:
/// one that holds for a day, or one of zero (a model outside the plan), is not worth a wait. The
/// words count only where Gemini names no limit and no delay.
fn is_out_of_quota(error: &Status, message: &str) -> bool {
    let violations = || details(error).flat_map(|detail| detail.violations.iter().flatten());
    let by_limit = violations().any(|violation| {
        violation.quota_value.as_deref() == Some("0")
            || violation
                .quota_id
                .as_deref()
                .is_some_and(|id| id.contains("PerDay"))
    });
    if by_limit || says_limit_zero(message) {
        return true;
    }
    let has_delay = details(error).any(|detail| detail.retry_delay.is_some());
    violations().next().is_none()
        && !has_delay
        && [
            "plan and billing",
            "credits are depleted",
            "spending cap",
            "spend cap",
        ]
        .iter()
        .any(|text| message.contains(text))
}

/// `limit: 0`, but not `limit: 0.5` or `limit: 05`: a missing `quotaValue` is a zero as well.
fn says_limit_zero(message: &str) -> bool {
    message.split("limit: 0").skip(1).any(|rest| {
        !rest.starts_with(|c: char| c.is_ascii_digit())
            && !rest
                .strip_prefix('.')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

fn details(error: &Status) -> impl Iterator<Item = &Detail> {
    error.details.iter().flatten()
}

/// `google.protobuf.Duration` as JSON: seconds with an optional fraction and `s`. Rounded up.
fn duration_ms(text: &str) -> Option<u64> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    (seconds.is_finite() && (0.0..=31_536_000.0).contains(&seconds))
        .then(|| (seconds * 1000.0).ceil() as u64)
}
