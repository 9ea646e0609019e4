//! OpenAI: the Responses API by default, Chat Completions with
//! `providerOptions: { api: "chat-completions" }`. The files here that begin with `chat_` also serve
//! the compatible providers.

pub(crate) mod chat_answer;
pub(crate) mod chat_request;
pub(crate) mod dialect;
pub(crate) mod failure;
mod parts;
mod reasoning_details;
mod responses_answer;
mod responses_request;
mod schema;
mod text;
mod tool_pieces;
mod usage;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use self::chat_answer::ChatAnswer;
use self::responses_answer::ResponsesAnswer;
use super::{ChatProvider, ChatStream, CredentialHeader, Failure, Fields, Provider, WireRequest};
use crate::capability::Capability;
use crate::capability::chat::ChatRequest;
use crate::capability::fold::ChatFold;
use crate::capability::verify::VerifyRequest;
use crate::error::{Error, Result};

const ID: &str = "openai";
const NAME: &str = "OpenAI";

pub struct OpenAi;

impl Provider for OpenAi {
    fn id(&self) -> &str {
        ID
    }

    fn name(&self) -> &str {
        NAME
    }

    fn base_url(&self) -> &str {
        "https://api.openai.com/v1"
    }

    fn credential(&self, _: &Fields) -> CredentialHeader<'_> {
        CredentialHeader::BEARER
    }

    fn verify(&self) -> VerifyRequest<'_> {
        VerifyRequest::get("/models")
    }

    /// `sk-proj-`, `sk-svcacct-`, `sk-admin-`, the mark `T3BlbkFJ` ("OpenAI" in base64) of them all,
    /// and the old `sk-` with 48 characters.
    fn recognizes(&self, key: &str) -> bool {
        ["sk-proj-", "sk-svcacct-", "sk-admin-"]
            .iter()
            .any(|prefix| key.starts_with(prefix))
            || (key.starts_with("sk-") && key.contains("T3BlbkFJ"))
            || key.strip_prefix("sk-").is_some_and(|rest| {
                rest.len() == 48 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
    }

    /// The current small model: inexpensive, reasons, sees images.
    fn default_model(&self, capability: Capability) -> Option<&str> {
        (capability == Capability::Chat).then_some("gpt-5.4-mini")
    }

    fn failure(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> Failure {
        failure::from_body(status, body)
    }

    fn request_id_header(&self) -> Option<&'static str> {
        Some("x-request-id")
    }

    fn chat(&self) -> Option<&dyn ChatProvider> {
        Some(self)
    }
}

impl ChatProvider for OpenAi {
    fn request(&self, request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
        match Api::of(request)? {
            Api::Responses => responses_request::request(request, model, stream, ID),
            Api::ChatCompletions => {
                chat_request::request(request, model, stream, (ID, NAME), &dialect::OPENAI)
            }
        }
    }

    fn response(&self, request: &ChatRequest, body: &[u8], fold: &mut ChatFold) -> Result<()> {
        match Api::of(request)? {
            Api::Responses => responses_answer::response(ID, body, fold),
            Api::ChatCompletions => chat_answer::response(ID, &dialect::OPENAI, body, fold),
        }
    }

    fn stream(&self, request: &ChatRequest) -> Box<dyn ChatStream> {
        match Api::of(request) {
            Ok(Api::ChatCompletions) => Box::new(ChatAnswer::new(ID, &dialect::OPENAI)),
            // An unknown name was refused by `request` already.
            Ok(Api::Responses) | Err(_) => Box::new(ResponsesAnswer::new(ID)),
        }
    }
}

enum Api {
    Responses,
    ChatCompletions,
}

impl Api {
    fn of(request: &ChatRequest) -> Result<Api> {
        match request.provider_options.get("api").map(Value::as_str) {
            None | Some(Some("responses")) => Ok(Api::Responses),
            Some(Some("chat-completions")) => Ok(Api::ChatCompletions),
            Some(_) => Err(Error::invalid_argument(
                "providerOptions.api must be \"responses\" (the default) or \"chat-completions\".",
            )),
        }
    }
}
