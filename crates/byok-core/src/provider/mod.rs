//! What a provider is: URLs, headers and pure functions between our types and its JSON; no I/O.
//! `builtin` is the one visible list.

mod anthropic;
mod azure;
mod cohere;
pub mod compatible;
mod deepgram;
mod elevenlabs;
mod embed;
mod gemini;
mod image;
pub mod openai;
mod pcm;
mod scripted;
mod speech;
mod transcription;
mod vector;
mod voyage;
mod wav;
mod wire;

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

pub use azure::Azure;
pub use compatible::Compatible;
pub use embed::{BatchLimit, EmbedBatch, EmbedProvider};
pub use image::{GeneratedImages, ImageProvider, ImageSource};
pub use scripted::{
    Definition, Explanation, ScriptedChat, ScriptedEmbed, ScriptedImage, ScriptedProvider,
    ScriptedSpeech, ScriptedStream, ScriptedTranscription, Scripts, wrong_code,
};
pub use speech::{RawAudio, SpeechDecoder, SpeechProvider, check_is_audio};
pub use transcription::TranscriptionProvider;
pub use wire::{FileContent, FormField, FormValue, WireBody, WireRequest};

use crate::capability::Capability;
use crate::capability::chat::ChatRequest;
use crate::capability::fold::ChatFold;
use crate::capability::verify::VerifyRequest;
use crate::error::{Code, Error, Result};
use crate::sse::SseEvent;

/// Every provider that needs no configuration.
pub fn builtin() -> Vec<Arc<dyn Provider>> {
    let mut all: Vec<Arc<dyn Provider>> = vec![
        Arc::new(openai::OpenAi),
        Arc::new(anthropic::Anthropic),
        Arc::new(gemini::Gemini),
        Arc::new(elevenlabs::ElevenLabs),
        Arc::new(deepgram::Deepgram),
        Arc::new(cohere::Cohere),
        Arc::new(voyage::Voyage),
        Arc::new(Azure),
    ];
    all.extend(
        compatible::TABLE
            .iter()
            .map(|row| Arc::new(Compatible::row(row)) as _),
    );
    all
}

/// One service that takes a user's key.
pub trait Provider: Send + Sync {
    /// `openai`: what users write and what records are bound to.
    fn id(&self) -> &str;

    /// `OpenAI`: for error messages.
    fn name(&self) -> &str;

    /// Where its paths begin, without a trailing slash: `https://api.openai.com/v1`.
    fn base_url(&self) -> &str;

    /// Where the key goes.
    fn credential(&self, fields: &Fields) -> CredentialHeader<'_>;

    /// Whether the key may also go as a bearer token, in place of [`Provider::credential`]: forwarded
    /// requests keep the way that their client chose.
    fn takes_bearer(&self) -> bool {
        false
    }

    /// What a credential of this provider has beside the key (`resource`, `apiVersion`). They are
    /// sealed with it.
    fn fields(&self) -> Vec<CredentialField<'_>> {
        Vec::new()
    }

    /// The model that a credential's own fields name; it goes before the app's and the provider's
    /// default, but after the caller's.
    fn model_of<'a>(&self, _fields: &Fields<'a>) -> Option<&'a str> {
        None
    }

    /// Whether a user can be registered without a key: servers of one's own (Ollama).
    fn key_is_optional(&self) -> bool {
        false
    }

    /// Where paths begin for a credential whose fields say so; `None` is [`Provider::base_url`].
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the fields make no URL.
    fn base_url_of(&self, _fields: &Fields) -> Result<Option<String>> {
        Ok(None)
    }

    /// Adds what a credential's fields mean to a request that is ready otherwise.
    fn finish_request(&self, _wire: &mut WireRequest, _fields: &Fields) {}

    /// Headers that every request needs (`anthropic-version`).
    fn headers(&self) -> &[(&'static str, &'static str)] {
        &[]
    }

    fn verify(&self) -> VerifyRequest<'_>;

    /// Whether a key has the shape that this provider gives out: a hint, never a reason to refuse.
    fn recognizes(&self, key: &str) -> bool;

    /// The model used when neither the caller nor the app names one.
    fn default_model(&self, capability: Capability) -> Option<&str>;

    /// Reads the provider's answer to a failed request. See [`Failure`].
    fn failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure;

    /// The response header with the provider's id of the request.
    fn request_id_header(&self) -> Option<&str>;

    fn chat(&self) -> Option<&dyn ChatProvider> {
        None
    }

    fn embed(&self) -> Option<&dyn EmbedProvider> {
        None
    }

    fn speech(&self) -> Option<&dyn SpeechProvider> {
        None
    }

    fn transcription(&self) -> Option<&dyn TranscriptionProvider> {
        None
    }

    fn image(&self) -> Option<&dyn ImageProvider> {
        None
    }

    /// The provider as an app defined it: its capabilities are functions that have to be waited for.
    fn scripted(&self) -> Option<&ScriptedProvider> {
        None
    }

    fn supports(&self, capability: Capability) -> bool {
        match capability {
            Capability::Chat => self.chat().is_some(),
            Capability::Embeddings => self.embed().is_some(),
            Capability::TextToSpeech => self.speech().is_some(),
            Capability::SpeechToText => self.transcription().is_some(),
            Capability::ImageGeneration => self.image().is_some(),
        }
    }
}

/// A further field of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialField<'a> {
    /// As users write it: `apiKey: { apiKey, resource }`.
    pub name: &'a str,
    pub is_required: bool,
    /// For error messages: `the name of your Azure OpenAI resource`.
    pub what: &'a str,
}

/// The fields of an opened credential, by name.
#[derive(Default)]
pub struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    pub fn new(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Fields(pairs.into_iter().collect())
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| *value)
    }
}

/// The header that carries the key, and what stands before it (`Bearer `).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialHeader<'a> {
    pub name: &'a str,
    pub prefix: &'a str,
}

impl CredentialHeader<'_> {
    pub const BEARER: CredentialHeader<'static> = CredentialHeader {
        name: "authorization",
        prefix: "Bearer ",
    };
}

/// What a failed request means, in our codes. The pipeline adds provider, status and request id,
/// redacts the message and appends what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    /// The provider's own words, if it had any; never a whole body.
    pub message: Option<String>,
    pub request_id: Option<String>,
    pub retryable: bool,
    /// How long the provider asks to wait, when it says so in the body (headers are read by the
    /// HTTP layer).
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// The meaning of a status when the body says nothing more precise.
    pub fn from_status(status: StatusCode) -> Self {
        let code = match status.as_u16() {
            401 => Code::KeyInvalid,
            402 => Code::QuotaExceeded,
            403 => Code::PermissionDenied,
            408 | 409 | 425 => Code::ProviderUnavailable,
            429 => Code::ProviderRateLimited,
            500..=599 => Code::ProviderUnavailable,
            _ => Code::ProviderError,
        };
        Failure {
            code,
            message: None,
            request_id: None,
            retryable: matches!(code, Code::ProviderUnavailable | Code::ProviderRateLimited),
            retry_after_ms: None,
        }
    }

    /// The same failure with another meaning; quota, permission and the like are not worth a retry.
    pub fn recoded(mut self, code: Code) -> Self {
        self.code = code;
        self.retryable = matches!(code, Code::ProviderUnavailable | Code::ProviderRateLimited);
        self
    }

    pub fn with_message(mut self, message: Option<&str>) -> Self {
        self.message = message.filter(|text| !text.is_empty()).map(str::to_owned);
        self
    }

    /// For an error inside an answer that has a status of success.
    pub fn into_error(self) -> Error {
        self.with_words("The provider answered with an error")
    }

    /// For an error event in the middle of a stream: never retried, since text may be out already.
    pub fn into_stream_error(self) -> Error {
        self.with_words("The provider ended the stream with an error")
    }

    fn with_words(self, words: &str) -> Error {
        let message = self.message.unwrap_or_else(|| "no reason given".to_owned());
        Error::new(self.code, format!("{words}: {message}"))
            .with_request_id(self.request_id.as_deref())
            .with_retryable(self.retryable)
            .with_retry_after_ms(self.retry_after_ms)
    }
}

/// Chat, as one provider speaks it. `request` is what [`ChatRequest::prepare`] made.
pub trait ChatProvider: Send + Sync {
    /// # Errors
    /// `INVALID_ARGUMENT` when the request can't be expressed at all; what is merely unsupported
    /// becomes a warning.
    fn request(&self, request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest>;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// `BAD_RESPONSE` for what is not the provider's JSON, or the provider's own error inside a 200.
    fn response(&self, request: &ChatRequest, body: &[u8], fold: &mut ChatFold) -> Result<()>;

    fn stream(&self, request: &ChatRequest) -> Box<dyn ChatStream>;
}

/// The state of one streamed answer.
pub trait ChatStream: Send {
    fn event(&mut self, event: &SseEvent<'_>, fold: &mut ChatFold) -> Result<()>;

    /// The body ended. An error unless the provider's end mark was seen: see [`cut_off`].
    fn end(&mut self, fold: &mut ChatFold) -> Result<()>;
}

/// The `content-type` of an answer; empty when it has none that is readable.
pub fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The error of a stream that ended without its provider's end mark.
pub fn cut_off() -> Error {
    Error::new(
        Code::StreamInterrupted,
        "The stream ended before the provider had finished its answer. What arrived so far is incomplete; send the request again.",
    )
}

/// The error of a body that is not the JSON it should be. Says where, never what.
pub fn not_json(what: &str, error: &serde_json::Error) -> Error {
    Error::bad_response(format!(
        "{what} could not be read (line {}, column {}). The provider or a proxy in between sent something unexpected.",
        error.line(),
        error.column()
    ))
}

/// Merges the caller's `providerOptions` over a body: objects deeply, everything else replaced.
pub fn merge(body: &mut Map<String, Value>, options: &Map<String, Value>) {
    for (name, value) in options {
        match (body.get_mut(name), value) {
            (Some(Value::Object(ours)), Value::Object(theirs)) => merge(ours, theirs),
            _ => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
}
