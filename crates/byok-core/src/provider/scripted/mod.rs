//! A provider that an app defines: declarative parts that the core handles by itself, and functions
//! of the app's between our requests and results and the provider's JSON. The functions are called
//! through [`Scripts`] and never see a key, a URL or a header that carries one.

mod chat;
mod chat_answer;
mod definition;
mod embed;
mod failure;
mod image;
mod request;
mod speech;
mod stream;
mod transcription;

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use chat::ScriptedChat;
pub use definition::Definition;
pub use embed::ScriptedEmbed;
pub use failure::Explanation;
pub use image::ScriptedImage;
pub use speech::ScriptedSpeech;
pub use stream::ScriptedStream;
pub use transcription::ScriptedTranscription;

use self::request::{AudioName, Outgoing};
use super::{CredentialField, CredentialHeader, Failure, Fields, Provider, WireRequest, not_json};
use crate::capability::Capability;
use crate::capability::verify::VerifyRequest;
use crate::error::{Code, Error, Result};

/// The functions of all providers that an app defines.
#[async_trait]
pub trait Scripts: Send + Sync {
    /// Calls one of `provider`'s functions, `chat.request` for example, with arguments as JSON. Gives
    /// the JSON of what it returned.
    ///
    /// # Errors
    /// What [`wrong_code`] says for a function that threw, with the exception as its cause; `TIMEOUT` for
    /// one that did not settle.
    async fn call(
        &self,
        provider: &str,
        function: &'static str,
        arguments: String,
    ) -> Result<Box<RawValue>>;
}

/// The code of a function's own mistake: functions that make requests are part of the call, those that
/// read answers stand for the answer.
pub fn wrong_code(function: &str) -> Code {
    if function.ends_with(".request") {
        Code::InvalidArgument
    } else {
        Code::BadResponse
    }
}

pub struct ScriptedProvider {
    id: String,
    definition: Definition,
    scripts: Arc<dyn Scripts>,
    verify_body: Option<String>,
}

impl ScriptedProvider {
    /// # Errors
    /// `INVALID_ARGUMENT` naming the part of the definition that can't be.
    pub fn new(id: String, mut definition: Definition, scripts: Arc<dyn Scripts>) -> Result<Self> {
        definition.check().map_err(|error| {
            error.map_message(|message| Some(format!("providers.{id}: {message}")))
        })?;
        let trimmed = definition.base_url.trim_end_matches('/').len();
        definition.base_url.truncate(trimmed);
        let verify_body = definition.verify.body.as_ref().map(ToString::to_string);
        Ok(ScriptedProvider {
            id,
            definition,
            scripts,
            verify_body,
        })
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Calls a function and reads what it returned.
    async fn ask<T: DeserializeOwned>(
        &self,
        function: &'static str,
        arguments: &(impl Serialize + Sync),
    ) -> Result<T> {
        let json = serde_json::to_string(arguments)
            .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        let answer = self
            .scripts
            .call(&self.id, function, json)
            .await
            .map_err(|error| error.with_provider(&self.id))?;
        let mut deserializer = serde_json::Deserializer::from_str(answer.get());
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            let place = if path == "." {
                String::new()
            } else {
                format!(" at {path}")
            };
            let inner = error.inner().to_string();
            let inner = inner.split(" at line ").next().unwrap_or_default();
            self.malformed(function, &format!("{place}: {inner}"))
        })
    }

    /// Calls a function that makes a request, and reads the request.
    async fn outgoing(
        &self,
        function: &'static str,
        arguments: &(impl Serialize + Sync),
        options: &Map<String, Value>,
        audio: Option<&AudioName<'_>>,
    ) -> Result<WireRequest> {
        let outgoing: Outgoing = self.ask(function, arguments).await?;
        outgoing
            .into_wire(options, audio)
            .map_err(|what| self.malformed(function, &format!(": {what}")))
    }

    /// Hands the body of an answer to a function, and reads what it made of it.
    ///
    /// # Errors
    /// `BAD_RESPONSE` also for a body that is no JSON.
    async fn incoming<T: DeserializeOwned>(
        &self,
        function: &'static str,
        body: &str,
        request: &RawValue,
        model: &str,
    ) -> Result<T> {
        #[derive(Serialize)]
        struct Arguments<'a> {
            body: &'a RawValue,
            request: &'a RawValue,
            model: &'a str,
        }
        let arguments = Arguments {
            body: serde_json::from_str(body)
                .map_err(|error| not_json("The provider's answer", &error))?,
            request,
            model,
        };
        self.ask(function, &arguments).await
    }

    fn malformed(&self, function: &str, what: &str) -> Error {
        Error::new(
            wrong_code(function),
            format!(
                "The function {function} of providers.{} returned something else than it should{what}. Correct the definition.",
                self.id
            ),
        )
        .with_provider(&self.id)
    }
}

impl Provider for ScriptedProvider {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.definition.name
    }

    fn base_url(&self) -> &str {
        &self.definition.base_url
    }

    fn credential(&self, _: &Fields) -> CredentialHeader<'_> {
        let credential = &self.definition.credential;
        CredentialHeader {
            name: &credential.header,
            prefix: &credential.prefix,
        }
    }

    fn fields(&self) -> Vec<CredentialField<'_>> {
        let fields = self.definition.fields.iter();
        fields
            .map(|field| CredentialField {
                name: &field.name,
                is_required: field.required,
                what: &field.what,
            })
            .collect()
    }

    fn key_is_optional(&self) -> bool {
        self.definition.key_is_optional
    }

    fn base_url_of(&self, fields: &Fields) -> Result<Option<String>> {
        if !self.definition.base_url.contains('{') {
            return Ok(None);
        }
        request::base_url(&self.definition, fields).map(Some)
    }

    fn finish_request(&self, wire: &mut WireRequest, fields: &Fields) {
        request::add_fields(&self.definition, wire, fields);
    }

    fn verify(&self) -> VerifyRequest<'_> {
        let verify = &self.definition.verify;
        VerifyRequest {
            path: &verify.path,
            body: self.verify_body.as_deref(),
            otherwise: verify.otherwise.as_deref(),
        }
    }

    fn recognizes(&self, key: &str) -> bool {
        let prefixes = &self.definition.key_prefixes;
        prefixes.iter().any(|prefix| key.starts_with(prefix))
    }

    fn default_model(&self, capability: Capability) -> Option<&str> {
        let models = &self.definition.default_models;
        models.get(&capability).map(String::as_str)
    }

    fn failure(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> Failure {
        failure::read(&self.definition.errors, status, body)
    }

    fn request_id_header(&self) -> Option<&str> {
        self.definition.request_id_header.as_deref()
    }

    fn scripted(&self) -> Option<&ScriptedProvider> {
        Some(self)
    }

    fn supports(&self, capability: Capability) -> bool {
        self.definition.supports(capability)
    }
}
