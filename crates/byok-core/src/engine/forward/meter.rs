//! What a forwarded call is and consumes, read from its request and from the answer while that passes:
//! nothing is held up or changed, and an answer that can't be read merely counts nothing. Chats are read by
//! the provider's own reader, and of a stream only the events that can hold usage.

use bytes::Bytes;
use http::{HeaderMap, Method};
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use url::Url;

use crate::capability::Capability;
use crate::capability::chat::ChatRequest;
use crate::capability::fold::ChatFold;
use crate::engine::observation::Observation;
use crate::provider::openai::usage::WireUsage;
use crate::provider::{ChatStream, Provider, content_type};
use crate::sse::SseDecoder;
use crate::usage::Units;

/// A whole answer larger than this is not looked into.
const LARGEST_JSON: usize = 8 << 20;

/// What a call is for, by its method and path; nothing for one that uses nothing (lists, deletions,
/// counts of tokens). What is not known is taken for a chat, so that no limit is passed by.
pub fn capability_of(method: &Method, path: &str) -> Option<Capability> {
    if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        return None;
    }
    let has = |parts: &[&str]| parts.iter().any(|part| path.contains(part));
    if has(&["count_tokens", ":countTokens", "/input_tokens"]) {
        None
    } else if has(&["/embed", ":embedContent", ":batchEmbedContents"]) {
        Some(Capability::Embeddings)
    } else if has(&["/audio/speech", "/text-to-speech", "/tts", "/speak"]) {
        Some(Capability::TextToSpeech)
    } else if has(&["/audio/trans", "/speech-to-text", "/listen"]) {
        Some(Capability::SpeechToText)
    } else if has(&["/images/"]) {
        Some(Capability::ImageGeneration)
    } else {
        Some(Capability::Chat)
    }
}

/// What the request tells.
#[derive(Debug, Default, PartialEq)]
pub struct Asked {
    pub model: Option<String>,
    /// What it will probably use, for limits that must decide before.
    pub weight: Units,
}

#[derive(Default, Deserialize)]
struct AskedJson {
    model: Option<String>,
    /// OpenAI's name of the text to speak; elsewhere it may be anything.
    input: Option<Value>,
    /// ElevenLabs' and xAI's.
    text: Option<Value>,
    #[serde(alias = "max_completion_tokens", alias = "max_output_tokens")]
    max_tokens: Option<u64>,
}

/// Reads a body that is there as a whole. Gemini has the model in the path, the others in JSON or in a
/// form.
pub fn asked(url: &Url, body: Option<&[u8]>, capability: Option<Capability>) -> Asked {
    let in_path = url
        .path()
        .split_once("/models/")
        .and_then(|(_, rest)| rest.split_once(':'))
        .map(|(model, _)| model.to_owned());
    let body = body.unwrap_or_default();
    let json = serde_json::from_slice::<AskedJson>(body).ok();
    let is_json = json.is_some();
    let json = json.unwrap_or_default();
    let weight = match capability {
        Some(Capability::Chat | Capability::Embeddings) if is_json => Units {
            input_tokens: Some(Units::of_text(body.len())),
            output_tokens: (capability == Some(Capability::Chat))
                .then(|| json.max_tokens.unwrap_or(TOKENS_OF_ANSWER)),
            ..Units::default()
        },
        Some(Capability::TextToSpeech) => Units {
            characters: json
                .input
                .or(json.text)
                .as_ref()
                .and_then(Value::as_str)
                .map(|text| text.chars().count() as u64),
            ..Units::default()
        },
        _ => Units::default(),
    };
    Asked {
        model: in_path
            .or(json.model)
            .or_else(|| (!is_json).then(|| model_in_form(body)).flatten()),
        weight,
    }
}

/// Of an answer whose length nobody bounds, about.
const TOKENS_OF_ANSWER: u64 = 500;

/// The field `model` (ElevenLabs: `model_id`) of multipart/form-data.
fn model_in_form(body: &[u8]) -> Option<String> {
    let names: [&[u8]; 2] = [b"name=\"model\"", b"name=\"model_id\""];
    let (name, at) = names
        .into_iter()
        .find_map(|name| Some((name, memmem::find(body, name)?)))?;
    let after = &body[at + name.len()..];
    let value = &after[memmem::find(after, b"\r\n\r\n")? + 4..];
    let value = std::str::from_utf8(&value[..memmem::find(value, b"\r\n")?]).ok()?;
    (!value.is_empty() && value.len() <= 200).then(|| value.to_owned())
}

/// Reads an answer as it passes.
pub struct Meter {
    capability: Capability,
    characters: Option<u64>,
    reading: Reading,
}

enum Reading {
    Nothing,
    Events {
        decoder: SseDecoder,
        parser: Box<dyn ChatStream>,
        fold: Box<ChatFold>,
    },
    Whole(Vec<u8>),
}

impl Meter {
    pub fn new(
        provider: &dyn Provider,
        capability: Capability,
        asked: &Asked,
        path: &str,
        headers: &HeaderMap,
        max_event_bytes: usize,
    ) -> Self {
        let content_type = content_type(headers);
        let chat = provider.chat().filter(|_| capability == Capability::Chat);
        let reading = match chat {
            Some(chat) if content_type.starts_with("text/event-stream") => Reading::Events {
                decoder: SseDecoder::new(max_event_bytes),
                parser: chat.stream(&request_like(path)),
                fold: Box::new(ChatFold::streaming()),
            },
            _ if content_type.starts_with("application/json") => Reading::Whole(Vec::new()),
            _ => Reading::Nothing,
        };
        Meter {
            capability,
            characters: asked.weight.characters,
            reading,
        }
    }

    /// Looks at a piece of the body.
    pub fn piece(&mut self, piece: &Bytes, observation: &mut Observation) {
        match &mut self.reading {
            Reading::Nothing => {}
            Reading::Whole(body) if body.len() + piece.len() > LARGEST_JSON => {
                self.reading = Reading::Nothing;
            }
            Reading::Whole(body) => body.extend_from_slice(piece),
            Reading::Events {
                decoder,
                parser,
                fold,
            } => {
                let mut seen = false;
                let decoded = decoder.push(piece, |event| {
                    // `usage` and `usageMetadata`; most events have none and are not parsed.
                    if memmem::find(event.data.as_bytes(), b"\"usage").is_some() {
                        seen = true;
                        let _unreadable = parser.event(&event, fold);
                    }
                    Ok(())
                });
                if seen {
                    drop(fold.take_events());
                    observation.units(Units::from(fold.current_usage()));
                }
                if decoded.is_err() {
                    self.reading = Reading::Nothing;
                }
            }
        }
    }

    /// The body is over.
    pub fn end(self, provider: &dyn Provider, path: &str, observation: &mut Observation) {
        if let Some(characters) = self.characters {
            observation.units(Units {
                characters: Some(characters),
                ..Units::default()
            });
        }
        let Reading::Whole(body) = self.reading else {
            return;
        };
        if let (Capability::Chat, Some(chat)) = (self.capability, provider.chat()) {
            let mut fold = ChatFold::whole();
            let _unreadable = chat.response(&request_like(path), &body, &mut fold);
            observation.units(Units::from(fold.current_usage()));
            return;
        }
        if let Ok(counted) = serde_json::from_slice::<Counted>(&body) {
            if let Some(model) = &counted.model {
                observation.model(model);
            }
            observation.units(counted.units(self.capability, self.characters));
        }
    }
}

/// Which of a provider's readers is meant: OpenAI has one for each API.
fn request_like(path: &str) -> ChatRequest {
    let api = if path.contains("/responses") {
        "responses"
    } else {
        "chat-completions"
    };
    let mut request = ChatRequest::default();
    request
        .provider_options
        .insert("api".to_owned(), api.into());
    request
}

/// What whole answers of the other capabilities say, in the form of OpenAI's, which nearly all share.
#[derive(Deserialize)]
struct Counted {
    model: Option<String>,
    usage: Option<WireUsage>,
    /// Of audio, in seconds.
    duration: Option<f64>,
    #[serde(default)]
    data: Vec<IgnoredAny>,
}

impl Counted {
    fn units(&self, capability: Capability, characters: Option<u64>) -> Units {
        let usage = self.usage.as_ref().map(WireUsage::read);
        let tokens = usage.filter(|usage| usage.total_tokens > 0);
        Units {
            input_tokens: tokens.as_ref().map(|usage| usage.input_tokens),
            output_tokens: tokens
                .as_ref()
                .filter(|_| capability != Capability::Embeddings)
                .map(|usage| usage.output_tokens),
            characters,
            audio_seconds: self
                .duration
                .filter(|_| capability == Capability::SpeechToText),
            images: (capability == Capability::ImageGeneration && !self.data.is_empty())
                .then_some(self.data.len() as u64),
            ..Units::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_what_its_method_and_path_say() {
        for (path, expected) in [
            ("/v1/chat/completions", Some(Capability::Chat)),
            ("/v1/responses", Some(Capability::Chat)),
            ("/v1/messages", Some(Capability::Chat)),
            ("/v1/messages/count_tokens", None),
            (
                "/v1beta/models/m:streamGenerateContent",
                Some(Capability::Chat),
            ),
            (
                "/v1beta/models/m:embedContent",
                Some(Capability::Embeddings),
            ),
            ("/v1/embeddings", Some(Capability::Embeddings)),
            ("/v1/audio/speech", Some(Capability::TextToSpeech)),
            (
                "/v1/text-to-speech/v/stream",
                Some(Capability::TextToSpeech),
            ),
            ("/v1/audio/translations", Some(Capability::SpeechToText)),
            ("/v1/images/edits", Some(Capability::ImageGeneration)),
            ("/v1/something/new", Some(Capability::Chat)),
        ] {
            assert_eq!(capability_of(&Method::POST, path), expected, "{path}");
            assert_eq!(capability_of(&Method::GET, path), None, "{path}");
        }
    }

    #[test]
    fn the_model_is_read_from_the_path_from_json_or_from_a_form() {
        let model = |url: &str, body: &[u8]| {
            asked(
                &Url::parse(url).unwrap(),
                Some(body),
                Some(Capability::Chat),
            )
            .model
        };
        let openai = "https://api.openai.com/v1/x";
        let gemini = "https://g.example/v1beta/models/gemini-3:generateContent";
        let form =
            b"--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--";
        assert_eq!(
            model(openai, br#"{"model":"m","x":1}"#).as_deref(),
            Some("m")
        );
        assert_eq!(model(gemini, b"{}").as_deref(), Some("gemini-3"));
        assert_eq!(model(openai, form).as_deref(), Some("whisper-1"));
        for nothing in [&b""[..], b"no JSON", b"{}", b"name=\"model\"", &form[..50]] {
            assert_eq!(model(openai, nothing), None);
        }
    }

    #[test]
    fn what_a_call_will_use_is_estimated_from_its_body() {
        let url = Url::parse("https://api.openai.com/v1/x").unwrap();
        let weight = |body: &[u8], capability| asked(&url, Some(body), Some(capability)).weight;
        let chat = weight(br#"{"max_completion_tokens":7}"#, Capability::Chat);
        assert_eq!(chat.output_tokens, Some(7));
        assert_eq!(chat.input_tokens, Some(Units::of_text(27)));
        let unbounded = weight(b"{}", Capability::Chat);
        assert_eq!(unbounded.output_tokens, Some(TOKENS_OF_ANSWER));
        let speech = weight(br#"{"input":"four"}"#, Capability::TextToSpeech);
        assert_eq!(speech.characters, Some(4));
        assert_eq!(weight(b"a form", Capability::Chat), Units::default());
    }
}
