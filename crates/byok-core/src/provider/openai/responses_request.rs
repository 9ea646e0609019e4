//! Our request as a Responses body, kept stateless: `store: false`, and the model's reasoning travels
//! encrypted. Source: the `openai` 7 types (`ResponseCreateParams`) and OpenAI's API description.

use serde_json::{Map, Value, json};

use super::chat_request::{mode_name, strictness};
use super::parts::{filename, no_place, not_here, raw_or_json, reasoning_of, tool_output};
use super::schema::is_strict;
use crate::capability::Warning;
use crate::capability::chat::{ChatRequest, Message, Part, Tool, ToolChoice};
use crate::capability::media::Media;
use crate::error::{Error, Result};
use crate::provider::{WireRequest, merge};

/// Makes the request for `POST /responses`; `id` is the provider's, which reasoning must have come
/// from to be sent back.
pub fn request(request: &ChatRequest, model: &str, stream: bool, id: &str) -> Result<WireRequest> {
    let mut builder = Builder {
        id,
        input: Vec::new(),
        warnings: Vec::new(),
    };
    for (index, message) in request.messages.iter().enumerate() {
        builder.message(index, message)?;
    }
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    if let Some(system) = &request.system {
        body.insert("instructions".into(), system.as_str().into());
    }
    body.insert("input".into(), std::mem::take(&mut builder.input).into());
    body.insert("store".into(), false.into());
    if encrypts_reasoning(model) {
        body.insert("include".into(), json!(["reasoning.encrypted_content"]));
    }
    builder.sampling(request, &mut body);
    tools(request, &mut body);
    builder.reasoning(request, &mut body);
    if let Some(output) = &request.output {
        let schema = Value::Object(output.schema().clone());
        let strict = strictness(output, &schema, &mut builder.warnings);
        let format = json!({
            "type": "json_schema",
            "name": output.name(),
            "schema": schema,
            "strict": strict
        });
        body.insert("text".into(), json!({ "format": format }));
    }
    if stream {
        body.insert("stream".into(), true.into());
    }
    let mut options = request.provider_options.clone();
    options.remove("api");
    merge(&mut body, &options);
    let body =
        serde_json::to_vec(&body).map_err(|error| Error::invalid_argument(error.to_string()))?;
    Ok(WireRequest::json("/responses", body).with_warnings(builder.warnings))
}

/// Models before reasoning answer 400 ("Encrypted content is not supported with this model") when
/// it is asked for; every other model, known or not, is asked.
fn encrypts_reasoning(model: &str) -> bool {
    let base = model.strip_prefix("ft:").unwrap_or(model);
    !["gpt-3", "gpt-4", "chatgpt-", "davinci", "babbage"]
        .iter()
        .any(|old| base.starts_with(old))
        && !base.contains("-chat-latest")
}

struct Builder<'a> {
    id: &'a str,
    input: Vec<Value>,
    warnings: Vec<Warning>,
}

impl Builder<'_> {
    fn message(&mut self, index: usize, message: &Message) -> Result<()> {
        match message {
            Message::System { content } => {
                self.told(index, content.as_slice(), "system", "developer")
            }
            Message::User { content } => self.told(index, content.as_slice(), "user", "user"),
            Message::Assistant { content } => self.assistant(index, content.as_slice()),
            Message::Tool { content } => self.results(index, content.as_slice()),
        }
    }

    fn told(&mut self, index: usize, parts: &[Part], role: &str, wire_role: &str) -> Result<()> {
        let mut content = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let path = format!("messages[{index}].content[{at}]");
            content.push(match part {
                Part::Text { text, .. } => json!({ "type": "input_text", "text": text }),
                Part::Image {
                    media: Some(media),
                    detail,
                    ..
                } if role == "user" => image(media, detail.as_deref()),
                Part::File {
                    media: Some(media),
                    filename,
                    ..
                } if role == "user" => file(media, filename.as_deref(), &path)?,
                Part::Audio { .. } if role == "user" => return Err(no_audio(&path)),
                _ => return Err(not_here(&path, part, role)),
            });
        }
        let content = match content.as_mut_slice() {
            [only] if only["type"] == "input_text" => only["text"].take(),
            _ => content.into(),
        };
        self.input
            .push(json!({ "role": wire_role, "content": content }));
        Ok(())
    }

    /// Items in the order of the parts: reasoning stays in front of what followed from it.
    fn assistant(&mut self, index: usize, parts: &[Part]) -> Result<()> {
        for (at, part) in parts.iter().enumerate() {
            let path = format!("messages[{index}].content[{at}]");
            match part {
                Part::Text { text, .. } if text.is_empty() => {}
                Part::Text { text, signature } => {
                    let mut item = json!({ "role": "assistant", "content": text });
                    // The phase of a message, which newer models want back.
                    if let Some(signature) = signature.as_ref().filter(|s| s.provider == self.id)
                        && let Some(phase) = &signature.value
                    {
                        item["phase"] = phase.as_str().into();
                    }
                    self.input.push(item);
                }
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                    raw_arguments,
                    ..
                } => self.input.push(json!({
                    "type": "function_call",
                    "call_id": id,
                    "name": name,
                    "arguments": raw_or_json(arguments, raw_arguments)
                })),
                Part::Reasoning { text, signature } => {
                    let followed = parts[at + 1..].iter().any(|part| {
                        matches!(part, Part::Text { text, .. } if !text.is_empty())
                            || matches!(part, Part::ToolCall { .. })
                    });
                    self.reasoning_item(text, signature, followed, path);
                }
                _ => return Err(not_here(&path, part, "assistant")),
            }
        }
        Ok(())
    }

    fn reasoning_item(
        &mut self,
        text: &str,
        signature: &Option<crate::capability::chat::Signature>,
        followed: bool,
        path: String,
    ) {
        let Some(signature) = reasoning_of(self.id, signature, &path, &mut self.warnings) else {
            return;
        };
        let (Some(id), Some(encrypted), true) = (&signature.id, &signature.value, followed) else {
            // "Item ... of type 'reasoning' was provided without its required following item."
            self.warnings.push(Warning::new(
                path,
                "Reasoning was left out: OpenAI takes it back only encrypted and with the text or call that followed it.",
            ));
            return;
        };
        let summary = if text.is_empty() {
            json!([])
        } else {
            json!([{ "type": "summary_text", "text": text }])
        };
        self.input.push(json!({
            "type": "reasoning",
            "id": id,
            "summary": summary,
            "encrypted_content": encrypted
        }));
    }

    fn results(&mut self, index: usize, parts: &[Part]) -> Result<()> {
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
            self.input.push(json!({
                "type": "function_call_output",
                "call_id": id,
                "output": tool_output(result, *is_error)
            }));
        }
        Ok(())
    }

    fn sampling(&mut self, request: &ChatRequest, body: &mut Map<String, Value>) {
        if let Some(tokens) = request.max_tokens {
            body.insert("max_output_tokens".into(), tokens.into());
        }
        if let Some(temperature) = request.temperature {
            body.insert("temperature".into(), temperature.into());
        }
        if let Some(top_p) = request.top_p {
            body.insert("top_p".into(), top_p.into());
        }
        let mut unsupported = |option: &str| {
            self.warnings.push(Warning::new(
                option,
                format!("OpenAI's Responses API takes no {option}. Chat Completions does: providerOptions: {{ api: \"chat-completions\" }}."),
            ));
        };
        if !request.stop.as_slice().is_empty() {
            unsupported("stop");
        }
        if request.seed.is_some() {
            unsupported("seed");
        }
    }

    fn reasoning(&mut self, request: &ChatRequest, body: &mut Map<String, Value>) {
        let Some(reasoning) = &request.reasoning else {
            return;
        };
        let mut object = Map::new();
        if let Some(effort) = &reasoning.effort {
            object.insert("effort".into(), effort.as_str().into());
        }
        if reasoning.summary != Some(false) && reasoning.effort.as_deref() != Some("none") {
            object.insert("summary".into(), "auto".into());
        }
        if !object.is_empty() {
            body.insert("reasoning".into(), object.into());
        }
        if reasoning.max_tokens.is_some() {
            self.warnings.push(Warning::new(
                "reasoning.maxTokens",
                "OpenAI takes no upper bound for reasoning; use effort or maxTokens.",
            ));
        }
    }
}

fn tools(request: &ChatRequest, body: &mut Map<String, Value>) {
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".into(), tools.into());
    }
    if let Some(choice) = &request.tool_choice {
        body.insert(
            "tool_choice".into(),
            match choice {
                ToolChoice::Mode(mode) => mode_name(*mode).into(),
                ToolChoice::Named { name } => json!({ "type": "function", "name": name }),
            },
        );
    }
    if let Some(parallel) = request.parallel_tool_calls {
        body.insert("parallel_tool_calls".into(), parallel.into());
    }
}

/// `parameters` and `strict` are required here. Without the caller's word a tool is strict where its
/// schema allows it, which is the server's own default.
fn tool(tool: &Tool) -> Value {
    let parameters = tool.parameters.clone().unwrap_or_else(|| {
        json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false })
    });
    let strict = tool.strict.unwrap_or_else(|| is_strict(&parameters));
    let mut function = json!({ "type": "function", "name": tool.name });
    if let Some(description) = &tool.description {
        function["description"] = description.as_str().into();
    }
    function["parameters"] = parameters;
    function["strict"] = strict.into();
    function
}

fn image(media: &Media, detail: Option<&str>) -> Value {
    json!({
        "type": "input_image",
        "image_url": media.to_url(),
        "detail": detail.unwrap_or("auto")
    })
}

fn file(media: &Media, name: Option<&str>, path: &str) -> Result<Value> {
    match media {
        Media::Url(url) => Ok(json!({ "type": "input_file", "file_url": url })),
        Media::Inline { media_type, .. } if media_type.starts_with("image/") => {
            Ok(image(media, None))
        }
        Media::Inline { media_type, .. } if media_type.starts_with("audio/") => Err(no_audio(path)),
        Media::Inline { .. } => Ok(json!({
            "type": "input_file",
            "filename": filename(name, media),
            "file_data": media.to_url()
        })),
    }
}

fn no_audio(path: &str) -> Error {
    no_place(
        path,
        "audio in its Responses API; Chat Completions with an audio model does: providerOptions: { api: \"chat-completions\" }",
        "OpenAI",
    )
}
