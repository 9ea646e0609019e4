//! OpenAI: the Responses API by default, Chat Completions with
//! `providerOptions: { api: "chat-completions" }`. All files here but those of the Responses API also
//! serve the compatible providers.

mod audio_answer;
pub(crate) mod chat_answer;
pub(crate) mod chat_request;
pub(crate) mod dialect;
pub(crate) mod embeddings;
pub(crate) mod failure;
pub(crate) mod form;
pub(crate) mod images;
pub(crate) mod images_answer;
pub(crate) mod parts;
mod reasoning_details;
pub(crate) mod responses_answer;
pub(crate) mod responses_request;
mod schema;
pub(crate) mod speech;
pub(crate) mod text;
mod tool_pieces;
pub(crate) mod transcript;
pub(crate) mod transcription;
pub(crate) mod usage;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use self::chat_answer::ChatAnswer;
use self::responses_answer::ResponsesAnswer;
use super::{
    BatchLimit, ChatProvider, ChatStream, CredentialHeader, EmbedBatch, EmbedProvider, Failure,
    Fields, GeneratedImages, ImageProvider, Provider, SpeechDecoder, SpeechProvider,
    TranscriptionProvider, WireRequest,
};
use crate::capability::Capability;
use crate::capability::chat::ChatRequest;
use crate::capability::embed::EmbedRequest;
use crate::capability::fold::ChatFold;
use crate::capability::image::ImageRequest;
use crate::capability::speech::SpeechRequest;
use crate::capability::transcription::{Transcript, TranscriptionRequest};
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

    fn credential(&self, _: &Fields) -> CredentialHeader {
        CredentialHeader::BEARER
    }

    fn verify(&self) -> VerifyRequest {
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

    /// Current, inexpensive models. Whisper is the one that gives times, language and duration.
    fn default_model(&self, capability: Capability) -> Option<&str> {
        Some(match capability {
            Capability::Chat => "gpt-5.4-mini",
            Capability::Embeddings => "text-embedding-3-small",
            Capability::TextToSpeech => "gpt-4o-mini-tts",
            Capability::SpeechToText => "whisper-1",
            Capability::ImageGeneration => "gpt-image-1.5",
        })
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

    fn embed(&self) -> Option<&dyn EmbedProvider> {
        Some(self)
    }

    fn speech(&self) -> Option<&dyn SpeechProvider> {
        Some(self)
    }

    fn transcription(&self) -> Option<&dyn TranscriptionProvider> {
        Some(self)
    }

    fn image(&self) -> Option<&dyn ImageProvider> {
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

impl EmbedProvider for OpenAi {
    fn batch_limit(&self, _: &str) -> BatchLimit {
        embeddings::OPENAI.limit
    }

    fn request(
        &self,
        request: &EmbedRequest,
        inputs: &[String],
        model: &str,
    ) -> Result<WireRequest> {
        embeddings::request(request, inputs, model, NAME, &embeddings::OPENAI)
    }

    fn response(&self, body: &[u8]) -> Result<EmbedBatch> {
        embeddings::response(body, &embeddings::OPENAI)
    }
}

impl SpeechProvider for OpenAi {
    fn request(&self, request: &SpeechRequest, model: &str, _stream: bool) -> Result<WireRequest> {
        speech::request(request, model, NAME, &speech::OPENAI)
    }

    fn decoder(
        &self,
        request: &SpeechRequest,
        headers: &HeaderMap,
        _stream: bool,
    ) -> Result<Box<dyn SpeechDecoder>> {
        speech::decoder(request, headers, speech::PCM)
    }
}

impl TranscriptionProvider for OpenAi {
    fn request(&self, request: &TranscriptionRequest, model: &str) -> Result<WireRequest> {
        transcription::request(request, model, NAME, &transcription::OPENAI)
    }

    fn response(&self, request: &TranscriptionRequest, body: &[u8]) -> Result<Transcript> {
        transcript::response(request, body)
    }
}

impl ImageProvider for OpenAi {
    fn most_at_once(&self, model: &str) -> u32 {
        (images::OPENAI.most_at_once)(model)
    }

    fn request(&self, request: &ImageRequest, n: u32, model: &str) -> Result<WireRequest> {
        images::request(request, n, model, NAME, &images::OPENAI)
    }

    fn response(&self, _: &ImageRequest, body: &[u8]) -> Result<GeneratedImages> {
        images_answer::response(body)
    }
}
