//! OpenAI: the key, the model list, error bodies and headers; the two chat APIs have files of their own.
//! Shapes are those of recorded traffic and of the official SDK, version 7.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{NO_SUCH_MODEL, Refusal, check_key, openai_chat, openai_responses};
use crate::app::App;
use crate::id;
use crate::inbound::Inbound;
use crate::reply::Reply;

/// The key that always works here.
pub const PRACTICE_KEY: &str = "sk-practice-openai-0123456789abcdef";

const JSON: &str = "application/json";

/// Names, and creation times in Unix seconds.
const MODELS: [(&str, u64); 6] = [
    ("gpt-5.4", 1_772_668_800),
    ("gpt-5.4-mini", 1_773_705_600),
    ("gpt-5-nano", 1_754_426_384),
    ("gpt-4o", 1_715_367_049),
    ("gpt-4o-mini", 1_721_172_741),
    ("text-embedding-3-small", 1_705_948_997),
];

/// Answers a request under `/openai/v1`; `inbound.path` is what follows.
pub fn reply(app: &App, inbound: &Inbound) -> Reply {
    let answered = authorize(app, inbound).and_then(|()| answer(inbound));
    answered.unwrap_or_else(|refusal| refuse(&refusal))
}

fn authorize(app: &App, inbound: &Inbound) -> Result<(), Refusal> {
    let header = inbound.header("authorization").unwrap_or_default();
    match header.strip_prefix("Bearer ").map(str::trim) {
        Some(key) if !key.is_empty() => check_key(app, key, PRACTICE_KEY),
        _ => Err(Refusal::MissingKey),
    }
}

fn answer(inbound: &Inbound) -> Result<Reply, Refusal> {
    match (&inbound.method, inbound.path.as_str()) {
        (&Method::GET, "/models") => Ok(model_list()),
        (&Method::GET, path) if path.starts_with("/models/") => model(&path["/models/".len()..]),
        (&Method::POST, "/chat/completions") => openai_chat::reply(&body(inbound)?).map(dress),
        (&Method::POST, "/responses") => openai_responses::reply(&body(inbound)?).map(dress),
        (method, path) => Err(Refusal::UnknownPath {
            method: method.to_string(),
            path: format!("/v1{path}"),
        }),
    }
}

fn body(inbound: &Inbound) -> Result<Value, Refusal> {
    inbound.json().map_err(|_| {
        Refusal::invalid(
            "We could not parse the JSON body of your request. (HINT: This likely means you \
             aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, \
             but what was sent was not valid JSON.)",
        )
    })
}

fn model_list() -> Reply {
    let data: Vec<Value> = MODELS
        .iter()
        .map(|(id, created)| model_json(id, *created))
        .collect();
    dress(Reply::pretty_json(
        200,
        JSON,
        &json!({ "object": "list", "data": data }),
    ))
}

fn model(id: &str) -> Result<Reply, Refusal> {
    if id == NO_SUCH_MODEL {
        return Err(Refusal::UnknownModel(id.to_owned()));
    }
    let known = MODELS.iter().find(|(name, _)| *name == id);
    let created = known.map_or(1_700_000_000, |(_, created)| *created);
    Ok(dress(Reply::pretty_json(
        200,
        JSON,
        &model_json(id, created),
    )))
}

fn model_json(id: &str, created: u64) -> Value {
    json!({ "id": id, "object": "model", "created": created, "owned_by": "system" })
}

/// The headers of every answer.
fn dress(reply: Reply) -> Reply {
    reply
        .with("x-request-id", id::hex("req_", 32))
        .with("openai-version", "2020-10-01")
        .with("openai-organization", "byok-ai-practice")
        .with("openai-processing-ms", "1")
}

/// The body of an error, also inside a stream.
pub fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
}

/// OpenAI's own answer to a refused request.
pub fn refuse(refusal: &Refusal) -> Reply {
    let request = "invalid_request_error";
    match refusal {
        Refusal::MissingKey => refused(
            401,
            error(
                "You didn't provide an API key. You need to provide your API key in an Authorization \
             header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
                request,
                None,
                None,
            ),
        ),
        // The real one echoes short keys whole and masks the middle of long ones.
        Refusal::UnknownKey(key) => refused(
            401,
            error(
                &format!(
                    "Incorrect API key provided: {}. You can find your API key at \
                 https://platform.openai.com/account/api-keys.",
                    masked(key)
                ),
                request,
                None,
                Some("invalid_api_key"),
            ),
        )
        .with("www-authenticate", "Bearer realm=\"OpenAI API\""),
        Refusal::NoPermission => refused(
            403,
            error(
                "You have insufficient permissions for this operation. Missing scopes: model.read. \
             Check that you have the correct role in your organization (Reader, Writer, Owner) and \
             project (Member, Owner), and if you're using a restricted API key, that it has the \
             necessary scopes.",
                request,
                None,
                None,
            ),
        ),
        Refusal::QuotaExhausted => refused(
            429,
            error(
                "You exceeded your current quota, please check your plan and billing details. For more \
             information on this error, read the docs: \
             https://platform.openai.com/docs/guides/error-codes/api-errors.",
                "insufficient_quota",
                None,
                Some("insufficient_quota"),
            ),
        ),
        Refusal::RateLimited { retry_after } => rate_limited(429, *retry_after),
        Refusal::Down => refused(
            503,
            error(
                "The server is currently overloaded with other requests. Sorry about that! You can \
             retry your request, or contact us through our help center if the error persists.",
                "server_error",
                None,
                None,
            ),
        ),
        Refusal::UnknownModel(name) => refused(
            404,
            error(
                &format!("The model `{name}` does not exist or you do not have access to it."),
                request,
                None,
                Some("model_not_found"),
            ),
        ),
        Refusal::Invalid {
            message,
            field,
            code,
        } => refused(400, error(message, request, field.as_deref(), *code)),
        Refusal::UnknownPath { method, path } => refused(
            404,
            error(
                &format!("Invalid URL ({method} {path})"),
                request,
                None,
                None,
            ),
        ),
        Refusal::Status {
            status,
            retry_after,
        } => refuse_status(*status, *retry_after),
    }
}

fn refuse_status(status: u16, retry_after: Option<Duration>) -> Reply {
    let reply = match status {
        401 => refuse(&Refusal::UnknownKey("sk-practice".to_owned())),
        403 => refuse(&Refusal::NoPermission),
        404 => refuse(&Refusal::UnknownModel(NO_SUCH_MODEL.to_owned())),
        429 => return rate_limited(429, retry_after.unwrap_or(Duration::from_secs(1))),
        400..=499 => refused(
            status,
            error(
                "The practice provider was told to refuse this.",
                "invalid_request_error",
                None,
                None,
            ),
        ),
        _ => refused(
            status,
            error(
                "The server had an error while processing your request. Sorry about that!",
                "server_error",
                None,
                None,
            ),
        ),
    };
    match retry_after {
        Some(after) => with_retry_after(reply, after),
        None => reply,
    }
}

fn rate_limited(status: u16, after: Duration) -> Reply {
    let seconds = after.as_secs_f64();
    let body = error(
        &format!(
            "Rate limit reached for gpt-5.4 in organization org-practice on requests per min (RPM): \
             Limit 3, Used 3, Requested 1. Please try again in {seconds}s. Visit \
             https://platform.openai.com/account/rate-limits to learn more."
        ),
        "requests",
        None,
        Some("rate_limit_exceeded"),
    );
    with_retry_after(refused(status, body), after)
        .with("x-ratelimit-limit-requests", "3")
        .with("x-ratelimit-remaining-requests", "0")
        .with(
            "x-ratelimit-reset-requests",
            format!("{}ms", after.as_millis()),
        )
}

/// `retry-after` in whole seconds, and in milliseconds too when that says more.
pub fn with_retry_after(reply: Reply, after: Duration) -> Reply {
    let seconds = after.as_millis().div_ceil(1000);
    let reply = reply.with("retry-after", seconds.to_string());
    if after.subsec_millis() == 0 {
        return reply;
    }
    reply.with("retry-after-ms", after.as_millis().to_string())
}

fn refused(status: u16, body: Value) -> Reply {
    dress(Reply::pretty_json(status, JSON, &body))
}

fn masked(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    if characters.len() < 24 {
        return key.to_owned();
    }
    let (head, tail) = (&characters[..8], &characters[characters.len() - 4..]);
    let stars = "*".repeat(characters.len() - 12);
    format!(
        "{}{stars}{}",
        head.iter().collect::<String>(),
        tail.iter().collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_echoed_whole_and_a_long_one_masked() {
        assert_eq!(masked("invalid-key"), "invalid-key");
        assert_eq!(
            masked("sk-proj-0123456789abcdef"),
            "sk-proj-************cdef"
        );
    }
}
