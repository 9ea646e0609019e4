//! Gemini: the key, the model list and error bodies; `generateContent` has a file of its own.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{NO_SUCH_MODEL, Refusal, check_key, gemini_content};
use crate::app::App;
use crate::inbound::Inbound;
use crate::reply::Reply;

/// The key that always works here.
pub const PRACTICE_KEY: &str = "AQ.practice-0123456789abcdef";

const JSON: &str = "application/json; charset=UTF-8";

const MODELS: [(&str, &str); 4] = [
    ("gemini-3.6-flash", "Gemini 3.6 Flash"),
    ("gemini-3.5-flash", "Gemini 3.5 Flash"),
    ("gemini-3-pro-preview", "Gemini 3 Pro Preview"),
    ("gemini-2.5-flash", "Gemini 2.5 Flash"),
];

/// Answers a request under `/gemini/v1beta`; `inbound.path` is what follows.
pub fn reply(app: &App, inbound: &Inbound) -> Reply {
    match unauthorized(app, inbound) {
        Some(reply) => reply,
        None => answer(inbound).unwrap_or_else(|refusal| refuse(&refusal)),
    }
}

/// The answer to a request without exactly one good credential.
fn unauthorized(app: &App, inbound: &Inbound) -> Option<Reply> {
    let key = inbound
        .header("x-goog-api-key")
        .or_else(|| inbound.parameter("key"));
    match (key, inbound.header("authorization")) {
        (Some(_), Some(_)) => Some(refused(
            400,
            "INVALID_ARGUMENT",
            "Multiple authentication credentials received. Please pass only one.",
            json!([]),
        )),
        (Some(key), None) => {
            let judged = check_key(app, key, PRACTICE_KEY);
            judged.err().map(|refusal| refuse(&refusal))
        }
        (None, Some(_)) => Some(refused(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login \
             cookie or other valid authentication credential.",
            json!([info("ACCESS_TOKEN_TYPE_UNSUPPORTED")]),
        )),
        (None, None) => Some(refuse(&Refusal::MissingKey)),
    }
}

fn answer(inbound: &Inbound) -> Result<Reply, Refusal> {
    let unknown = || Refusal::UnknownPath {
        method: inbound.method.to_string(),
        path: inbound.path.clone(),
    };
    if inbound.path == "/models" && inbound.method == Method::GET {
        return Ok(model_list(inbound));
    }
    let name = inbound.path.strip_prefix("/models/").ok_or_else(unknown)?;
    match (&inbound.method, name.split_once(':')) {
        (&Method::GET, None) => model(name),
        (&Method::POST, Some((model, "generateContent"))) => {
            gemini_content::reply(model, &body(inbound)?)
        }
        (&Method::POST, Some((model, "streamGenerateContent"))) => {
            let events = inbound.parameter("alt") == Some("sse");
            gemini_content::stream(model, &body(inbound)?, events)
        }
        _ => Err(unknown()),
    }
}

fn body(inbound: &Inbound) -> Result<Value, Refusal> {
    inbound
        .json()
        .map_err(|error| Refusal::invalid(format!("Invalid JSON payload received. {error}")))
}

fn model_list(inbound: &Inbound) -> Reply {
    let number = |name| {
        inbound
            .parameter(name)
            .and_then(|text| text.parse::<usize>().ok())
    };
    let start = number("pageToken").unwrap_or(0).min(MODELS.len());
    let end = start
        .saturating_add(number("pageSize").unwrap_or(50))
        .min(MODELS.len());
    let page = &MODELS[start..end];
    let models: Vec<Value> = page.iter().map(|(id, name)| model_json(id, name)).collect();
    let mut list = json!({ "models": models });
    if end < MODELS.len() {
        list["nextPageToken"] = end.to_string().into();
    }
    Reply::pretty_json(200, JSON, &list)
}

fn model(id: &str) -> Result<Reply, Refusal> {
    if id == NO_SUCH_MODEL {
        return Err(Refusal::UnknownModel(id.to_owned()));
    }
    let known = MODELS.iter().find(|model| model.0 == id);
    Ok(Reply::pretty_json(
        200,
        JSON,
        &model_json(id, known.map_or(id, |model| model.1)),
    ))
}

fn model_json(id: &str, name: &str) -> Value {
    json!({ "name": format!("models/{id}"), "version": "001", "displayName": name,
        "description": "A name the practice provider lists. It is not a model.",
        "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods":
            ["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"],
        "temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2, "thinking": true })
}

/// Gemini's own answer to a refused request.
pub fn refuse(refusal: &Refusal) -> Reply {
    match refusal {
        Refusal::MissingKey => refused(
            403,
            "PERMISSION_DENIED",
            "Method doesn't allow unregistered callers (callers without established identity). \
             Please use API Key or other form of API consumer identity to call this API.",
            json!([]),
        ),
        Refusal::UnknownKey(_) => {
            let message = "API key not valid. Please pass a valid API key.";
            refused(
                400,
                "INVALID_ARGUMENT",
                message,
                json!([info("API_KEY_INVALID"), {
                "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                "locale": "en-US", "message": message }]),
            )
        }
        Refusal::NoPermission => refused(
            403,
            "PERMISSION_DENIED",
            "Requests to this API generativelanguage.googleapis.com method \
             google.ai.generativelanguage.v1beta.ModelService.ListModels are blocked.",
            json!([info("API_KEY_SERVICE_BLOCKED")]),
        ),
        Refusal::QuotaExhausted => refused(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details. For more \
             information on this error, head to: \
             https://ai.google.dev/gemini-api/docs/rate-limits.",
            json!([quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), {
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{ "description": "Learn more about Gemini API quotas",
                    "url": "https://ai.google.dev/gemini-api/docs/rate-limits" }] }]),
        ),
        Refusal::RateLimited { retry_after } => rate_limited(*retry_after),
        Refusal::Down => refused(
            503,
            "UNAVAILABLE",
            "The model is overloaded. Please try again later.",
            json!([]),
        ),
        Refusal::UnknownModel(name) => refused(
            404,
            "NOT_FOUND",
            &format!(
                "models/{name} is not found for API version v1beta, or is not supported for \
             generateContent. Call ListModels to see the list of available models and their \
             supported methods."
            ),
            json!([]),
        ),
        Refusal::Invalid { message, .. } => refused(400, "INVALID_ARGUMENT", message, json!([])),
        Refusal::UnknownPath { path, .. } => refused(
            404,
            "NOT_FOUND",
            &format!("The requested URL {path} was not found."),
            json!([]),
        ),
        Refusal::Status {
            status,
            retry_after,
        } => refuse_status(*status, *retry_after),
    }
}

fn refuse_status(status: u16, retry_after: Option<Duration>) -> Reply {
    let word = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => return rate_limited(retry_after.unwrap_or(Duration::from_secs(1))),
        499 => "CANCELLED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    let details = retry_after.map_or(json!([]), |after| json!([retry_info(after)]));
    refused(
        status,
        word,
        "The practice provider was told to refuse this.",
        details,
    )
}

/// Google sends no `retry-after`: the delay is in the body.
fn rate_limited(after: Duration) -> Reply {
    refused(
        429,
        "RESOURCE_EXHAUSTED",
        &format!(
            "You exceeded your current quota. Please retry in {}s.",
            after.as_secs_f64()
        ),
        json!([
            quota("GenerateRequestsPerMinutePerProjectPerModel"),
            retry_info(after)
        ]),
    )
}

fn retry_info(after: Duration) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": format!("{}s", after.as_secs_f64()) })
}

fn quota(id: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
        "quotaMetric":
            "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": id, "quotaDimensions": { "location": "global", "model": "gemini-3.6-flash" },
        "quotaValue": "20" }] })
}

fn info(reason: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason,
        "domain": "googleapis.com",
        "metadata": { "service": "generativelanguage.googleapis.com" } })
}

/// The body of an error, also inside a stream; `details` is left out when empty.
pub fn error(code: u16, status: &str, message: &str, details: Value) -> Value {
    let mut body = json!({ "error": { "code": code, "message": message, "status": status } });
    if details
        .as_array()
        .is_some_and(|details| !details.is_empty())
    {
        body["error"]["details"] = details;
    }
    body
}

fn refused(code: u16, status: &str, message: &str, details: Value) -> Reply {
    Reply::pretty_json(code, JSON, &error(code, status, message, details))
        .with("server", "scaffolding on HTTPServer2")
}
