//! Anthropic: the key, the version header, the model list, error bodies and headers; the Messages API
//! has a file of its own.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::openai::with_retry_after;
use super::{NO_SUCH_MODEL, Refusal, anthropic_messages, check_key};
use crate::app::App;
use crate::id;
use crate::inbound::Inbound;
use crate::reply::Reply;

/// The key that always works here.
pub const PRACTICE_KEY: &str = "sk-ant-practice-0123456789abcdef";

/// The last is what the SDK sends from 1.0 on, together with the key as a bearer token.
const VERSIONS: [&str; 3] = ["2023-01-01", "2023-06-01", "2026-10-21"];

/// Id, display name, creation time, and the model's line.
const MODELS: [(&str, &str, &str, &str); 4] = [
    (
        "claude-opus-5",
        "Claude Opus 5",
        "2026-07-01T00:00:00Z",
        "opus",
    ),
    (
        "claude-sonnet-5",
        "Claude Sonnet 5",
        "2026-05-20T00:00:00Z",
        "sonnet",
    ),
    (
        "claude-sonnet-4-6",
        "Claude Sonnet 4.6",
        "2026-02-17T00:00:00Z",
        "sonnet",
    ),
    (
        "claude-haiku-4-5-20251001",
        "Claude Haiku 4.5",
        "2025-10-15T00:00:00Z",
        "haiku",
    ),
];

/// Answers a request under `/anthropic`; `inbound.path` is what follows.
pub fn reply(app: &App, inbound: &Inbound) -> Reply {
    let answered = authorize(app, inbound).and_then(|()| answer(inbound));
    answered.unwrap_or_else(|refusal| refuse(&refusal))
}

fn authorize(app: &App, inbound: &Inbound) -> Result<(), Refusal> {
    let bearer = inbound
        .header("authorization")
        .and_then(|text| text.strip_prefix("Bearer "));
    match inbound.header("x-api-key").or(bearer) {
        Some(key) if !key.is_empty() => check_key(app, key, PRACTICE_KEY)?,
        _ => return Err(Refusal::MissingKey),
    }
    match inbound.header("anthropic-version") {
        Some(version) if VERSIONS.contains(&version) => Ok(()),
        Some(version) => Err(Refusal::invalid(format!(
            "anthropic-version: \"{version}\" is not a valid version"
        ))),
        None => Err(Refusal::invalid("anthropic-version: header is required")),
    }
}

fn answer(inbound: &Inbound) -> Result<Reply, Refusal> {
    match (&inbound.method, inbound.path.as_str()) {
        (&Method::GET, "/v1/models") => Ok(model_list(inbound)),
        (&Method::GET, path) if path.starts_with("/v1/models/") => {
            model(&path["/v1/models/".len()..])
        }
        (&Method::POST, "/v1/messages") => {
            let body = inbound.json().map_err(|_| {
                Refusal::invalid("The request body is not valid JSON: expected an object")
            })?;
            anthropic_messages::reply(&body).map(dress)
        }
        (method, path) => Err(Refusal::UnknownPath {
            method: method.to_string(),
            path: path.to_owned(),
        }),
    }
}

fn model_list(inbound: &Inbound) -> Reply {
    let limit = inbound
        .parameter("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(20);
    let after = inbound.parameter("after_id");
    let start = after.and_then(|id| MODELS.iter().position(|model| model.0 == id));
    let rest = &MODELS[start.map_or(0, |at| at + 1)..];
    let data: Vec<Value> = rest.iter().take(limit).map(model_json).collect();
    dress(Reply::json(
        200,
        &json!({
            "first_id": data.first().map(|model| &model["id"]),
            "last_id": data.last().map(|model| &model["id"]),
            "has_more": rest.len() > data.len(),
            "data": data,
        }),
    ))
}

fn model(id: &str) -> Result<Reply, Refusal> {
    if id == NO_SUCH_MODEL {
        return Err(Refusal::UnknownModel(id.to_owned()));
    }
    let known = MODELS.iter().find(|model| model.0 == id);
    let described = model_json(known.unwrap_or(&(id, id, "1970-01-01T00:00:00Z", "sonnet")));
    Ok(dress(Reply::json(200, &described)))
}

fn model_json((id, name, created, line): &(&str, &str, &str, &str)) -> Value {
    json!({ "type": "model", "id": id, "display_name": name, "created_at": created,
        "lifecycle": "active", "line": line, "deprecated_at": null, "retires_at": null,
        "capabilities": null, "max_input_tokens": 1_000_000, "max_tokens": 64_000 })
}

/// The headers of every answer.
fn dress(reply: Reply) -> Reply {
    reply
        .with("request-id", id::mixed("req_011C", 20))
        .with(
            "anthropic-organization-id",
            "00000000-0000-4000-8000-000000000000",
        )
        .with("anthropic-ratelimit-requests-limit", "4000")
        .with("anthropic-ratelimit-requests-remaining", "3999")
        .with("anthropic-ratelimit-requests-reset", "2026-08-01T12:00:00Z")
}

/// The body of an error; `message_start` streams carry it in an `error` event.
pub fn error(kind: &str, message: &str, request_id: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message },
        "request_id": request_id })
}

/// Anthropic's own answer to a refused request.
pub fn refuse(refusal: &Refusal) -> Reply {
    match refusal {
        Refusal::MissingKey => refused(401, "authentication_error", "x-api-key header is required"),
        Refusal::UnknownKey(_) => refused(401, "authentication_error", "invalid x-api-key"),
        Refusal::NoPermission => refused(
            403,
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        Refusal::QuotaExhausted => refused(
            402,
            "billing_error",
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & \
             Billing to upgrade or purchase credits.",
        ),
        Refusal::RateLimited { retry_after } => with_retry_after(
            refused(
                429,
                "rate_limit_error",
                "This request would exceed the rate limit for your organization of 5 requests per \
                 minute.",
            ),
            *retry_after,
        ),
        Refusal::Down => refused(503, "api_error", "Service temporarily unavailable"),
        Refusal::UnknownModel(name) => refused(404, "not_found_error", &format!("model: {name}")),
        Refusal::Invalid { message, .. } => refused(400, "invalid_request_error", message),
        Refusal::UnknownPath { .. } => refused(404, "not_found_error", "Not Found"),
        Refusal::Status {
            status,
            retry_after,
        } => refuse_status(*status, *retry_after),
    }
}

fn refuse_status(status: u16, retry_after: Option<Duration>) -> Reply {
    let (kind, message) = match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => (
            "billing_error",
            "Your credit balance is too low to access the Anthropic API.",
        ),
        403 => (
            "permission_error",
            "Your API key does not have permission to use this.",
        ),
        404 => ("not_found_error", "model: no-such-model"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => (
            "rate_limit_error",
            "This request would exceed your organization's rate limit.",
        ),
        504 => ("timeout_error", "Request timed out"),
        529 => ("overloaded_error", "Overloaded"),
        400..=499 => (
            "invalid_request_error",
            "The practice provider was told to refuse this.",
        ),
        _ => ("api_error", "Internal server error"),
    };
    let reply = refused(status, kind, message);
    match retry_after {
        Some(after) => with_retry_after(reply, after),
        None => reply,
    }
}

fn refused(status: u16, kind: &str, message: &str) -> Reply {
    let request_id = id::mixed("req_011C", 20);
    let retry = matches!(status, 408 | 409 | 429 | 500..);
    dress(Reply::json(status, &error(kind, message, &request_id)))
        .with("request-id", &request_id)
        .with("x-should-retry", if retry { "true" } else { "false" })
}
