//! Reports an [`Answer`] to the fold: parts to slots, usage, ids, the finish reason. Whole answers
//! and stream chunks go through the same code.
//!
//! A part with a `thoughtSignature` keeps a slot of its own and is never joined with its neighbours,
//! because Gemini wants the signature back on exactly the part that had it.

use super::outcome::{finish_reason, usage};
use super::partial::PartialArguments;
use super::wire::{Answer, Candidate, FunctionCall, InlineData, WirePart};
use crate::capability::Warning;
use crate::capability::chat::{ChatRequest, FinishReason, Part, Signature};
use crate::capability::fold::{ChatFold, Slot};
use crate::capability::media::MediaInput;
use crate::error::Result;

pub struct Reader {
    /// How many messages the request had: makes ids of calls differ from turn to turn.
    turn: usize,
    next_slot: Slot,
    /// The text or reasoning that the next unsigned piece of the same kind belongs to.
    open: Option<(PartKind, Slot)>,
    calls: usize,
    partial: Option<(Slot, PartialArguments)>,
    finish_reason: Option<String>,
    /// Kinds of parts that were left out, each reported once.
    left_out: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartKind {
    Text,
    Thought,
}

impl Reader {
    pub fn new(request: &ChatRequest) -> Self {
        Reader {
            turn: request.messages.len(),
            next_slot: 0,
            open: None,
            calls: 0,
            partial: None,
            finish_reason: None,
            left_out: Vec::new(),
        }
    }

    /// Whether a finish reason, or the reason why the prompt was blocked, has been seen.
    pub fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// `answer.error` is the caller's to look at.
    ///
    /// # Errors
    /// `BAD_RESPONSE` for pieces of a tool call that contradict each other.
    pub fn read(&mut self, answer: &Answer<'_>, fold: &mut ChatFold) -> Result<()> {
        if let Some(id) = &answer.response_id {
            fold.id(id);
        }
        if let Some(model) = &answer.model_version {
            fold.model(model);
        }
        let candidates = answer.candidates.as_deref().unwrap_or_default();
        for candidate in candidates {
            if candidate.index.unwrap_or(0) == 0 {
                self.candidate(candidate, answer.response_id.as_deref(), fold)?;
            } else {
                self.leave_out("further candidates", fold);
            }
        }
        if let Some(usage) = answer.usage_metadata.as_ref().and_then(usage) {
            fold.usage(usage);
        }
        let blocked = answer.prompt_feedback.as_ref();
        if let Some(reason) = blocked.and_then(|feedback| feedback.block_reason.as_deref())
            && candidates.is_empty()
        {
            self.finish_reason = Some(reason.to_owned());
            fold.finish(FinishReason::ContentFilter, Some(reason));
        }
        Ok(())
    }

    fn candidate(
        &mut self,
        candidate: &Candidate<'_>,
        response_id: Option<&str>,
        fold: &mut ChatFold,
    ) -> Result<()> {
        let content = candidate.content.as_ref();
        let parts = content.and_then(|content| content.parts.as_deref());
        for part in parts.unwrap_or_default() {
            self.part(part, response_id, fold)?;
        }
        if let Some(raw) = candidate.finish_reason.as_deref() {
            self.end_partial(fold);
            self.finish_reason = Some(raw.to_owned());
            if let Some(message) = candidate.finish_message.as_deref()
                && finish_reason(raw, false) == FinishReason::Error
            {
                fold.warn(Warning::new("finishReason", format!("{raw}: {message}")));
            }
        }
        // Again when a call comes in a chunk after the finish reason: it is a turn of tool calls.
        if let Some(raw) = &self.finish_reason
            && (candidate.finish_reason.is_some() || parts.is_some())
        {
            fold.finish(finish_reason(raw, fold.has_tool_calls()), Some(raw));
        }
        Ok(())
    }

    fn part(
        &mut self,
        part: &WirePart<'_>,
        response_id: Option<&str>,
        fold: &mut ChatFold,
    ) -> Result<()> {
        let signature = part.thought_signature.as_deref();
        let is_thought = part.thought == Some(true);
        if let Some(call) = &part.function_call {
            return self.call(call, signature, response_id, fold);
        }
        if let Some(data) = &part.inline_data {
            if is_thought {
                self.leave_out("images of the model's thoughts", fold);
            } else {
                self.inline(data, signature, fold);
            }
            return Ok(());
        }
        if let Some(file) = &part.file_data {
            if let Some(uri) = &file.file_uri {
                let part = Part::File {
                    data: MediaInput::Text(uri.to_string()),
                    media_type: file.mime_type.as_ref().map(|name| name.to_string()),
                    filename: None,
                    media: None,
                };
                let slot = self.close_and_take_slot();
                fold.part(slot, part);
            }
            return Ok(());
        }
        let kinds = [
            (&part.executable_code, "executableCode"),
            (&part.code_execution_result, "codeExecutionResult"),
            (&part.tool_call, "toolCall"),
            (&part.tool_response, "toolResponse"),
        ];
        if let Some((_, kind)) = kinds.into_iter().find(|(field, _)| field.is_some()) {
            self.open = None;
            self.leave_out(kind, fold);
            return Ok(());
        }
        let kind = if is_thought {
            PartKind::Thought
        } else {
            PartKind::Text
        };
        self.text(kind, part.text.as_deref().unwrap_or(""), signature, fold);
        Ok(())
    }

    fn text(&mut self, kind: PartKind, text: &str, signature: Option<&str>, fold: &mut ChatFold) {
        let slot = match (signature, self.open) {
            (None, _) if text.is_empty() => return,
            (None, Some((open, slot))) if open == kind => slot,
            _ => self.close_and_take_slot(),
        };
        match kind {
            PartKind::Text => fold.text(slot, text),
            PartKind::Thought => fold.reasoning(slot, text),
        }
        match signature {
            Some(value) => fold.sign(slot, signature_of(value)),
            None => self.open = Some((kind, slot)),
        }
    }

    fn call(
        &mut self,
        call: &FunctionCall<'_>,
        signature: Option<&str>,
        response_id: Option<&str>,
        fold: &mut ChatFold,
    ) -> Result<()> {
        let pieces = call.partial_args.as_deref().unwrap_or_default();
        if let Some(name) = call.name.as_deref() {
            self.end_partial(fold);
            let slot = self.close_and_take_slot();
            match call.id.as_deref().filter(|id| !id.is_empty()) {
                Some(id) => fold.tool_start(slot, id, name),
                None => fold.tool_start(slot, &self.call_id(response_id), name),
            }
            self.calls += 1;
            if let Some(value) = signature {
                fold.sign(slot, signature_of(value));
            }
            if call.will_continue != Some(true) && pieces.is_empty() {
                fold.tool_arguments(slot, call.args.map_or("{}", |args| args.get()));
                fold.tool_end(slot, None);
                return Ok(());
            }
            self.partial = Some((slot, PartialArguments::new()));
        }
        let Some((_, arguments)) = &mut self.partial else {
            return Ok(());
        };
        for piece in pieces {
            arguments.add(piece)?;
        }
        if call.will_continue != Some(true) {
            self.end_partial(fold);
        }
        Ok(())
    }

    fn end_partial(&mut self, fold: &mut ChatFold) {
        if let Some((slot, arguments)) = self.partial.take() {
            fold.tool_arguments(slot, &arguments.to_json());
            fold.tool_end(slot, None);
        }
    }

    fn inline(&mut self, inline: &InlineData<'_>, signature: Option<&str>, fold: &mut ChatFold) {
        let Some(data) = &inline.data else {
            return;
        };
        let media_type = inline.mime_type.as_ref().map(|name| name.to_string());
        let data = MediaInput::Text(data.to_string());
        let part = match media_type.as_deref().map(|name| name.split('/').next()) {
            Some(Some("image")) => Part::Image {
                image: data,
                media_type,
                detail: None,
                signature: signature.map(signature_of),
                media: None,
            },
            Some(Some("audio")) => Part::Audio {
                data,
                media_type,
                media: None,
            },
            _ => Part::File {
                data,
                media_type,
                filename: None,
                media: None,
            },
        };
        let slot = self.close_and_take_slot();
        fold.part(slot, part);
    }

    fn close_and_take_slot(&mut self) -> Slot {
        self.open = None;
        self.next_slot += 1;
        self.next_slot - 1
    }

    /// An id for a call that came without one: the same for the same answer, different within a
    /// conversation, and of characters that every provider takes.
    fn call_id(&self, response_id: Option<&str>) -> String {
        let answer: String = response_id
            .unwrap_or_default()
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .take(32)
            .collect();
        format!("call_{answer}_{}_{}", self.turn, self.calls)
    }

    fn leave_out(&mut self, kind: &'static str, fold: &mut ChatFold) {
        if self.left_out.contains(&kind) {
            return;
        }
        self.left_out.push(kind);
        fold.warn(Warning::new(
            "content",
            format!(
                "Gemini also sent {kind}, which content has no place for. includeRaw shows them."
            ),
        ));
    }
}

fn signature_of(value: &str) -> Signature {
    Signature {
        provider: "gemini".to_owned(),
        value: Some(value.to_owned()),
        id: None,
        redacted: false,
    }
}
