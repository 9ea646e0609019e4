//! Gemini's `generateContent` and `streamGenerateContent`: request, answer, and the stream either as
//! server-sent events or as one growing JSON array.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{NO_SUCH_MODEL, Refusal, strings, text_of, unknown_field};
use crate::answer::{Answer, Ask, Finish, Tool, ToolUse, pieces, words_in};
use crate::reply::Reply;
use crate::{id, sse};

const FIELDS: [&str; 10] = [
    "cachedContent",
    "contents",
    "generationConfig",
    "model",
    "safetySettings",
    "serviceTier",
    "store",
    "systemInstruction",
    "toolConfig",
    "tools",
];
const JSON: &str = "application/json; charset=UTF-8";

/// Answers `:generateContent`.
pub fn reply(model: &str, body: &Value) -> Result<Reply, Refusal> {
    let answer = answer(model, body)?;
    let content = Content::new(model, body, &answer);
    let parts = [content.thoughts(), content.parts()].concat();
    let whole = content.response(json!(parts), true, content.answer.output_tokens);
    Ok(Reply::pretty_json(200, JSON, &whole))
}

/// Answers `:streamGenerateContent`; `events` is `alt=sse`.
pub fn stream(model: &str, body: &Value, events: bool) -> Result<Reply, Refusal> {
    let answer = answer(model, body)?;
    let responses = Content::new(model, body, &answer).stream();
    if events {
        return Ok(Reply::chunks(
            200,
            "text/event-stream",
            responses.iter().map(sse::bare_crlf),
        ));
    }
    let last = responses.len() - 1;
    let array = responses.iter().enumerate().map(|(at, response)| {
        let before = if at == 0 { "[" } else { "," };
        let after = if at == last { "\n]\n" } else { "\r\n" };
        Bytes::from(format!("{before}{response:#}{after}"))
    });
    Ok(Reply::chunks(200, JSON, array))
}

fn answer(model: &str, body: &Value) -> Result<Answer, Refusal> {
    if model == NO_SUCH_MODEL {
        return Err(Refusal::UnknownModel(model.to_owned()));
    }
    if let Some(name) = unknown_field(body, &FIELDS) {
        return Err(Refusal::invalid(format!(
            "Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."
        )));
    }
    let contents = body["contents"].as_array().map_or(&[][..], Vec::as_slice);
    if contents.is_empty() {
        return Err(Refusal::invalid(
            "* GenerateContentRequest.contents: contents is not specified\n",
        ));
    }
    for (at, content) in contents.iter().enumerate() {
        let role = content["role"].as_str();
        if role.is_some_and(|role| role != "user" && role != "model" && role != "function") {
            return Err(Refusal::invalid("Please use a valid role: user, model."));
        }
        if model.starts_with("gemini-3") && lacks_signature(content) {
            return Err(Refusal::invalid(format!(
                "Function call is missing a thought_signature in functionCall parts. This is \
                 required for tools to work correctly, and missing thought_signature may lead to \
                 degraded model performance. Position: contents {at}."
            )));
        }
    }
    Ok(ask(body).answer())
}

/// Gemini 3 wants the first call of a turn to come back with its signature.
fn lacks_signature(content: &Value) -> bool {
    let mut parts = content["parts"].as_array().into_iter().flatten();
    let call = parts.find(|part| part["functionCall"].is_object());
    content["role"] == "model" && call.is_some_and(|part| !part["thoughtSignature"].is_string())
}

fn ask(body: &Value) -> Ask {
    let last = body["contents"]
        .as_array()
        .and_then(|contents| contents.last());
    let parts = last.map_or(&Value::Null, |content| &content["parts"]);
    let result = parts
        .as_array()
        .into_iter()
        .flatten()
        .rev()
        .find_map(|part| {
            part["functionResponse"]
                .as_object()
                .and_then(|response| response.get("response"))
        });
    let config = &body["generationConfig"];
    let declarations = body["tools"].as_array().into_iter().flatten();
    let declarations = declarations.flat_map(|tool| {
        tool["functionDeclarations"]
            .as_array()
            .into_iter()
            .flatten()
    });
    Ask {
        prompt: text_of(parts),
        tool_result: result.map(Value::to_string),
        tools: declarations
            .map(|function| Tool {
                name: function["name"].as_str().unwrap_or_default().to_owned(),
                schema: either(function, "parametersJsonSchema", "parameters"),
            })
            .collect(),
        tool_use: tool_use(&body["toolConfig"]["functionCallingConfig"]),
        parallel_tools: true,
        schema: (config["responseMimeType"] == "application/json")
            .then(|| either(config, "responseJsonSchema", "responseSchema"))
            .map(|schema| {
                if schema.is_null() {
                    json!({ "type": "object" })
                } else {
                    schema
                }
            }),
        reasoning: thinks(&config["thinkingConfig"]),
        max_words: config["maxOutputTokens"].as_u64(),
        stop: strings(&config["stopSequences"]),
        input_words: words_in(&body["contents"])
            + words_in(&body["systemInstruction"])
            + words_in(&body["tools"]),
    }
}

fn either(value: &Value, first: &str, second: &str) -> Value {
    let found = value.get(first).filter(|found| !found.is_null());
    found.unwrap_or(&value[second]).clone()
}

fn tool_use(config: &Value) -> ToolUse {
    match config["mode"].as_str() {
        Some("NONE") => ToolUse::Off,
        Some("ANY") => match config["allowedFunctionNames"][0].as_str() {
            Some(name) => ToolUse::Named(name.to_owned()),
            None => ToolUse::Required,
        },
        _ => ToolUse::Auto,
    }
}

fn thinks(config: &Value) -> bool {
    config.is_object() && config["thinkingBudget"] != 0
}

struct Content<'a> {
    model: &'a str,
    answer: &'a Answer,
    include_thoughts: bool,
    response_id: String,
}

impl<'a> Content<'a> {
    fn new(model: &'a str, body: &Value, answer: &'a Answer) -> Self {
        let config = &body["generationConfig"]["thinkingConfig"];
        Content {
            model,
            answer,
            include_thoughts: config["includeThoughts"] == true,
            response_id: id::mixed("", 23),
        }
    }

    fn thoughts(&self) -> Vec<Value> {
        let shown = self.answer.reasoning.filter(|_| self.include_thoughts);
        shown
            .map(|text| json!({ "text": text, "thought": true }))
            .into_iter()
            .collect()
    }

    /// Text or calls; the first part carries the signature that must come back.
    fn parts(&self) -> Vec<Value> {
        let mut parts: Vec<Value> = self
            .answer
            .calls
            .iter()
            .map(|call| {
                json!({ "functionCall": { "name": call.name, "args": call.arguments,
                "id": id::mixed("", 8).to_lowercase() } })
            })
            .collect();
        if parts.is_empty() {
            parts.push(json!({ "text": self.answer.text }));
        }
        if self.signs() {
            parts[0]["thoughtSignature"] = signature();
        }
        parts
    }

    fn signs(&self) -> bool {
        self.model.starts_with("gemini-3") || self.answer.reasoning.is_some()
    }

    fn stream(&self) -> Vec<Value> {
        let mut responses: Vec<Value> = self
            .thoughts()
            .into_iter()
            .map(|thought| self.response(json!([thought]), false, 0))
            .collect();
        if !self.answer.calls.is_empty() {
            let calls = json!(self.parts());
            responses.push(self.response(calls, false, self.answer.output_tokens));
            let empty = json!([{ "text": "" }]);
            responses.push(self.response(empty, true, self.answer.output_tokens));
            return responses;
        }
        let pieces = pieces(&self.answer.text);
        for (at, piece) in pieces.iter().enumerate() {
            let parts = json!([{ "text": piece }]);
            responses.push(self.response(parts, false, at as u64 + 1));
        }
        // The last chunk is empty but for the end, and the signature where there is one.
        let mut last = json!({ "text": "" });
        if self.signs() {
            last["thoughtSignature"] = signature();
        }
        responses.push(self.response(json!([last]), true, self.answer.output_tokens));
        responses
    }

    fn response(&self, parts: Value, last: bool, output: u64) -> Value {
        let answer = self.answer;
        let mut candidate = json!({ "content": { "parts": parts, "role": "model" } });
        if last {
            let reason = if answer.finish == Finish::Length {
                "MAX_TOKENS"
            } else {
                "STOP"
            };
            candidate["finishReason"] = reason.into();
        }
        candidate["index"] = 0.into();
        if last && !answer.calls.is_empty() {
            candidate["finishMessage"] = "Model generated function call(s).".into();
        }
        let total = answer.input_tokens + output + answer.reasoning_tokens;
        let mut usage = json!({ "promptTokenCount": answer.input_tokens,
            "candidatesTokenCount": output, "totalTokenCount": total,
            "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": answer.input_tokens }] });
        if answer.reasoning_tokens > 0 {
            usage["thoughtsTokenCount"] = answer.reasoning_tokens.into();
        }
        json!({ "candidates": [candidate], "usageMetadata": usage, "modelVersion": self.model,
            "responseId": self.response_id })
    }
}

fn signature() -> Value {
    format!("{}=", id::mixed("EpracticeCk", 120)).into()
}
