//! A Responses answer, whole or streamed. Items become parts in their order; events and items of
//! types that are not ours (hosted tools, audio, annotations) are skipped.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure;
use super::text::Text;
use super::usage::WireUsage;
use crate::capability::chat::{FinishReason, Signature};
use crate::capability::fold::{ChatFold, Slot};
use crate::error::{Code, Error, Result};
use crate::provider::{ChatStream, Failure, cut_off, not_json};
use crate::sse::SseEvent;

/// Reads a whole answer of the provider `id`.
pub fn response(id: &str, body: &[u8], fold: &mut ChatFold) -> Result<()> {
    let body: Body<'_> =
        serde_json::from_slice(body).map_err(|error| not_json("The answer", &error))?;
    if let Some(failure) = body.failure() {
        return Err(failure.into_error());
    }
    let Some(output) = &body.output else {
        return Err(Error::bad_response(
            "The answer has no output, so there is nothing in it to read.",
        ));
    };
    let mut answer = ResponsesAnswer::new(id);
    for (index, item) in output.iter().enumerate() {
        answer.item(index as u64, item, fold)?;
    }
    answer.finish(&body, fold);
    Ok(())
}

/// The state of one streamed answer.
pub struct ResponsesAnswer {
    id: String,
    /// Slots whose text has come in deltas, so that a repeated whole is not added again.
    streamed: Vec<Slot>,
    /// The slot and summary part that reasoning was last added to.
    summary_part: Option<(Slot, u64)>,
    has_refusal: bool,
    is_done: bool,
}

impl ResponsesAnswer {
    pub fn new(id: &str) -> Self {
        ResponsesAnswer {
            id: id.to_owned(),
            streamed: Vec::new(),
            summary_part: None,
            has_refusal: false,
            is_done: false,
        }
    }

    fn dispatch(&mut self, event: &Event<'_>, fold: &mut ChatFold) -> Result<()> {
        let slot = slot(event.output_index, event.content_index);
        match &*event.kind {
            "response.output_text.delta" => self.text(slot, &event.delta, fold),
            "response.refusal.delta" => {
                self.has_refusal = true;
                self.text(slot, &event.delta, fold);
            }
            "response.reasoning_summary_text.delta" => {
                self.reasoning(event.output_index, event.summary_index, &event.delta, fold);
            }
            "response.reasoning_text.delta" => {
                self.reasoning(event.output_index, event.content_index, &event.delta, fold);
            }
            "response.function_call_arguments.delta" => {
                fold.tool_arguments(item_slot(event.output_index), &event.delta);
            }
            "response.output_item.added" => {
                if let Some(item) = event.item.map(head).transpose()?
                    && &*item.kind == "function_call"
                {
                    fold.tool_start(item_slot(event.output_index), &item.call_id, &item.name);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = event.item {
                    self.item(event.output_index, item, fold)?;
                }
            }
            "response.created" => {
                if let Some(body) = event.body()? {
                    fold.id(&body.id);
                    fold.model(&body.model);
                }
            }
            "response.completed" | "response.incomplete" | "response.done" => {
                if let Some(body) = event.body()? {
                    if let Some(failure) = body.failure() {
                        return Err(failure.into_stream_error());
                    }
                    self.finish(&body, fold);
                    self.is_done = true;
                }
            }
            "response.failed" => {
                let failure = event.body()?.and_then(|body| body.failure());
                return Err(failure.unwrap_or_else(unexplained).into_stream_error());
            }
            "error" => return Err(event.failure().into_stream_error()),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, slot: Slot, delta: &str, fold: &mut ChatFold) {
        if !delta.is_empty() {
            if self.streamed.last() != Some(&slot) {
                self.streamed.push(slot);
            }
            fold.text(slot, delta);
        }
    }

    /// Reasoning of one item is one part; its sections are set apart by a blank line.
    fn reasoning(&mut self, output_index: u64, section: u64, delta: &str, fold: &mut ChatFold) {
        if delta.is_empty() {
            return;
        }
        let slot = item_slot(output_index);
        if let Some((known_slot, known_section)) = self.summary_part
            && known_slot == slot
            && known_section != section
        {
            fold.reasoning(slot, "\n\n");
        }
        self.summary_part = Some((slot, section));
        if self.streamed.last() != Some(&slot) {
            self.streamed.push(slot);
        }
        fold.reasoning(slot, delta);
    }

    /// A whole item: of a whole answer, or at the end of its deltas.
    fn item(&mut self, index: u64, raw: &RawValue, fold: &mut ChatFold) -> Result<()> {
        match &*head(raw)?.kind {
            "message" => {
                let item: MessageItem<'_> = parse(raw)?;
                for (content_index, content) in item.content.iter().enumerate() {
                    let slot = slot(index, content_index as u64);
                    self.has_refusal |= !content.refusal.is_empty();
                    if !self.streamed.contains(&slot) {
                        fold.text(slot, &content.text);
                        fold.text(slot, &content.refusal);
                    }
                    if !item.phase.is_empty() {
                        fold.sign(slot, self.signature(Some(&item.phase), None));
                    }
                }
            }
            "function_call" => {
                let item: CallItem<'_> = parse(raw)?;
                fold.tool_start(item_slot(index), &item.call_id, &item.name);
                fold.tool_end(item_slot(index), Some(&item.arguments));
            }
            "reasoning" => {
                let item: ReasoningItem<'_> = parse(raw)?;
                let slot = item_slot(index);
                if !self.streamed.contains(&slot) {
                    let sections = match item.summary.as_deref() {
                        Some(summary @ [_, ..]) => summary,
                        _ => item.content.as_deref().unwrap_or_default(),
                    };
                    for (section, content) in sections.iter().enumerate() {
                        self.reasoning(index, section as u64, &content.text, fold);
                    }
                }
                fold.sign(
                    slot,
                    self.signature(item.encrypted_content.as_deref(), Some(&item.id)),
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn signature(&self, value: Option<&str>, id: Option<&str>) -> Signature {
        let owned = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Signature {
            provider: self.id.clone(),
            value: owned(value),
            id: owned(id),
            redacted: false,
        }
    }

    fn finish(&mut self, body: &Body<'_>, fold: &mut ChatFold) {
        fold.id(&body.id);
        fold.model(&body.model);
        fold.end_tools();
        if let Some(usage) = &body.usage {
            fold.usage(usage.read());
        }
        let incomplete = body
            .incomplete_details
            .as_ref()
            .map_or("", |details| &details.reason);
        let (reason, raw) = match (&*body.status, incomplete) {
            ("incomplete", "max_output_tokens") => (FinishReason::Length, incomplete),
            ("incomplete", "content_filter") => (FinishReason::ContentFilter, incomplete),
            ("incomplete", "") => (FinishReason::Other, "incomplete"),
            ("incomplete", other) => (FinishReason::Other, other),
            ("queued" | "in_progress" | "cancelled", _) => (FinishReason::Other, &*body.status),
            // `completed`, and servers that leave the status out.
            (status, _) if fold.has_tool_calls() => (FinishReason::ToolCalls, status),
            (status, _) if self.has_refusal => (FinishReason::ContentFilter, status),
            (status, _) => (FinishReason::Stop, status),
        };
        fold.finish(reason, Some(raw).filter(|raw| !raw.is_empty()));
    }
}

impl ChatStream for ResponsesAnswer {
    fn event(&mut self, event: &SseEvent<'_>, fold: &mut ChatFold) -> Result<()> {
        let data = event.data.trim();
        if self.is_done || data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_str(data).map_err(|error| {
            if error.is_eof() {
                cut_off()
            } else {
                not_json("A piece of the stream", &error)
            }
        })?;
        self.dispatch(&event, fold)
    }

    fn end(&mut self, _: &mut ChatFold) -> Result<()> {
        if self.is_done { Ok(()) } else { Err(cut_off()) }
    }
}

/// Content parts of an item have slots of their own; other items use their first.
fn slot(output_index: u64, content_index: u64) -> Slot {
    (output_index << 16) | (content_index & 0xFFFF)
}

fn item_slot(output_index: u64) -> Slot {
    slot(output_index, 0)
}

fn unexplained() -> Failure {
    Failure {
        code: Code::ProviderError,
        message: None,
        request_id: None,
        retryable: false,
        retry_after_ms: None,
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T> {
    serde_json::from_str(raw.get()).map_err(|error| not_json("An item of the answer", &error))
}

fn head(raw: &RawValue) -> Result<ItemHead<'_>> {
    parse(raw)
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    delta: Text<'a>,
    #[serde(default)]
    output_index: u64,
    #[serde(default)]
    content_index: u64,
    #[serde(default)]
    summary_index: u64,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
}

impl<'a> Event<'a> {
    fn body(&self) -> Result<Option<Body<'a>>> {
        self.response.map(parse).transpose()
    }

    /// An `error` event has its words beside its type or, from some servers, in `error`.
    fn failure(&self) -> Failure {
        match self.error {
            Some(error) => failure::from_raw(error),
            None => failure::from_json(
                None,
                &serde_json::json!({ "code": &*self.code, "message": &*self.message }),
            ),
        }
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow)]
    output: Option<Vec<&'a RawValue>>,
    usage: Option<WireUsage>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    incomplete_details: Option<IncompleteDetails<'a>>,
}

impl Body<'_> {
    fn failure(&self) -> Option<Failure> {
        match self.error {
            Some(error) => Some(failure::from_raw(error)),
            None => (&*self.status == "failed").then(unexplained),
        }
    }
}

#[derive(Deserialize)]
struct IncompleteDetails<'a> {
    #[serde(borrow, default)]
    reason: Text<'a>,
}

#[derive(Deserialize)]
struct ItemHead<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    call_id: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct MessageItem<'a> {
    #[serde(borrow, default)]
    content: Vec<ContentPart<'a>>,
    #[serde(borrow, default)]
    phase: Text<'a>,
}

#[derive(Deserialize)]
struct ContentPart<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
}

#[derive(Deserialize)]
struct CallItem<'a> {
    #[serde(borrow, default)]
    call_id: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
}

#[derive(Deserialize)]
struct ReasoningItem<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow)]
    summary: Option<Vec<ContentPart<'a>>>,
    #[serde(borrow)]
    content: Option<Vec<ContentPart<'a>>>,
    #[serde(borrow)]
    encrypted_content: Option<Text<'a>>,
}
