//! Every recorded answer with embeddings of Gemini, Cohere and Voyage AI, number for number, and every
//! recorded failure.

mod support;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byok_core::capability::embed::EmbedRequest;
use byok_core::error::Code;
use byok_core::provider::{Provider, builtin};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use support::recordings::{self, Recording};

fn provider(id: &str) -> Arc<dyn Provider> {
    let mut all = builtin().into_iter();
    all.find(|provider| provider.id() == id).unwrap()
}

fn load() -> Option<Vec<Recording>> {
    recordings::load(|recording| {
        let url = recording.url_path.as_deref().unwrap_or_default();
        let is_of = |id: &str| recording.provider.contains(id);
        url.contains(":batchEmbedContents")
            || is_of("cohere") && url.ends_with("/embed")
            || is_of("voyage")
    })
}

fn id(recording: &Recording) -> &'static str {
    ["gemini", "cohere", "voyage"]
        .into_iter()
        .find(|id| recording.provider.contains(id))
        .unwrap_or_else(|| panic!("{}: {}", recording.path, recording.provider))
}

/// The vectors as a plain reader finds them, in double precision where they are numbers.
fn vectors(body: &Value) -> Vec<Vec<f64>> {
    let items = body["embeddings"]["float"]
        .as_array()
        .or_else(|| body["embeddings"].as_array())
        .or_else(|| body["data"].as_array())
        .unwrap();
    items
        .iter()
        .map(|item| {
            let vector = [&item["values"], &item["embedding"], item]
                .into_iter()
                .find(|place| place.is_array() || place.is_string())
                .unwrap();
            match vector {
                Value::String(base64) => STANDARD
                    .decode(base64)
                    .unwrap()
                    .chunks(4)
                    .map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap())))
                    .collect(),
                numbers => {
                    let numbers = numbers.as_array().unwrap().iter();
                    numbers.map(|number| number.as_f64().unwrap()).collect()
                }
            }
        })
        .collect()
}

#[test]
fn every_recorded_vector_is_read_number_for_number() {
    let Some(all) = load() else {
        return;
    };
    let mut seen = [0; 3];
    for recording in all.iter().filter(|recording| recording.status == 200) {
        let path = &recording.path;
        let id = id(recording);
        seen[["gemini", "cohere", "voyage"]
            .iter()
            .position(|all| *all == id)
            .unwrap()] += 1;
        let batch = provider(id)
            .embed()
            .unwrap()
            .response(&recording.body)
            .unwrap();
        let body: Value = serde_json::from_slice(&recording.body).unwrap();
        let expected = vectors(&body);
        assert_eq!(batch.vectors.len(), expected.len(), "{path}");
        for (vector, expected) in batch.vectors.iter().zip(&expected) {
            let expected: Vec<f32> = expected.iter().map(|number| *number as f32).collect();
            assert_eq!(*vector, expected, "{path}");
        }
        let tokens = [
            &body["usage"]["total_tokens"],
            &body["meta"]["billed_units"]["input_tokens"],
            &body["usageMetadata"]["promptTokenCount"],
        ];
        let tokens = tokens.into_iter().find_map(Value::as_u64);
        assert_eq!(batch.input_tokens, tokens, "{path}");
        assert_eq!(json!(batch.model), body["model"], "{path}");
        assert_eq!(json!(batch.id), body["id"], "{path}");
        let Some(wanted) = &recording.expected else {
            continue;
        };
        assert_eq!(json!(batch.vectors.len()), wanted["n"], "{path}");
        assert_eq!(json!(batch.vectors[0].len()), wanted["dims"], "{path}");
        for (index, first) in wanted["first"].as_array().unwrap().iter().enumerate() {
            assert_eq!(
                batch.vectors[0][index],
                first.as_f64().unwrap() as f32,
                "{path}"
            );
        }
    }
    assert!(seen[0] >= 8 && seen[1] >= 3 && seen[2] >= 3, "{seen:?}");
}

#[test]
fn every_recorded_answer_that_is_cut_off_is_an_error() {
    let Some(all) = load() else {
        return;
    };
    for recording in all.iter().filter(|recording| recording.status == 200) {
        let provider = provider(id(recording));
        let body = recording.body.trim_ascii_end();
        let step = body.len() / 40 + 1;
        for length in (0..body.len()).step_by(step).chain([body.len() - 1]) {
            let error = provider.embed().unwrap().response(&body[..length]).err();
            assert_eq!(
                error.map(|error| error.code()),
                Some(Code::BadResponse),
                "{}",
                recording.path
            );
        }
    }
}

#[test]
fn what_others_sent_is_what_we_send() {
    let Some(all) = load() else {
        return;
    };
    let mut seen = 0;
    for recording in &all {
        let Some(recorded) = &recording.request else {
            continue;
        };
        let path = &recording.path;
        let (inputs, model, dimensions, input_type) = if recorded["requests"].is_array() {
            let all = recorded["requests"].as_array().unwrap();
            let texts = all
                .iter()
                .map(|one| one["content"]["parts"][0]["text"].clone());
            let first = &all[0];
            let model = first["model"]
                .as_str()
                .unwrap()
                .trim_start_matches("models/");
            let task = first["taskType"].as_str();
            (texts.collect(), model, &first["outputDimensionality"], task)
        } else {
            let texts = [&recorded["texts"], &recorded["input"]];
            let texts = texts.into_iter().find_map(Value::as_array).unwrap();
            let input_type = recorded["input_type"].as_str().map(|kind| match kind {
                "search_query" => "query",
                "search_document" => "document",
                other => other,
            });
            let model = recorded["model"].as_str().unwrap();
            (
                texts.clone(),
                model,
                &recorded["output_dimension"],
                input_type,
            )
        };
        let mut request = json!({ "input": inputs });
        if dimensions.is_u64() {
            request["dimensions"] = dimensions.clone();
        }
        if let Some(input_type) = input_type {
            request["inputType"] = input_type.into();
        }
        for name in ["truncate", "truncation"] {
            if let Some(value) = recorded.get(name) {
                request["providerOptions"][name] = value.clone();
            }
        }
        let request: EmbedRequest = serde_json::from_value(request).unwrap();
        let inputs = request.inputs().unwrap();
        let provider = provider(id(recording));
        let wire = provider
            .embed()
            .unwrap()
            .request(&request, inputs, model)
            .unwrap();
        let ours: Value = serde_json::from_slice(wire.json_body()).unwrap();
        let mut theirs = recorded.clone();
        theirs
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        // The server took a taskType for this model, but its documentation says to write it into the text.
        let requests = theirs.get_mut("requests").and_then(Value::as_array_mut);
        for one in requests.into_iter().flatten() {
            if one.as_object_mut().unwrap().remove("taskType") == Some("RETRIEVAL_QUERY".into()) {
                let text = &mut one["content"]["parts"][0]["text"];
                *text = format!("task: search result | query: {}", text.as_str().unwrap()).into();
            }
        }
        assert_eq!(ours, theirs, "{path}");
        let url = recording.url_path.as_deref().unwrap();
        assert!(
            url.ends_with(&wire.path),
            "{path}: {} is not {url}",
            wire.path
        );
        seen += 1;
    }
    assert!(seen >= 12, "{seen}");
}

#[test]
fn an_unknown_model_is_told_without_the_names_of_all_others() {
    let Some(all) = load() else {
        return;
    };
    let failed: Vec<&Recording> = all
        .iter()
        .filter(|recording| recording.status != 200)
        .collect();
    assert_eq!(failed.len(), 1);
    let status = StatusCode::from_u16(failed[0].status).unwrap();
    let failure = provider("voyage").failure(status, &HeaderMap::new(), &failed[0].body);
    assert_eq!(failure.code, Code::ModelNotFound);
    assert_eq!(
        failure.message.as_deref(),
        Some("Model nonexistent is not supported")
    );
}
