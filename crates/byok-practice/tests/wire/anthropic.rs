//! The Anthropic protocol over a real connection.

use crate::support::Server;
use serde_json::{Value, json};

const MESSAGES: &str = "/anthropic/v1/messages";

fn message(prompt: &str, extra: Value) -> Value {
    let mut body = json!({ "model": "claude-sonnet-5", "max_tokens": 100,
        "messages": [{ "role": "user", "content": prompt }] });
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    body
}

#[test]
fn a_stream_tells_the_same_message_from_start_to_stop() {
    let server = Server::start();
    let whole = server
        .anthropic(MESSAGES, &message("Capital of France?", json!({})))
        .json();
    let stream = server.anthropic(
        MESSAGES,
        &message("Capital of France?", json!({ "stream": true })),
    );
    let events = stream.events();
    let mut types: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    types.dedup();
    assert_eq!(
        types,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert!(
        stream
            .text()
            .starts_with("event: message_start\ndata: {\"type\":\"message_start\"")
    );
    let text: String = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(text, whole["content"][0]["text"].as_str().unwrap());
    assert!(text.starts_with("Paris."));
    let end = &events[events.len() - 2];
    assert_eq!(end["delta"]["stop_reason"], "end_turn");
    assert_eq!(
        end["usage"]["output_tokens"],
        whole["usage"]["output_tokens"]
    );
}

#[test]
fn thinking_comes_back_signed_and_forged_signatures_are_refused() {
    let server = Server::start();
    let thinking = json!({ "thinking": { "type": "adaptive", "display": "summarized" } });
    let content = server
        .anthropic(MESSAGES, &message("Hello", thinking))
        .json()["content"]
        .clone();
    assert_eq!(content[0]["type"], "thinking");
    assert_ne!(content[0]["thinking"], "");
    let next = |content: &Value| {
        let messages = json!([{ "role": "user", "content": "Hello" },
            { "role": "assistant", "content": content }, { "role": "user", "content": "More" }]);
        server
            .anthropic(MESSAGES, &message("", json!({ "messages": messages })))
            .status
    };
    assert_eq!(next(&content), 200);
    let mut forged = content;
    forged[0]["signature"] = "forged".into();
    assert_eq!(next(&forged), 400);
    let omitted = json!({ "thinking": { "type": "adaptive" }, "stream": true });
    let stream = server.anthropic(MESSAGES, &message("Hello", omitted));
    assert!(!stream.text().contains("thinking_delta"));
    assert!(stream.text().contains("signature_delta"));
}

#[test]
fn tools_are_called_two_at_once_and_their_results_used() {
    let server = Server::start();
    let tools = json!([
        { "name": "get_weather", "input_schema": { "type": "object",
            "properties": { "city": { "type": "string" } } } },
        { "name": "get_time", "input_schema": { "type": "object", "properties": {} } }]);
    let extra = json!({ "tools": tools, "stream": true });
    let events = server
        .anthropic(MESSAGES, &message("Weather, both", extra))
        .events();
    let input = |index: u64| -> String {
        let own = events.iter().filter(|event| event["index"] == index);
        own.filter_map(|event| event["delta"]["partial_json"].as_str())
            .collect()
    };
    assert_eq!(
        (input(0).as_str(), input(1).as_str()),
        ("{\"city\":\"Paris\"}", "")
    );
    let off = json!({ "tools": tools, "tool_choice": { "type": "none" } });
    let answer = server.anthropic(MESSAGES, &message("Weather", off)).json();
    assert_eq!(answer["stop_reason"], "end_turn");
    let result = json!([{ "role": "user", "content": [{ "type": "tool_result",
        "tool_use_id": "toolu_1", "content": [{ "type": "text", "text": "21 C" }] }] }]);
    let used = server
        .anthropic(MESSAGES, &message("", json!({ "messages": result })))
        .json();
    assert!(
        used["content"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("The tool answered: 21 C")
    );
}

#[test]
fn structured_output_stop_sequences_and_limits_work() {
    let server = Server::start();
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    let format = json!({ "output_config": { "format": { "type": "json_schema",
        "schema": schema } } });
    let answer = server.anthropic(MESSAGES, &message("x", format)).json();
    assert_eq!(answer["content"][0]["text"], "{\"n\":1}");
    let stop = json!({ "stop_sequences": ["said"] });
    let answer = server.anthropic(MESSAGES, &message("x", stop)).json();
    assert_eq!(
        (&answer["stop_reason"], &answer["stop_sequence"]),
        (&json!("stop_sequence"), &json!("said"))
    );
    let answer = server
        .anthropic(MESSAGES, &message("x", json!({ "max_tokens": 1 })))
        .json();
    assert_eq!(answer["stop_reason"], "max_tokens");
}

#[test]
fn what_anthropic_requires_is_required() {
    let server = Server::start();
    for field in ["model", "max_tokens", "messages"] {
        let mut body = message("Hello", json!({}));
        body.as_object_mut().unwrap().remove(field);
        let answer = server.anthropic(MESSAGES, &body);
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.json()["error"]["message"],
            format!("{field}: Field required")
        );
    }
    let body = message("Hello", json!({})).to_string();
    let key = [("x-api-key", server.key("anthropicKey"))];
    let answer = server.send("POST", MESSAGES, &key, &body).answer();
    assert_eq!(
        answer.json()["error"]["message"],
        "anthropic-version: header is required"
    );
    let answer = server.anthropic(MESSAGES, &message("x", json!({ "prompt": "x" })));
    assert_eq!(
        answer.json()["error"]["message"],
        "prompt: Extra inputs are not permitted"
    );
    let answer = server.anthropic(MESSAGES, &message("x", json!({ "model": "no-such-model" })));
    assert_eq!(
        (answer.status, &answer.json()["error"]["type"]),
        (404, &json!("not_found_error"))
    );
}

#[test]
fn each_kind_of_key_gets_the_answer_that_anthropic_gives() {
    let server = Server::start();
    let expected = [
        ("sk-wrong", 401, "authentication_error"),
        ("sk-noperm-x", 403, "permission_error"),
        ("sk-quota-x", 402, "billing_error"),
        ("sk-ratelimited-x", 429, "rate_limit_error"),
        ("sk-down-x", 503, "api_error"),
    ];
    for (key, status, kind) in expected {
        let headers = [("x-api-key", key), ("anthropic-version", "2023-06-01")];
        let answer = server
            .send("GET", "/anthropic/v1/models", &headers, "")
            .answer();
        assert_eq!(
            (answer.status, &answer.json()["error"]["type"]),
            (status, &json!(kind))
        );
        assert_eq!(
            answer.header("request-id"),
            answer.json()["request_id"].as_str()
        );
    }
    let bearer = format!("Bearer {}", server.key("anthropicKey"));
    let headers = [
        ("authorization", bearer.as_str()),
        ("anthropic-version", "2026-10-21"),
    ];
    let page = server
        .send("GET", "/anthropic/v1/models?limit=2", &headers, "")
        .answer()
        .json();
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["has_more"]),
        (2, &json!(true))
    );
}
