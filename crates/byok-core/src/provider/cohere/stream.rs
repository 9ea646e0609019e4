//! The events of a stream. Contents and tool calls have indices of their own, so they are told apart
//! by their slots; `message-end` is the end mark.

use super::response::{gave_up, no_null, plan_signature, thinking_signature};
use super::wire::{Delta, End, Event, finish_reason};
use crate::capability::fold::{ChatFold, Slot};
use crate::error::{Code, Result};
use crate::provider::{ChatStream, Failure, cut_off, not_json};
use crate::sse::SseEvent;

const PLAN_SLOT: Slot = 1 << 34;
const CALL_SLOTS: Slot = 1 << 33;

#[derive(Default)]
pub struct CohereStream {
    /// Index of the call that pieces without one belong to.
    call: u32,
    calls: u32,
    /// The slots of reasoning that was signed.
    signed: Vec<Slot>,
    is_ended: bool,
}

impl ChatStream for CohereStream {
    fn event(&mut self, event: &SseEvent<'_>, fold: &mut ChatFold) -> Result<()> {
        let data = event.data.trim();
        if data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_str(data).map_err(|error| broken(&error))?;
        match &*event.kind {
            "message-start" => fold.id(&event.id),
            "content-start" | "content-delta" | "tool-plan-delta" => {
                self.content(&event, fold)?;
            }
            "tool-call-start" | "tool-call-delta" => self.call(&event, fold)?,
            "tool-call-end" => fold.tool_end(self.call_slot(event.index), None),
            "message-end" => self.end_of_message(&event, fold)?,
            "" if !event.message.is_empty() => return Err(said(&event.message)),
            "error" => return Err(said(&event.message)),
            // content-end, citation-start, citation-end, debug and what may come.
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _fold: &mut ChatFold) -> Result<()> {
        if self.is_ended {
            return Ok(());
        }
        Err(cut_off())
    }
}

impl CohereStream {
    fn content(&mut self, event: &Event<'_>, fold: &mut ChatFold) -> Result<()> {
        let Some(delta) = delta(event)? else {
            return Ok(());
        };
        let plan = &delta.message.tool_plan;
        if !plan.is_empty() {
            fold.reasoning(PLAN_SLOT, plan);
            if self.is_new(PLAN_SLOT) {
                fold.sign(PLAN_SLOT, plan_signature());
            }
        }
        let Some(content) = &delta.message.content else {
            return Ok(());
        };
        let slot = Slot::from(event.index.unwrap_or(0)) * 2;
        if !content.thinking.is_empty() {
            fold.reasoning(slot, &content.thinking);
            if self.is_new(slot) {
                fold.sign(slot, thinking_signature());
            }
        }
        if !content.text.is_empty() {
            fold.text(slot + 1, &content.text);
        }
        Ok(())
    }

    fn is_new(&mut self, slot: Slot) -> bool {
        let is_new = !self.signed.contains(&slot);
        if is_new {
            self.signed.push(slot);
        }
        is_new
    }

    fn call(&mut self, event: &Event<'_>, fold: &mut ChatFold) -> Result<()> {
        let Some(delta) = delta(event)? else {
            return Ok(());
        };
        let Some(call) = &delta.message.tool_calls else {
            return Ok(());
        };
        if &*event.kind == "tool-call-start" {
            self.call = event.index.unwrap_or(self.calls);
            self.calls += 1;
            fold.tool_start(self.call_slot(None), &call.id, &call.function.name);
        }
        fold.tool_arguments(
            self.call_slot(event.index),
            no_null(&call.function.arguments),
        );
        Ok(())
    }

    fn call_slot(&self, index: Option<u32>) -> Slot {
        CALL_SLOTS + Slot::from(index.unwrap_or(self.call))
    }

    fn end_of_message(&mut self, event: &Event<'_>, fold: &mut ChatFold) -> Result<()> {
        let end: End = match event.delta {
            Some(delta) => serde_json::from_str(delta.get()).map_err(|error| broken(&error))?,
            None => End::default(),
        };
        fold.end_tools();
        if let Some(usage) = end.usage.and_then(|usage| usage.to_usage()) {
            fold.usage(usage);
        }
        let raw = end.finish_reason.unwrap_or_default();
        let reason = finish_reason(&raw)
            .ok_or_else(|| gave_up(&raw, end.error.as_deref()).with_retryable(false))?;
        fold.finish(reason, Some(&raw));
        self.is_ended = true;
        Ok(())
    }
}

fn delta<'a>(event: &Event<'a>) -> Result<Option<Delta<'a>>> {
    event
        .delta
        .map(|delta| serde_json::from_str(delta.get()).map_err(|error| broken(&error)))
        .transpose()
}

fn said(message: &str) -> crate::error::Error {
    Failure::from_status(http::StatusCode::INTERNAL_SERVER_ERROR)
        .recoded(Code::ProviderError)
        .with_message(Some(message))
        .into_stream_error()
}

/// An event that stops in the middle of its JSON is a stream that was cut off there.
fn broken(error: &serde_json::Error) -> crate::error::Error {
    if error.is_eof() {
        return cut_off();
    }
    not_json("An event of Cohere's stream", error)
}
