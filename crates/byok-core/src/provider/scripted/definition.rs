//! The declarative part of a provider that an app defines: what the core does by itself, without
//! asking the app's functions.

use std::collections::BTreeMap;

use http::HeaderName;
use serde::Deserialize;
use serde_json::Value;

use crate::capability::Capability;
use crate::error::{Code, Error, Result};
use crate::provider::BatchLimit;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    /// For error messages.
    pub name: String,
    /// May name fields of the credential: `https://{resource}.example.com/v1`.
    #[serde(rename = "baseURL")]
    pub base_url: String,
    pub credential: CredentialDefinition,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub verify: VerifyDefinition,
    pub request_id_header: Option<String>,
    /// What its keys begin with.
    #[serde(default)]
    pub key_prefixes: Vec<String>,
    #[serde(default)]
    pub key_is_optional: bool,
    #[serde(default)]
    pub default_models: BTreeMap<Capability, String>,
    #[serde(default)]
    pub fields: Vec<FieldDefinition>,
    #[serde(default)]
    pub errors: ErrorDefinition,
    pub chat: Option<ChatDefinition>,
    pub embed: Option<EmbedDefinition>,
    pub text_to_speech: Option<SpeechDefinition>,
    pub speech_to_text: Option<TranscriptionDefinition>,
    pub generate_image: Option<ImageDefinition>,
}

/// Where the key goes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialDefinition {
    pub header: String,
    #[serde(default)]
    pub prefix: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyDefinition {
    pub path: String,
    /// Posted as JSON; a GET without it.
    pub body: Option<Value>,
    pub otherwise: Option<String>,
}

/// A further field of the credential.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldDefinition {
    pub name: String,
    #[serde(default)]
    pub what: String,
    #[serde(default)]
    pub required: bool,
    /// Sent with every request under this name.
    pub header: Option<String>,
    /// Sent with every request as this parameter of the URL.
    pub query: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorDefinition {
    #[serde(default)]
    pub statuses: BTreeMap<String, Code>,
    #[serde(default)]
    pub words: BTreeMap<String, Code>,
    /// There is a function that reads failures, too.
    #[serde(default)]
    pub read: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatDefinition {
    /// There is a function that reads events.
    #[serde(default)]
    pub streams: bool,
    #[serde(default)]
    pub stream_end: StreamEnd,
}

/// What tells a complete stream from one that broke off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamEnd {
    /// The functions gave a `finish`.
    #[default]
    Finish,
    /// An event with exactly this data: `[DONE]`.
    Data(String),
    /// An event of this type.
    Event(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbedDefinition {
    pub inputs: usize,
    pub bytes: Option<usize>,
}

impl EmbedDefinition {
    pub fn batch_limit(&self) -> BatchLimit {
        BatchLimit {
            inputs: self.inputs,
            bytes: self.bytes.unwrap_or(usize::MAX),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpeechDefinition {
    /// A function reads the answer; without it the body is the audio.
    #[serde(default)]
    pub response: bool,
    /// Of a body that is the audio, where the provider does not say.
    pub content_type: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TranscriptionDefinition {}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageDefinition {
    pub most_at_once: u32,
}

/// Headers that the HTTP layer owns: no credential goes there.
const NO_CREDENTIAL_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "te",
    "upgrade",
    "accept-encoding",
];

impl Definition {
    pub fn supports(&self, capability: Capability) -> bool {
        match capability {
            Capability::Chat => self.chat.is_some(),
            Capability::Embeddings => self.embed.is_some(),
            Capability::TextToSpeech => self.text_to_speech.is_some(),
            Capability::SpeechToText => self.speech_to_text.is_some(),
            Capability::ImageGeneration => self.generate_image.is_some(),
        }
    }

    /// Checks what types can't say.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming the option.
    pub fn check(&self) -> Result<()> {
        check_header("credential.header", &self.credential.header)?;
        let is_visible = |text: &str| text.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
        if !is_visible(&self.credential.prefix) {
            return Err(wrong("credential.prefix must be printable ASCII."));
        }
        let paths = [Some(&self.verify.path), self.verify.otherwise.as_ref()];
        for path in paths.into_iter().flatten() {
            check_path("verify", path)?;
        }
        if let Some(name) = &self.request_id_header {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| wrong("requestIdHeader is not a valid header name."))?;
        }
        for status in self.errors.statuses.keys() {
            if !matches!(status.parse::<u16>(), Ok(400..=599)) {
                return Err(wrong(format!(
                    "errors.statuses: {status:?} is not a status from 400 to 599."
                )));
            }
        }
        for field in &self.fields {
            self.check_field(field)?;
        }
        self.check_placeholders()
    }

    fn check_field(&self, field: &FieldDefinition) -> Result<()> {
        let name = &field.name;
        if name.is_empty()
            || name == "apiKey"
            || name == "credential"
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return Err(wrong(format!(
                "fields: {name:?} can't be a field's name. Use letters and digits, and none of apiKey and credential."
            )));
        }
        let is_in_url = self.base_url.contains(&format!("{{{name}}}"));
        let places = [field.header.is_some(), field.query.is_some(), is_in_url];
        if places.iter().filter(|is_used| **is_used).count() != 1 {
            return Err(wrong(format!(
                "fields.{name} must go to one place: header, query, or {{{name}}} in baseURL."
            )));
        }
        if let Some(header) = &field.header {
            check_header(&format!("fields.{name}.header"), header)?;
            if header.eq_ignore_ascii_case(&self.credential.header) {
                return Err(wrong(format!(
                    "fields.{name}.header is where the key goes already."
                )));
            }
        }
        let is_plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        if field.query.as_deref().is_some_and(|query| !is_plain(query)) {
            return Err(wrong(format!(
                "fields.{name}.query must be a name of letters, digits, dots, underscores and hyphens."
            )));
        }
        if is_in_url && !field.required {
            return Err(wrong(format!(
                "fields.{name} is part of baseURL and so must be required."
            )));
        }
        Ok(())
    }

    /// A placeholder may choose among the hosts of a domain, never the domain: users would decide where
    /// their key goes, which is `allowUserBaseURL`.
    fn check_placeholders(&self) -> Result<()> {
        let mut rest = self.base_url.as_str();
        while let Some((_, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(wrong("baseURL has a { without its }."));
            };
            if !self.fields.iter().any(|field| field.name == name) {
                return Err(wrong(format!(
                    "baseURL: {{{name}}} is not one of fields. Add fields: {{ {name}: {{ required: true }} }}."
                )));
            }
            rest = after;
        }
        let after_scheme = self.base_url.split_once("://").map_or("", |(_, rest)| rest);
        let host = after_scheme.split('/').next().unwrap_or_default();
        if let Some((_, domain)) = host.rsplit_once('}')
            && !(domain.starts_with('.') && domain[1..].contains('.'))
        {
            return Err(wrong(
                "baseURL: a field may be a subdomain ({resource}.example.com) or part of the path, not the domain itself.",
            ));
        }
        Ok(())
    }
}

/// # Errors
/// `INVALID_ARGUMENT` for a path that could lead to another host.
pub(super) fn check_path(option: &str, path: &str) -> Result<()> {
    let is_path = path.starts_with('/') && !path.starts_with("//");
    if is_path && !path.contains(['#', '\\']) && !path.contains(|c: char| c.is_control()) {
        return Ok(());
    }
    Err(wrong(format!(
        "{option}: a path must begin with one slash and have no #, backslash or control character. It goes behind baseURL."
    )))
}

fn check_header(option: &str, name: &str) -> Result<()> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| wrong(format!("{option} is not a valid header name.")))?;
    if NO_CREDENTIAL_HEADERS.contains(&parsed.as_str()) {
        return Err(wrong(format!(
            "{option}: {name} belongs to the HTTP client."
        )));
    }
    Ok(())
}

fn wrong(message: impl Into<String>) -> Error {
    Error::invalid_argument(message.into())
}
