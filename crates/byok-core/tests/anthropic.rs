//! The Anthropic provider through its public face: request bodies by feature (a fixture each), whole
//! answers, and streams in pieces.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use byok_core::capability::Capability;
use byok_core::capability::chat::{ChatEvent, ChatRequest, ChatResult, FinishReason, Usage};
use byok_core::capability::fold::ChatFold;
use byok_core::error::{Code, Error, Result};
use byok_core::provider::{Provider, WireRequest, builtin};
use byok_core::sse::SseDecoder;
use serde_json::{Value, json};

fn anthropic() -> Arc<dyn Provider> {
    let all = builtin();
    all.into_iter().find(|one| one.id() == "anthropic").unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/anthropic")
        .join(name)
}

fn write(request: &Value, model: &str, stream: bool) -> Result<WireRequest> {
    let mut request: ChatRequest = serde_json::from_value(request.clone()).unwrap();
    request.prepare(&[])?;
    let provider = anthropic();
    provider.chat().unwrap().request(&request, model, stream)
}

fn refusal(content: Value) -> Error {
    let request = json!({ "messages": content });
    let error = write(&request, "claude-sonnet-5", false).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    error
}

fn read_whole(body: &[u8]) -> Result<ChatResult> {
    let mut fold = ChatFold::whole();
    let provider = anthropic();
    let chat = provider.chat().unwrap();
    chat.response(&ChatRequest::default(), body, &mut fold)?;
    Ok(fold.into_result("anthropic", "asked-for", false))
}

/// The outcome and the events before it.
fn read_stream(body: &[u8], chunk_size: usize) -> (Result<ChatResult>, Vec<ChatEvent>) {
    let provider = anthropic();
    let mut stream = provider.chat().unwrap().stream(&ChatRequest::default());
    let mut fold = ChatFold::streaming();
    let mut decoder = SseDecoder::new(1 << 20);
    let mut outcome = Ok(());
    for chunk in body.chunks(chunk_size) {
        outcome =
            outcome.and_then(|()| decoder.push(chunk, |event| stream.event(&event, &mut fold)));
    }
    let outcome = outcome
        .and_then(|()| decoder.finish(|event| stream.event(&event, &mut fold)))
        .and_then(|()| stream.end(&mut fold));
    let events = fold.take_events();
    let result = outcome.map(|()| fold.into_result("anthropic", "asked-for", false));
    (result, events)
}

fn stream_fixture(name: &str) -> Vec<u8> {
    fs::read(fixture("streams").join(name)).unwrap()
}

#[test]
fn requests_are_written_as_their_fixtures_say() {
    let mut count = 0;
    for entry in fs::read_dir(fixture("requests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let case: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let model = case["model"].as_str().unwrap_or("claude-sonnet-5");
        let stream = case["stream"] == true;
        let wire = write(&case["request"], model, stream).unwrap();
        let body: Value = serde_json::from_slice(wire.json_body()).unwrap();
        assert_eq!(body, case["body"], "{name}");
        let warned: Vec<&str> = wire.warnings.iter().map(|one| &one.option[..]).collect();
        assert_eq!(json!(warned), case["warnings"], "{name}");
        let headers: Value = wire
            .headers
            .iter()
            .map(|(name, value)| (name.clone().into_owned(), json!(value)))
            .collect();
        let expected = case.get("headers").cloned().unwrap_or(json!({}));
        assert_eq!(headers, expected, "{name}");
        assert_eq!(wire.path, "/v1/messages");
        count += 1;
    }
    assert!(count > 25, "{count}");
}

#[test]
fn what_the_answer_would_be_wrong_without_is_refused_and_named() {
    let audio = json!({ "type": "audio", "data": "SUQz" });
    let error = refusal(json!([{ "role": "user", "content": [audio] }]));
    assert!(
        error
            .message()
            .starts_with("messages[0].content[0]: Anthropic takes no audio")
    );
    let zip = json!({ "type": "file", "data": "AAAA", "mediaType": "application/zip" });
    let error = refusal(json!([{ "role": "user", "content": [zip] }]));
    assert!(error.message().contains("not application/zip"));
    let latin1 = json!({ "type": "file", "data": "6Q==", "mediaType": "text/plain" });
    let error = refusal(json!([{ "role": "user", "content": [latin1] }]));
    assert!(error.message().contains("UTF-8"));
    let call = json!({ "type": "tool-call", "id": "a", "name": "f", "arguments": {} });
    let error = refusal(json!([{ "role": "user", "content": [call] }]));
    assert!(
        error
            .message()
            .contains("a tool call can't be in a message of role user")
    );
    let result = json!({ "type": "tool-result", "id": "a", "result": 1 });
    let error = refusal(json!([{ "role": "assistant", "content": [result] }]));
    assert!(
        error
            .message()
            .contains("a tool result can't be in a message of role assistant")
    );
    let image = json!({ "type": "image", "image": "R0lGODlh" });
    let error = refusal(json!([{ "role": "system", "content": [image] }]));
    assert!(error.message().contains("anything but text"));
    let error = refusal(json!([{ "role": "system", "content": "alone" }]));
    assert!(
        error
            .message()
            .starts_with("messages: there is nothing to send")
    );
}

#[test]
fn a_whole_answer_and_a_streamed_one_come_to_the_same() {
    let whole = fs::read(fixture("answers/thinking-text-tools.json")).unwrap();
    let whole = read_whole(&whole).unwrap();
    assert_eq!(whole.text, "Héllo \"you\"\n🌍");
    assert_eq!(whole.reasoning.as_deref(), Some("Let me see."));
    assert_eq!(whole.finish_reason, FinishReason::ToolCalls);
    assert_eq!(whole.raw_finish_reason.as_deref(), Some("tool_use"));
    assert_eq!(whole.model, "claude-sonnet-5");
    assert_eq!(whole.id.as_deref(), Some("msg_1"));
    let usage = Usage {
        input_tokens: 17,
        output_tokens: 44,
        total_tokens: 61,
        cached_input_tokens: Some(5),
        reasoning_tokens: Some(12),
    };
    assert_eq!(whole.usage, usage);
    assert_eq!(
        serde_json::to_value(&whole.content).unwrap(),
        json!([
            { "type": "reasoning", "text": "Let me see.",
              "signature": { "provider": "anthropic", "value": "sig==" } },
            { "type": "reasoning", "text": "",
              "signature": { "provider": "anthropic", "value": "opaque", "redacted": true } },
            { "type": "text", "text": "Héllo \"you\"\n🌍" },
            { "type": "tool-call", "id": "toolu_1", "name": "weather",
              "arguments": { "city": "Paris" } },
            { "type": "tool-call", "id": "toolu_2", "name": "now", "arguments": {} },
            { "type": "tool-call", "id": "toolu_3", "name": "roll", "arguments": { "sides": 6 } },
        ])
    );
    let body = stream_fixture("thinking-text-tools.sse");
    for chunk_size in [1, 7, body.len()] {
        let (streamed, _) = read_stream(&body, chunk_size);
        assert_eq!(streamed.unwrap(), whole, "chunks of {chunk_size}");
    }
}

#[test]
fn an_answer_goes_back_as_the_next_turn_in_order() {
    let body = fs::read(fixture("answers/thinking-text-tools.json")).unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let content = serde_json::to_value(read_whole(&body).unwrap().content).unwrap();
    let result = |id| json!({ "type": "tool-result", "id": id, "result": "ok" });
    let request = json!({ "messages": [
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": content },
        { "role": "tool", "content": [result("toolu_1"), result("toolu_2"), result("toolu_3")] },
    ] });
    let wire = write(&request, "claude-sonnet-5", false).unwrap();
    let sent: Value = serde_json::from_slice(wire.json_body()).unwrap();
    let mut expected = answer["content"].clone();
    expected[2].as_object_mut().unwrap().remove("citations");
    assert_eq!(sent["messages"][1]["content"], expected);
    assert!(wire.warnings.is_empty());
}

#[test]
fn a_stream_hands_on_every_delta() {
    let (_, events) = read_stream(&stream_fixture("thinking-text-tools.sse"), 7);
    let events = serde_json::to_value(&events).unwrap();
    let usage = |output: u64| {
        json!({
            "inputTokens": 17, "outputTokens": output, "totalTokens": 17 + output, "cachedInputTokens": 5,
        })
    };
    let mut last = usage(44);
    last["reasoningTokens"] = json!(12);
    let expected = json!([
        { "type": "usage", "usage": usage(1) },
        { "type": "reasoning-delta", "text": "Let me " },
        { "type": "reasoning-delta", "text": "see." },
        { "type": "text-delta", "text": "Héllo \"you\"" },
        { "type": "text-delta", "text": "\n🌍" },
        { "type": "tool-call-start", "id": "toolu_1", "name": "weather" },
        { "type": "tool-call-delta", "id": "toolu_1", "delta": "{\"city\": \"Pa" },
        { "type": "tool-call-delta", "id": "toolu_1", "delta": "ris\"}" },
        { "type": "tool-call", "id": "toolu_1", "name": "weather", "arguments": { "city": "Paris" } },
        { "type": "tool-call-start", "id": "toolu_2", "name": "now" },
        { "type": "tool-call", "id": "toolu_2", "name": "now", "arguments": {} },
        { "type": "tool-call-start", "id": "toolu_3", "name": "roll" },
        { "type": "tool-call", "id": "toolu_3", "name": "roll", "arguments": { "sides": 6 } },
        { "type": "usage", "usage": last },
    ]);
    assert_eq!(events, expected);
}

#[test]
fn server_tools_and_what_is_not_known_yet_are_no_calls_and_no_errors() {
    let whole = fs::read(fixture("answers/server-tools.json")).unwrap();
    let (streamed, _) = read_stream(&stream_fixture("server-tools.sse"), 1);
    for result in [read_whole(&whole).unwrap(), streamed.unwrap()] {
        assert_eq!(result.text, "Found.");
        assert_eq!(result.tool_calls, []);
        assert_eq!(result.content.len(), 1);
        assert_eq!(result.finish_reason, FinishReason::Stop);
    }
}

#[test]
fn input_tokens_that_a_stream_counts_again_at_its_end_replace_the_first() {
    let (result, _) = read_stream(&stream_fixture("server-tools.sse"), 64);
    assert_eq!(result.unwrap().usage.input_tokens, 30);
}

#[test]
fn every_stop_reason_has_its_finish_reason() {
    let cases = [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Other),
        ("reason_of_tomorrow", FinishReason::Other),
    ];
    for (word, reason) in cases {
        let body = json!({ "type": "message", "content": [], "stop_reason": word });
        let result = read_whole(body.to_string().as_bytes()).unwrap();
        assert_eq!(result.finish_reason, reason, "{word}");
        assert_eq!(result.raw_finish_reason.as_deref(), Some(word));
    }
    let (paused, _) = read_stream(&stream_fixture("pause.sse"), 5);
    assert_eq!(
        paused.unwrap().raw_finish_reason.as_deref(),
        Some("pause_turn")
    );
}

#[test]
fn an_error_event_is_the_streams_error() {
    for chunk_size in [1, 7, 4096] {
        let (outcome, events) = read_stream(&stream_fixture("overloaded.sse"), chunk_size);
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), Code::ProviderUnavailable);
        assert_eq!(error.request_id(), Some("req_1"));
        assert_eq!(events.len(), 2, "what came before is handed on");
    }
    let (outcome, _) = read_stream(&stream_fixture("rate-limited.sse"), 7);
    assert_eq!(outcome.unwrap_err().code(), Code::ProviderRateLimited);
}

#[test]
fn a_stream_without_its_end_mark_is_an_error_wherever_it_is_cut() {
    for name in ["thinking-text-tools.sse", "server-tools.sse", "pause.sse"] {
        let body = stream_fixture(name);
        let end = body.len() - "\n\n".len();
        for cut in 0..end {
            let (outcome, _) = read_stream(&body[..cut], usize::MAX);
            assert!(outcome.is_err(), "{name} cut off at {cut}");
        }
        assert!(read_stream(&body[..end], usize::MAX).0.is_ok());
    }
}

#[test]
fn what_is_no_message_is_a_bad_response() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"choices":[]}"#,
        r#"{"content":"x"}"#,
    ] {
        let error = read_whole(body.as_bytes()).unwrap_err();
        assert_eq!(error.code(), Code::BadResponse, "{body}");
    }
    for data in [
        "[DONE]",
        "{\"type\":",
        "{}x",
        r#"{"type":"message_delta","usage":7}"#,
    ] {
        let (outcome, _) = read_stream(format!("data: {data}\n\n").as_bytes(), 3);
        assert_eq!(outcome.unwrap_err().code(), Code::BadResponse, "{data}");
    }
}

#[test]
fn an_error_under_status_200_is_typed_as_under_any_other() {
    let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let error = read_whole(body).unwrap_err();
    assert_eq!(error.code(), Code::ProviderUnavailable);
    assert!(error.message().ends_with("Overloaded"));
}

#[test]
fn the_service_is_described() {
    let provider = anthropic();
    assert_eq!(provider.base_url(), "https://api.anthropic.com");
    assert_eq!(provider.verify().path, "/v1/models?limit=1");
    assert_eq!(provider.credential(&Default::default()).name, "x-api-key");
    assert_eq!(provider.credential(&Default::default()).prefix, "");
    assert_eq!(provider.headers(), [("anthropic-version", "2023-06-01")]);
    assert!(provider.recognizes("sk-ant-api03-abc") && !provider.recognizes("sk-proj-abc"));
    assert!(provider.default_model(Capability::Chat).is_some());
    assert_eq!(provider.default_model(Capability::Embeddings), None);
    assert!(provider.supports(Capability::Chat) && !provider.supports(Capability::TextToSpeech));
}
