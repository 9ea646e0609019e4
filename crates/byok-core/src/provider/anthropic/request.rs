//! Writes the body of `POST /v1/messages`: everything but the turns, which `message` writes. What our
//! request has and Anthropic's lacks is left out with a warning.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::message::{Block, Turn, conversation};
use super::schema;
use super::thinking::{self, Thinking};
use crate::capability::Warning;
use crate::capability::chat::{ChatRequest, Output, Tool, ToolChoice, ToolMode};
use crate::error::{Error, Result};
use crate::provider::{WireRequest, merge};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Value>,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

pub fn write(request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let (system, messages) = conversation(request, &mut warnings)?;
    let plan = thinking::plan(
        request.reasoning.as_ref(),
        request.max_tokens,
        model,
        &mut warnings,
    );
    if request.seed.is_some() {
        warnings.push(Warning::new(
            "seed",
            "Anthropic has no seed; it was not sent.",
        ));
    }
    let format = request
        .output
        .as_ref()
        .map(|output| output_format(output, &mut warnings));
    let body = Body {
        model,
        max_tokens: plan.max_tokens,
        system,
        messages,
        temperature: request.temperature,
        top_p: request.top_p,
        stop_sequences: request.stop.as_slice(),
        tools: request.tools.iter().map(tool).collect(),
        tool_choice: tool_choice(request, &mut warnings),
        output_config: OutputConfig {
            effort: plan.effort,
            format,
        },
        thinking: plan.thinking,
        stream,
    };
    let mut headers = Vec::new();
    let body = if request.provider_options.is_empty() {
        serde_json::to_vec(&body)
    } else {
        serde_json::to_value(&body).and_then(|mut body| {
            if let Value::Object(fields) = &mut body {
                headers = merge_options(fields, request, &mut warnings);
            }
            serde_json::to_vec(&body)
        })
    };
    let body = body.map_err(|error| {
        Error::invalid_argument(format!("The request can't be written as JSON: {error}."))
    })?;
    Ok(WireRequest {
        headers,
        ..WireRequest::json("/v1/messages", body).with_warnings(warnings)
    })
}

/// `providerOptions` over the body. `betas` is a list of names that goes into a header, as in the
/// official SDK; `stream` is ours alone.
fn merge_options(
    body: &mut Map<String, Value>,
    request: &ChatRequest,
    warnings: &mut Vec<Warning>,
) -> Vec<(Cow<'static, str>, String)> {
    let mut options = request.provider_options.clone();
    let betas = options.shift_remove("betas");
    if options.shift_remove("stream").is_some() {
        warnings.push(Warning::new(
            "providerOptions.stream",
            "Whether an answer is streamed is decided by calling chat or chatStream; the option was not sent.",
        ));
    }
    if options.contains_key("tools") && !request.tools.is_empty() {
        warnings.push(Warning::new(
            "tools",
            "providerOptions.tools replaces tools. Put all of them there to use both kinds.",
        ));
    }
    merge(body, &options);
    let betas: Vec<&str> = match &betas {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if betas.is_empty() {
        return Vec::new();
    }
    vec![("anthropic-beta".into(), betas.join(","))]
}

/// `input_schema` is required and must be an object's.
fn tool(tool: &Tool) -> Value {
    let mut input_schema = match &tool.parameters {
        Some(Value::Object(schema)) => schema.clone(),
        _ => Map::from_iter([("properties".to_owned(), json!({}))]),
    };
    input_schema
        .entry("type")
        .or_insert_with(|| json!("object"));
    let mut body = json!({ "name": tool.name, "input_schema": input_schema });
    if let Some(description) = &tool.description {
        body["description"] = json!(description);
    }
    if let Some(strict) = tool.strict {
        body["strict"] = json!(strict);
    }
    body
}

fn tool_choice(request: &ChatRequest, warnings: &mut Vec<Warning>) -> Option<Value> {
    if request.tool_choice.is_none() && request.parallel_tool_calls.is_none() {
        return None;
    }
    if request.tools.is_empty() && !request.provider_options.contains_key("tools") {
        let option = match request.tool_choice {
            Some(_) => "toolChoice",
            None => "parallelToolCalls",
        };
        warnings.push(Warning::new(
            option,
            "Anthropic takes it only together with tools; there are none, so it was not sent.",
        ));
        return None;
    }
    let mut choice = match &request.tool_choice {
        Some(ToolChoice::Mode(ToolMode::None)) => return Some(json!({ "type": "none" })),
        Some(ToolChoice::Mode(ToolMode::Required)) => json!({ "type": "any" }),
        Some(ToolChoice::Named { name }) => json!({ "type": "tool", "name": name }),
        Some(ToolChoice::Mode(ToolMode::Auto)) | None => json!({ "type": "auto" }),
    };
    if let Some(parallel) = request.parallel_tool_calls {
        choice["disable_parallel_tool_use"] = json!(!parallel);
    }
    Some(choice)
}

fn output_format(output: &Output, warnings: &mut Vec<Warning>) -> Value {
    if output.strict() == Some(false) {
        warnings.push(Warning::new(
            "output.strict",
            "Anthropic's structured output is always strict.",
        ));
    }
    let (schema, loosened) = schema::supported(output.schema());
    if !loosened.is_empty() {
        let names: Vec<String> = loosened.into_iter().collect();
        warnings.push(Warning::new(
            "output",
            format!(
                "Anthropic does not enforce these keywords of the schema: {}. The model is told of them in descriptions, and objects take no additional properties; check the answer yourself.",
                names.join(", ")
            ),
        ));
    }
    json!({ "type": "json_schema", "schema": schema })
}
