//! Providers that speak OpenAI's Chat Completions: a table with a row each, and one type for an app's
//! own servers (`providers: { mine: { type: "openai-compatible", baseURL } }`).

use http::{HeaderMap, StatusCode};

use super::openai::chat_answer::{self, ChatAnswer};
use super::openai::dialect::{
    Audio, COMPATIBLE, Dialect, Effort, EndMark, Files, Replay, StructuredOutput,
};
use super::openai::{chat_request, failure};
use super::{ChatProvider, ChatStream, CredentialHeader, Failure, Fields, Provider, WireRequest};
use crate::capability::Capability;
use crate::capability::chat::ChatRequest;
use crate::capability::fold::ChatFold;
use crate::capability::verify::VerifyRequest;
use crate::error::Result;

/// One known provider.
pub struct Row {
    pub id: &'static str,
    pub name: &'static str,
    pub base_url: &'static str,
    /// A free GET that fails without a valid key.
    pub verify_path: &'static str,
    pub chat_model: &'static str,
    pub request_id_header: Option<&'static str>,
    pub recognizes: fn(&str) -> bool,
    dialect: Dialect,
}

/// What all rows have in common: `[DONE]` ends a stream.
const LISTED: Dialect = Dialect {
    end: EndMark::Done,
    files: Files::Unsupported,
    audio: Audio::Unsupported,
    ..COMPATIBLE
};

/// Bases, checks and key shapes as in the providers' documentation and recorded traffic of 2026;
/// models are the inexpensive current ones that chat.
pub static TABLE: &[Row] = &[
    Row {
        id: "groq",
        name: "Groq",
        base_url: "https://api.groq.com/openai/v1",
        verify_path: "/models",
        chat_model: "openai/gpt-oss-120b",
        request_id_header: Some("x-request-id"),
        recognizes: |key| key.starts_with("gsk_"),
        dialect: Dialect {
            max_tokens: "max_completion_tokens",
            // Not in its description; usage comes unasked, in `x_groq`.
            stream_usage: false,
            ..LISTED
        },
    },
    Row {
        id: "deepseek",
        name: "DeepSeek",
        base_url: "https://api.deepseek.com",
        verify_path: "/models",
        chat_model: "deepseek-v4-flash",
        request_id_header: Some("x-ds-trace-id"),
        recognizes: |key| {
            key.strip_prefix("sk-").is_some_and(|rest| {
                rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
        },
        dialect: Dialect {
            effort: Effort::Thinking,
            output: StructuredOutput::JsonObject,
            replay: Replay::ReasoningContent,
            ..LISTED
        },
    },
    Row {
        id: "xai",
        name: "xAI",
        base_url: "https://api.x.ai/v1",
        verify_path: "/models",
        chat_model: "grok-4.3",
        request_id_header: Some("x-request-id"),
        recognizes: |key| key.starts_with("xai-"),
        dialect: Dialect {
            max_tokens: "max_completion_tokens",
            ..LISTED
        },
    },
    Row {
        id: "openrouter",
        name: "OpenRouter",
        base_url: "https://openrouter.ai/api/v1",
        // `/models` answers without a key.
        verify_path: "/key",
        chat_model: "openai/gpt-5-mini",
        request_id_header: Some("x-generation-id"),
        recognizes: |key| key.starts_with("sk-or-"),
        dialect: Dialect {
            effort: Effort::Object,
            files: Files::InlineOrUrl,
            audio: Audio::Object,
            replay: Replay::Details,
            ..LISTED
        },
    },
    Row {
        id: "mistral",
        name: "Mistral",
        base_url: "https://api.mistral.ai/v1",
        verify_path: "/models",
        chat_model: "mistral-small-latest",
        request_id_header: Some("mistral-correlation-id"),
        recognizes: |key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        dialect: Dialect {
            seed: "random_seed",
            stream_usage: false,
            files: Files::DocumentUrl,
            audio: Audio::Text,
            replay: Replay::ThinkingChunk,
            effort: Effort::OffOrHigh,
            ..LISTED
        },
    },
    Row {
        id: "together",
        name: "Together AI",
        base_url: "https://api.together.xyz/v1",
        verify_path: "/models",
        chat_model: "openai/gpt-oss-20b",
        request_id_header: Some("x-request-id"),
        // No shape of its own is known.
        recognizes: |_| false,
        dialect: LISTED,
    },
    Row {
        id: "perplexity",
        name: "Perplexity",
        base_url: "https://api.perplexity.ai",
        // The list of the user's own asynchronous requests; there is no list of models here.
        verify_path: "/async/chat/completions",
        chat_model: "sonar",
        request_id_header: Some("x-request-id"),
        recognizes: |key| key.starts_with("pplx-"),
        dialect: Dialect {
            stream_usage: false,
            // Recorded streams just close after the last finish_reason.
            end: EndMark::FinishReason,
            ..LISTED
        },
    },
    Row {
        id: "moonshot",
        name: "Moonshot AI",
        base_url: "https://api.moonshot.ai/v1",
        verify_path: "/models",
        chat_model: "kimi-k3",
        request_id_header: None,
        // `sk-` with 48 characters, which is OpenAI's old shape too.
        recognizes: |_| false,
        dialect: Dialect {
            max_tokens: "max_completion_tokens",
            effort: Effort::FieldOrOff,
            replay: Replay::ReasoningContent,
            ..LISTED
        },
    },
];

/// What is assumed of a server that an app names itself. No model: the app says which.
static CUSTOM: Row = Row {
    id: "",
    name: "",
    base_url: "",
    verify_path: "/models",
    chat_model: "",
    request_id_header: Some("x-request-id"),
    recognizes: |_| false,
    dialect: COMPATIBLE,
};

/// A provider that speaks Chat Completions.
pub struct Compatible {
    row: &'static Row,
    id: String,
    name: String,
    base_url: String,
}

impl Compatible {
    /// A provider of the table.
    pub fn row(row: &'static Row) -> Self {
        Compatible {
            row,
            id: row.id.to_owned(),
            name: row.name.to_owned(),
            base_url: row.base_url.to_owned(),
        }
    }

    /// An app's own server: `id` is what the app calls it, `base_url` where `/chat/completions` is
    /// below. It has no default model.
    pub fn custom(id: String, base_url: String) -> Self {
        Compatible {
            row: &CUSTOM,
            name: id.clone(),
            id,
            base_url: base_url.trim_end_matches('/').to_owned(),
        }
    }
}

impl Provider for Compatible {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn base_url(&self) -> &str {
        &self.base_url
    }

    fn credential(&self, _: &Fields) -> CredentialHeader<'_> {
        CredentialHeader::BEARER
    }

    fn verify(&self) -> VerifyRequest<'_> {
        VerifyRequest::get(self.row.verify_path)
    }

    fn recognizes(&self, key: &str) -> bool {
        (self.row.recognizes)(key)
    }

    fn default_model(&self, capability: Capability) -> Option<&str> {
        (capability == Capability::Chat && !self.row.chat_model.is_empty())
            .then_some(self.row.chat_model)
    }

    fn failure(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> Failure {
        failure::from_body(status, body)
    }

    fn request_id_header(&self) -> Option<&'static str> {
        self.row.request_id_header
    }

    fn chat(&self) -> Option<&dyn ChatProvider> {
        Some(self)
    }
}

impl ChatProvider for Compatible {
    fn request(&self, request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
        let who = (self.id.as_str(), self.name.as_str());
        chat_request::request(request, model, stream, who, &self.row.dialect)
    }

    fn response(&self, _: &ChatRequest, body: &[u8], fold: &mut ChatFold) -> Result<()> {
        chat_answer::response(&self.id, &self.row.dialect, body, fold)
    }

    fn stream(&self, _: &ChatRequest) -> Box<dyn ChatStream> {
        Box::new(ChatAnswer::new(&self.id, &self.row.dialect))
    }
}
