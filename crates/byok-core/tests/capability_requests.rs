//! What requests become at the providers with an API of their own, case by case and byte for byte as
//! JSON: `fixtures/<provider>/capabilities.json`.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byok_core::capability::Capability;
use byok_core::capability::chat::ChatRequest;
use byok_core::capability::embed::EmbedRequest;
use byok_core::capability::image::ImageRequest;
use byok_core::capability::speech::SpeechRequest;
use byok_core::capability::transcription::TranscriptionRequest;
use byok_core::error::{Code, Result};
use byok_core::provider::{
    FileContent, FormField, FormValue, Provider, WireBody, WireRequest, builtin,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

const OURS: [&str; 5] = ["gemini", "elevenlabs", "deepgram", "cohere", "voyage"];

fn provider(id: &str) -> Arc<dyn Provider> {
    let mut all = builtin().into_iter();
    all.find(|provider| provider.id() == id).unwrap()
}

fn parse<T: DeserializeOwned>(request: &Value) -> T {
    serde_json::from_value(request.clone()).unwrap_or_else(|error| panic!("{request}: {error}"))
}

/// Sends one case as the engine would.
fn send(provider: &dyn Provider, case: &Value) -> Result<WireRequest> {
    let request = &case["request"];
    let capability: Capability = parse(&case["capability"]);
    let model = case["model"].as_str();
    let model = model
        .or_else(|| provider.default_model(capability))
        .unwrap();
    let stream = case["stream"] == true;
    let attachments: Vec<Vec<u8>> = case["attachments"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|base64| STANDARD.decode(base64.as_str().unwrap()).unwrap())
        .collect();
    match capability {
        Capability::Chat => {
            let mut request: ChatRequest = parse(request);
            request.prepare(&attachments)?;
            provider.chat().unwrap().request(&request, model, stream)
        }
        Capability::Embeddings => {
            let request: EmbedRequest = parse(request);
            let embed = provider.embed().unwrap();
            embed.request(&request, request.inputs()?, model)
        }
        Capability::TextToSpeech => {
            let request: SpeechRequest = parse(request);
            provider.speech().unwrap().request(&request, model, stream)
        }
        Capability::SpeechToText => {
            let mut whole = json!({
                "audio": { "$bytes": 0 }, "filename": "audio.wav", "mediaType": "audio/wav"
            });
            let fields = whole.as_object_mut().unwrap();
            fields.extend(request.as_object().unwrap().clone());
            let request: TranscriptionRequest = parse(&whole);
            provider.transcription().unwrap().request(&request, model)
        }
        Capability::ImageGeneration => {
            let mut request: ImageRequest = parse(request);
            request.prepare(&attachments)?;
            let image = provider.image().unwrap();
            image.request(&request, image.most_at_once(model), model)
        }
    }
}

/// A request as it can stand in a fixture; the caller's audio is the text `the audio`.
fn shown(wire: &WireRequest) -> Value {
    let mut shown = Map::new();
    shown.insert("path".into(), wire.path.as_str().into());
    match &wire.body {
        WireBody::Empty => {}
        WireBody::Json(body) => {
            shown.insert("json".into(), serde_json::from_slice(body).unwrap());
        }
        WireBody::Form(fields) => {
            shown.insert("form".into(), fields.iter().map(shown_field).collect());
        }
        WireBody::Audio => {
            shown.insert("body".into(), "the audio".into());
        }
        WireBody::JsonAroundAudio { before, after } => {
            let whole = [before.as_slice(), b"the audio", after].concat();
            shown.insert("json".into(), serde_json::from_slice(&whole).unwrap());
        }
    }
    if !wire.headers.is_empty() {
        let headers = wire.headers.iter();
        let headers = headers.map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
        shown.insert("headers".into(), headers.collect::<Map<_, _>>().into());
    }
    if !wire.warnings.is_empty() {
        let options = wire.warnings.iter().map(|warning| &*warning.option);
        shown.insert("warnings".into(), options.collect());
    }
    shown.into()
}

fn shown_field(field: &FormField) -> Value {
    let value = match &field.value {
        FormValue::Text(text) => text.as_str().into(),
        FormValue::File {
            filename,
            media_type,
            content,
        } => json!({
            "filename": filename,
            "mediaType": media_type,
            "content": match content {
                FileContent::Audio => "the audio".to_owned(),
                FileContent::Bytes(bytes) => STANDARD.encode(bytes),
            },
        }),
    };
    json!([field.name, value])
}

#[test]
fn every_request_becomes_exactly_its_wire_form() {
    let mut count = 0;
    let mut problems = Vec::new();
    for id in OURS {
        let file = format!("tests/fixtures/{id}/capabilities.json");
        let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let fixture: Value = serde_json::from_slice(&text).unwrap();
        for case in fixture["requests"].as_array().unwrap() {
            count += 1;
            let name = format!("{id}: {}", case["name"].as_str().unwrap());
            match (send(&*provider(id), case), case["refused"].as_str()) {
                (Ok(wire), None) if shown(&wire) == case["sent"] => {}
                (Ok(wire), _) => problems.push(format!("{name} = {}", shown(&wire))),
                (Err(error), Some(words)) => {
                    assert_eq!(error.code(), Code::InvalidArgument, "{name}: {error}");
                    assert!(error.message().contains(words), "{name}: {error}");
                }
                (Err(error), None) => problems.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 70, "only {count} cases");
}
