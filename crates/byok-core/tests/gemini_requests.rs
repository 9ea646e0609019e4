//! What is sent to Gemini, case by case and byte for byte as JSON: `fixtures/gemini/requests.json`.

use std::sync::Arc;

use byok_core::capability::Capability;
use byok_core::capability::chat::ChatRequest;
use byok_core::error::Code;
use byok_core::provider::{Provider, WireRequest, builtin};
use serde_json::{Value, json};

fn gemini() -> Arc<dyn Provider> {
    let mut all = builtin().into_iter();
    all.find(|provider| provider.id() == "gemini").unwrap()
}

fn send(
    request: &Value,
    model: &str,
    stream: bool,
) -> Result<WireRequest, byok_core::error::Error> {
    let mut request: ChatRequest = serde_json::from_value(request.clone()).unwrap();
    request.prepare(&[]).unwrap();
    gemini().chat().unwrap().request(&request, model, stream)
}

#[test]
fn every_feature_has_exactly_its_body_path_and_warnings() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("fixtures/gemini/requests.json")).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let behaviour = &case["behaviour"];
        let model = case["model"].as_str().unwrap_or("gemini-3.7-flash");
        let wire = send(&case["request"], model, case["stream"] == true).unwrap();
        let body: Value = serde_json::from_slice(wire.json_body()).unwrap();
        assert_eq!(body, case["body"], "{behaviour}");
        if let Some(path) = case["path"].as_str() {
            assert_eq!(wire.path, path, "{behaviour}");
        }
        let warned: Vec<&str> = wire
            .warnings
            .iter()
            .map(|all| all.option.as_str())
            .collect();
        let expected = case.get("warnings").cloned().unwrap_or(json!([]));
        assert_eq!(json!(warned), expected, "{behaviour}");
    }
}

#[test]
fn an_empty_model_is_refused_before_it_changes_the_path() {
    for model in ["", "models/", "tunedModels/"] {
        let error = send(&json!({ "prompt": "hi" }), model, false).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{model}");
    }
}

#[test]
fn a_result_whose_tool_is_unknown_is_refused_with_its_place() {
    let request = json!({ "messages": [
        { "role": "tool", "content": [{ "type": "tool-result", "id": "x", "result": 1 }] },
    ] });
    let error = send(&request, "gemini-3.7-flash", false).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().starts_with("messages[0].content[0].name"));
}

#[test]
fn the_key_goes_into_its_header_and_never_into_a_path() {
    let gemini = gemini();
    let credential = gemini.credential(&Default::default());
    assert_eq!((credential.name, credential.prefix), ("x-goog-api-key", ""));
    assert_eq!(gemini.verify().path, "/models?pageSize=1");
    assert_eq!(
        gemini.base_url(),
        "https://generativelanguage.googleapis.com/v1beta"
    );
}

#[test]
fn both_shapes_of_keys_are_recognised_and_others_are_not() {
    let gemini = gemini();
    assert!(gemini.recognizes("AQ.Ab8RN6") && gemini.recognizes("AIzaSyA"));
    assert!(!gemini.recognizes("sk-ant-api03-x") && !gemini.recognizes("AQx"));
}

#[test]
fn every_capability_has_a_default_model() {
    let gemini = gemini();
    for capability in Capability::ALL {
        assert!(
            gemini.default_model(*capability).is_some(),
            "{capability:?}"
        );
        assert!(gemini.supports(*capability));
    }
}
