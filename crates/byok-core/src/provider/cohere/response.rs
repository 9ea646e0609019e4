//! Whole answers. Citations are left out of the result: `includeRaw` gives them as Cohere sent them.

use super::Cohere;
use super::message::PLAN;
use super::request;
use super::stream::CohereStream;
use super::wire::{Answer, finish_reason};
use crate::capability::chat::{ChatRequest, Signature};
use crate::capability::fold::ChatFold;
use crate::error::{Code, Error, Result};
use crate::provider::{ChatProvider, ChatStream, WireRequest, not_json};

impl ChatProvider for Cohere {
    fn request(&self, request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
        request::build(request, model, stream)
    }

    fn response(&self, _request: &ChatRequest, body: &[u8], fold: &mut ChatFold) -> Result<()> {
        let answer: Answer =
            serde_json::from_slice(body).map_err(|error| not_json("Cohere's answer", &error))?;
        let (Some(message), Some(raw)) = (answer.message, answer.finish_reason) else {
            return Err(Error::bad_response(
                "Cohere answered without a message. Send the request again.",
            )
            .with_retryable(true));
        };
        fold.id(answer.id.as_deref().unwrap_or_default());
        let mut slot = 0;
        if let Some(plan) = message.tool_plan.filter(|plan| !plan.is_empty()) {
            fold.reasoning(slot, &plan);
            fold.sign(slot, plan_signature());
            slot += 1;
        }
        for content in message.content.into_iter().flatten() {
            if let Some(thinking) = content.thinking.filter(|text| !text.is_empty()) {
                fold.reasoning(slot, &thinking);
                fold.sign(slot, thinking_signature());
            }
            if let Some(text) = content.text {
                fold.text(slot + 1, &text);
            }
            slot += 2;
        }
        for call in message.tool_calls.into_iter().flatten() {
            let function = call.function.unwrap_or_default();
            let name = function.name.unwrap_or_default();
            fold.tool_start(slot, &call.id.unwrap_or_default(), &name);
            let arguments = function.arguments.unwrap_or_default();
            fold.tool_end(slot, Some(no_null(&arguments)));
            slot += 1;
        }
        if let Some(usage) = answer.usage.and_then(|usage| usage.to_usage()) {
            fold.usage(usage);
        }
        let reason = finish_reason(&raw).ok_or_else(|| gave_up(&raw, None))?;
        fold.finish(reason, Some(&raw));
        Ok(())
    }

    fn stream(&self, _request: &ChatRequest) -> Box<dyn ChatStream> {
        Box::<CohereStream>::default()
    }
}

/// Cohere writes `null` for the arguments of a tool that has none.
pub fn no_null(arguments: &str) -> &str {
    if arguments.trim() == "null" {
        return "";
    }
    arguments
}

pub fn thinking_signature() -> Signature {
    Signature {
        provider: "cohere".to_owned(),
        value: None,
        id: None,
        redacted: false,
    }
}

pub fn plan_signature() -> Signature {
    Signature {
        value: Some(PLAN.to_owned()),
        ..thinking_signature()
    }
}

/// The error of an answer that ended with `ERROR` or `TIMEOUT`.
pub fn gave_up(raw: &str, said: Option<&str>) -> Error {
    let said = said.map_or(String::new(), |words| format!(": {words}"));
    Error::new(
        Code::ProviderUnavailable,
        format!("Cohere gave up its answer ({raw}){said}. Send the request again."),
    )
    .with_retryable(true)
}
