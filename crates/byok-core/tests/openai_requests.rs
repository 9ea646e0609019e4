//! What our requests become at OpenAI and the compatible providers. Each file of
//! `fixtures/openai/requests/` holds a request and the exact body it must become, so that the bodies
//! can also be held against the providers' own descriptions.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use byok_core::capability::Capability;
use byok_core::capability::chat::ChatRequest;
use byok_core::error::{Code, Error};
use byok_core::provider::compatible::Compatible;
use byok_core::provider::{Provider, WireRequest, builtin};
use serde_json::{Value, json};

fn provider(id: &str) -> Arc<dyn Provider> {
    let own = Compatible::custom("mine".to_owned(), "http://localhost:1234/v1/".to_owned());
    let mut all = builtin();
    all.push(Arc::new(own));
    all.into_iter()
        .find(|provider| provider.id() == id)
        .unwrap()
}

fn send(id: &str, request: Value, model: &str, stream: bool) -> Result<WireRequest, Error> {
    let mut request: ChatRequest = serde_json::from_value(request).unwrap();
    request.prepare(&[]).unwrap();
    provider(id)
        .chat()
        .unwrap()
        .request(&request, model, stream)
}

fn refusal(id: &str, request: Value) -> String {
    let error = send(id, request, "m", false).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    error.message().to_owned()
}

#[test]
fn every_request_becomes_exactly_its_body() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openai/requests");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut fixture: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let model = fixture["model"].as_str().unwrap();
        let stream = fixture["stream"].as_bool().unwrap();
        let id = fixture["provider"].as_str().unwrap();
        let wire = send(id, fixture["request"].clone(), model, stream)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let body: Value = serde_json::from_slice(wire.json_body()).unwrap();
        assert_eq!(
            body,
            fixture["body"],
            "{name}: {}",
            serde_json::to_string_pretty(&body).unwrap()
        );
        assert_eq!(wire.path, fixture["path"].as_str().unwrap(), "{name}");
        let warned: Vec<Value> = wire
            .warnings
            .into_iter()
            .map(|warning| warning.option.into())
            .collect();
        assert_eq!(Value::from(warned), fixture["warnings"].take(), "{name}");
        count += 1;
    }
    assert!(count >= 28, "only {count} fixtures");
}

#[test]
fn an_unknown_api_is_refused_by_name() {
    for api in [json!("chat"), json!(1), Value::Null] {
        let message = refusal(
            "openai",
            json!({ "prompt": "Hi", "providerOptions": { "api": api } }),
        );
        assert!(message.contains("chat-completions"), "{message}");
    }
}

#[test]
fn content_that_an_api_can_not_take_is_refused_and_never_left_out() {
    let asks = |part: Value| json!({ "messages": [{ "role": "user", "content": [part] }] });
    let audio = json!({ "type": "audio", "data": "UklGRgAAAABXQVZF" });
    let message = refusal("openai", asks(audio.clone()));
    assert!(
        message.starts_with("messages[0].content[0]: OpenAI takes no audio"),
        "{message}"
    );
    assert!(message.contains("chat-completions"), "{message}");
    let message = refusal("groq", asks(audio));
    assert!(message.contains("Groq takes no audio"), "{message}");
    let file = json!({ "type": "file", "data": "https://a.test/r.pdf" });
    let mut by_url = asks(file.clone());
    by_url["providerOptions"] = json!({ "api": "chat-completions" });
    assert!(refusal("openai", by_url).contains("files by URL (send the bytes)"));
    assert!(refusal("deepseek", asks(file)).contains("DeepSeek takes no files"));
}

#[test]
fn parts_in_the_wrong_message_are_refused_by_their_place() {
    let cases = [
        (
            "user",
            json!({ "type": "tool-call", "id": "1", "name": "f", "arguments": {} }),
        ),
        ("tool", json!({ "type": "text", "text": "x" })),
        (
            "assistant",
            json!({ "type": "tool-result", "id": "1", "result": 1 }),
        ),
        (
            "system",
            json!({ "type": "image", "image": "https://a.test/a.png" }),
        ),
    ];
    for (role, part) in cases {
        for api in ["responses", "chat-completions"] {
            let message = refusal(
                "openai",
                json!({
                    "messages": [
                        { "role": "user", "content": "Hi" },
                        { "role": role, "content": [{ "type": "text", "text": "x" }, part] }
                    ],
                    "providerOptions": { "api": api }
                }),
            );
            assert!(message.starts_with("messages[1].content["), "{message}");
            assert!(message.contains(&format!("a {role} message")), "{message}");
        }
    }
}

#[test]
fn every_provider_of_the_list_is_complete() {
    for provider in builtin() {
        let id = provider.id();
        // Local servers are the ones that ask for no key.
        let scheme = if provider.key_is_optional() {
            "http://127.0.0.1:"
        } else {
            "https://"
        };
        assert!(provider.base_url().starts_with(scheme), "{id}");
        assert!(!provider.base_url().ends_with('/'), "{id}");
        assert!(provider.verify().path.starts_with('/'), "{id}");
    }
}

#[test]
fn an_apps_own_server_has_the_address_it_was_given_and_no_model() {
    let own = provider("mine");
    assert_eq!(own.base_url(), "http://localhost:1234/v1");
    assert_eq!(own.default_model(Capability::Chat), None);
    assert!(!own.recognizes("sk-anything"));
}

#[test]
fn keys_are_recognised_by_their_shape() {
    let recognized = |key: &str| -> Vec<String> {
        let known = [
            "openai",
            "groq",
            "deepseek",
            "xai",
            "openrouter",
            "mistral",
            "perplexity",
            "together",
            "fireworks",
            "cerebras",
            "azure-openai",
        ];
        let all = builtin()
            .into_iter()
            .filter(|provider| provider.recognizes(key));
        all.map(|provider| provider.id().to_owned())
            .filter(|id| known.contains(&id.as_str()))
            .collect()
    };
    assert_eq!(recognized("sk-proj-abc"), ["openai"]);
    assert_eq!(recognized("sk-svcacct-abc"), ["openai"]);
    assert_eq!(recognized(&format!("sk-{}", "a1".repeat(24))), ["openai"]);
    assert_eq!(recognized(&format!("sk-{}", "a1".repeat(16))), ["deepseek"]);
    assert_eq!(recognized("gsk_abc"), ["groq"]);
    assert_eq!(recognized("xai-abc"), ["xai"]);
    assert_eq!(recognized("sk-or-v1-abc"), ["openrouter"]);
    assert_eq!(recognized("pplx-abc"), ["perplexity"]);
    assert_eq!(recognized(&"a1".repeat(16)), ["mistral"]);
    assert_eq!(recognized("tgp_v1_abc"), ["together"]);
    assert_eq!(recognized("fw_abc"), ["fireworks"]);
    assert_eq!(recognized("csk-abc"), ["cerebras"]);
    let azure = format!("{}AAABACOG{}", "a".repeat(68), "b".repeat(8));
    assert_eq!(recognized(&azure), ["azure-openai"]);
    assert!(recognized("sk-ant-api03-abc").is_empty());
    assert!(recognized("something else").is_empty());
}
