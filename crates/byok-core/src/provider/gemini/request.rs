//! A chat request to the body and path of `generateContent`. A parameter is sent only when the
//! caller set it; `providerOptions` are merged over the body last.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::contents::{self, Content};
use super::reasoning::Thinking;
use crate::capability::Warning;
use crate::capability::chat::{ChatRequest, Tool, ToolChoice, ToolMode};
use crate::error::{Error, Result};
use crate::provider::wire::segment;
use crate::provider::{WireRequest, merge};

/// The long parts are borrowed from the request; the rest is small and open to `providerOptions`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<Vec<Content<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

pub fn build(request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let path = path(model, generate(stream))?;
    let thinking = Thinking::of(model.strip_prefix("models/").unwrap_or(model));
    let contents = contents::build(request, thinking.takes_level, &mut warnings)?;
    let mut body = Body {
        contents: Some(contents.contents),
        system_instruction: contents.system,
        rest: Map::new(),
    };
    let config = generation_config(request, thinking, &mut warnings);
    if !config.is_empty() {
        body.rest
            .insert("generationConfig".to_owned(), config.into());
    }
    tools(request, &mut body.rest, &mut warnings);
    with_options(&mut body, &request.provider_options)?;
    let body = serde_json::to_vec(&body).map_err(|error| unwritable(&error))?;
    Ok(WireRequest::json(path, body).with_warnings(warnings))
}

/// The path of a method of a model: `x`, `models/x` and `tunedModels/x`.
pub fn path(model: &str, method: &str) -> Result<String> {
    let (folder, name) = match model.split_once('/') {
        Some((folder @ ("models" | "tunedModels"), name)) => (folder, name),
        _ => ("models", model),
    };
    if name.is_empty() {
        return Err(Error::invalid_argument(
            "model must not be empty: give a name like \"gemini-3.7-flash\".",
        ));
    }
    Ok(format!("/{folder}/{}:{method}", segment(name, "model")?))
}

/// The method that answers with contents, whole or as events.
pub fn generate(stream: bool) -> &'static str {
    if stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    }
}

fn generation_config(
    request: &ChatRequest,
    thinking: Thinking,
    warnings: &mut Vec<Warning>,
) -> Map<String, Value> {
    let mut config = Map::new();
    let mut set = |name: &str, value: Value| config.insert(name.to_owned(), value);
    if let Some(max_tokens) = request.max_tokens {
        set("maxOutputTokens", json!(max_tokens));
    }
    if let Some(temperature) = request.temperature {
        set("temperature", json!(temperature));
    }
    if let Some(top_p) = request.top_p {
        set("topP", json!(top_p));
    }
    if !request.stop.as_slice().is_empty() {
        set("stopSequences", json!(request.stop.as_slice()));
    }
    if let Some(seed) = request.seed {
        set("seed", json!(seed));
    }
    if let Some(output) = &request.output {
        set("responseMimeType", json!("application/json"));
        set("responseJsonSchema", Value::Object(output.schema().clone()));
    }
    let reasoning = request.reasoning.as_ref();
    if let Some(thinking) = reasoning.and_then(|wish| thinking.config(wish, warnings)) {
        set("thinkingConfig", Value::Object(thinking));
    }
    config
}

fn tools(request: &ChatRequest, body: &mut Map<String, Value>, warnings: &mut Vec<Warning>) {
    if !request.tools.is_empty() {
        let declarations: Vec<Value> = request.tools.iter().map(declaration).collect();
        body.insert(
            "tools".to_owned(),
            json!([{ "functionDeclarations": declarations }]),
        );
        if request.provider_options.contains_key("tools") {
            warnings.push(Warning::new(
                "tools",
                "providerOptions.tools replaced them. To have both, add { functionDeclarations: [...] } to providerOptions.tools.",
            ));
        }
    }
    if request.parallel_tool_calls == Some(false) {
        warnings.push(Warning::new(
            "parallelToolCalls",
            "Gemini can't be kept from calling several tools in one turn.",
        ));
    }
    // Gemini holds to the schemas in the modes ANY and VALIDATED; AUTO is the default.
    let is_strict = request.tools.iter().any(|tool| tool.strict == Some(true));
    let mode = match &request.tool_choice {
        None if !is_strict => return,
        None | Some(ToolChoice::Mode(ToolMode::Auto)) if is_strict => "VALIDATED",
        None | Some(ToolChoice::Mode(ToolMode::Auto)) => "AUTO",
        Some(ToolChoice::Mode(ToolMode::None)) => "NONE",
        Some(ToolChoice::Mode(ToolMode::Required) | ToolChoice::Named { .. }) => "ANY",
    };
    let mut config = json!({ "mode": mode });
    if let Some(ToolChoice::Named { name }) = &request.tool_choice {
        config["allowedFunctionNames"] = json!([name]);
    }
    body.insert(
        "toolConfig".to_owned(),
        json!({ "functionCallingConfig": config }),
    );
}

fn declaration(tool: &Tool) -> Value {
    let mut declaration = json!({ "name": tool.name });
    if let Some(description) = &tool.description {
        declaration["description"] = json!(description);
    }
    if let Some(parameters) = &tool.parameters {
        declaration["parametersJsonSchema"] = parameters.clone();
    }
    declaration
}

fn with_options(body: &mut Body<'_>, options: &Map<String, Value>) -> Result<()> {
    if options.is_empty() {
        return Ok(());
    }
    if options.contains_key("contents") {
        body.contents = None;
    }
    if options.contains_key("systemInstruction")
        && let Some(system) = body.system_instruction.take()
    {
        let system = serde_json::to_value(system).map_err(|error| unwritable(&error))?;
        body.rest.insert("systemInstruction".to_owned(), system);
    }
    merge(&mut body.rest, options);
    Ok(())
}

pub fn unwritable(error: &serde_json::Error) -> Error {
    Error::invalid_argument(format!("The request can't be written as JSON: {error}"))
}
