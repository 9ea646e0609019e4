//! The OpenAI protocol over a real connection.

use crate::support::{Answer, End, Server};
use serde_json::{Value, json};

const CHAT: &str = "/openai/v1/chat/completions";
const RESPONSES: &str = "/openai/v1/responses";

fn chat(prompt: &str, extra: Value) -> Value {
    let mut body =
        json!({ "model": "gpt-5.4", "messages": [{ "role": "user", "content": prompt }] });
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    body
}

fn response(prompt: &str, extra: Value) -> Value {
    let mut body = json!({ "model": "gpt-5.4", "input": prompt });
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    body
}

fn deltas(answer: &Answer, pointer: &str) -> String {
    let events = answer.events();
    events
        .iter()
        .filter_map(|event| event.pointer(pointer)?.as_str())
        .collect()
}

#[test]
fn chat_answers_whole_and_streams_the_same_text_word_by_word() {
    let server = Server::start();
    let whole = server.openai(CHAT, &chat("Capital of France?", json!({})));
    assert_eq!(whole.status, 200);
    assert!(whole.header("x-request-id").unwrap().starts_with("req_"));
    let text = whole.json()["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        text,
        "Paris. (This is the byok-ai practice provider, not a model.)"
    );

    let options = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let stream = server.openai(CHAT, &chat("Capital of France?", options));
    assert_eq!(
        stream.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(deltas(&stream, "/choices/0/delta/content"), text);
    assert!(stream.text().ends_with("data: [DONE]\n\n"));
    let events = stream.events();
    let last = events.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(
        last["usage"]["total_tokens"],
        whole.json()["usage"]["total_tokens"]
    );
    assert_eq!(events[0]["usage"], Value::Null);
    assert_eq!(stream.chunks.len(), events.len() + 1);
}

#[test]
fn a_chat_stream_without_include_usage_carries_none() {
    let stream = Server::start().openai(CHAT, &chat("Hello", json!({ "stream": true })));
    assert!(
        stream
            .events()
            .iter()
            .all(|event| event.get("usage").is_none())
    );
}

#[test]
fn responses_number_their_events_and_end_with_the_whole_response() {
    let extra = json!({ "stream": true, "include": ["reasoning.encrypted_content"],
        "reasoning": { "effort": "low", "summary": "auto" } });
    let stream = Server::start().openai(RESPONSES, &response("Hello", extra));
    let events = stream.events();
    let numbers: Vec<u64> = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    let mut types: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    types.dedup();
    assert_eq!(
        types,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let output = &events.last().unwrap()["response"]["output"];
    assert!(
        output[0]["encrypted_content"]
            .as_str()
            .unwrap()
            .starts_with("gAAAA")
    );
    let text = output[1]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("You said: Hello"));
    let usage = &events.last().unwrap()["response"]["usage"];
    assert!(
        usage["output_tokens_details"]["reasoning_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[test]
fn reasoning_that_this_server_did_not_encrypt_is_refused() {
    let input = json!([{ "type": "reasoning", "id": "rs_1", "summary": [],
        "encrypted_content": "forged" }, { "role": "user", "content": "Hello" }]);
    let answer = Server::start().openai(RESPONSES, &json!({ "model": "m", "input": input }));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["code"], "invalid_encrypted_content");
}

#[test]
fn tools_are_called_and_their_results_used_in_both_apis() {
    let server = Server::start();
    let parameters = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let nested = json!([{ "type": "function",
        "function": { "name": "get_weather", "parameters": parameters } }]);
    let call = server
        .openai(CHAT, &chat("Weather?", json!({ "tools": nested })))
        .json();
    let message = &call["choices"][0]["message"];
    assert_eq!(call["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        message["tool_calls"][0]["function"]["arguments"],
        "{\"city\":\"Paris\"}"
    );
    let stream = server.openai(
        CHAT,
        &chat("Weather?", json!({ "tools": nested, "stream": true })),
    );
    let arguments = deltas(&stream, "/choices/0/delta/tool_calls/0/function/arguments");
    assert_eq!(arguments, "{\"city\":\"Paris\"}");
    let messages = json!([{ "role": "user", "content": "Weather?" }, message,
        { "role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "21 C" }]);
    let used = server.openai(
        CHAT,
        &json!({ "model": "m", "messages": messages, "tools": nested }),
    );
    let text = used.json()["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text.starts_with("The tool answered: 21 C"), "{text}");

    let flat = json!([{ "type": "function", "name": "get_weather", "parameters": parameters }]);
    let stream = server.openai(
        RESPONSES,
        &response("Use the tool", json!({ "tools": flat, "stream": true })),
    );
    assert_eq!(deltas(&stream, "/delta"), "{\"city\":\"Paris\"}");
    let input = json!([{ "type": "function_call", "call_id": "call_1", "name": "get_weather",
        "arguments": "{}" },
        { "type": "function_call_output", "call_id": "call_1", "output": "22 C" }]);
    let used = server.openai(
        RESPONSES,
        &json!({ "model": "m", "input": input, "tools": flat }),
    );
    let text = used.json()["output"][0]["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text.starts_with("The tool answered: 22 C"), "{text}");
}

#[test]
fn structured_output_satisfies_its_schema() {
    let server = Server::start();
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer",
        "minimum": 5 } }, "required": ["n"], "additionalProperties": false });
    let format = json!({ "response_format": { "type": "json_schema",
        "json_schema": { "name": "a", "schema": schema, "strict": true } } });
    let whole = server.openai(CHAT, &chat("x", format)).json();
    assert_eq!(whole["choices"][0]["message"]["content"], "{\"n\":5}");
    let format = json!({ "text": { "format":
        { "type": "json_schema", "name": "a", "schema": schema } } });
    let whole = server.openai(RESPONSES, &response("x", format)).json();
    assert_eq!(whole["output"][0]["content"][0]["text"], "{\"n\":5}");
}

#[test]
fn a_token_limit_ends_the_answer_early_and_says_so() {
    let server = Server::start();
    let limited = server
        .openai(CHAT, &chat("Hi", json!({ "max_completion_tokens": 2 })))
        .json();
    assert_eq!(limited["choices"][0]["finish_reason"], "length");
    let extra = json!({ "max_output_tokens": 2, "stream": true });
    let events = server.openai(RESPONSES, &response("Hi", extra)).events();
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(
        last["response"]["incomplete_details"]["reason"],
        "max_output_tokens"
    );
}

#[test]
fn each_kind_of_key_gets_the_answer_that_openai_gives() {
    let server = Server::with(&["--key", "my-own-key"]);
    let models = |key: &str| {
        let bearer = format!("Bearer {key}");
        server
            .send(
                "GET",
                "/openai/v1/models",
                &[("authorization", &bearer)],
                "",
            )
            .answer()
    };
    let own = models("my-own-key");
    assert_eq!(own.status, 200);
    assert_eq!(own.json()["object"], "list");
    let unknown = models("invalid-key");
    assert_eq!(unknown.status, 401);
    assert_eq!(unknown.json()["error"]["code"], "invalid_api_key");
    let message = unknown.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.starts_with("Incorrect API key provided: invalid-key."),
        "{message}"
    );
    assert_eq!(models(server.key("anthropicKey")).status, 401);
    assert_eq!(models("sk-noperm-x").status, 403);
    let quota = models("sk-quota-x");
    assert_eq!(
        (quota.status, &quota.json()["error"]["code"]),
        (429, &json!("insufficient_quota"))
    );
    let limited = models("sk-ratelimited-x");
    assert_eq!(limited.header("retry-after"), Some("1"));
    assert_eq!(limited.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(models("sk-down-x").status, 503);
    assert_eq!(server.get("/openai/v1/models").status, 401);
}

#[test]
fn wrong_requests_get_openais_own_errors() {
    let server = Server::start();
    let code = |answer: Answer| {
        let code = answer.json()["error"]["code"].clone();
        (answer.status, code.as_str().unwrap_or("").to_owned())
    };
    let no_model = chat("x", json!({ "model": "no-such-model" }));
    assert_eq!(
        code(server.openai(CHAT, &no_model)),
        (404, "model_not_found".to_owned())
    );
    let no_model = response("x", json!({ "model": "no-such-model" }));
    assert_eq!(
        code(server.openai(RESPONSES, &no_model)),
        (400, "model_not_found".to_owned())
    );
    let old = chat("x", json!({ "max_tokens": 5 }));
    assert_eq!(
        code(server.openai(CHAT, &old)),
        (400, "unsupported_parameter".to_owned())
    );
    let unknown = response("x", json!({ "temprature": 1 }));
    assert_eq!(
        code(server.openai(RESPONSES, &unknown)),
        (400, "unknown_parameter".to_owned())
    );
    assert_eq!(server.openai("/openai/v1/nothing", &json!({})).status, 404);
    let bearer = format!("Bearer {}", server.key("openaiKey"));
    let broken = server
        .send("POST", CHAT, &[("authorization", &bearer)], "{")
        .answer();
    assert_eq!((broken.status, broken.end), (400, End::Whole));
}
