//! Builds a [`ChatResult`] from pieces, whole or streamed: every provider reports what it reads
//! here, so content, events and usage are put together in one place only.

use serde_json::Value;

use super::Warning;
use super::chat::{ChatEvent, ChatResult, FinishReason, Part, Signature, ToolCall, Usage};

/// A slot names a part that is being built: an index of the provider's own (content block, output
/// item). Parts appear in the order in which their slots are first used.
pub type Slot = u64;

pub struct ChatFold {
    parts: Vec<(Slot, Building)>,
    events: Option<Vec<ChatEvent>>,
    usage: Usage,
    finish_reason: Option<FinishReason>,
    raw_finish_reason: Option<String>,
    id: Option<String>,
    model: Option<String>,
    warnings: Vec<Warning>,
}

enum Building {
    Text {
        text: String,
        signature: Option<Signature>,
    },
    Reasoning {
        text: String,
        signature: Option<Signature>,
    },
    Tool {
        id: String,
        name: String,
        arguments: String,
        signature: Option<Signature>,
        ended: bool,
    },
    Whole(Part),
}

impl ChatFold {
    /// For a whole answer: no events are kept.
    pub fn whole() -> Self {
        ChatFold {
            parts: Vec::new(),
            events: None,
            usage: Usage::default(),
            finish_reason: None,
            raw_finish_reason: None,
            id: None,
            model: None,
            warnings: Vec::new(),
        }
    }

    /// For a stream: what is reported also becomes events, see [`ChatFold::take_events`].
    pub fn streaming() -> Self {
        ChatFold {
            events: Some(Vec::new()),
            ..ChatFold::whole()
        }
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<ChatEvent> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub fn text(&mut self, slot: Slot, delta: &str) {
        let building = self.slot(slot, || Building::Text {
            text: String::new(),
            signature: None,
        });
        if let Building::Text { text, .. } = building {
            text.push_str(delta);
        }
        if !delta.is_empty() {
            self.emit(|| ChatEvent::TextDelta {
                text: delta.to_owned(),
            });
        }
    }

    pub fn reasoning(&mut self, slot: Slot, delta: &str) {
        let building = self.slot(slot, || Building::Reasoning {
            text: String::new(),
            signature: None,
        });
        if let Building::Reasoning { text, .. } = building {
            text.push_str(delta);
        }
        if !delta.is_empty() {
            self.emit(|| ChatEvent::ReasoningDelta {
                text: delta.to_owned(),
            });
        }
    }

    /// Sets the signature of the text, reasoning or tool call in `slot`; a slot that is not there yet
    /// becomes reasoning without text.
    pub fn sign(&mut self, slot: Slot, signature: Signature) {
        let empty = || Building::Reasoning {
            text: String::new(),
            signature: None,
        };
        match self.slot(slot, empty) {
            Building::Text {
                signature: place, ..
            }
            | Building::Reasoning {
                signature: place, ..
            }
            | Building::Tool {
                signature: place, ..
            } => *place = Some(signature),
            Building::Whole(_) => {}
        }
    }

    /// Begins a tool call; arguments may follow in pieces. A second start of the same slot only
    /// fills in an id or a name that was empty.
    pub fn tool_start(&mut self, slot: Slot, id: &str, name: &str) {
        let known = self.position(slot).is_some();
        let building = self.slot(slot, || Building::Tool {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            signature: None,
            ended: false,
        });
        if known {
            if let Building::Tool {
                id: known_id,
                name: known_name,
                ..
            } = building
            {
                if known_id.is_empty() {
                    id.clone_into(known_id);
                }
                if known_name.is_empty() {
                    name.clone_into(known_name);
                }
            }
            return;
        }
        self.emit(|| ChatEvent::ToolCallStart {
            id: id.to_owned(),
            name: name.to_owned(),
        });
    }

    /// A piece of the arguments' JSON text. Ignored for a slot that was not started or has ended.
    pub fn tool_arguments(&mut self, slot: Slot, delta: &str) {
        let Some(position) = self.position(slot) else {
            return;
        };
        let Building::Tool {
            id,
            arguments,
            ended: false,
            ..
        } = &mut self.parts[position].1
        else {
            return;
        };
        arguments.push_str(delta);
        if !delta.is_empty()
            && let Some(events) = &mut self.events
        {
            events.push(ChatEvent::ToolCallDelta {
                id: id.clone(),
                delta: delta.to_owned(),
            });
        }
    }

    /// Ends a call; `arguments` replaces the pieces when the provider repeats them whole.
    pub fn tool_end(&mut self, slot: Slot, arguments: Option<&str>) {
        let Some(position) = self.position(slot) else {
            return;
        };
        let Building::Tool {
            id,
            name,
            arguments: pieces,
            ended,
            ..
        } = &mut self.parts[position].1
        else {
            return;
        };
        if std::mem::replace(ended, true) {
            return;
        }
        if let Some(whole) = arguments {
            whole.clone_into(pieces);
        }
        if let Some(events) = &mut self.events {
            let (arguments, raw_arguments) = parse_arguments(pieces);
            events.push(ChatEvent::ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments,
                raw_arguments,
            });
        }
    }

    /// Ends every call that is still open, for providers whose stream has no end mark per call.
    pub fn end_tools(&mut self) {
        let slots: Vec<Slot> = self.parts.iter().map(|(slot, _)| *slot).collect();
        for slot in slots {
            self.tool_end(slot, None);
        }
    }

    /// Adds a part that is complete and makes no events of its own.
    pub fn part(&mut self, slot: Slot, part: Part) {
        self.parts.push((slot, Building::Whole(part)));
    }

    /// Replaces the usage seen so far.
    pub fn usage(&mut self, usage: Usage) {
        if self.usage == usage {
            return;
        }
        self.usage = usage;
        let usage = &self.usage;
        if let Some(events) = &mut self.events {
            events.push(ChatEvent::Usage {
                usage: usage.clone(),
            });
        }
    }

    pub fn current_usage(&self) -> &Usage {
        &self.usage
    }

    pub fn finish(&mut self, reason: FinishReason, raw: Option<&str>) {
        self.finish_reason = Some(reason);
        self.raw_finish_reason = raw.map(str::to_owned);
    }

    pub fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    pub fn has_tool_calls(&self) -> bool {
        self.parts.iter().any(|(_, building)| {
            matches!(
                building,
                Building::Tool { .. } | Building::Whole(Part::ToolCall { .. })
            )
        })
    }

    pub fn id(&mut self, id: &str) {
        if self.id.is_none() && !id.is_empty() {
            self.id = Some(id.to_owned());
        }
    }

    pub fn model(&mut self, model: &str) {
        if self.model.is_none() && !model.is_empty() {
            self.model = Some(model.to_owned());
        }
    }

    pub fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    /// The last event of a stream.
    pub fn finish_event(&self) -> ChatEvent {
        ChatEvent::Finish {
            finish_reason: self.finish_reason.unwrap_or(FinishReason::Other),
            usage: self.usage.clone(),
        }
    }

    /// Puts the answer together. `wants_object` parses the text as JSON; `model` is what was asked
    /// for, used when the provider did not name its own.
    pub fn into_result(mut self, provider: &str, model: &str, wants_object: bool) -> ChatResult {
        self.end_tools();
        let content: Vec<Part> = self
            .parts
            .into_iter()
            .filter_map(|(_, building)| into_part(building))
            .collect();
        let mut text = String::new();
        let mut reasoning: Vec<&str> = Vec::new();
        let mut tool_calls = Vec::new();
        let mut warnings = self.warnings;
        for part in &content {
            match part {
                Part::Text { text: piece, .. } => text.push_str(piece),
                Part::Reasoning { text, .. } if !text.is_empty() => reasoning.push(text),
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                    raw_arguments,
                    ..
                } => {
                    if raw_arguments.is_some() {
                        warnings.push(Warning::new(
                            "tools",
                            format!("The model called {name} with arguments that are not valid JSON; they are in rawArguments."),
                        ));
                    }
                    tool_calls.push(ToolCall {
                        id: id.clone(),
                        name: name.clone(),
                        arguments: arguments.clone(),
                        raw_arguments: raw_arguments.clone(),
                    });
                }
                _ => {}
            }
        }
        let object = if wants_object {
            serde_json::from_str::<Value>(text.trim()).ok()
        } else {
            None
        };
        if wants_object && object.is_none() && tool_calls.is_empty() {
            warnings.push(Warning::new(
                "output",
                "The answer is not valid JSON, so object is absent; see text and finishReason.",
            ));
        }
        ChatResult {
            reasoning: (!reasoning.is_empty()).then(|| reasoning.join("\n\n")),
            text,
            tool_calls,
            object,
            finish_reason: self.finish_reason.unwrap_or(FinishReason::Other),
            raw_finish_reason: self.raw_finish_reason,
            usage: self.usage,
            provider: provider.to_owned(),
            label: String::new(),
            failed_attempts: Vec::new(),
            model: self.model.unwrap_or_else(|| model.to_owned()),
            id: self.id,
            request_id: None,
            warnings,
            raw: None,
            content,
        }
    }

    fn position(&self, slot: Slot) -> Option<usize> {
        self.parts.iter().rposition(|(known, _)| *known == slot)
    }

    fn slot(&mut self, slot: Slot, new: impl FnOnce() -> Building) -> &mut Building {
        let position = self.position(slot).unwrap_or_else(|| {
            self.parts.push((slot, new()));
            self.parts.len() - 1
        });
        &mut self.parts[position].1
    }

    fn emit(&mut self, event: impl FnOnce() -> ChatEvent) {
        if let Some(events) = &mut self.events {
            events.push(event());
        }
    }
}

/// Empty texts and reasoning without text or signature carry nothing and are left out.
fn into_part(building: Building) -> Option<Part> {
    match building {
        Building::Text { text, signature } => {
            (!text.is_empty() || signature.is_some()).then_some(Part::Text { text, signature })
        }
        Building::Reasoning { text, signature } => {
            (!text.is_empty() || signature.is_some()).then_some(Part::Reasoning { text, signature })
        }
        Building::Tool {
            id,
            name,
            arguments,
            signature,
            ..
        } => {
            let (arguments, raw_arguments) = parse_arguments(&arguments);
            Some(Part::ToolCall {
                id,
                name,
                arguments,
                raw_arguments,
                signature,
            })
        }
        Building::Whole(part) => Some(part),
    }
}

/// No arguments at all means `{}`; what is not JSON is kept as text.
fn parse_arguments(text: &str) -> (Value, Option<String>) {
    if text.trim().is_empty() {
        return (Value::Object(Default::default()), None);
    }
    match serde_json::from_str(text) {
        Ok(value) => (value, None),
        Err(_) => (Value::Null, Some(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_parts_in_the_order_of_their_first_use() {
        let mut fold = ChatFold::streaming();
        fold.reasoning(0, "hm");
        fold.tool_start(2, "call_1", "weather");
        fold.text(1, "Hel");
        fold.tool_arguments(2, "{\"city\":");
        fold.text(1, "lo");
        fold.tool_arguments(2, "\"Paris\"}");
        fold.tool_end(2, None);
        fold.finish(FinishReason::ToolCalls, Some("tool_use"));
        assert_eq!(fold.take_events().len(), 7);
        let result = fold.into_result("anthropic", "claude", false);
        assert_eq!(result.text, "Hello");
        assert_eq!(result.reasoning.as_deref(), Some("hm"));
        assert_eq!(result.tool_calls[0].arguments["city"], "Paris");
        assert!(matches!(result.content[1], Part::ToolCall { .. }));
    }

    #[test]
    fn arguments_that_are_not_json_are_kept_as_text_with_a_warning() {
        let mut fold = ChatFold::whole();
        fold.tool_start(0, "a", "f");
        fold.tool_end(0, Some("{\"x\":"));
        let result = fold.into_result("openai", "m", false);
        assert_eq!(
            result.tool_calls[0].raw_arguments.as_deref(),
            Some("{\"x\":")
        );
        assert_eq!(result.warnings[0].option, "tools");
    }
}
