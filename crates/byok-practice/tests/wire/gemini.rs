//! The Gemini protocol over a real connection.

use crate::support::Server;
use serde_json::{Value, json};

const MODEL: &str = "/gemini/v1beta/models/gemini-3.6-flash";

fn content(prompt: &str, extra: Value) -> Value {
    let mut body = json!({ "contents": [{ "role": "user", "parts": [{ "text": prompt }] }] });
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    body
}

fn texts(responses: &[Value], thought: bool) -> String {
    let parts = responses.iter().flat_map(|response| {
        response["candidates"][0]["content"]["parts"]
            .as_array()
            .unwrap()
            .clone()
    });
    let parts = parts.filter(|part| (part["thought"] == true) == thought);
    parts
        .map(|part| part["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn events_the_json_array_and_the_whole_answer_say_the_same() {
    let server = Server::start();
    let body = content(
        "Capital of France?",
        json!({ "generationConfig": {
        "thinkingConfig": { "includeThoughts": true, "thinkingLevel": "LOW" } } }),
    );
    let whole = server
        .gemini(&format!("{MODEL}:generateContent"), &body)
        .json();
    let events = server.gemini(&format!("{MODEL}:streamGenerateContent?alt=sse"), &body);
    assert!(events.text().ends_with("}\r\n\r\n"));
    let events = events.events();
    let array = server
        .gemini(&format!("{MODEL}:streamGenerateContent"), &body)
        .json();
    let whole = [whole];
    for responses in [&events[..], array.as_array().unwrap(), &whole] {
        assert!(texts(responses, false).starts_with("Paris. (This is the byok-ai practice"));
        assert!(!texts(responses, true).is_empty());
        let last = responses.last().unwrap();
        assert_eq!(last["candidates"][0]["finishReason"], "STOP");
        assert_eq!(last["usageMetadata"], whole[0]["usageMetadata"]);
    }
    let usage = &whole[0]["usageMetadata"];
    let sum: u64 = [
        "promptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
    ]
    .iter()
    .map(|name| usage[name].as_u64().unwrap())
    .sum();
    assert_eq!(usage["totalTokenCount"], sum);
}

#[test]
fn function_calls_carry_a_signature_that_must_come_back() {
    let server = Server::start();
    let path = format!("{MODEL}:generateContent");
    let tools = json!({ "tools": [{ "functionDeclarations": [{ "name": "get_weather",
        "parametersJsonSchema": { "type": "object",
            "properties": { "city": { "type": "string" } } } }] }] });
    let call = server.gemini(&path, &content("Weather?", tools)).json();
    let mut turn = call["candidates"][0]["content"].clone();
    assert_eq!(
        turn["parts"][0]["functionCall"]["args"],
        json!({ "city": "Paris" })
    );
    let next = |turn: &Value| {
        let contents = json!([{ "role": "user", "parts": [{ "text": "Weather?" }] }, turn,
            { "role": "user", "parts": [{ "functionResponse": { "name": "get_weather",
                "response": { "output": "21 C" } } }] }]);
        server.gemini(&path, &json!({ "contents": contents }))
    };
    let used = next(&turn).json();
    assert!(texts(&[used], false).contains("21 C"));
    turn["parts"][0]
        .as_object_mut()
        .unwrap()
        .remove("thoughtSignature");
    assert_eq!(next(&turn).status, 400);
}

#[test]
fn json_output_satisfies_either_kind_of_schema() {
    let server = Server::start();
    let path = format!("{MODEL}:generateContent");
    let schemas = [
        (
            "responseJsonSchema",
            json!({ "type": "object",
            "properties": { "n": { "type": "integer" } } }),
        ),
        (
            "responseSchema",
            json!({ "type": "OBJECT", "properties": { "n": { "type": "INTEGER" } } }),
        ),
    ];
    for (name, schema) in schemas {
        let config = json!({ "generationConfig": { "responseMimeType": "application/json",
            name: schema } });
        let answer = server.gemini(&path, &content("x", config)).json();
        assert_eq!(texts(&[answer], false), "{\"n\":1}");
    }
}

#[test]
fn each_kind_of_key_gets_the_answer_that_gemini_gives() {
    let server = Server::start();
    let models = |headers: &[(&str, &str)]| {
        server
            .send("GET", "/gemini/v1beta/models?pageSize=1", headers, "")
            .answer()
    };
    let good = models(&[("x-goog-api-key", server.key("geminiKey"))]).json();
    assert_eq!(good["models"].as_array().unwrap().len(), 1);
    assert_eq!(good["nextPageToken"], "1");
    let expected = [
        (
            "AQ.wrong",
            400,
            "INVALID_ARGUMENT",
            json!("API_KEY_INVALID"),
        ),
        (
            "a-noperm-b",
            403,
            "PERMISSION_DENIED",
            json!("API_KEY_SERVICE_BLOCKED"),
        ),
        ("a-quota-b", 429, "RESOURCE_EXHAUSTED", Value::Null),
        ("a-down-b", 503, "UNAVAILABLE", Value::Null),
    ];
    for (key, status, word, reason) in expected {
        let error = models(&[("x-goog-api-key", key)]).json()["error"].clone();
        assert_eq!(
            (&error["code"], &error["status"]),
            (&json!(status), &json!(word))
        );
        assert_eq!(error["details"][0]["reason"], reason);
    }
    let limited = models(&[("x-goog-api-key", "a-ratelimited-b")]);
    assert_eq!(limited.header("retry-after"), None);
    assert_eq!(limited.json()["error"]["details"][1]["retryDelay"], "1s");
    assert_eq!(models(&[]).status, 403);
    assert_eq!(models(&[("authorization", "Bearer x")]).status, 401);
    let both = [
        ("authorization", "Bearer x"),
        ("x-goog-api-key", server.key("geminiKey")),
    ];
    assert_eq!(models(&both).status, 400);
}

#[test]
fn wrong_requests_get_geminis_own_errors() {
    let server = Server::start();
    let path = "/gemini/v1/models/no-such-model:generateContent";
    let answer = server.gemini(path, &content("x", json!({})));
    assert_eq!(
        (answer.status, &answer.json()["error"]["status"]),
        (404, &json!("NOT_FOUND"))
    );
    let path = format!("{MODEL}:generateContent");
    let answer = server.gemini(&path, &content("x", json!({ "maxTokens": 1 })));
    let message = answer.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("Unknown name \"maxTokens\""), "{message}");
    assert_eq!(server.gemini(&path, &json!({})).status, 400);
}
