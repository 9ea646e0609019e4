//! Azure OpenAI: OpenAI's APIs below a resource of the user's own, whose models are deployments. The v1
//! surface (`/openai/v1`, no `api-version`) by default; with a dated `apiVersion` the older paths
//! (`/openai/deployments/{deployment}/...?api-version=`). Sources: the `openai` 7 client `AzureOpenAI`,
//! `@ai-sdk/azure` 4 and Microsoft's reference of 2026.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::openai::chat_answer::{self, ChatAnswer};
use super::openai::dialect::{self, Dialect};
use super::openai::images::ImageDialect;
use super::openai::responses_answer::{self, ResponsesAnswer};
use super::openai::speech::SpeechDialect;
use super::openai::transcription::{Answer, TranscriptionDialect};
use super::openai::{
    chat_request, embeddings, failure, images, images_answer, responses_request, speech,
    transcript, transcription,
};
use super::wire::path_of;
use super::{
    BatchLimit, ChatProvider, ChatStream, CredentialField, CredentialHeader, EmbedBatch,
    EmbedProvider, Failure, Fields, GeneratedImages, ImageProvider, Provider, SpeechDecoder,
    SpeechProvider, TranscriptionProvider, WireRequest,
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

const ID: &str = "azure-openai";
const NAME: &str = "Azure OpenAI";

/// Deployments may be of any maker's models, and all of them know `system`.
const CHAT: Dialect = Dialect {
    system_role: "system",
    ..dialect::OPENAI
};

const SPEECH: SpeechDialect = SpeechDialect {
    // A deployment's name does not say which model it is.
    instructions: |_| true,
    ..speech::OPENAI
};

const TRANSCRIPTION: TranscriptionDialect = TranscriptionDialect {
    answer: Answer::ByModelOrRequest,
    ..transcription::OPENAI
};

const IMAGES: ImageDialect = ImageDialect {
    most_at_once: |deployment| {
        let is_dall_e_3 = ["dall-e-3", "dalle-3", "dalle3"]
            .iter()
            .any(|name| deployment.contains(name));
        if is_dall_e_3 { 1 } else { 10 }
    },
    ..images::OPENAI
};

/// `azure-openai`: `apiKey: { apiKey, resource, deployment?, apiVersion? }`, or `token` (Microsoft Entra ID)
/// in place of the inner `apiKey`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Azure;

impl Provider for Azure {
    fn id(&self) -> &str {
        ID
    }

    fn name(&self) -> &str {
        NAME
    }

    /// Never sent to: [`Provider::base_url_of`] has an answer for all fields.
    fn base_url(&self) -> &str {
        "https://{resource}.openai.azure.com/openai/v1"
    }

    fn credential(&self, fields: &Fields) -> CredentialHeader {
        if fields.get("credential") == Some("token") {
            return CredentialHeader::BEARER;
        }
        CredentialHeader {
            name: "api-key",
            prefix: "",
        }
    }

    /// `resource` is needed unless there is a `baseURL`.
    fn fields(&self) -> &'static [CredentialField] {
        &[
            CredentialField {
                name: "token",
                is_required: false,
                what: "a token of Microsoft Entra ID in place of the key",
            },
            CredentialField {
                name: "resource",
                is_required: false,
                what: "the name of the Azure OpenAI resource (the first part of its host name)",
            },
            CredentialField {
                name: "deployment",
                is_required: false,
                what: "the deployment that serves when a request names no model",
            },
            CredentialField {
                name: "apiVersion",
                is_required: false,
                what: "the api-version of the older paths, for example 2024-10-21; v1 without it",
            },
        ]
    }

    fn model_of<'a>(&self, fields: &Fields<'a>) -> Option<&'a str> {
        fields.get("deployment")
    }

    fn base_url_of(&self, fields: &Fields) -> Result<Option<String>> {
        let resource = fields.get("resource").ok_or_else(|| {
            Error::invalid_argument(
                "azure-openai needs to know the resource: apiKey: { apiKey, resource: \"my-resource\" }, or a baseURL.",
            )
        })?;
        // It becomes part of a host name, so it must be nothing but a label of one (RFC 1123).
        let is_label = resource.len() <= 63
            && !resource.starts_with('-')
            && !resource.ends_with('-')
            && !resource.is_empty()
            && resource
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_label {
            return Err(Error::invalid_argument(
                "apiKey.resource must be the name of the Azure OpenAI resource alone (letters, digits and hyphens), without https:// and .openai.azure.com.",
            ));
        }
        let surface = if is_dated(fields) {
            "openai"
        } else {
            "openai/v1"
        };
        Ok(Some(format!(
            "https://{resource}.openai.azure.com/{surface}"
        )))
    }

    fn finish_request(&self, wire: &mut WireRequest, fields: &Fields) {
        let Some(version) = fields.get("apiVersion") else {
            return;
        };
        let deployment = wire.model.as_deref().and_then(|name| path_of(name).ok());
        if let (true, Some(deployment)) = (is_dated(fields), deployment) {
            wire.path = format!("/deployments/{deployment}{}", wire.path);
        }
        if let Ok(version) = path_of(version) {
            wire.add_query("api-version", &version);
        }
    }

    fn verify(&self) -> VerifyRequest {
        VerifyRequest::get("/models")
    }

    /// Keys of 84 characters have the mark of Azure's AI services in them; the older ones are 32 hex
    /// digits like others', and so not recognised.
    fn recognizes(&self, key: &str) -> bool {
        key.len() == 84 && key.contains("ACOG")
    }

    /// Deployments have the names that their owner gave them.
    fn default_model(&self, _: Capability) -> Option<&str> {
        None
    }

    fn failure(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> Failure {
        failure::from_body(status, body)
    }

    fn request_id_header(&self) -> Option<&'static str> {
        Some("apim-request-id")
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

/// `2024-10-21`, `2025-04-01-preview`; `v1` and `preview` are the newer surface with a query.
fn is_dated(fields: &Fields) -> bool {
    fields
        .get("apiVersion")
        .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

/// Chat Completions by default, which every deployment speaks; Responses with
/// `providerOptions: { api: "responses" }`.
fn speaks_responses(request: &ChatRequest) -> Result<bool> {
    match request.provider_options.get("api").map(Value::as_str) {
        None | Some(Some("chat-completions")) => Ok(false),
        Some(Some("responses")) => Ok(true),
        Some(_) => Err(Error::invalid_argument(
            "providerOptions.api must be \"chat-completions\" (the default) or \"responses\".",
        )),
    }
}

/// Notes the deployment for [`Azure::finish_request`], which can't refuse one any more.
fn for_deployment(wire: WireRequest, model: &str) -> Result<WireRequest> {
    path_of(model)?;
    Ok(wire.with_model(model))
}

impl ChatProvider for Azure {
    fn request(&self, request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
        if speaks_responses(request)? {
            // Its path has no deployment in any version.
            return responses_request::request(request, model, stream, ID);
        }
        let wire = chat_request::request(request, model, stream, (ID, NAME), &CHAT)?;
        for_deployment(wire, model)
    }

    fn response(&self, request: &ChatRequest, body: &[u8], fold: &mut ChatFold) -> Result<()> {
        if speaks_responses(request)? {
            responses_answer::response(ID, body, fold)
        } else {
            chat_answer::response(ID, &CHAT, body, fold)
        }
    }

    fn stream(&self, request: &ChatRequest) -> Box<dyn ChatStream> {
        // An unknown name was refused by `request` already.
        if speaks_responses(request).unwrap_or(false) {
            Box::new(ResponsesAnswer::new(ID))
        } else {
            Box::new(ChatAnswer::new(ID, &CHAT))
        }
    }
}

impl EmbedProvider for Azure {
    fn batch_limit(&self, _: &str) -> BatchLimit {
        embeddings::OPENAI.limit
    }

    fn request(
        &self,
        request: &EmbedRequest,
        inputs: &[String],
        model: &str,
    ) -> Result<WireRequest> {
        let wire = embeddings::request(request, inputs, model, NAME, &embeddings::OPENAI)?;
        for_deployment(wire, model)
    }

    fn response(&self, body: &[u8]) -> Result<EmbedBatch> {
        embeddings::response(body, &embeddings::OPENAI)
    }
}

impl SpeechProvider for Azure {
    fn request(&self, request: &SpeechRequest, model: &str, _stream: bool) -> Result<WireRequest> {
        let wire = speech::request(request, model, NAME, &SPEECH)?;
        for_deployment(wire, model)
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

impl TranscriptionProvider for Azure {
    fn request(&self, request: &TranscriptionRequest, model: &str) -> Result<WireRequest> {
        let wire = transcription::request(request, model, NAME, &TRANSCRIPTION)?;
        for_deployment(wire, model)
    }

    fn response(&self, request: &TranscriptionRequest, body: &[u8]) -> Result<Transcript> {
        transcript::response(request, body)
    }
}

impl ImageProvider for Azure {
    fn most_at_once(&self, model: &str) -> u32 {
        (IMAGES.most_at_once)(model)
    }

    fn request(&self, request: &ImageRequest, n: u32, model: &str) -> Result<WireRequest> {
        let wire = images::request(request, n, model, NAME, &IMAGES)?;
        for_deployment(wire, model)
    }

    fn response(&self, _: &ImageRequest, body: &[u8]) -> Result<GeneratedImages> {
        images_answer::response(body)
    }
}
