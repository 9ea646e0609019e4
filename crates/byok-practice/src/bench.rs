//! The benchmark server: OpenAI's two chat APIs with fixed bytes, made once per stream length. A request
//! costs reading it and one write; no key is checked, nothing is parsed and nothing recorded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::sse;

const DEFAULT_DELTAS: usize = 100;
const MAX_DELTAS: usize = 100_000;
/// Eight words, about 50 bytes: the answer is twelve of these.
const SENTENCE: &str = "This is the practice provider, not any model. ";

/// Whether a path is one of the benchmark's.
pub fn is_bench(path: &str) -> bool {
    path.starts_with("/bench/") || path.starts_with("/bench-")
}

/// What a benchmark request gets: the API, the deltas of its stream, and whether each is a write.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    chat: bool,
    deltas: Option<usize>,
    each: bool,
}

/// The replies made so far.
#[derive(Default)]
pub struct Bench {
    made: Mutex<HashMap<Shape, Reply>>,
}

impl Bench {
    /// Answers `/bench/...` (streams of 100 deltas), `/bench-<n>/...` (n deltas in as few writes as
    /// possible) and `/bench-<n>-each/...` (a write for each delta).
    pub fn reply(&self, path: &str, body: &[u8]) -> Reply {
        let Some(mut shape) = Shape::parse(path) else {
            return Reply::whole(404, "text/plain", "No such benchmark.");
        };
        if !asks_for_stream(body) {
            shape.deltas = None;
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(shape).or_insert_with(|| shape.reply()).clone()
    }
}

impl Shape {
    fn parse(path: &str) -> Option<Shape> {
        let (prefix, rest) = path.strip_prefix('/')?.split_once('/')?;
        let chat = match rest {
            "openai/v1/chat/completions" => true,
            "openai/v1/responses" => false,
            _ => return None,
        };
        let mut options = prefix.split('-').skip(1);
        let deltas = options.next().map_or(Ok(DEFAULT_DELTAS), str::parse).ok()?;
        let each = options.next() == Some("each");
        (deltas <= MAX_DELTAS).then_some(Shape {
            chat,
            deltas: Some(deltas),
            each,
        })
    }

    fn reply(self) -> Reply {
        let Some(deltas) = self.deltas else {
            return whole(self.chat);
        };
        let mut reply = stream(self.chat, deltas);
        if !self.each {
            let bytes = reply.bytes();
            reply.replace([bytes]);
        }
        reply
    }
}

/// Looks for `"stream":true` without parsing; white space after the colon may be there.
fn asks_for_stream(body: &[u8]) -> bool {
    const NAME: &[u8] = b"\"stream\":";
    let at = body.windows(NAME.len()).position(|window| window == NAME);
    at.is_some_and(|at| {
        body[at + NAME.len()..]
            .trim_ascii_start()
            .starts_with(b"true")
    })
}

fn dress(mut reply: Reply) -> Reply {
    let id = HeaderValue::from_static("req_bench");
    reply
        .headers
        .insert(HeaderName::from_static("x-request-id"), id);
    reply
}

fn whole(chat: bool) -> Reply {
    let text = SENTENCE.repeat(if chat { 5 } else { 3 });
    let body = if chat {
        completion(&text)
    } else {
        response("completed", &text)
    };
    dress(Reply::json(200, &body))
}

fn stream(chat: bool, deltas: usize) -> Reply {
    let words: Vec<&str> = SENTENCE.split_inclusive(' ').cycle().take(deltas).collect();
    let events = if chat {
        chat_events(&words)
    } else {
        response_events(&words)
    };
    dress(Reply::chunks(
        200,
        "text/event-stream; charset=utf-8",
        events,
    ))
}

fn completion(text: &str) -> Value {
    json!({ "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_785_542_400,
        "model": "gpt-5.4-mini", "choices": [{ "index": 0, "message": { "role": "assistant",
            "content": text, "refusal": null, "annotations": [] }, "logprobs": null,
            "finish_reason": "stop" }],
        "usage": usage("prompt_tokens", "completion_tokens") })
}

fn usage(input: &str, output: &str) -> Value {
    json!({ input: 12, output: 40, "total_tokens": 52 })
}

fn chat_events(words: &[&str]) -> Vec<Bytes> {
    let chunk = |choices: Value, usage: Value| {
        sse::bare(&json!({
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_785_542_400,
        "model": "gpt-5.4-mini", "choices": choices, "usage": usage }))
    };
    let choice = |delta: Value, finish: Value| json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
    let start = choice(json!({ "role": "assistant", "content": "" }), Value::Null);
    let mut events = vec![chunk(start, Value::Null)];
    events.extend(
        words
            .iter()
            .map(|word| chunk(choice(json!({ "content": word }), Value::Null), Value::Null)),
    );
    events.push(chunk(choice(json!({}), "stop".into()), Value::Null));
    events.push(chunk(
        json!([]),
        usage("prompt_tokens", "completion_tokens"),
    ));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

fn response(status: &str, text: &str) -> Value {
    let output = if status == "completed" {
        json!([message(text)])
    } else {
        json!([])
    };
    json!({ "id": "resp_bench", "object": "response", "created_at": 1_785_542_400,
        "status": status, "error": null, "incomplete_details": null, "instructions": null,
        "model": "gpt-5.4-mini", "output": output, "parallel_tool_calls": true,
        "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0, "metadata": {},
        "usage": usage("input_tokens", "output_tokens") })
}

fn message(text: &str) -> Value {
    json!({ "id": "msg_bench", "type": "message", "status": "completed", "role": "assistant",
        "content": [{ "type": "output_text", "annotations": [], "logprobs": [], "text": text }] })
}

fn response_events(words: &[&str]) -> Vec<Bytes> {
    let text = words.concat();
    let place = |fields: Value| {
        let mut place = json!({ "item_id": "msg_bench", "output_index": 0, "content_index": 0 });
        if let (Some(place), Value::Object(fields)) = (place.as_object_mut(), fields) {
            place.extend(fields);
        }
        place
    };
    let part = |text: &str| json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text });
    let opened = json!({ "id": "msg_bench", "type": "message", "status": "in_progress",
        "role": "assistant", "content": [] });
    let mut payloads = vec![
        (
            "response.created",
            json!({ "response": response("in_progress", "") }),
        ),
        (
            "response.in_progress",
            json!({ "response": response("in_progress", "") }),
        ),
        (
            "response.output_item.added",
            json!({ "output_index": 0, "item": opened }),
        ),
        (
            "response.content_part.added",
            place(json!({ "part": part("") })),
        ),
    ];
    payloads.extend(words.iter().map(|word| {
        (
            "response.output_text.delta",
            place(json!({ "delta": word, "logprobs": [] })),
        )
    }));
    payloads.extend([
        (
            "response.output_text.done",
            place(json!({ "text": text, "logprobs": [] })),
        ),
        (
            "response.content_part.done",
            place(json!({ "part": part(&text) })),
        ),
        (
            "response.output_item.done",
            json!({ "output_index": 0, "item": message(&text) }),
        ),
        (
            "response.completed",
            json!({ "response": response("completed", &text) }),
        ),
    ]);
    let numbered = payloads
        .into_iter()
        .enumerate()
        .map(|(number, (name, fields))| {
            let mut payload = json!({ "type": name, "sequence_number": number });
            if let (Some(payload), Value::Object(fields)) = (payload.as_object_mut(), fields) {
                payload.extend(fields);
            }
            sse::named(&payload)
        });
    numbered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_about_600_bytes() {
        for path in [
            "/bench/openai/v1/responses",
            "/bench/openai/v1/chat/completions",
        ] {
            let bytes = Bench::default().reply(path, b"{}").bytes();
            assert!((500..700).contains(&bytes.len()), "{path}: {}", bytes.len());
        }
    }

    #[test]
    fn the_prefix_says_how_many_deltas_and_how_many_writes() {
        let bench = Bench::default();
        let body = br#"{"input":"x", "stream": true}"#;
        let joined = bench.reply("/bench-7/openai/v1/responses", body);
        let each = bench.reply("/bench-7-each/openai/v1/responses", body);
        assert_eq!(joined.pieces().len(), 1);
        assert_eq!(each.pieces().len(), 7 + 8);
        assert_eq!(joined.bytes(), each.bytes());
        let text = String::from_utf8(joined.bytes().to_vec()).unwrap();
        assert_eq!(text.matches("\"response.output_text.delta\"").count(), 7);
    }

    #[test]
    fn white_space_and_order_do_not_hide_the_stream_flag() {
        assert!(asks_for_stream(br#"{"stream":true}"#));
        assert!(asks_for_stream(b"{\"a\":1,\"stream\": true}"));
        assert!(!asks_for_stream(br#"{"stream":false,"streams":true}"#));
    }
}
