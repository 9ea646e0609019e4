//! What Gemini's answers, streams and errors become. Fixtures: `fixtures/gemini/`.

use std::sync::Arc;

use byok_core::capability::chat::{
    ChatEvent, ChatRequest, ChatResult, FinishReason, Part, Signature,
};
use byok_core::capability::fold::ChatFold;
use byok_core::error::{Code, Error};
use byok_core::provider::{Provider, builtin};
use byok_core::sse::SseDecoder;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

const STREAM: &str = include_str!("fixtures/gemini/stream.sse");
const STREAM_TOOLS: &str = include_str!("fixtures/gemini/stream-tools.sse");

fn gemini() -> Arc<dyn Provider> {
    let mut all = builtin().into_iter();
    all.find(|provider| provider.id() == "gemini").unwrap()
}

fn request() -> ChatRequest {
    let mut request: ChatRequest = serde_json::from_value(json!({ "prompt": "hi" })).unwrap();
    request.prepare(&[]).unwrap();
    request
}

fn read(body: &str) -> Result<ChatResult, Error> {
    let mut fold = ChatFold::whole();
    let gemini = gemini();
    gemini
        .chat()
        .unwrap()
        .response(&request(), body.as_bytes(), &mut fold)?;
    Ok(fold.into_result("gemini", "asked", false))
}

fn read_stream(body: &[u8], size: usize) -> Result<(ChatResult, Vec<ChatEvent>), Error> {
    let gemini = gemini();
    let mut stream = gemini.chat().unwrap().stream(&request());
    let mut decoder = SseDecoder::new(1 << 20);
    let mut fold = ChatFold::streaming();
    for chunk in body.chunks(size) {
        decoder.push(chunk, |event| stream.event(&event, &mut fold))?;
    }
    decoder.finish(|event| stream.event(&event, &mut fold))?;
    stream.end(&mut fold)?;
    let events = fold.take_events();
    Ok((fold.into_result("gemini", "asked", false), events))
}

fn signature(value: &str) -> Option<Signature> {
    Some(Signature {
        provider: "gemini".into(),
        value: Some(value.into()),
        id: None,
        redacted: false,
    })
}

fn answer(parts: Value, finish_reason: &str) -> String {
    json!({ "candidates": [{ "content": { "parts": parts }, "finishReason": finish_reason }] })
        .to_string()
}

#[test]
fn a_whole_answer_keeps_parts_signatures_ids_and_usage() {
    let result = read(&json!({
        "candidates": [{ "content": { "role": "model", "parts": [
            { "text": "hm", "thought": true },
            { "text": "a" }, { "text": "b" },
            { "text": "", "thoughtSignature": "T" },
            { "functionCall": { "name": "f", "args": { "x": 1 } }, "thoughtSignature": "S" },
            { "functionCall": { "id": "own", "name": "g" } },
        ] }, "finishReason": "STOP", "index": 0 }],
        "usageMetadata": { "promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 3,
            "thoughtsTokenCount": 2, "toolUsePromptTokenCount": 5, "totalTokenCount": 20 },
        "modelVersion": "gemini-3.7-flash", "responseId": "r/1",
    }).to_string()).unwrap();
    assert_eq!(
        (result.text.as_str(), result.reasoning.as_deref()),
        ("ab", Some("hm"))
    );
    assert_eq!(
        result.content[2],
        Part::Text {
            text: String::new(),
            signature: signature("T")
        }
    );
    assert_eq!(
        result.content[3],
        Part::ToolCall {
            id: "call_r1_1_0".into(),
            name: "f".into(),
            arguments: json!({ "x": 1 }),
            raw_arguments: None,
            signature: signature("S"),
        }
    );
    assert_eq!(
        (
            result.tool_calls[1].id.as_str(),
            &result.tool_calls[1].arguments
        ),
        ("own", &json!({}))
    );
    assert_eq!(result.finish_reason, FinishReason::ToolCalls);
    assert_eq!(result.raw_finish_reason.as_deref(), Some("STOP"));
    assert_eq!(
        json!(result.usage),
        json!({ "inputTokens": 15, "outputTokens": 5, "totalTokens": 20,
        "cachedInputTokens": 4, "reasoningTokens": 2 })
    );
    assert_eq!(
        (result.id.as_deref(), result.model.as_str()),
        (Some("r/1"), "gemini-3.7-flash")
    );
    assert!(result.warnings.is_empty());
}

#[test]
fn a_streamed_answer_is_the_same_however_it_is_cut_and_keeps_signed_parts_apart() {
    let (whole, events) = read_stream(STREAM.as_bytes(), STREAM.len()).unwrap();
    assert_eq!(whole.text, "Hello \"é\"\nsigned tail");
    assert_eq!(whole.reasoning.as_deref(), Some("**Think**ing…"));
    let text = |text: &str, signature| Part::Text {
        text: text.into(),
        signature,
    };
    assert_eq!(
        whole.content[1..],
        [
            text("Hello \"é\"\n", None),
            text("signed", signature("SIG+/=")),
            text(" tail", None),
            text("", signature("END")),
        ]
    );
    assert_eq!(whole.finish_reason, FinishReason::Stop);
    assert_eq!(
        json!(whole.usage),
        json!({ "inputTokens": 11, "outputTokens": 12, "totalTokens": 23,
        "cachedInputTokens": 4, "reasoningTokens": 5 })
    );
    let deltas = |events: &[ChatEvent]| -> String {
        events
            .iter()
            .filter_map(|event| match event {
                ChatEvent::TextDelta { text } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    };
    assert_eq!(deltas(&events), whole.text);
    for size in [1, 7] {
        assert_eq!(
            read_stream(STREAM.as_bytes(), size).unwrap(),
            (whole.clone(), events.clone())
        );
    }
}

#[test]
fn streamed_calls_get_stable_ids_and_pieces_of_arguments_are_put_together() {
    let (result, events) = read_stream(STREAM_TOOLS.as_bytes(), 7).unwrap();
    let calls: Vec<_> = result
        .tool_calls
        .iter()
        .map(|call| {
            (
                call.id.as_str(),
                call.name.as_str(),
                call.arguments.to_string(),
            )
        })
        .collect();
    assert_eq!(
        calls,
        [
            ("call_r_1-x_1_0", "f", r#"{"a":[1,{"b":"é"}]}"#.to_owned()),
            ("own", "g", "{}".to_owned()),
            ("call_r_1-x_1_2", "h", r#"{"city":"Boston"}"#.to_owned()),
        ]
    );
    assert_eq!(result.finish_reason, FinishReason::ToolCalls);
    assert_eq!(
        result.usage.total_tokens, 7,
        "usage after the finish reason counts"
    );
    let whole: Vec<_> = events
        .iter()
        .filter(|event| matches!(event, ChatEvent::ToolCall { .. }))
        .collect();
    assert_eq!(whole.len(), 3);
    assert_eq!(read_stream(STREAM_TOOLS.as_bytes(), 1).unwrap().0, result);
}

#[test]
fn what_came_goes_back_on_the_same_parts() {
    for body in [STREAM, STREAM_TOOLS] {
        let (result, _) = read_stream(body.as_bytes(), 64).unwrap();
        let history = json!({ "messages": [{ "role": "assistant", "content": result.content }] });
        let mut request: ChatRequest = serde_json::from_value(history).unwrap();
        request.prepare(&[]).unwrap();
        let gemini = gemini();
        let wire = gemini
            .chat()
            .unwrap()
            .request(&request, "gemini-3.7-flash", false)
            .unwrap();
        assert!(wire.warnings.is_empty());
        let sent: Value = serde_json::from_slice(wire.json_body()).unwrap();
        let signed: Vec<(String, String)> = sent["contents"][0]["parts"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|part| {
                let rest = part["text"]
                    .as_str()
                    .or(part["functionCall"]["name"].as_str())?;
                Some((
                    rest.to_owned(),
                    part["thoughtSignature"].as_str()?.to_owned(),
                ))
            })
            .collect();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let expected = if body == STREAM {
            vec![pair("signed", "SIG+/="), pair("", "END")]
        } else {
            vec![pair("f", "S1")]
        };
        assert_eq!(signed, expected);
    }
}

#[test]
fn every_byte_that_is_missing_before_the_finish_reason_makes_a_stream_an_error() {
    let last = STREAM.trim_end().len();
    for length in 0..last {
        let error = read_stream(&STREAM.as_bytes()[..length], 7).unwrap_err();
        let is_expected = matches!(error.code(), Code::StreamInterrupted | Code::BadResponse);
        assert!(is_expected, "{length}: {error}");
    }
    assert!(read_stream(&STREAM.as_bytes()[..last], 7).is_ok());
}

#[test]
fn finish_reasons_have_their_meaning() {
    for (raw, reason) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("IMAGE_SAFETY", FinishReason::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", FinishReason::Error),
        ("NEW_IN_2027", FinishReason::Other),
    ] {
        let result = read(&answer(json!([{ "text": "x" }]), raw)).unwrap();
        assert_eq!(result.finish_reason, reason, "{raw}");
        assert_eq!(result.raw_finish_reason.as_deref(), Some(raw));
    }
}

#[test]
fn a_blocked_prompt_is_an_answer_that_says_so() {
    let body = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#;
    let stream = format!("data: {body}\n\n");
    for result in [
        read(body).unwrap(),
        read_stream(stream.as_bytes(), 7).unwrap().0,
    ] {
        assert_eq!(result.finish_reason, FinishReason::ContentFilter);
        assert_eq!(
            result.raw_finish_reason.as_deref(),
            Some("PROHIBITED_CONTENT")
        );
        assert_eq!((result.text.as_str(), result.usage.input_tokens), ("", 3));
    }
}

#[test]
fn answers_without_content_or_parts_are_empty_and_answers_without_candidates_are_errors() {
    for body in [
        r#"{"candidates":[{"finishReason":"STOP"}]}"#,
        r#"{"candidates":[{"content":{},"finishReason":"STOP"}]}"#,
        r#"{"candidates":[{"content":{"parts":null},"finishReason":"STOP","index":null}]}"#,
        r#"{"candidates":[{"content":{"parts":[{}]},"finishReason":"STOP"}]}"#,
    ] {
        let result = read(body).unwrap();
        assert!(result.content.is_empty() && result.finish_reason == FinishReason::Stop);
    }
    for body in [
        "{}",
        "[]",
        r#"{"candidates":[]}"#,
        "nonsense",
        "",
        "{\"candidates\":",
    ] {
        assert_eq!(read(body).unwrap_err().code(), Code::BadResponse, "{body}");
    }
}

#[test]
fn parts_of_other_kinds_do_no_harm_and_are_named() {
    let result = read(&answer(json!([
        { "executableCode": { "language": "PYTHON", "code": "1" }, "thoughtSignature": "x" },
        { "codeExecutionResult": { "outcome": "OUTCOME_OK" } },
        { "inlineData": { "mimeType": "image/png", "data": "iVBORw0KGgo=" }, "thoughtSignature": "I" },
        { "inlineData": { "mimeType": "image/png", "data": "AAAA" }, "thought": true },
        { "inlineData": { "mimeType": "audio/L16;rate=24000", "data": "AAAA" } },
        { "fileData": { "fileUri": "https://x.y/z", "mimeType": "text/plain" } },
        { "somethingNew": 1 },
        { "text": "done" },
    ]), "STOP")).unwrap();
    assert_eq!(result.text, "done");
    assert_eq!(
        json!(result.content),
        json!([
            { "type": "image", "image": "iVBORw0KGgo=", "mediaType": "image/png",
              "signature": { "provider": "gemini", "value": "I" } },
            { "type": "audio", "data": "AAAA", "mediaType": "audio/L16;rate=24000" },
            { "type": "file", "data": "https://x.y/z", "mediaType": "text/plain" },
            { "type": "text", "text": "done" },
        ])
    );
    assert_eq!(result.warnings.len(), 3);
}

#[test]
fn errors_in_a_200_are_errors_with_their_own_code() {
    let error =
        r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    let wrapped = format!("[{error}]");
    for body in [error, wrapped.as_str()] {
        assert_eq!(read(body).unwrap_err().code(), Code::ProviderUnavailable);
        let begin = STREAM.split_inclusive("\n\n").next().unwrap();
        let stream = format!("{begin}data: {body}\n\n");
        let failed = read_stream(stream.as_bytes(), 7).unwrap_err();
        assert_eq!(failed.code(), Code::ProviderUnavailable);
        assert!(failed.message().contains("The model is overloaded."));
    }
}

#[test]
fn every_failure_has_its_code_and_its_wait() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("fixtures/gemini/failures.json")).unwrap();
    for case in cases {
        let status = StatusCode::from_u16(case["status"].as_u64().unwrap() as u16).unwrap();
        let body = match &case["body"] {
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        let failure = gemini().failure(status, &HeaderMap::new(), body.as_bytes());
        let what = &case["what"];
        assert_eq!(failure.code.as_str(), case["code"], "{what}");
        assert_eq!(
            failure.retry_after_ms,
            case["retryAfterMs"].as_u64(),
            "{what}"
        );
        let is_retryable = matches!(
            failure.code,
            Code::ProviderRateLimited | Code::ProviderUnavailable
        );
        assert_eq!(failure.retryable, is_retryable, "{what}");
        let message = case["body"]["error"]["message"].as_str();
        if message.is_some() {
            assert_eq!(failure.message.as_deref(), message, "{what}");
        }
    }
}
