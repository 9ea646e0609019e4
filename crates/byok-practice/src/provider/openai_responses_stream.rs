//! The event stream of OpenAI's Responses API, numbered from 0: what a client needs to build the same
//! `response` object that the last event carries whole.

use bytes::Bytes;
use serde_json::{Value, json};

use super::openai_responses::Response;
use crate::answer::{fragments, pieces};
use crate::{id, sse};

/// Every event of the stream, in order, framed.
pub fn events(response: &Response) -> Vec<Bytes> {
    let mut stream = Stream::default();
    stream.push(
        "response.created",
        json!({ "response": response.started() }),
    );
    stream.push(
        "response.in_progress",
        json!({ "response": response.started() }),
    );
    for (index, item) in response.items.iter().enumerate() {
        match item["type"].as_str() {
            Some("reasoning") => stream.reasoning(index, item),
            Some("function_call") => stream.function_call(index, item),
            _ => stream.message(index, item),
        }
    }
    let last = if response.complete {
        "response.completed"
    } else {
        "response.incomplete"
    };
    stream.push(last, json!({ "response": response.finished() }));
    stream.events
}

#[derive(Default)]
struct Stream {
    events: Vec<Bytes>,
}

impl Stream {
    fn push(&mut self, name: &str, fields: Value) {
        let mut payload = json!({ "type": name, "sequence_number": self.events.len() });
        if let (Some(payload), Value::Object(fields)) = (payload.as_object_mut(), fields) {
            payload.extend(fields);
        }
        self.events.push(sse::named(&payload));
    }

    fn reasoning(&mut self, index: usize, item: &Value) {
        let mut empty = item.clone();
        empty["summary"] = json!([]);
        self.push(
            "response.output_item.added",
            json!({ "output_index": index, "item": empty }),
        );
        for (part, summary) in item["summary"].as_array().into_iter().flatten().enumerate() {
            let text = summary["text"].as_str().unwrap_or_default();
            let place = json!({ "item_id": item["id"], "output_index": index,
                "summary_index": part });
            self.push(
                "response.reasoning_summary_part.added",
                with(
                    &place,
                    json!({ "part": { "type": "summary_text", "text": "" } }),
                ),
            );
            for piece in pieces(text) {
                self.push(
                    "response.reasoning_summary_text.delta",
                    with(
                        &place,
                        json!({ "delta": piece, "obfuscation": id::mixed("", 8) }),
                    ),
                );
            }
            self.push(
                "response.reasoning_summary_text.done",
                with(&place, json!({ "text": text })),
            );
            self.push(
                "response.reasoning_summary_part.done",
                with(&place, json!({ "part": summary })),
            );
        }
        self.push(
            "response.output_item.done",
            json!({ "output_index": index, "item": item }),
        );
    }

    fn function_call(&mut self, index: usize, item: &Value) {
        let mut empty = item.clone();
        empty["status"] = "in_progress".into();
        empty["arguments"] = "".into();
        self.push(
            "response.output_item.added",
            json!({ "output_index": index, "item": empty }),
        );
        let place = json!({ "item_id": item["id"], "output_index": index });
        let arguments = item["arguments"].as_str().unwrap_or_default();
        for piece in fragments(arguments) {
            self.push(
                "response.function_call_arguments.delta",
                with(
                    &place,
                    json!({ "delta": piece, "obfuscation": id::mixed("", 8) }),
                ),
            );
        }
        self.push(
            "response.function_call_arguments.done",
            with(
                &place,
                json!({ "arguments": arguments, "name": item["name"] }),
            ),
        );
        self.push(
            "response.output_item.done",
            json!({ "output_index": index, "item": item }),
        );
    }

    fn message(&mut self, index: usize, item: &Value) {
        let mut empty = item.clone();
        empty["status"] = "in_progress".into();
        empty["content"] = json!([]);
        self.push(
            "response.output_item.added",
            json!({ "output_index": index, "item": empty }),
        );
        for (content, part) in item["content"].as_array().into_iter().flatten().enumerate() {
            let place = json!({ "item_id": item["id"], "output_index": index,
                "content_index": content });
            let mut blank = part.clone();
            blank["text"] = "".into();
            self.push(
                "response.content_part.added",
                with(&place, json!({ "part": blank })),
            );
            let text = part["text"].as_str().unwrap_or_default();
            for piece in pieces(text) {
                self.push(
                    "response.output_text.delta",
                    with(
                        &place,
                        json!({ "delta": piece,
                    "logprobs": [], "obfuscation": id::mixed("", 8) }),
                    ),
                );
            }
            self.push(
                "response.output_text.done",
                with(&place, json!({ "text": text, "logprobs": [] })),
            );
            self.push(
                "response.content_part.done",
                with(&place, json!({ "part": part })),
            );
        }
        self.push(
            "response.output_item.done",
            json!({ "output_index": index, "item": item }),
        );
    }
}

fn with(place: &Value, fields: Value) -> Value {
    let mut joined = place.clone();
    if let (Some(joined), Value::Object(fields)) = (joined.as_object_mut(), fields) {
        joined.extend(fields);
    }
    joined
}
