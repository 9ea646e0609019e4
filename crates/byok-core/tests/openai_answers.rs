//! What the answers, streams and in-band errors of OpenAI and the compatible providers become.
//! Fixtures: `fixtures/openai/`.

use std::sync::Arc;

use byok_core::capability::chat::{ChatEvent, ChatRequest, ChatResult, FinishReason, Part, Usage};
use byok_core::capability::fold::ChatFold;
use byok_core::error::{Code, Result};
use byok_core::provider::compatible::Compatible;
use byok_core::provider::{Provider, builtin};
use byok_core::sse::SseDecoder;
use serde_json::{Value, json};

const RESPONSES: &str = include_str!("fixtures/openai/responses.json");
const RESPONSES_STREAM: &str = include_str!("fixtures/openai/responses.sse");
const CHAT: &str = include_str!("fixtures/openai/chat.json");
const CHAT_STREAM: &str = include_str!("fixtures/openai/chat.sse");

/// `openai` is its Responses API, `openai-chat` its other one, `mine` an app's own server.
fn speaker(id: &str) -> (Arc<dyn Provider>, ChatRequest) {
    let mut request = ChatRequest::default();
    if id == "openai-chat" {
        request
            .provider_options
            .insert("api".into(), "chat-completions".into());
    }
    let own = Compatible::custom("mine".to_owned(), "http://localhost:1234/v1".to_owned());
    let mut all = builtin();
    all.push(Arc::new(own));
    let id = id.trim_end_matches("-chat");
    (
        all.into_iter()
            .find(|provider| provider.id() == id)
            .unwrap(),
        request,
    )
}

fn whole(id: &str, body: &str) -> Result<ChatResult> {
    let (provider, request) = speaker(id);
    let mut fold = ChatFold::whole();
    provider
        .chat()
        .unwrap()
        .response(&request, body.as_bytes(), &mut fold)?;
    Ok(fold.into_result(provider.id(), "asked-for", false))
}

fn stream(id: &str, body: &[u8], size: usize) -> Result<(ChatResult, Vec<ChatEvent>)> {
    let (provider, request) = speaker(id);
    let mut stream = provider.chat().unwrap().stream(&request);
    let mut fold = ChatFold::streaming();
    let mut decoder = SseDecoder::new(1 << 20);
    for chunk in body.chunks(size) {
        decoder.push(chunk, |event| stream.event(&event, &mut fold))?;
    }
    decoder.finish(|event| stream.event(&event, &mut fold))?;
    stream.end(&mut fold)?;
    let events = fold.take_events();
    Ok((fold.into_result(provider.id(), "asked-for", false), events))
}

/// A stream of these chunks, with `[DONE]` at its end when wanted.
fn chunks(chunks: &[Value], is_done: bool) -> Vec<u8> {
    let mut body: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    if is_done {
        body.push_str("data: [DONE]\n\n");
    }
    body.into_bytes()
}

fn delta(delta: Value, finish_reason: Value) -> Value {
    json!({ "id": "c", "model": "m", "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }] })
}

fn usage() -> Usage {
    Usage {
        input_tokens: 80,
        output_tokens: 40,
        total_tokens: 120,
        cached_input_tokens: Some(64),
        reasoning_tokens: Some(24),
    }
}

#[test]
fn a_response_has_its_items_in_order_with_what_the_next_turn_needs() {
    let result = whole("openai", RESPONSES).unwrap();
    assert_eq!(result.text, "Let me \"look\" – ☀");
    assert_eq!(
        result.reasoning.as_deref(),
        Some("First, the city.\n\nThen, the tool.")
    );
    assert_eq!(result.finish_reason, FinishReason::ToolCalls);
    assert_eq!(result.raw_finish_reason.as_deref(), Some("completed"));
    assert_eq!(result.usage, usage());
    assert_eq!(result.model, "gpt-5.4-mini-2026-03-17");
    assert_eq!(result.id.as_deref(), Some("resp_1"));
    assert_eq!(
        serde_json::to_value(&result.content).unwrap(),
        json!([
            { "type": "reasoning", "text": "First, the city.\n\nThen, the tool.",
              "signature": { "provider": "openai", "value": "gAAAAA==", "id": "rs_1" } },
            { "type": "text", "text": "Let me \"look\" – ☀",
              "signature": { "provider": "openai", "value": "commentary" } },
            { "type": "tool-call", "id": "call_1", "name": "weather", "arguments": { "city": "Paris" } }
        ])
    );
}

#[test]
fn the_content_of_a_result_is_the_next_turns_message() {
    let result = whole("openai", RESPONSES).unwrap();
    let mut request: ChatRequest = serde_json::from_value(json!({ "messages": [
        { "role": "user", "content": "The weather in Paris?" },
        { "role": "assistant", "content": result.content },
        { "role": "tool", "content": [{ "type": "tool-result", "id": "call_1", "result": "sunny" }] }
    ] }))
    .unwrap();
    request.prepare(&[]).unwrap();
    let (provider, _) = speaker("openai");
    let wire = provider
        .chat()
        .unwrap()
        .request(&request, "gpt-5.4-mini", false)
        .unwrap();
    let body: Value = serde_json::from_slice(wire.json_body()).unwrap();
    assert!(wire.warnings.is_empty());
    assert_eq!(
        body["input"],
        json!([
            { "role": "user", "content": "The weather in Paris?" },
            { "type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAAA==",
              "summary": [{ "type": "summary_text", "text": "First, the city.\n\nThen, the tool." }] },
            { "role": "assistant", "content": "Let me \"look\" – ☀", "phase": "commentary" },
            { "type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Paris\"}" },
            { "type": "function_call_output", "call_id": "call_1", "output": "sunny" }
        ])
    );
}

#[test]
fn a_stream_gives_the_same_result_as_the_whole_answer_however_it_is_cut() {
    for (id, body, streamed) in [
        ("openai", RESPONSES, RESPONSES_STREAM),
        ("openai-chat", CHAT, CHAT_STREAM),
    ] {
        let expected = whole(id, body).unwrap();
        for size in [1, 7, 64, streamed.len()] {
            let (result, _) = stream(id, streamed.as_bytes(), size).unwrap();
            assert_eq!(result, expected, "{id} in pieces of {size}");
        }
    }
}

#[test]
fn a_stream_hands_on_every_delta_as_it_comes() {
    let (_, events) = stream("openai", RESPONSES_STREAM.as_bytes(), 7).unwrap();
    let events = serde_json::to_value(events).unwrap();
    assert_eq!(
        events,
        json!([
            { "type": "reasoning-delta", "text": "First" },
            { "type": "reasoning-delta", "text": ", the city." },
            { "type": "reasoning-delta", "text": "\n\n" },
            { "type": "reasoning-delta", "text": "Then," },
            { "type": "reasoning-delta", "text": " the tool." },
            { "type": "text-delta", "text": "Let " },
            { "type": "text-delta", "text": "me \"loo" },
            { "type": "text-delta", "text": "k\" – ☀" },
            { "type": "tool-call-start", "id": "call_1", "name": "weather" },
            { "type": "tool-call-delta", "id": "call_1", "delta": "{\"city\":" },
            { "type": "tool-call-delta", "id": "call_1", "delta": "\"Paris\"}" },
            { "type": "tool-call", "id": "call_1", "name": "weather", "arguments": { "city": "Paris" } },
            { "type": "usage", "usage": { "inputTokens": 80, "outputTokens": 40, "totalTokens": 120,
              "cachedInputTokens": 64, "reasoningTokens": 24 } }
        ])
    );
}

#[test]
fn a_chat_completion_has_text_calls_and_usage_and_no_further_choices() {
    let result = whole("openai-chat", CHAT).unwrap();
    assert_eq!(result.text, "Let me \"look\" – ☀");
    assert_eq!(result.usage, usage());
    assert_eq!(result.finish_reason, FinishReason::ToolCalls);
    let calls: Vec<_> = result
        .tool_calls
        .iter()
        .map(|call| call.arguments.to_string())
        .collect();
    assert_eq!(calls, [r#"{"city":"Paris"}"#, "{}"]);
}

#[test]
fn every_stream_that_is_cut_off_before_its_end_mark_is_an_error() {
    let ends = [
        ("openai", RESPONSES_STREAM, RESPONSES_STREAM.len() - 2),
        ("openai-chat", CHAT_STREAM, CHAT_STREAM.len() - 2),
    ];
    for (id, body, end) in ends {
        for at in 0..end {
            let error = stream(id, &body.as_bytes()[..at], 1024).unwrap_err();
            let is_expected = matches!(error.code(), Code::StreamInterrupted | Code::BadResponse);
            assert!(is_expected, "{id} at {at}: {error}");
        }
        assert!(stream(id, &body.as_bytes()[..end], 1024).is_ok());
    }
}

#[test]
fn a_finish_reason_ends_the_stream_of_a_server_that_sends_no_end_mark() {
    let body = chunks(&[delta(json!({ "content": "Hi" }), json!("stop"))], false);
    for id in ["mine", "perplexity"] {
        assert_eq!(stream(id, &body, 9).unwrap().0.text, "Hi", "{id}");
    }
    for id in [
        "openai-chat",
        "groq",
        "deepseek",
        "openrouter",
        "mistral",
        "xai",
        "moonshot",
    ] {
        let error = stream(id, &body, 9).unwrap_err();
        assert_eq!(error.code(), Code::StreamInterrupted, "{id}");
        assert!(error.retryable());
    }
    let unfinished = chunks(&[delta(json!({ "content": "Hi" }), Value::Null)], false);
    assert_eq!(
        stream("mine", &unfinished, 9).unwrap_err().code(),
        Code::StreamInterrupted
    );
    let empty = stream("mine", b"", 9).unwrap_err();
    assert_eq!(empty.code(), Code::StreamInterrupted);
}

#[test]
fn an_end_mark_without_an_answer_is_an_error() {
    let error = stream("openai-chat", b"data: [DONE]\n\n", 9).unwrap_err();
    assert_eq!(error.code(), Code::BadResponse);
}

#[test]
fn refusals_are_text_and_a_content_filter() {
    let message = json!({ "role": "assistant", "content": null, "refusal": "I can't." });
    let chat = json!({ "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }] });
    let response = json!({ "id": "r", "status": "completed", "output": [{
        "type": "message", "content": [{ "type": "refusal", "refusal": "I can't." }] }] });
    let streamed = chunks(
        &[
            delta(json!({ "content": null, "refusal": "I " }), Value::Null),
            delta(json!({ "refusal": "can't." }), json!("stop")),
        ],
        true,
    );
    let event = |text| json!({ "type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": text });
    let done = json!({ "type": "response.completed", "response": { "status": "completed" } });
    let responses_streamed = chunks(&[event("I "), event("can't."), done], false);
    for result in [
        whole("openai-chat", &chat.to_string()).unwrap(),
        whole("openai", &response.to_string()).unwrap(),
        stream("openai-chat", &streamed, 5).unwrap().0,
        stream("openai", &responses_streamed, 5).unwrap().0,
    ] {
        assert_eq!(
            (result.text.as_str(), result.finish_reason),
            ("I can't.", FinishReason::ContentFilter)
        );
    }
}

#[test]
fn finish_reasons_keep_the_providers_word() {
    let read = |raw: &str| {
        let body = json!({ "choices": [{ "message": { "content": "x" }, "finish_reason": raw }] });
        let result = whole("mine", &body.to_string()).unwrap();
        assert_eq!(result.raw_finish_reason.as_deref(), Some(raw));
        result.finish_reason
    };
    assert_eq!(read("stop"), FinishReason::Stop);
    assert_eq!(read("length"), FinishReason::Length);
    assert_eq!(read("model_length"), FinishReason::Length);
    assert_eq!(read("content_filter"), FinishReason::ContentFilter);
    assert_eq!(read("insufficient_system_resource"), FinishReason::Error);
    assert_eq!(read("something_new"), FinishReason::Other);
    let incomplete = |reason: &str| {
        let body = json!({ "status": "incomplete", "output": [], "incomplete_details": { "reason": reason } });
        let result = whole("openai", &body.to_string()).unwrap();
        assert_eq!(result.raw_finish_reason.as_deref(), Some(reason));
        result.finish_reason
    };
    assert_eq!(incomplete("max_output_tokens"), FinishReason::Length);
    assert_eq!(incomplete("content_filter"), FinishReason::ContentFilter);
    assert_eq!(incomplete("steered"), FinishReason::Other);
}

#[test]
fn a_stream_that_ends_incomplete_is_an_answer_that_says_so() {
    let done = json!({ "type": "response.incomplete", "response": {
        "status": "incomplete", "incomplete_details": { "reason": "max_output_tokens" } } });
    let text = json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel" });
    let (result, _) = stream("openai", &chunks(&[text, done], false), 9).unwrap();
    assert_eq!(
        (result.text.as_str(), result.finish_reason),
        ("Hel", FinishReason::Length)
    );
}

#[test]
fn errors_inside_a_response_stream_have_their_own_codes() {
    let event = json!({ "type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": null });
    let nested = json!({ "type": "error", "error": { "type": "insufficient_quota", "code": "insufficient_quota", "message": "Spent" } });
    let failed = json!({ "type": "response.failed", "response": { "status": "failed",
        "error": { "code": "server_error", "message": "Oops" } } });
    let silent =
        json!({ "type": "response.failed", "response": { "status": "failed", "error": null } });
    for (event, code, word, retryable) in [
        (event, Code::ProviderRateLimited, "Slow down", true),
        (nested, Code::QuotaExceeded, "Spent", false),
        (failed, Code::ProviderUnavailable, "Oops", true),
        (silent, Code::ProviderError, "no reason", false),
    ] {
        let error = stream("openai", &chunks(&[event], false), 9).unwrap_err();
        assert_eq!((error.code(), error.retryable()), (code, retryable));
        assert!(error.message().contains(word), "{error}");
    }
    let whole_failure = json!({ "status": "failed", "output": [], "error": { "code": "invalid_prompt",
        "message": "flagged as violating our usage policy" } });
    assert_eq!(
        whole("openai", &whole_failure.to_string())
            .unwrap_err()
            .code(),
        Code::ContentFiltered
    );
}

#[test]
fn errors_inside_a_chat_stream_have_their_own_codes() {
    let hi = delta(json!({ "content": "Hi" }), Value::Null);
    let openrouter = json!({ "id": "gen-1", "error": { "code": 502, "message": "Upstream broke" },
        "choices": [{ "index": 0, "delta": { "content": "" }, "finish_reason": "error" }] });
    let in_choice = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "error",
        "error": { "code": 429, "message": "Slow down" } }] });
    let groq = json!({ "error": { "message": "Tool choice is required", "type": "invalid_request_error",
        "code": "tool_use_failed", "failed_generation": "no" } });
    for (id, event, code) in [
        ("openrouter", openrouter, Code::ProviderUnavailable),
        ("openrouter", in_choice, Code::ProviderRateLimited),
        ("groq", groq, Code::ProviderError),
    ] {
        let error = stream(id, &chunks(&[hi.clone(), event], true), 9).unwrap_err();
        assert_eq!(error.code(), code, "{id}: {error}");
    }
    let body = json!({ "error": { "code": 502, "message": "Upstream broke" } });
    let error = whole("openrouter", &body.to_string()).unwrap_err();
    assert_eq!(error.code(), Code::ProviderUnavailable);
}

#[test]
fn bodies_that_are_no_answer_are_errors_that_do_not_repeat_them() {
    for id in ["openai", "openai-chat", "mine"] {
        for body in [
            "",
            "<html>secret</html>",
            "{\"secret\":1}",
            "[]",
            "null",
            "{\"choices\":[]}",
        ] {
            let error = whole(id, body).unwrap_err();
            assert_eq!(error.code(), Code::BadResponse, "{id} {body}");
            assert!(!error.message().contains("secret"), "{error}");
        }
        let error = stream(id, b"data: {\"secret\": nonsense}\n\n", 9).unwrap_err();
        assert_eq!(error.code(), Code::BadResponse);
    }
}

#[test]
fn reasoning_is_found_under_every_name_and_signed_for_its_way_back() {
    let read = |id: &str, message: Value| {
        let body = json!({ "choices": [{ "message": message, "finish_reason": "stop" }] });
        let result = whole(id, &body.to_string()).unwrap();
        assert_eq!(
            (result.text.as_str(), result.reasoning.as_deref()),
            ("4", Some("2+2")),
            "{id}"
        );
        serde_json::to_value(&result.content[0]).unwrap()["signature"].clone()
    };
    let content = json!({ "content": "4", "reasoning_content": "2+2" });
    assert_eq!(
        read("deepseek", content.clone()),
        json!({ "provider": "deepseek" })
    );
    assert_eq!(read("xai", content), Value::Null);
    assert_eq!(
        read("groq", json!({ "content": "4", "reasoning": "2+2" })),
        Value::Null
    );
    let chunked = json!({ "content": [
        { "type": "thinking", "thinking": [{ "type": "text", "text": "2+" }, { "type": "text", "text": "2" }] },
        { "type": "text", "text": "4" }
    ] });
    assert_eq!(read("mistral", chunked), json!({ "provider": "mistral" }));
    let details = json!({ "content": "4", "reasoning": "2+2",
        "reasoning_details": [{ "type": "reasoning.encrypted", "data": "X", "index": 0 }] });
    assert_eq!(
        read("openrouter", details),
        json!({ "provider": "openrouter",
        "value": "[{\"type\":\"reasoning.encrypted\",\"data\":\"X\",\"index\":0}]" })
    );
}

#[test]
fn streamed_reasoning_of_every_kind_is_put_together() {
    let thinking = |text| json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": text }] }] });
    let mistral = [
        delta(thinking("2+"), Value::Null),
        delta(thinking("2"), Value::Null),
        delta(
            json!({ "content": [{ "type": "text", "text": "4" }] }),
            json!("stop"),
        ),
    ];
    let groq = [
        delta(json!({ "reasoning": "2+2", "content": null }), Value::Null),
        json!({ "choices": [{ "delta": { "content": "4" }, "finish_reason": "stop" }],
            "x_groq": { "id": "req", "usage": { "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7 } } }),
    ];
    for (id, body) in [
        ("mistral", chunks(&mistral, true)),
        ("groq", chunks(&groq, true)),
    ] {
        let (result, _) = stream(id, &body, 7).unwrap();
        assert_eq!(
            (result.text.as_str(), result.reasoning.as_deref()),
            ("4", Some("2+2")),
            "{id}"
        );
        assert!(
            matches!(
                result.content[..],
                [Part::Reasoning { .. }, Part::Text { .. }]
            ),
            "{id}"
        );
        assert_eq!(result.usage.total_tokens, if id == "groq" { 7 } else { 0 });
    }
}

#[test]
fn a_server_that_sends_items_without_deltas_is_understood() {
    let item = |index: u64, item: Value| json!({ "type": "response.output_item.done", "output_index": index, "item": item });
    let body = chunks(
        &[
            item(
                0,
                json!({ "type": "reasoning", "id": "rs", "summary": [], "content": [{ "type": "reasoning_text", "text": "hm" }] }),
            ),
            item(
                1,
                json!({ "type": "message", "content": [{ "type": "output_text", "text": "Hi" }] }),
            ),
            item(
                2,
                json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" }),
            ),
            json!({ "type": "response.completed", "response": { "id": "r", "model": "m", "status": "completed" } }),
        ],
        false,
    );
    let (result, events) = stream("openai", &body, 11).unwrap();
    assert_eq!(
        (result.text.as_str(), result.reasoning.as_deref()),
        ("Hi", Some("hm"))
    );
    assert_eq!(result.tool_calls.len(), 1);
    assert_eq!(events.len(), 4);
}

#[test]
fn a_call_before_a_stop_is_still_a_tool_call() {
    let call = json!({ "tool_calls": [{ "function": { "name": "f", "arguments": "{}" } }] });
    let body = chunks(
        &[delta(call, Value::Null), delta(json!({}), json!("stop"))],
        true,
    );
    let (result, _) = stream("mine", &body, 9).unwrap();
    assert_eq!(result.finish_reason, FinishReason::ToolCalls);
    assert_eq!(result.tool_calls[0].id, "call_0_c");
}
