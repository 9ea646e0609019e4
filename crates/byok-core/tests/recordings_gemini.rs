//! Every recorded Gemini chat, whole and streamed, read by the provider and compared with a second,
//! plain reader of the same JSON and with EXPECTED.json where it has the exchange.

mod support;

use std::sync::Arc;

use byok_core::capability::chat::{ChatRequest, ChatResult, FinishReason, Part};
use byok_core::capability::fold::ChatFold;
use byok_core::error::{Code, Result};
use byok_core::provider::{Provider, builtin};
use byok_core::sse::SseDecoder;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use support::recordings::{self, Api, Kind, Recording};

fn gemini() -> Arc<dyn Provider> {
    let mut all = builtin().into_iter();
    all.find(|provider| provider.id() == "gemini").unwrap()
}

fn load(wanted: impl Fn(&Recording) -> bool) -> Option<Vec<Recording>> {
    recordings::load(|recording| recording.api == Api::GenerateContent && wanted(recording))
}

fn request() -> ChatRequest {
    let mut request: ChatRequest = serde_json::from_value(json!({ "prompt": "hi" })).unwrap();
    request.prepare(&[]).unwrap();
    request
}

fn read(body: &[u8]) -> Result<ChatResult> {
    let mut fold = ChatFold::whole();
    gemini()
        .chat()
        .unwrap()
        .response(&request(), body, &mut fold)?;
    Ok(fold.into_result("gemini", "asked", false))
}

fn read_stream(chunks: &[&[u8]]) -> Result<ChatResult> {
    let gemini = gemini();
    let mut stream = gemini.chat().unwrap().stream(&request());
    let mut decoder = SseDecoder::new(8 << 20);
    let mut fold = ChatFold::streaming();
    for chunk in chunks {
        decoder.push(chunk, |event| stream.event(&event, &mut fold))?;
    }
    decoder.finish(|event| stream.event(&event, &mut fold))?;
    stream.end(&mut fold)?;
    Ok(fold.into_result("gemini", "asked", false))
}

/// The answers in a body: one, the items of an array, or the events of a stream.
fn answers(recording: &Recording) -> Vec<Value> {
    if recording.kind == Kind::Sse {
        let text = std::str::from_utf8(&recording.body).unwrap();
        return text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect();
    }
    match serde_json::from_slice(&recording.body).unwrap() {
        Value::Array(all) => all,
        one => vec![one],
    }
}

/// The body of a stream; an array's items become events.
fn stream_body(recording: &Recording) -> Option<Vec<u8>> {
    if recording.kind == Kind::Sse {
        return Some(recording.body.clone());
    }
    recording
        .body
        .trim_ascii_start()
        .starts_with(b"[")
        .then(|| {
            let events = answers(recording);
            let events = events.iter().map(|event| format!("data: {event}\n\n"));
            events.collect::<String>().into_bytes()
        })
}

/// What a plain reader finds: text, reasoning, calls, signatures, finish reason, usage.
#[derive(Debug, Default, PartialEq)]
struct Summary {
    text: String,
    reasoning: String,
    calls: Vec<(String, Value)>,
    signatures: Vec<String>,
    raw_finish_reason: Option<String>,
    usage: [u64; 5],
}

impl Summary {
    fn of_json(path: &str, answers: &[Value]) -> Self {
        let mut summary = Summary::default();
        for answer in answers {
            let candidate = &answer["candidates"][0];
            for part in candidate["content"]["parts"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let text = part["text"].as_str().unwrap_or_default();
                if part["thought"] == true {
                    summary.reasoning.push_str(text);
                } else {
                    summary.text.push_str(text);
                }
                let call = &part["functionCall"];
                if let Some(name) = call["name"].as_str() {
                    let arguments = call.get("args").cloned().unwrap_or(json!({}));
                    summary.calls.push((name.to_owned(), arguments));
                }
                let has_place = part.get("text").is_some() || call.is_object();
                if let Some(signature) = part["thoughtSignature"].as_str().filter(|_| has_place) {
                    summary.signatures.push(signature.to_owned());
                }
            }
            if let Some(reason) = candidate["finishReason"].as_str() {
                summary.raw_finish_reason = Some(reason.to_owned());
            }
            let usage = &answer["usageMetadata"];
            if usage["totalTokenCount"].is_u64() {
                let count = |name: &str| usage[name].as_u64().unwrap_or(0);
                let thoughts = count("thoughtsTokenCount");
                summary.usage = [
                    count("promptTokenCount") + count("toolUsePromptTokenCount"),
                    count("candidatesTokenCount") + thoughts,
                    count("totalTokenCount"),
                    count("cachedContentTokenCount"),
                    thoughts,
                ];
            }
        }
        if let Some(calls) = calls_in_pieces(path) {
            summary.calls = calls;
        }
        summary
    }

    fn of_result(result: &ChatResult) -> Self {
        let mut summary = Summary {
            text: result.text.clone(),
            raw_finish_reason: result.raw_finish_reason.clone(),
            usage: [
                result.usage.input_tokens,
                result.usage.output_tokens,
                result.usage.total_tokens,
                result.usage.cached_input_tokens.unwrap_or(0),
                result.usage.reasoning_tokens.unwrap_or(0),
            ],
            ..Summary::default()
        };
        for part in &result.content {
            let signature = match part {
                Part::Reasoning { text, signature } => {
                    summary.reasoning.push_str(text);
                    signature
                }
                Part::Text { signature, .. } => signature,
                Part::ToolCall {
                    name,
                    arguments,
                    signature,
                    ..
                } => {
                    summary.calls.push((name.clone(), arguments.clone()));
                    signature
                }
                _ => &None,
            };
            let signature = signature.as_ref().and_then(|all| all.value.clone());
            summary.signatures.extend(signature);
        }
        summary
    }
}

/// The calls of the streams whose arguments come in pieces, read by eye; EXPECTED.json takes every
/// piece for a call of its own.
fn calls_in_pieces(path: &str) -> Option<Vec<(String, Value)>> {
    let call = |name: &str, arguments| (name.to_owned(), arguments);
    let file = path.rsplit('/').next()?;
    Some(match file {
        "google-stream-tool-call-arguments.chunks.txt" => vec![
            call("getWeather", json!({ "location": "Boston" })),
            call("getWeather", json!({ "location": "San Francisco" })),
        ],
        "google-stream-no-args-tool-call.chunks.txt" => vec![
            call("read_theme", json!({})),
            call("read_screen", json!({ "id": "A" })),
            call("read_screen", json!({ "id": "B" })),
            call("read_screen", json!({ "id": "C" })),
        ],
        "google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt" => {
            vec![call(
                "writeItems",
                json!({ "operations": [
                    { "action": "add", "description": "Fresh red apple", "itemid": "apple_001", "price": 0.5 },
                    { "action": "add", "description": "Ripe yellow banana", "itemid": "banana_001", "price": 0.3 },
                ] }),
            )]
        }
        _ => return None,
    })
}

fn compare(recording: &Recording, result: &ChatResult) {
    let path = &recording.path;
    let summary = Summary::of_result(result);
    assert_eq!(
        summary,
        Summary::of_json(path, &answers(recording)),
        "{path}"
    );
    let expected_reason = match summary.raw_finish_reason.as_deref() {
        Some("STOP") if !summary.calls.is_empty() => FinishReason::ToolCalls,
        Some("STOP") => FinishReason::Stop,
        Some("MAX_TOKENS") => FinishReason::Length,
        other => panic!("{path}: a finish reason that no recording had before: {other:?}"),
    };
    assert_eq!(result.finish_reason, expected_reason, "{path}");
    let Some(expected) = &recording.expected else {
        return;
    };
    assert_eq!(
        expected["text_sha256_16"],
        recordings::text_hash(&summary.text),
        "{path}"
    );
    let reasoning = expected["reasoning_len"].as_u64().unwrap_or(0);
    assert_eq!(
        summary.reasoning.chars().count() as u64,
        reasoning,
        "{path}"
    );
    assert_eq!(
        json!(summary.raw_finish_reason),
        expected["finish"],
        "{path}"
    );
    let usage = &expected["usage"];
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    assert_eq!(summary.usage[2], count("totalTokenCount"), "{path}");
    assert_eq!(
        summary.usage[1],
        count("candidatesTokenCount") + count("thoughtsTokenCount"),
        "{path}"
    );
    if calls_in_pieces(path).is_none() {
        let calls: Vec<Value> = expected["tool_calls"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let calls: Vec<(String, Value)> = calls
            .into_iter()
            .map(|mut call| {
                (
                    call["name"].as_str().unwrap().to_owned(),
                    call["args"].take(),
                )
            })
            .collect();
        assert_eq!(summary.calls, calls, "{path}");
    }
}

#[test]
fn every_recorded_answer_reads_as_expected() {
    let Some(all) = load(|recording| recording.status == 200 && recording.kind == Kind::Json)
    else {
        return;
    };
    let with_expectation = recordings::compare_all(&all, read, compare);
    assert!(
        all.len() >= 140 && with_expectation >= 30,
        "{} {with_expectation}",
        all.len()
    );
}

#[test]
fn every_recorded_stream_reads_as_expected_however_it_is_cut() {
    let Some(all) = load(|recording| recording.status == 200) else {
        return;
    };
    let mut streams = 0;
    for recording in &all {
        let Some(body) = stream_body(recording) else {
            continue;
        };
        for chunks in recordings::cuts(&body) {
            let result = read_stream(&chunks);
            compare(
                recording,
                &result.unwrap_or_else(|error| panic!("{}: {error}", recording.path)),
            );
        }
        streams += 1;
    }
    assert!(streams >= 30, "{streams}");
}

#[test]
fn every_recorded_stream_cut_off_before_its_finish_reason_is_an_error() {
    let Some(all) = load(|recording| recording.status == 200) else {
        return;
    };
    let mut truncations = 0;
    for recording in &all {
        let Some(body) = stream_body(recording) else {
            continue;
        };
        let complete = end_of_finish(&body, &recording.path);
        truncations +=
            recordings::assert_no_cut_is_an_answer(&recording.path, &body, complete, read_stream);
        assert!(
            read_stream(&[&body[..complete]]).is_ok(),
            "{}",
            recording.path
        );
    }
    assert!(truncations > 3_000, "{truncations}");
}

/// Where the event with the finish reason ends. No content may follow it.
fn end_of_finish(body: &[u8], path: &str) -> usize {
    let text = std::str::from_utf8(body).unwrap();
    let mut offset = 0;
    let mut end = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        if let Some(data) = content.strip_prefix("data:") {
            let event: Value = serde_json::from_str(data).unwrap();
            let candidate = &event["candidates"][0];
            assert!(
                end.is_none() || candidate["content"]["parts"].is_null(),
                "{path}"
            );
            if candidate["finishReason"].is_string() {
                end = Some(offset + content.len());
            }
        }
        offset += line.len();
    }
    end.unwrap_or_else(|| panic!("{path}: no finish reason"))
}

#[test]
fn every_recorded_answer_that_is_cut_off_is_an_error() {
    let Some(all) = load(|recording| recording.status == 200 && recording.kind == Kind::Json)
    else {
        return;
    };
    for recording in &all {
        let body = recording.body.trim_ascii_end();
        for length in (0..body.len())
            .step_by(body.len() / 20 + 1)
            .chain([body.len() - 1])
        {
            let error = read(&body[..length]).err();
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
fn every_recorded_failure_has_its_code() {
    let Some(all) = load(|recording| recording.status != 200) else {
        return;
    };
    let mut seen = Vec::new();
    for recording in &all {
        let status = StatusCode::from_u16(recording.status).unwrap();
        let failure = gemini().failure(status, &HeaderMap::new(), &recording.body);
        let body: Value = serde_json::from_slice(&recording.body).unwrap();
        assert_eq!(
            failure.message.as_deref(),
            body["error"]["message"].as_str()
        );
        seen.push((recording.status, failure.code, failure.retry_after_ms));
    }
    seen.sort_by_key(|(status, code, _)| (*status, code.as_str()));
    assert_eq!(
        seen,
        [
            (400, Code::ContextTooLong, None),
            (400, Code::KeyInvalid, None),
            (429, Code::ProviderRateLimited, Some(48_000)),
        ]
    );
}
