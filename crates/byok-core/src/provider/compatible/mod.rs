//! Providers that speak like OpenAI: a table with a row each, and one type for an app's own servers
//! (`providers: { mine: { type: "openai-compatible", baseURL } }`).

mod fireworks;
mod mistral;
mod openrouter;
mod table;
mod together;
mod way;
mod xai;

use http::{HeaderMap, StatusCode};

pub use self::table::{Models, Row, TABLE};

use self::table::CUSTOM;
use self::way::{ImageWay, SpeechWay, TranscriptionWay};
use super::openai::chat_answer::{self, ChatAnswer};
use super::openai::{
    chat_request, embeddings, failure, images, images_answer, speech, transcript, transcription,
};
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
use crate::error::{Code, Error, Result};

/// A provider that speaks like OpenAI.
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

    /// Never seen: the engine asks only for what the row has.
    fn absent(&self, what: &str) -> Error {
        let message = format!("{} has no {what}.", self.name);
        Error::new(Code::CapabilityUnsupported, message)
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

    fn credential(&self, _: &Fields) -> CredentialHeader {
        CredentialHeader::BEARER
    }

    fn key_is_optional(&self) -> bool {
        self.row.is_local
    }

    fn verify(&self) -> VerifyRequest {
        VerifyRequest::get(self.row.verify_path)
    }

    fn recognizes(&self, key: &str) -> bool {
        (self.row.recognizes)(key)
    }

    fn default_model(&self, capability: Capability) -> Option<&str> {
        self.row.models.of(capability)
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

    fn embed(&self) -> Option<&dyn EmbedProvider> {
        self.row.embed.is_some().then_some(self)
    }

    fn speech(&self) -> Option<&dyn SpeechProvider> {
        self.row.speech.is_some().then_some(self)
    }

    fn transcription(&self) -> Option<&dyn TranscriptionProvider> {
        self.row.transcription.is_some().then_some(self)
    }

    fn image(&self) -> Option<&dyn ImageProvider> {
        self.row.image.is_some().then_some(self)
    }
}

impl ChatProvider for Compatible {
    fn request(&self, request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
        let who = (self.id.as_str(), self.name.as_str());
        chat_request::request(request, model, stream, who, &self.row.chat)
    }

    fn response(&self, _: &ChatRequest, body: &[u8], fold: &mut ChatFold) -> Result<()> {
        chat_answer::response(&self.id, &self.row.chat, body, fold)
    }

    fn stream(&self, _: &ChatRequest) -> Box<dyn ChatStream> {
        Box::new(ChatAnswer::new(&self.id, &self.row.chat))
    }
}

impl EmbedProvider for Compatible {
    fn batch_limit(&self, _: &str) -> BatchLimit {
        let dialect = self.row.embed.as_ref();
        dialect.unwrap_or(&embeddings::COMPATIBLE).limit
    }

    fn request(
        &self,
        request: &EmbedRequest,
        inputs: &[String],
        model: &str,
    ) -> Result<WireRequest> {
        let dialect = self.row.embed.as_ref();
        let dialect = dialect.ok_or_else(|| self.absent("embeddings"))?;
        embeddings::request(request, inputs, model, &self.name, dialect)
    }

    fn response(&self, body: &[u8]) -> Result<EmbedBatch> {
        let dialect = self.row.embed.as_ref();
        embeddings::response(body, dialect.unwrap_or(&embeddings::COMPATIBLE))
    }
}

impl SpeechProvider for Compatible {
    fn request(&self, request: &SpeechRequest, model: &str, stream: bool) -> Result<WireRequest> {
        match &self.row.speech {
            Some(SpeechWay::OpenAi(dialect)) => {
                speech::request(request, model, &self.name, dialect)
            }
            Some(SpeechWay::Own { request: own, .. }) => own(request, model, stream, &self.name),
            None => Err(self.absent("text to speech")),
        }
    }

    fn decoder(
        &self,
        request: &SpeechRequest,
        headers: &HeaderMap,
        _stream: bool,
    ) -> Result<Box<dyn SpeechDecoder>> {
        let pcm = match &self.row.speech {
            Some(SpeechWay::Own { pcm, .. }) => pcm,
            _ => speech::PCM,
        };
        speech::decoder(request, headers, pcm)
    }
}

impl TranscriptionProvider for Compatible {
    fn request(&self, request: &TranscriptionRequest, model: &str) -> Result<WireRequest> {
        match &self.row.transcription {
            Some(TranscriptionWay::OpenAi(dialect)) => {
                transcription::request(request, model, &self.name, dialect)
            }
            Some(TranscriptionWay::Own(own)) => own(request, model, &self.name),
            None => Err(self.absent("speech to text")),
        }
    }

    fn response(&self, request: &TranscriptionRequest, body: &[u8]) -> Result<Transcript> {
        transcript::response(request, body)
    }
}

impl ImageProvider for Compatible {
    fn most_at_once(&self, model: &str) -> u32 {
        match &self.row.image {
            Some(ImageWay::OpenAi(dialect)) => (dialect.most_at_once)(model),
            Some(ImageWay::Own { most_at_once, .. }) => *most_at_once,
            Some(ImageWay::Picture(_)) | None => 1,
        }
    }

    fn request(&self, request: &ImageRequest, n: u32, model: &str) -> Result<WireRequest> {
        match &self.row.image {
            Some(ImageWay::OpenAi(dialect)) => {
                images::request(request, n, model, &self.name, dialect)
            }
            Some(ImageWay::Own { request: own, .. } | ImageWay::Picture(own)) => {
                own(request, n, model, &self.name)
            }
            None => Err(self.absent("images")),
        }
    }

    fn response(&self, _: &ImageRequest, body: &[u8]) -> Result<GeneratedImages> {
        match &self.row.image {
            Some(ImageWay::Picture(_)) => fireworks::image_answer(body),
            _ => images_answer::response(body),
        }
    }
}
