//! A chat request to the body of `POST /v2/chat`. A parameter is sent only when the caller set it;
//! `providerOptions` are merged over the body last.

use serde_json::{Map, Value, json};

use super::message;
use crate::capability::Warning;
use crate::capability::chat::{ChatRequest, Reasoning, Tool, ToolChoice, ToolMode};
use crate::error::{Error, Result};
use crate::provider::{WireRequest, merge};

pub fn build(request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let messages = message::build(request, &mut warnings)?;
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), messages.messages.into());
    if !messages.documents.is_empty() {
        body.insert("documents".into(), messages.documents.into());
    }
    // Required by the API's description, although false is its default.
    body.insert("stream".into(), stream.into());
    sampling(request, &mut body);
    tools(request, &mut body, &mut warnings)?;
    if let Some(output) = &request.output {
        body.insert(
            "response_format".into(),
            json!({ "type": "json_object", "json_schema": output.schema() }),
        );
    }
    if let Some(reasoning) = &request.reasoning {
        body.insert("thinking".into(), thinking(reasoning, &mut warnings));
    }
    merge(&mut body, &request.provider_options);
    let body =
        serde_json::to_vec(&body).map_err(|error| Error::invalid_argument(error.to_string()))?;
    Ok(WireRequest::json("/v2/chat", body).with_warnings(warnings))
}

fn sampling(request: &ChatRequest, body: &mut Map<String, Value>) {
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("max_tokens", request.max_tokens.map(Value::from));
    set("temperature", request.temperature.map(Value::from));
    set("p", request.top_p.map(Value::from));
    set("seed", request.seed.map(Value::from));
    let stop = request.stop.as_slice();
    set("stop_sequences", (!stop.is_empty()).then(|| stop.into()));
}

/// Cohere can be made to use some tool or none; a single one is asked for by offering no other.
fn tools(
    request: &ChatRequest,
    body: &mut Map<String, Value>,
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    let only = match &request.tool_choice {
        Some(ToolChoice::Named { name }) => Some(name),
        _ => None,
    };
    let tools: Vec<Value> = request
        .tools
        .iter()
        .filter(|tool| only.is_none_or(|name| *name == tool.name))
        .map(declaration)
        .collect();
    if let (Some(name), true) = (only, tools.is_empty()) {
        return Err(Error::invalid_argument(format!(
            "toolChoice: no tool is named {name:?}."
        )));
    }
    if tools.is_empty() {
        return Ok(());
    }
    body.insert("tools".into(), tools.into());
    if request.tools.iter().any(|tool| tool.strict == Some(true)) {
        body.insert("strict_tools".into(), true.into());
    }
    let choice = match &request.tool_choice {
        Some(ToolChoice::Mode(ToolMode::Required) | ToolChoice::Named { .. }) => Some("REQUIRED"),
        Some(ToolChoice::Mode(ToolMode::None)) => Some("NONE"),
        Some(ToolChoice::Mode(ToolMode::Auto)) | None => None,
    };
    if let Some(choice) = choice {
        body.insert("tool_choice".into(), choice.into());
    }
    if request.parallel_tool_calls == Some(false) {
        warnings.push(Warning::new(
            "parallelToolCalls",
            "Cohere can't be kept from calling several tools in one turn.",
        ));
    }
    Ok(())
}

fn declaration(tool: &Tool) -> Value {
    let parameters = tool.parameters.clone();
    let parameters = parameters.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    let mut function = json!({ "name": tool.name, "parameters": parameters });
    if let Some(description) = &tool.description {
        function["description"] = description.as_str().into();
    }
    json!({ "type": "function", "function": function })
}

/// Cohere's thinking is on or off, with an upper bound of tokens at most.
fn thinking(reasoning: &Reasoning, warnings: &mut Vec<Warning>) -> Value {
    let effort = reasoning.effort.as_deref();
    if effort == Some("none") {
        return json!({ "type": "disabled" });
    }
    if let Some(effort) = effort
        && reasoning.max_tokens.is_none()
    {
        warnings.push(Warning::new(
            "reasoning.effort",
            format!("Cohere knows no efforts: thinking was turned on for {effort}. reasoning.maxTokens bounds it."),
        ));
    }
    let mut thinking = json!({ "type": "enabled" });
    if let Some(tokens) = reasoning.max_tokens {
        thinking["token_budget"] = tokens.into();
    }
    thinking
}
