//! Our request as a Chat Completions body, in any [`Dialect`]. Source: the `openai` 7 types
//! (`ChatCompletionCreateParams`), and the providers' API descriptions for what differs.

use serde_json::{Map, Value, json};

use super::dialect::{Audio, Dialect, Effort, Files, Replay, StructuredOutput};
use super::parts::{
    audio_format, filename, no_place, not_here, raw_or_json, reasoning_of, tool_output,
};
use super::schema::is_strict;
use crate::capability::Warning;
use crate::capability::chat::{
    ChatRequest, Message, Output, Part, Stop, Tool, ToolChoice, ToolMode,
};
use crate::capability::media::Media;
use crate::error::{Error, Result};
use crate::provider::{WireRequest, merge};

/// Makes the request for `POST /chat/completions`. `id` is the provider's, which reasoning must have
/// come from to be sent back; `name` is for messages.
pub fn request(
    request: &ChatRequest,
    model: &str,
    stream: bool,
    (id, name): (&str, &str),
    dialect: &Dialect,
) -> Result<WireRequest> {
    let mut builder = Builder {
        id,
        name,
        dialect,
        warnings: Vec::new(),
    };
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), builder.messages(request)?.into());
    builder.sampling(request, &mut body);
    builder.tools(request, &mut body);
    builder.reasoning(request, &mut body);
    if let Some(output) = &request.output {
        body.insert("response_format".into(), builder.response_format(output));
    }
    if stream {
        body.insert("stream".into(), true.into());
        if dialect.stream_usage {
            body.insert("stream_options".into(), json!({ "include_usage": true }));
        }
    }
    let mut options = request.provider_options.clone();
    options.remove("api");
    merge(&mut body, &options);
    let body =
        serde_json::to_vec(&body).map_err(|error| Error::invalid_argument(error.to_string()))?;
    Ok(WireRequest::json("/chat/completions", body).with_warnings(builder.warnings))
}

struct Builder<'a> {
    id: &'a str,
    name: &'a str,
    dialect: &'a Dialect,
    warnings: Vec<Warning>,
}

impl Builder<'_> {
    fn messages(&mut self, request: &ChatRequest) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let told = match (&request.output, self.dialect.output) {
            (Some(output), StructuredOutput::JsonObject) => Some(format!(
                "Answer with one JSON object that satisfies this JSON Schema, and nothing else: {}",
                Value::Object(output.schema().clone())
            )),
            _ => None,
        };
        let system: Vec<&str> = request
            .system
            .as_deref()
            .into_iter()
            .chain(told.as_deref())
            .collect();
        if !system.is_empty() {
            all.push(json!({ "role": self.dialect.system_role, "content": system.join("\n\n") }));
        }
        for (index, message) in request.messages.iter().enumerate() {
            match message {
                Message::System { content } => {
                    let parts = self.user_parts(index, content.as_slice(), "system")?;
                    all.push(
                        json!({ "role": self.dialect.system_role, "content": text_or(parts) }),
                    );
                }
                Message::User { content } => {
                    let parts = self.user_parts(index, content.as_slice(), "user")?;
                    all.push(json!({ "role": "user", "content": text_or(parts) }));
                }
                Message::Assistant { content } => {
                    all.push(self.assistant(index, content.as_slice())?);
                }
                Message::Tool { content } => self.results(index, content.as_slice(), &mut all)?,
            }
        }
        Ok(all)
    }

    fn user_parts(&mut self, index: usize, parts: &[Part], role: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let path = format!("messages[{index}].content[{at}]");
            match part {
                Part::Text { text, .. } => all.push(json!({ "type": "text", "text": text })),
                Part::Image {
                    media: Some(media),
                    detail,
                    ..
                } if role == "user" => {
                    let mut image = json!({ "url": media.to_url() });
                    if let Some(detail) = detail {
                        image["detail"] = detail.as_str().into();
                    }
                    all.push(json!({ "type": "image_url", "image_url": image }));
                }
                Part::File {
                    media: Some(media),
                    filename: name,
                    ..
                } if role == "user" => {
                    all.push(self.file(media, name.as_deref(), &path)?);
                }
                Part::Audio {
                    media: Some(media), ..
                } if role == "user" => {
                    all.push(self.audio(media, &path)?);
                }
                _ => return Err(not_here(&path, part, role)),
            }
        }
        Ok(all)
    }

    fn file(&self, media: &Media, name: Option<&str>, path: &str) -> Result<Value> {
        match media.media_type() {
            Some(kind) if kind.starts_with("image/") => {
                return Ok(json!({ "type": "image_url", "image_url": { "url": media.to_url() } }));
            }
            Some(kind) if kind.starts_with("audio/") => return self.audio(media, path),
            _ => {}
        }
        let is_url = matches!(media, Media::Url(_));
        match self.dialect.files {
            Files::Unsupported => Err(no_place(path, "files", self.name)),
            Files::Inline if is_url => {
                Err(no_place(path, "files by URL (send the bytes)", self.name))
            }
            Files::DocumentUrl => {
                let mut chunk = json!({ "type": "document_url", "document_url": media.to_url() });
                if let Some(name) = name {
                    chunk["document_name"] = name.into();
                }
                Ok(chunk)
            }
            Files::Inline | Files::InlineOrUrl => Ok(json!({
                "type": "file",
                "file": { "filename": filename(name, media), "file_data": media.to_url() }
            })),
        }
    }

    fn audio(&self, media: &Media, path: &str) -> Result<Value> {
        match (self.dialect.audio, media) {
            (Audio::Unsupported, _) => Err(no_place(path, "audio", self.name)),
            (Audio::Text, Media::Url(data) | Media::Inline { base64: data, .. }) => {
                Ok(json!({ "type": "input_audio", "input_audio": data }))
            }
            (Audio::Object, Media::Url(_)) => {
                Err(no_place(path, "audio by URL (send the bytes)", self.name))
            }
            (Audio::Object, Media::Inline { media_type, base64 }) => Ok(json!({
                "type": "input_audio",
                "input_audio": { "data": base64, "format": audio_format(media_type) }
            })),
        }
    }

    fn assistant(&mut self, index: usize, parts: &[Part]) -> Result<Value> {
        let mut texts: Vec<&str> = Vec::new();
        let mut calls = Vec::new();
        let mut thoughts: Vec<&str> = Vec::new();
        let mut details = None;
        for (at, part) in parts.iter().enumerate() {
            let path = format!("messages[{index}].content[{at}]");
            match part {
                Part::Text { text, .. } => texts.push(text),
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                    raw_arguments,
                    ..
                } => calls.push(json!({
                    "id": id,
                    "type": "function",
                    "function": { "name": name, "arguments": raw_or_json(arguments, raw_arguments) }
                })),
                Part::Reasoning { text, signature } => {
                    let own = reasoning_of(self.id, signature, &path, &mut self.warnings);
                    match own {
                        Some(_) if self.dialect.replay == Replay::Dropped => {
                            self.warnings.push(Warning::new(
                                path,
                                format!("Reasoning was left out: Chat Completions of {} takes none back.", self.name),
                            ));
                        }
                        Some(signature) => {
                            thoughts.push(text);
                            details = details.or(signature.value.as_deref());
                        }
                        None => {}
                    }
                }
                _ => return Err(not_here(&path, part, "assistant")),
            }
        }
        let text = texts.concat();
        let thought = thoughts.join("\n\n");
        let mut message = json!({ "role": "assistant" });
        message["content"] = match self.dialect.replay {
            Replay::ThinkingChunk if !thought.is_empty() => {
                let thinking = json!([{ "type": "text", "text": thought }]);
                let mut chunks = vec![json!({ "type": "thinking", "thinking": thinking })];
                if !text.is_empty() {
                    chunks.push(json!({ "type": "text", "text": text }));
                }
                chunks.into()
            }
            _ if text.is_empty() && !calls.is_empty() => Value::Null,
            _ => text.into(),
        };
        match self.dialect.replay {
            Replay::ReasoningContent if !thought.is_empty() => {
                message["reasoning_content"] = thought.into();
            }
            Replay::Details => {
                if !thought.is_empty() {
                    message["reasoning"] = thought.into();
                }
                if let Some(details) =
                    details.and_then(|text| serde_json::from_str::<Value>(text).ok())
                {
                    message["reasoning_details"] = details;
                }
            }
            _ => {}
        }
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        Ok(message)
    }

    fn results(&self, index: usize, parts: &[Part], all: &mut Vec<Value>) -> Result<()> {
        for (at, part) in parts.iter().enumerate() {
            let Part::ToolResult {
                id,
                result,
                is_error,
                ..
            } = part
            else {
                return Err(not_here(
                    &format!("messages[{index}].content[{at}]"),
                    part,
                    "tool",
                ));
            };
            all.push(json!({
                "role": "tool",
                "tool_call_id": id,
                "content": tool_output(result, *is_error)
            }));
        }
        Ok(())
    }

    fn sampling(&self, request: &ChatRequest, body: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        set(self.dialect.max_tokens, request.max_tokens.map(Value::from));
        set("temperature", request.temperature.map(Value::from));
        set("top_p", request.top_p.map(Value::from));
        set(
            "stop",
            match &request.stop {
                Stop::None => None,
                Stop::One(text) => Some(text.as_str().into()),
                Stop::Many(texts) => (!texts.is_empty()).then(|| texts.clone().into()),
            },
        );
        set(self.dialect.seed, request.seed.map(Value::from));
    }

    fn tools(&self, request: &ChatRequest, body: &mut Map<String, Value>) {
        if !request.tools.is_empty() {
            let tools: Vec<Value> = request.tools.iter().map(tool).collect();
            body.insert("tools".into(), tools.into());
        }
        if let Some(choice) = &request.tool_choice {
            body.insert(
                "tool_choice".into(),
                match choice {
                    ToolChoice::Mode(mode) => mode_name(*mode).into(),
                    ToolChoice::Named { name } => {
                        json!({ "type": "function", "function": { "name": name } })
                    }
                },
            );
        }
        if let Some(parallel) = request.parallel_tool_calls {
            body.insert("parallel_tool_calls".into(), parallel.into());
        }
    }

    fn reasoning(&mut self, request: &ChatRequest, body: &mut Map<String, Value>) {
        let Some(reasoning) = &request.reasoning else {
            return;
        };
        let effort = reasoning.effort.as_deref();
        if self.dialect.effort == Effort::Object {
            let mut object = Map::new();
            if let Some(effort) = effort {
                object.insert("effort".into(), effort.into());
            }
            if let Some(tokens) = reasoning.max_tokens {
                object.insert("max_tokens".into(), tokens.into());
            }
            if object.is_empty() {
                object.insert("enabled".into(), true.into());
            }
            body.insert("reasoning".into(), object.into());
        } else {
            if let Some(effort) = effort {
                self.effort(effort, body);
            }
            if reasoning.max_tokens.is_some() {
                self.warnings.push(Warning::new(
                    "reasoning.maxTokens",
                    format!(
                        "{} takes no upper bound for reasoning; use effort or maxTokens.",
                        self.name
                    ),
                ));
            }
        }
        if reasoning.summary == Some(true) && self.dialect.replay == Replay::Dropped {
            self.warnings.push(Warning::new(
                "reasoning.summary",
                format!(
                    "Chat Completions of {} gives no summary of its reasoning.",
                    self.name
                ),
            ));
        }
    }

    fn effort(&mut self, effort: &str, body: &mut Map<String, Value>) {
        let is_off = effort == "none";
        let state = match (self.dialect.effort, is_off) {
            (Effort::Thinking | Effort::FieldOrOff, true) => Some("disabled"),
            (Effort::Thinking, false) => Some("enabled"),
            _ => None,
        };
        if let Some(state) = state {
            body.insert("thinking".into(), json!({ "type": state }));
        }
        let known = ["minimal", "low", "medium", "xhigh", "max"];
        let effort = if self.dialect.effort == Effort::OffOrHigh && known.contains(&effort) {
            self.warnings.push(Warning::new(
                "reasoning.effort",
                format!(
                    "{} knows none and high only; {effort} was sent as high.",
                    self.name
                ),
            ));
            "high"
        } else {
            effort
        };
        if state != Some("disabled") {
            body.insert("reasoning_effort".into(), effort.into());
        }
    }

    fn response_format(&mut self, output: &Output) -> Value {
        if self.dialect.output == StructuredOutput::JsonObject {
            self.warnings.push(Warning::new(
                "output",
                format!(
                    "{} guarantees JSON but no schema; the schema was put into the system message.",
                    self.name
                ),
            ));
            return json!({ "type": "json_object" });
        }
        let schema = Value::Object(output.schema().clone());
        let strict = strictness(output, &schema, &mut self.warnings);
        json!({
            "type": "json_schema",
            "json_schema": { "name": output.name(), "schema": schema, "strict": strict }
        })
    }
}

/// The caller's word, else strict where the schema allows it; a warning says when it does not.
pub fn strictness(output: &Output, schema: &Value, warnings: &mut Vec<Warning>) -> bool {
    output.strict().unwrap_or_else(|| {
        let strict = is_strict(schema);
        if !strict {
            warnings.push(Warning::new(
                "output",
                "The schema is outside what strict mode takes (every object with additionalProperties: false and all properties required), so it guides the answer but does not bind it.",
            ));
        }
        strict
    })
}

pub fn mode_name(mode: ToolMode) -> &'static str {
    match mode {
        ToolMode::Auto => "auto",
        ToolMode::None => "none",
        ToolMode::Required => "required",
    }
}

fn tool(tool: &Tool) -> Value {
    let mut function = json!({ "name": tool.name });
    if let Some(description) = &tool.description {
        function["description"] = description.as_str().into();
    }
    function["parameters"] = tool
        .parameters
        .clone()
        .unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    if let Some(strict) = tool.strict {
        function["strict"] = strict.into();
    }
    json!({ "type": "function", "function": function })
}

/// A lone text part as a text, which every server takes.
fn text_or(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [only] if only["type"] == "text" => only["text"].take(),
        _ => parts.into(),
    }
}
