//! Every recorded chat of Cohere, whole and streamed, read by the provider and compared with a second,
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
use support::recordings::{self, Kind, Recording};

fn cohere() -> Arc<dyn Provider> {
    let mut all = builtin().into_iter();
    all.find(|provider| provider.id() == "cohere").unwrap()
}

/// The chats: everything of Cohere's that is not of its embeddings.
fn load(wanted: impl Fn(&Recording) -> bool) -> Option<Vec<Recording>> {
    recordings::load(|recording| {
        let path = recording.url_path.as_deref().unwrap_or("/v2/chat");
        let is_cohere =
            recording.provider.ends_with("cohere") || recording.provider == "api.cohere.com";
        is_cohere && path.ends_with("/chat") && wanted(recording)
    })
}

fn request() -> ChatRequest {
    let mut request: ChatRequest = serde_json::from_value(json!({ "prompt": "hi" })).unwrap();
    request.prepare(&[]).unwrap();
    request
}

fn read(body: &[u8]) -> Result<ChatResult> {
    let mut fold = ChatFold::whole();
    let cohere = cohere();
    cohere
        .chat()
        .unwrap()
        .response(&request(), body, &mut fold)?;
    Ok(fold.into_result("cohere", "asked", false))
}

fn read_stream(chunks: &[&[u8]]) -> Result<ChatResult> {
    let cohere = cohere();
    let mut stream = cohere.chat().unwrap().stream(&request());
    let mut decoder = SseDecoder::new(8 << 20);
    let mut fold = ChatFold::streaming();
    for chunk in chunks {
        decoder.push(chunk, |event| stream.event(&event, &mut fold))?;
    }
    decoder.finish(|event| stream.event(&event, &mut fold))?;
    stream.end(&mut fold)?;
    Ok(fold.into_result("cohere", "asked", false))
}

/// What a plain reader finds.
#[derive(Debug, Default, PartialEq)]
struct Summary {
    id: String,
    text: String,
    thinking: String,
    plan: String,
    calls: Vec<(String, String, Value)>,
    finish: String,
    usage: [u64; 3],
}

impl Summary {
    fn of(recording: &Recording) -> Self {
        if recording.kind == Kind::Sse {
            return Summary::of_events(std::str::from_utf8(&recording.body).unwrap());
        }
        let answer: Value = serde_json::from_slice(&recording.body).unwrap();
        let message = &answer["message"];
        let mut summary = Summary {
            id: text(&answer["id"]),
            plan: text(&message["tool_plan"]),
            finish: text(&answer["finish_reason"]),
            ..Summary::default()
        };
        summary.count(&answer["usage"]);
        for content in message["content"].as_array().into_iter().flatten() {
            summary.text.push_str(&text(&content["text"]));
            summary.thinking.push_str(&text(&content["thinking"]));
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            summary.call(
                &text(&call["id"]),
                &text(&function["name"]),
                &text(&function["arguments"]),
            );
        }
        summary
    }

    fn of_events(body: &str) -> Self {
        let mut summary = Summary::default();
        let mut open = (String::new(), String::new(), String::new());
        for data in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
            if data == "[DONE]" {
                continue;
            }
            let event: Value = serde_json::from_str(data).unwrap();
            let message = &event["delta"]["message"];
            let call = &message["tool_calls"];
            match event["type"].as_str().unwrap() {
                "message-start" => summary.id = text(&event["id"]),
                "content-start" | "content-delta" => {
                    summary.text.push_str(&text(&message["content"]["text"]));
                    summary
                        .thinking
                        .push_str(&text(&message["content"]["thinking"]));
                }
                "tool-plan-delta" => summary.plan.push_str(&text(&message["tool_plan"])),
                "tool-call-start" => {
                    let function = &call["function"];
                    open = (
                        text(&call["id"]),
                        text(&function["name"]),
                        text(&function["arguments"]),
                    );
                }
                "tool-call-delta" => open.2.push_str(&text(&call["function"]["arguments"])),
                "tool-call-end" => summary.call(&open.0, &open.1, &open.2),
                "message-end" => {
                    summary.finish = text(&event["delta"]["finish_reason"]);
                    summary.count(&event["delta"]["usage"]);
                }
                "content-end" | "citation-start" | "citation-end" => {}
                other => panic!("an event that no recording had before: {other}"),
            }
        }
        summary
    }

    fn call(&mut self, id: &str, name: &str, arguments: &str) {
        let arguments = match arguments {
            "" | "null" => json!({}),
            text => serde_json::from_str(text).unwrap(),
        };
        self.calls.push((id.to_owned(), name.to_owned(), arguments));
    }

    fn count(&mut self, usage: &Value) {
        let number = |value: &Value| value.as_f64().unwrap_or(0.0) as u64;
        self.usage = [
            number(&usage["tokens"]["input_tokens"]),
            number(&usage["tokens"]["output_tokens"]),
            number(&usage["cached_tokens"]),
        ];
    }

    fn of_result(result: &ChatResult) -> Self {
        let mut summary = Summary {
            id: result.id.clone().unwrap_or_default(),
            text: result.text.clone(),
            finish: result.raw_finish_reason.clone().unwrap_or_default(),
            usage: [
                result.usage.input_tokens,
                result.usage.output_tokens,
                result.usage.cached_input_tokens.unwrap_or(0),
            ],
            ..Summary::default()
        };
        for part in &result.content {
            match part {
                Part::Reasoning { text, signature } => {
                    let signature = signature.as_ref().unwrap();
                    assert_eq!(signature.provider, "cohere");
                    match signature.value.as_deref() {
                        Some("tool_plan") => summary.plan.push_str(text),
                        None => summary.thinking.push_str(text),
                        other => panic!("{other:?}"),
                    }
                }
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                    ..
                } => summary
                    .calls
                    .push((id.clone(), name.clone(), arguments.clone())),
                _ => {}
            }
        }
        summary
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn compare(recording: &Recording, result: &ChatResult) {
    let path = &recording.path;
    let summary = Summary::of_result(result);
    assert_eq!(summary, Summary::of(recording), "{path}");
    assert_eq!(
        result.usage.total_tokens,
        summary.usage[0] + summary.usage[1],
        "{path}"
    );
    let expected_reason = match summary.finish.as_str() {
        "COMPLETE" => FinishReason::Stop,
        "TOOL_CALL" => FinishReason::ToolCalls,
        other => panic!("{path}: a finish reason that no recording had before: {other}"),
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
    assert_eq!(json!(summary.finish), expected["finish"], "{path}");
    assert_eq!(
        json!(summary.usage[0]),
        expected["usage"]["input_tokens"],
        "{path}"
    );
    assert_eq!(
        json!(summary.usage[1]),
        expected["usage"]["output_tokens"],
        "{path}"
    );
    let names = expected["tool_calls"].as_array().into_iter().flatten();
    let names: Vec<String> = names.map(|call| text(&call["name"])).collect();
    let own: Vec<String> = summary.calls.into_iter().map(|call| call.1).collect();
    assert_eq!(own, names, "{path}");
}

#[test]
fn every_recorded_answer_reads_as_expected() {
    let Some(all) = load(|recording| recording.status == 200 && recording.kind == Kind::Json)
    else {
        return;
    };
    let with_expectation = recordings::compare_all(&all, read, compare);
    assert!(
        all.len() >= 17 && with_expectation >= 7,
        "{} {with_expectation}",
        all.len()
    );
}

#[test]
fn every_recorded_stream_reads_as_expected_however_it_is_cut() {
    let Some(all) = load(|recording| recording.status == 200 && recording.kind == Kind::Sse) else {
        return;
    };
    for recording in &all {
        for chunks in recordings::cuts(&recording.body) {
            let result = read_stream(&chunks);
            compare(
                recording,
                &result.unwrap_or_else(|error| panic!("{}: {error}", recording.path)),
            );
        }
    }
    assert!(all.len() >= 9, "{}", all.len());
}

#[test]
fn every_recorded_stream_cut_off_before_its_end_mark_is_an_error() {
    let Some(all) = load(|recording| recording.status == 200 && recording.kind == Kind::Sse) else {
        return;
    };
    let mut truncations = 0;
    for recording in &all {
        let complete = end_of_message(&recording.body);
        assert!(read_stream(&[&recording.body[..complete]]).is_ok());
        truncations += recordings::assert_no_cut_is_an_answer(
            &recording.path,
            &recording.body,
            complete,
            read_stream,
        );
    }
    assert!(truncations > 3_000, "{truncations}");
}

/// Where the event `message-end` ends; `[DONE]` may follow it.
fn end_of_message(body: &[u8]) -> usize {
    let text = std::str::from_utf8(body).unwrap();
    let start = text.rfind("data: {\"type\":\"message-end\"").unwrap();
    start + text[start..].find('\n').unwrap()
}

#[test]
fn every_recorded_answer_that_is_cut_off_is_an_error() {
    let Some(all) = load(|recording| recording.status == 200 && recording.kind == Kind::Json)
    else {
        return;
    };
    for recording in &all {
        let body = recording.body.trim_ascii_end();
        for length in (0..body.len()).step_by(10).chain([body.len() - 1]) {
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
fn every_recorded_failure_has_its_code_and_keeps_the_id() {
    let Some(all) = load(|recording| recording.status != 200) else {
        return;
    };
    let mut seen = Vec::new();
    for recording in &all {
        let status = StatusCode::from_u16(recording.status).unwrap();
        let failure = cohere().failure(status, &HeaderMap::new(), &recording.body);
        let body: Value = serde_json::from_slice(&recording.body).unwrap();
        assert_eq!(failure.message.as_deref(), body["message"].as_str());
        assert_eq!(failure.request_id.as_deref(), body["id"].as_str());
        seen.push((recording.status, failure.code, failure.retryable));
    }
    seen.sort_by_key(|(status, ..)| *status);
    assert_eq!(
        seen,
        [
            (400, Code::ContextTooLong, false),
            (401, Code::KeyInvalid, false),
        ]
    );
}

/// What a model said can be sent back as it is: the recorded follow-ups have the same calls.
#[test]
fn a_recorded_turn_of_tool_calls_goes_back_with_plan_and_calls() {
    let Some(all) = load(|recording| recording.path.contains("can_use_parallel_tool_calls")) else {
        return;
    };
    let result = read(&all[0].body).unwrap();
    let results: Vec<Value> = result
        .tool_calls
        .iter()
        .map(|call| json!({ "type": "tool-result", "id": call.id, "name": call.name, "result": "15°C" }))
        .collect();
    let mut request: ChatRequest = serde_json::from_value(json!({ "messages": [
        { "role": "user", "content": "What's the weather?" },
        { "role": "assistant", "content": result.content },
        { "role": "tool", "content": results },
    ] }))
    .unwrap();
    request.prepare(&[]).unwrap();
    let wire = cohere()
        .chat()
        .unwrap()
        .request(&request, "m", false)
        .unwrap();
    assert_eq!(wire.warnings, []);
    let body: Value = serde_json::from_slice(wire.json_body()).unwrap();
    let answer: Value = serde_json::from_slice(&all[0].body).unwrap();
    assert_eq!(
        body["messages"][1]["tool_plan"],
        answer["message"]["tool_plan"]
    );
    let recorded = &all[1].request.as_ref().unwrap()["messages"];
    assert_eq!(body["messages"][1]["tool_calls"], recorded[1]["tool_calls"]);
    for index in [2, 3] {
        assert_eq!(
            body["messages"][index]["tool_call_id"],
            recorded[index]["tool_call_id"]
        );
        assert_eq!(body["messages"][index]["content"], "15°C");
    }
}
