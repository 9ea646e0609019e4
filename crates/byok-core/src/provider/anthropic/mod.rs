//! Anthropic's Messages API (`POST /v1/messages`, version 2023-06-01). This file has the facts about
//! the service; `request` and `message` write, `response` and `stream` read; `media`, `schema` and
//! `thinking` have what needs more than a rename. Source of every rule that is not explained
//! otherwise: the type files of `@anthropic-ai/sdk` 1.x.

mod failure;
mod media;
mod message;
mod request;
mod response;
mod schema;
mod stream;
mod thinking;

use http::{HeaderMap, StatusCode};

use super::{ChatProvider, ChatStream, CredentialHeader, Failure, Fields, Provider, WireRequest};
use crate::capability::Capability;
use crate::capability::chat::ChatRequest;
use crate::capability::fold::ChatFold;
use crate::capability::verify::VerifyRequest;
use crate::error::Result;

/// What records are bound to and what signatures of this provider carry.
const ID: &str = "anthropic";

pub struct Anthropic;

impl Provider for Anthropic {
    fn id(&self) -> &str {
        ID
    }

    fn name(&self) -> &str {
        "Anthropic"
    }

    fn base_url(&self) -> &str {
        "https://api.anthropic.com"
    }

    fn credential(&self, _: &Fields) -> CredentialHeader {
        CredentialHeader {
            name: "x-api-key",
            prefix: "",
        }
    }

    /// The official SDK sends all keys so since 1.0.
    fn takes_bearer(&self) -> bool {
        true
    }

    /// Not 2026-10-21, which the official SDK sends since 1.0: for chats it differs only in refusing
    /// `temperature` and `top_p` from every model, which older models still take under this one
    /// (platform.claude.com/docs/en/api/versioning).
    fn headers(&self) -> &[(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn verify(&self) -> VerifyRequest {
        VerifyRequest::get("/v1/models?limit=1")
    }

    /// `sk-ant-api03-...`; an admin key (`sk-ant-admin01-...`) has the shape too but can't chat.
    fn recognizes(&self, key: &str) -> bool {
        key.starts_with("sk-ant-")
    }

    fn default_model(&self, capability: Capability) -> Option<&str> {
        (capability == Capability::Chat).then_some("claude-sonnet-5")
    }

    fn failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        failure::of_response(status, headers, body)
    }

    fn request_id_header(&self) -> Option<&'static str> {
        Some("request-id")
    }

    fn chat(&self) -> Option<&dyn ChatProvider> {
        Some(self)
    }
}

impl ChatProvider for Anthropic {
    fn request(&self, request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
        request::write(request, model, stream)
    }

    fn response(&self, _request: &ChatRequest, body: &[u8], fold: &mut ChatFold) -> Result<()> {
        response::read(body, fold)
    }

    fn stream(&self, _request: &ChatRequest) -> Box<dyn ChatStream> {
        Box::<stream::MessageStream>::default()
    }
}
