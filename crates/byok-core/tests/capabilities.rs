//! What requests become at each provider, and what is read from answers that no recording has. Each
//! `fixtures/<provider>/capabilities.json` holds requests and exactly what is sent for them; a provider is
//! covered by having one.

use std::fs;
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
use byok_core::provider::compatible::Compatible;
use byok_core::provider::{
    Fields, FileContent, FormField, FormValue, Provider, WireBody, WireRequest, builtin,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A built-in provider, or `own`: a server that an app named.
fn provider(id: &str) -> Arc<dyn Provider> {
    let own = Compatible::custom("own".to_owned(), "http://localhost:1234/v1/".to_owned());
    let mut all = builtin();
    all.push(Arc::new(own));
    all.into_iter()
        .find(|provider| provider.id() == id)
        .unwrap_or_else(|| panic!("no provider {id}"))
}

fn parse<T: DeserializeOwned>(request: &Value) -> T {
    serde_json::from_value(request.clone()).unwrap_or_else(|error| panic!("{request}: {error}"))
}

/// Sends one case as the engine would: prepared, mapped, and finished with the credential's fields.
fn send(provider: &dyn Provider, case: &Value) -> Result<WireRequest> {
    let request = &case["request"];
    let capability: Capability = parse(&case["capability"]);
    let model = case["model"]
        .as_str()
        .or_else(|| provider.default_model(capability))
        .unwrap();
    let stream = case["stream"].as_bool().unwrap_or(false);
    let attachments: Vec<Vec<u8>> = case["attachments"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|base64| STANDARD.decode(base64.as_str().unwrap()).unwrap())
        .collect();
    let mut wire = match capability {
        Capability::Chat => {
            let mut request: ChatRequest = parse(request);
            request.prepare(&attachments)?;
            let chat = provider.chat().unwrap();
            chat.request(&request, model, stream)
        }
        Capability::Embeddings => {
            let request: EmbedRequest = parse(request);
            let embed = provider.embed().unwrap();
            embed.request(&request, request.inputs()?, model)
        }
        Capability::TextToSpeech => {
            let request: SpeechRequest = parse(request);
            let speech = provider.speech().unwrap();
            speech.request(&request, model, stream)
        }
        Capability::SpeechToText => {
            let request: TranscriptionRequest = parse(&with_audio(request));
            provider.transcription().unwrap().request(&request, model)
        }
        Capability::ImageGeneration => {
            let mut request: ImageRequest = parse(request);
            request.prepare(&attachments)?;
            let n = request.count();
            provider.image().unwrap().request(&request, n, model)
        }
    }?;
    let fields = case["fields"].as_object().cloned().unwrap_or_default();
    let pairs = fields.iter();
    let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    provider.finish_request(&mut wire, &Fields::new(pairs));
    Ok(wire)
}

/// What the engine fills in.
fn with_audio(request: &Value) -> Value {
    let mut whole = json!({
        "audio": { "$bytes": 0 }, "filename": "audio.wav", "mediaType": "audio/wav"
    });
    let fields = whole.as_object_mut().unwrap();
    fields.extend(request.as_object().unwrap().clone());
    whole
}

/// A request as it can stand in a fixture.
fn shown(wire: &WireRequest) -> Value {
    let mut shown = Map::new();
    shown.insert("path".into(), wire.path.as_str().into());
    match &wire.body {
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
        WireBody::Empty => {}
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

fn fixtures() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.join("capabilities.json");
        let Ok(text) = fs::read(file) else { continue };
        let id = path.file_name().unwrap().to_str().unwrap().to_owned();
        all.push((id, serde_json::from_slice(&text).unwrap()));
    }
    all
}

#[test]
fn every_request_becomes_exactly_its_wire_form() {
    let mut count = 0;
    let mut problems = Vec::new();
    for (id, fixture) in fixtures() {
        let provider = provider(&id);
        for case in fixture["requests"].as_array().into_iter().flatten() {
            count += 1;
            let name = format!("{id}: {}", case["name"].as_str().unwrap());
            match (send(&*provider, case), case["refused"].as_str()) {
                (Ok(wire), None) if shown(&wire) == case["sent"] => {}
                (Ok(wire), _) => problems.push(format!(
                    "{name}: {}",
                    serde_json::to_string_pretty(&shown(&wire)).unwrap()
                )),
                (Err(error), Some(words)) => {
                    assert_eq!(error.code(), Code::InvalidArgument, "{name}: {error}");
                    assert!(error.message().contains(words), "{name}: {error}");
                }
                (Err(error), None) => problems.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 60, "only {count} cases");
}

fn answered_as(content_type: &'static str) -> HeaderMap {
    let value = HeaderValue::from_static(content_type);
    HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
}

/// Audio, its type, and what was counted: input and output tokens.
type Heard = (Vec<u8>, String, Option<u64>, Option<u64>);

fn listen(id: &str, request: Value, content_type: &'static str, body: &[u8]) -> Result<Heard> {
    let request: SpeechRequest = parse(&request);
    let provider = provider(id);
    let speech = provider.speech().unwrap();
    let headers = answered_as(content_type);
    let mut decoder = speech.decoder(&request, &headers, true)?;
    let mut audio = Vec::new();
    for piece in body.chunks(5) {
        decoder.push(piece, &mut audio)?;
    }
    decoder.finish(&mut audio, false)?;
    let usage = decoder.usage();
    let content_type = decoder.content_type().to_owned();
    Ok((audio, content_type, usage.input_tokens, usage.output_tokens))
}

/// As in Mistral's API description.
const MISTRAL_EVENTS: &str = "event: speech.audio.delta\ndata: {\"type\":\"speech.audio.delta\",\"audio_data\":\"SUQz\"}\n\nevent: speech.audio.delta\ndata: {\"type\":\"speech.audio.delta\",\"audio_data\":\"BAAB\"}\n\nevent: speech.audio.done\ndata: {\"type\":\"speech.audio.done\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":40,\"total_tokens\":43}}\n\n";

/// As in OpenAI's.
const OPENAI_EVENTS: &str = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"SUQzBAAB\"}\n\ndata: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":3,\"output_tokens\":40,\"total_tokens\":43}}\n\n";

#[test]
fn audio_in_events_is_put_together_and_counted() {
    for (id, body) in [("mistral", MISTRAL_EVENTS), ("openai", OPENAI_EVENTS)] {
        let heard = listen(
            id,
            json!({}),
            "text/event-stream; charset=utf-8",
            body.as_bytes(),
        );
        let expected = (
            b"ID3\x04\0\x01".to_vec(),
            "audio/mpeg".to_owned(),
            Some(3),
            Some(40),
        );
        assert_eq!(heard.unwrap(), expected, "{id}");
    }
}

#[test]
fn audio_in_events_that_is_cut_off_is_an_error_wherever_it_is() {
    let end = MISTRAL_EVENTS.trim_end().len();
    for at in 0..end {
        let cut = &MISTRAL_EVENTS.as_bytes()[..at];
        let error = listen("mistral", json!({}), "text/event-stream", cut).unwrap_err();
        let code = error.code();
        assert!(
            matches!(code, Code::StreamInterrupted | Code::BadResponse),
            "{at}: {error}"
        );
    }
    assert!(
        listen(
            "mistral",
            json!({}),
            "text/event-stream",
            &MISTRAL_EVENTS.as_bytes()[..end]
        )
        .is_ok()
    );
}

#[test]
fn an_error_between_pieces_of_audio_is_the_provider_s_own() {
    let body = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"SUQz\"}\n\ndata: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
    let error = listen("openai", json!({}), "text/event-stream", body.as_bytes()).unwrap_err();
    assert_eq!(error.code(), Code::ProviderUnavailable);
    assert!(error.message().contains("overloaded"));
}

#[test]
fn audio_in_json_keeps_the_type_that_it_says() {
    let body = br#"{"audio":"SUQz","content_type":"audio/wav","duration":0.1}"#;
    let (audio, content_type, ..) = listen("xai", json!({}), "application/json", body).unwrap();
    assert_eq!(
        (audio.as_slice(), content_type.as_str()),
        (&b"ID3"[..], "audio/wav")
    );
    for body in [
        &br#"{"audio_data":""}"#[..],
        br#"{"audio_data":"???"}"#,
        b"{}",
        b"",
    ] {
        let error = listen("mistral", json!({}), "application/json", body).unwrap_err();
        assert_eq!(error.code(), Code::BadResponse);
    }
}

#[test]
fn bare_samples_say_what_they_are() {
    let kind = |id, request| listen(id, request, "audio/pcm", b"....").unwrap().1;
    let pcm = json!({ "format": "pcm" });
    assert_eq!(
        kind("openai", pcm.clone()),
        "audio/pcm;rate=24000;encoding=s16le;channels=1"
    );
    assert_eq!(kind("mistral", pcm), "audio/pcm;rate=24000;channels=1");
    let other =
        json!({ "format": "pcm", "providerOptions": { "output_format": { "sample_rate": 8000 } } });
    assert_eq!(
        kind("xai", other),
        "audio/pcm;rate=8000;encoding=s16le;channels=1"
    );
}

#[test]
fn an_answer_without_audio_is_an_error() {
    let error = listen("openai", json!({}), "audio/mpeg", b"").unwrap_err();
    assert_eq!(error.code(), Code::BadResponse);
}

fn embed(id: &str, body: Value) -> Result<Vec<Vec<f32>>> {
    let provider = provider(id);
    let batch = provider
        .embed()
        .unwrap()
        .response(body.to_string().as_bytes())?;
    Ok(batch.vectors)
}

#[test]
fn vectors_come_in_the_order_of_their_index_and_in_any_encoding() {
    let one_and_two = STANDARD.encode([1.0_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat());
    let body = json!({ "data": [
        { "index": 1, "embedding": [3.5, 4] },
        { "index": 0, "embedding": one_and_two },
    ] });
    assert_eq!(embed("openai", body).unwrap(), [[1.0, -2.0], [3.5, 4.0]]);
    // 0x7F, 0x80 and 0xFF as signed bytes.
    let body = json!({ "data": [{ "embedding": "f4D/" }] });
    assert_eq!(embed("perplexity", body).unwrap(), [[127.0, -128.0, -1.0]]);
}

#[test]
fn what_is_no_vector_is_refused() {
    for embedding in [
        json!("AAAAAAA="),
        json!("?"),
        json!(["a"]),
        json!({}),
        json!([1e300]),
    ] {
        let body = json!({ "data": [{ "index": 0, "embedding": embedding }] });
        let error = embed("openai", body).unwrap_err();
        assert_eq!(error.code(), Code::BadResponse);
    }
    assert_eq!(
        embed("openai", json!({ "error": "no" }))
            .unwrap_err()
            .code(),
        Code::BadResponse
    );
}

fn transcribe(id: &str, request: Value, body: &str) -> Result<Value> {
    let request: TranscriptionRequest = parse(&with_audio(&request));
    let provider = provider(id);
    let transcript = provider
        .transcription()
        .unwrap()
        .response(&request, body.as_bytes())?;
    Ok(serde_json::to_value(transcript).unwrap())
}

#[test]
fn speakers_are_read_wherever_a_server_puts_them() {
    let together = r#"{"text":"Hi there","language":"en","duration":1.5,"segments":[{"id":0,"start":0,"end":1.5,"text":"Hi there"}],
        "words":[{"word":"Hi","start":0,"end":0.5,"speaker_id":"SPEAKER_00"}],
        "speaker_segments":[{"id":0,"speaker_id":"SPEAKER_00","start":0,"end":1.5,"text":"Hi there","words":[]}]}"#;
    let expected = json!({
        "text": "Hi there", "language": "en", "durationSeconds": 1.5, "usage": {},
        "segments": [{ "text": "Hi there", "startSeconds": 0.0, "endSeconds": 1.5, "speaker": "SPEAKER_00" }],
        "words": [{ "text": "Hi", "startSeconds": 0.0, "endSeconds": 0.5, "speaker": "SPEAKER_00" }],
    });
    assert_eq!(
        transcribe("together", json!({}), together).unwrap(),
        expected
    );
    // OpenRouter numbers them, xAI has them at words only.
    let openrouter = r#"{"text":"Hi","segments":[{"id":0,"start":0,"end":1,"text":"Hi","speaker":2}],"usage":{"seconds":1,"cost":0.1}}"#;
    let read = transcribe("openrouter", json!({}), openrouter).unwrap();
    assert_eq!(
        (
            &read["segments"][0]["speaker"],
            &read["usage"]["audioSeconds"]
        ),
        (&json!("2"), &json!(1.0))
    );
    assert_eq!(read["durationSeconds"], 1.0);
    let xai = r#"{"text":"Hi","language":"en","duration":0.8,"words":[{"text":"Hi","start":0.1,"end":0.4,"speaker":0}]}"#;
    let read = transcribe("xai", json!({}), xai).unwrap();
    assert_eq!(
        read["words"][0],
        json!({ "text": "Hi", "startSeconds": 0.1, "endSeconds": 0.4, "speaker": "0" })
    );
}

#[test]
fn a_language_that_was_heard_is_told_when_it_is_the_only_one() {
    let heard = |languages: Value| {
        let body = json!({ "text": "Hi", "languages": languages }).to_string();
        transcribe("openai", json!({}), &body).unwrap()["language"].clone()
    };
    assert_eq!(heard(json!([{ "code": "en" }])), "en");
    assert_eq!(
        heard(json!([{ "code": "en" }, { "code": "de" }])),
        Value::Null
    );
}

#[test]
fn another_format_is_the_text_itself_and_no_json_is_an_error() {
    let subtitles = "1\n00:00:00,000 --> 00:00:01,000\nHi\n";
    let asked = json!({ "providerOptions": { "response_format": "srt" } });
    assert_eq!(
        transcribe("openai", asked, subtitles).unwrap()["text"],
        subtitles
    );
    let error = transcribe("openai", json!({}), subtitles).unwrap_err();
    assert_eq!(error.code(), Code::BadResponse);
}

fn paint(id: &str, body: &[u8]) -> Result<byok_core::provider::GeneratedImages> {
    let provider = provider(id);
    provider
        .image()
        .unwrap()
        .response(&ImageRequest::default(), body)
}

#[test]
fn a_filter_that_leaves_no_image_is_an_error_and_one_that_leaves_some_a_warning() {
    let withheld = r#"{"data":[{"url":"https://x.test/a.png","respect_moderation":false}]}"#;
    let error = paint("xai", withheld.as_bytes()).unwrap_err();
    assert_eq!(error.code(), Code::ContentFiltered);
    let some = r#"{"data":[{"url":"https://x.test/a.png","respect_moderation":false},{"b64_json":"R0lGODlh"}]}"#;
    let made = paint("xai", some.as_bytes()).unwrap();
    assert_eq!((made.images.len(), made.warnings.len()), (1, 1));
    let none = paint("xai", br#"{"data":[{}]}"#).unwrap_err();
    assert_eq!(none.code(), Code::BadResponse);
}

#[test]
fn a_picture_is_the_whole_answer_and_json_is_none() {
    let made = paint("fireworks", b"\x89PNG\r\n\x1A\n").unwrap();
    assert_eq!(made.images.len(), 1);
    assert!(paint("fireworks", br#"{"request_id":"r"}"#).is_err());
    assert!(paint("fireworks", b"").is_err());
}

fn azure_url(fields: &[(&'static str, &'static str)]) -> Result<Option<String>> {
    provider("azure-openai").base_url_of(&Fields::new(fields.iter().copied()))
}

#[test]
fn azure_s_address_is_made_of_the_resource_and_of_nothing_else() {
    let url = |fields| azure_url(fields).unwrap().unwrap();
    assert_eq!(
        url(&[("resource", "my-res")]),
        "https://my-res.openai.azure.com/openai/v1"
    );
    assert_eq!(
        url(&[("resource", "r"), ("apiVersion", "preview")]),
        "https://r.openai.azure.com/openai/v1"
    );
    assert_eq!(
        url(&[("resource", "r"), ("apiVersion", "2024-10-21")]),
        "https://r.openai.azure.com/openai"
    );
    for bad in [
        "",
        "a.b",
        "a/b",
        "evil.test#",
        "a@b",
        "-a",
        "a-",
        "https://r.openai.azure.com",
        "\u{e4}",
    ] {
        let error = azure_url(&[("resource", bad)]).unwrap_err();
        assert!(error.message().contains("apiKey.resource"), "{bad}");
    }
    assert!(azure_url(&[]).unwrap_err().message().contains("resource"));
}

#[test]
fn azure_takes_a_key_or_a_token_in_the_header_that_belongs_to_it() {
    let azure = provider("azure-openai");
    let header = |fields: &[(&'static str, &'static str)]| {
        let credential = azure.credential(&Fields::new(fields.iter().copied()));
        (credential.name, credential.prefix)
    };
    assert_eq!(header(&[("resource", "r")]), ("api-key", ""));
    assert_eq!(
        header(&[("credential", "token")]),
        ("authorization", "Bearer ")
    );
    let model = azure.model_of(&Fields::new([("deployment", "my-gpt")]));
    assert_eq!(model, Some("my-gpt"));
}

#[test]
fn azure_s_own_words_for_failures_are_understood() {
    let azure = provider("azure-openai");
    for (status, body, code) in [
        (
            401,
            r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}"#,
            Code::KeyInvalid,
        ),
        (
            404,
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
            Code::ModelNotFound,
        ),
        (
            429,
            r#"{"error":{"code":"RateLimitReached","message":"Your requests have exceeded rate limit."}}"#,
            Code::ProviderRateLimited,
        ),
        (
            400,
            r#"{"error":{"code":"content_filter","message":"The response was filtered.","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            Code::ContentFiltered,
        ),
    ] {
        let failure = azure.failure(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
        );
        assert_eq!(failure.code, code, "{body}");
    }
}

/// A row without these would be half a provider.
#[test]
fn every_provider_has_a_default_model_for_what_it_can_or_says_that_none_is_known() {
    let without = ["azure-openai", "ollama", "lmstudio", "vllm", "llamacpp"];
    for provider in builtin() {
        let id = provider.id();
        for capability in Capability::ALL {
            let model = provider.default_model(*capability);
            let expected = provider.supports(*capability) && !without.contains(&id);
            assert_eq!(model.is_some(), expected, "{id} {}", capability.as_str());
        }
        assert_eq!(
            provider.key_is_optional(),
            without[1..].contains(&id),
            "{id}"
        );
    }
}
