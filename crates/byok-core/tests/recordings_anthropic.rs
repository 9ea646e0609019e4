//! Every recorded message and stream of Anthropic's, read by the provider and compared with
//! EXPECTED.json and with a second, plain reading of the same JSON. Streams also in pieces, and cut
//! off at every tenth byte, which must be an error.

mod support;

use std::sync::{Arc, OnceLock};

use byok_core::capability::chat::{ChatRequest, ChatResult, FinishReason, Usage};
use byok_core::capability::fold::ChatFold;
use byok_core::error::{Code, Error, Result};
use byok_core::provider::{Provider, builtin};
use byok_core::sse::{SseDecoder, SseEvent};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use support::recordings::{Api, Kind, Recording, cuts, load, text_hash};

fn anthropic() -> Arc<dyn Provider> {
    let all = builtin();
    all.into_iter().find(|one| one.id() == "anthropic").unwrap()
}

fn read_stream(provider: &dyn Provider, chunks: &[&[u8]]) -> Result<ChatResult> {
    let mut stream = provider.chat().unwrap().stream(&ChatRequest::default());
    let mut fold = ChatFold::streaming();
    let mut decoder = SseDecoder::new(16 << 20);
    for chunk in chunks {
        decoder.push(chunk, |event| stream.event(&event, &mut fold))?;
    }
    decoder.finish(|event| stream.event(&event, &mut fold))?;
    stream.end(&mut fold)?;
    Ok(fold.into_result("anthropic", "asked-for", false))
}

fn read_whole(provider: &dyn Provider, body: &[u8]) -> Result<ChatResult> {
    let mut fold = ChatFold::whole();
    let chat = provider.chat().unwrap();
    chat.response(&ChatRequest::default(), body, &mut fold)?;
    Ok(fold.into_result("anthropic", "asked-for", false))
}

/// Puts a stream together the plain way, into the message that it streams.
fn message_of(body: &[u8]) -> Value {
    let mut message = Value::Null;
    let mut partial: Vec<(usize, String)> = Vec::new();
    for line in std::str::from_utf8(body).unwrap().lines() {
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let event: Value = serde_json::from_str(data).unwrap();
        let index = event["index"].as_u64().unwrap_or(0) as usize;
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let blocks = message["content"].as_array_mut().unwrap();
                assert_eq!(index, partial.len());
                partial.push((blocks.len(), String::new()));
                blocks.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                let (position, input) = &mut partial[index];
                let block = &mut message["content"][*position];
                for field in ["text", "thinking"] {
                    if let Some(piece) = delta[field].as_str() {
                        let known = block[field].as_str().unwrap_or_default();
                        block[field] = json!(format!("{known}{piece}"));
                    }
                }
                if delta["signature"].is_string() {
                    block["signature"] = delta["signature"].clone();
                }
                if let Some(piece) = delta["partial_json"].as_str() {
                    input.push_str(piece);
                }
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (name, value) in event["usage"].as_object().unwrap() {
                    if !value.is_null() {
                        message["usage"][name] = value.clone();
                    }
                }
            }
            _ => {}
        }
    }
    for (position, input) in &partial {
        if !input.is_empty() {
            message["content"][*position]["input"] = serde_json::from_str(input).unwrap();
        }
    }
    message
}

fn usage_of(usage: &Value) -> Usage {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let input_tokens = count("input_tokens")
        + count("cache_read_input_tokens")
        + count("cache_creation_input_tokens");
    Usage {
        input_tokens,
        output_tokens: count("output_tokens"),
        total_tokens: input_tokens + count("output_tokens"),
        cached_input_tokens: usage["cache_read_input_tokens"].as_u64(),
        reasoning_tokens: usage["output_tokens_details"]["thinking_tokens"].as_u64(),
    }
}

fn finish_of(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

fn assert_is_the_message(result: &ChatResult, message: &Value, path: &str) {
    let blocks = message["content"].as_array().unwrap();
    let of_type = |name: &str| {
        let blocks = blocks.iter().filter(|block| block["type"] == name);
        blocks.cloned().collect::<Vec<Value>>()
    };
    let joined = |name: &str, field: &str, between: &str| {
        let texts: Vec<String> = of_type(name)
            .iter()
            .filter_map(|block| block[field].as_str())
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect();
        texts.join(between)
    };
    assert_eq!(result.text, joined("text", "text", ""), "{path}");
    assert_eq!(
        result.reasoning.clone().unwrap_or_default(),
        joined("thinking", "thinking", "\n\n"),
        "{path}"
    );
    let calls: Vec<Value> = result
        .tool_calls
        .iter()
        .map(|call| json!([call.id, call.name, call.arguments]))
        .collect();
    let expected: Vec<Value> = of_type("tool_use")
        .iter()
        .map(|block| json!([block["id"], block["name"], block["input"]]))
        .collect();
    assert_eq!(calls, expected, "{path}");
    // What must go back on the next turn, in order and nothing changed.
    let signed: Vec<Value> = result
        .content
        .iter()
        .map(|part| serde_json::to_value(part).unwrap())
        .filter(|part| part["type"] == "reasoning")
        .map(|part| part["signature"]["value"].clone())
        .collect();
    let expected: Vec<Value> = blocks
        .iter()
        .filter_map(|block| match block["type"].as_str() {
            Some("thinking") => Some(block["signature"].clone()),
            Some("redacted_thinking") => Some(block["data"].clone()),
            _ => None,
        })
        .collect();
    assert_eq!(signed, expected, "{path}");
    let word = message["stop_reason"].as_str().unwrap();
    assert_eq!(result.finish_reason, finish_of(word), "{path}");
    assert_eq!(result.raw_finish_reason.as_deref(), Some(word), "{path}");
    assert_eq!(result.usage, usage_of(&message["usage"]), "{path}");
    assert_eq!(result.model, message["model"].as_str().unwrap(), "{path}");
    assert_eq!(result.id.as_deref(), message["id"].as_str(), "{path}");
    assert!(result.warnings.is_empty(), "{path}: {:?}", result.warnings);
}

fn assert_is_expected(result: &ChatResult, expected: &Value, path: &str) {
    assert_eq!(
        text_hash(&result.text),
        expected["text_sha256_16"].as_str().unwrap(),
        "{path}"
    );
    let calls: Vec<Value> = result
        .tool_calls
        .iter()
        .map(|call| json!({ "args": call.arguments, "id": call.id, "name": call.name }))
        .collect();
    let expected_calls = expected["tool_calls"].as_array().cloned();
    assert_eq!(calls, expected_calls.unwrap_or_default(), "{path}");
    if let Some(length) = expected["reasoning_len"].as_u64() {
        let reasoning = result.reasoning.as_deref().unwrap_or_default();
        assert_eq!(reasoning.chars().count() as u64, length, "{path}");
    }
    let word = expected["finish"].as_str().unwrap();
    assert_eq!(result.finish_reason, finish_of(word), "{path}");
    let usage = usage_of(&expected["usage"]);
    assert_eq!(result.usage.input_tokens, usage.input_tokens, "{path}");
    assert_eq!(result.usage.output_tokens, usage.output_tokens, "{path}");
    assert_eq!(result.model, expected["model"].as_str().unwrap(), "{path}");
}

fn assert_is_the_failure(provider: &dyn Provider, recording: &Recording) {
    let headers: HeaderMap = recording
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        })
        .collect();
    let status = StatusCode::from_u16(recording.status).unwrap();
    let failure = provider.failure(status, &headers, &recording.body);
    let body: Value = serde_json::from_slice(&recording.body).unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    let code = match (body["error"]["type"].as_str().unwrap(), recording.status) {
        ("authentication_error", 401) => Code::KeyInvalid,
        ("invalid_request_error", 400) if message.starts_with("prompt is too long") => {
            Code::ContextTooLong
        }
        other => panic!("{}: an error not seen before: {other:?}", recording.path),
    };
    assert_eq!(failure.code, code, "{}", recording.path);
    assert!(!failure.retryable, "{}", recording.path);
    assert_eq!(failure.message.as_deref(), Some(message));
    assert_eq!(failure.request_id.as_deref(), body["request_id"].as_str());
}

/// Where the end mark's JSON is whole; what follows is only the empty line.
fn end_of_mark(body: &[u8]) -> usize {
    let text = std::str::from_utf8(body).unwrap();
    let mark = text.rfind("\"message_stop\"").unwrap();
    mark + text[mark..].find('}').unwrap() + 1
}

/// Some files are the streams of a whole conversation, one after the other.
fn streams_of(body: &[u8]) -> Vec<&[u8]> {
    let text = std::str::from_utf8(body).unwrap();
    let mut starts: Vec<usize> = text
        .match_indices("event: message_start")
        .map(|(start, _)| start)
        .collect();
    starts[0] = 0;
    let ends = starts.iter().copied().skip(1).chain([body.len()]);
    let pairs = starts.iter().copied().zip(ends);
    pairs.map(|(start, end)| &body[start..end]).collect()
}

/// Read once for all tests of this file.
fn messages(kind: Kind) -> Option<Vec<&'static Recording>> {
    static ALL: OnceLock<Option<Vec<Recording>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        load(|recording| recording.provider.contains("anthropic") && recording.api == Api::Messages)
    });
    let of_kind = all.as_ref()?.iter().filter(|one| one.kind == kind);
    Some(of_kind.collect())
}

#[test]
fn recorded_messages_are_read_as_they_are() {
    let Some(recordings) = messages(Kind::Json) else {
        return;
    };
    let provider = anthropic();
    let (mut answers, mut failures) = (0, 0);
    for recording in &recordings {
        let path = &recording.path;
        if recording.status >= 400 {
            assert_is_the_failure(&*provider, recording);
            failures += 1;
            continue;
        }
        let result = read_whole(&*provider, &recording.body).unwrap();
        let message = serde_json::from_slice(&recording.body).unwrap();
        assert_is_the_message(&result, &message, path);
        if let Some(expected) = &recording.expected {
            assert_is_expected(&result, expected, path);
        }
        answers += 1;
    }
    assert!(answers > 180 && failures >= 2, "{answers}, {failures}");
}

#[test]
fn recorded_streams_are_read_the_same_however_they_are_cut() {
    let Some(recordings) = messages(Kind::Sse) else {
        return;
    };
    let provider = anthropic();
    assert!(recordings.len() > 30, "{}", recordings.len());
    let mut streams = 0;
    for recording in &recordings {
        let path = &recording.path;
        let all = streams_of(&recording.body);
        streams += all.len();
        for body in &all {
            let message = message_of(body);
            for chunks in cuts(body) {
                let result = read_stream(&*provider, &chunks).unwrap();
                assert_is_the_message(&result, &message, path);
                if let (Some(expected), 1) = (&recording.expected, all.len()) {
                    assert_is_expected(&result, expected, path);
                }
            }
        }
    }
    assert!(streams > 50, "{streams}");
}

/// Every cut of a long stream read from its start is a square of work, so the whole events before a
/// cut are read once, and only the rest anew. Reading the cut's last event again may repeat it, which
/// can't make an end of what is none.
#[test]
fn a_recorded_stream_without_its_end_is_an_error() {
    let Some(recordings) = messages(Kind::Sse) else {
        return;
    };
    let provider = anthropic();
    for recording in &recordings {
        for body in streams_of(&recording.body) {
            let end = end_of_mark(body);
            let mut stream = provider.chat().unwrap().stream(&ChatRequest::default());
            let mut fold = ChatFold::streaming();
            let mut whole = 0;
            for cut in (0..end).step_by(10).chain([end - 1]) {
                while let Some(length) = event_length(&body[whole..cut]) {
                    let mut decoder = SseDecoder::new(16 << 20);
                    let event = &body[whole..whole + length];
                    let sink = |event: SseEvent<'_>| stream.event(&event, &mut fold);
                    decoder.push(event, sink).unwrap();
                    whole += length;
                }
                let mut decoder = SseDecoder::new(16 << 20);
                let mut sink = |event: SseEvent<'_>| stream.event(&event, &mut fold);
                let outcome = decoder
                    .push(&body[whole..cut], &mut sink)
                    .and_then(|()| decoder.finish(&mut sink))
                    .and_then(|()| stream.end(&mut fold));
                assert_is_cut_off(outcome.err(), &recording.path, cut);
            }
        }
    }
}

#[test]
fn a_short_recorded_stream_read_from_its_start_without_its_end_is_an_error() {
    let Some(recordings) = messages(Kind::Sse) else {
        return;
    };
    let provider = anthropic();
    for recording in &recordings {
        for body in streams_of(&recording.body) {
            let end = end_of_mark(body);
            assert!(read_stream(&*provider, &[&body[..end]]).is_ok());
            let step = if body.len() < 4096 { 10 } else { end / 10 };
            for cut in (0..end).step_by(step).chain([end - 1]) {
                let outcome = read_stream(&*provider, &[&body[..cut]]);
                assert_is_cut_off(outcome.err(), &recording.path, cut);
            }
        }
    }
}

fn event_length(bytes: &[u8]) -> Option<usize> {
    let text = |mark: &[u8]| bytes.windows(mark.len()).position(|at| at == mark);
    let ends = [
        text(b"\n\n").map(|at| at + 2),
        text(b"\r\n\r\n").map(|at| at + 4),
    ];
    ends.into_iter().flatten().min()
}

fn assert_is_cut_off(error: Option<Error>, path: &str, cut: usize) {
    let error = error.unwrap_or_else(|| panic!("{path} cut off at {cut} is taken for an answer"));
    assert!(
        matches!(error.code(), Code::StreamInterrupted | Code::BadResponse),
        "{path} cut off at {cut}: {error}"
    );
}
