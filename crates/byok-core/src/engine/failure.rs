//! A provider's failed answer to an error that a developer can act on: what happened, in the
//! provider's words where it had any (without the key), then what to do.

use http::{HeaderMap, StatusCode};

use super::registry::Registered;
use crate::error::{Code, Error};
use crate::provider::{Explanation, Failure};
use crate::redact::{bounded, redact};

/// A provider's words are for a person: more than this is a page, not a message.
const MAX_MESSAGE_CHARS: usize = 2_000;

pub fn to_error(
    registered: &Registered,
    secret: &[u8],
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Error {
    let failure = registered.provider.failure(status, headers, body);
    let header_id = registered
        .provider
        .request_id_header()
        .and_then(|name| headers.get(name))
        .and_then(|value| value.to_str().ok());
    let Failure {
        code,
        message,
        request_id,
        retryable,
        retry_after_ms,
    } = failure;
    let said = message.map_or_else(String::new, |text| shown(&text, secret));
    Error::new(code, describe(registered.name(), code, status, &said))
        .with_provider(registered.id())
        .with_status(status.as_u16())
        .with_request_id(header_id.or(request_id.as_deref()))
        .with_retryable(retryable)
        .with_retry_after_ms(retry_after_ms)
}

/// The same failure with what an app's function said of it.
pub fn explained(error: Error, name: &str, secret: &[u8], explanation: Explanation) -> Error {
    let Explanation {
        code,
        message,
        retryable,
        retry_after_ms,
    } = explanation;
    let code = code.unwrap_or(error.code());
    let status = error
        .status()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or_default();
    let is_same = code == error.code();
    let text = match message {
        Some(message) => describe(name, code, status, &shown(&message, secret)),
        None if is_same => error.message().to_owned(),
        None => describe(name, code, status, ""),
    };
    let retryable = retryable.unwrap_or(if is_same {
        error.retryable()
    } else {
        matches!(code, Code::ProviderUnavailable | Code::ProviderRateLimited)
    });
    error
        .recoded(code, text)
        .with_retryable(retryable)
        .with_retry_after_ms(retry_after_ms)
}

fn shown(text: &str, secret: &[u8]) -> String {
    let redacted = redact(text, secret);
    bounded(redacted.as_deref().unwrap_or(text), MAX_MESSAGE_CHARS).into_owned()
}

fn describe(name: &str, code: Code, status: StatusCode, said: &str) -> String {
    let (what, to_do) = match code {
        Code::KeyInvalid => (
            "does not accept this key",
            "Ask the user for a new one and store it with registerKey.",
        ),
        Code::PermissionDenied => (
            "knows this key but does not allow it this request",
            "The user can change the key's permissions at the provider or register another key.",
        ),
        Code::QuotaExceeded => (
            "says that this key has no quota or credit left",
            "The user has to add credit or raise the limit at the provider.",
        ),
        Code::ProviderRateLimited => ("limits the rate of this key's requests", "Try again later."),
        Code::ProviderUnavailable => ("is not available right now", "Try again later."),
        Code::ModelNotFound => (
            "does not offer this model to this key",
            "Check the model's name and the key's access to it.",
        ),
        Code::ContextTooLong => (
            "found the request longer than the model's context",
            "Send fewer or shorter messages, or use a model with a larger context.",
        ),
        Code::ContentFiltered => ("refused the content of this request", "Change the prompt."),
        _ => (
            "refused the request",
            "See the provider's words and change the request.",
        ),
    };
    let status = status.as_u16();
    if said.is_empty() {
        format!("{name} {what} (HTTP {status}). {to_do}")
    } else {
        format!("{name} {what} (HTTP {status}): {said} {to_do}")
    }
}
