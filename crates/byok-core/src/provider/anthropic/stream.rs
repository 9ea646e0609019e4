//! Reads a streamed message. Each event is parsed once, into borrowed fields; `message_stop` is the
//! end mark, and a stream without it was cut off.

use serde::Deserialize;

use super::failure;
use super::response::{Block, Text, UsageFields, finish_reason, sign};
use crate::capability::fold::{ChatFold, Slot};
use crate::error::Result;
use crate::provider::{ChatStream, cut_off, not_json};
use crate::sse::SseEvent;

/// Where the slots of blocks begin that are whole in `message_start` (programmatic tool calling),
/// beyond every index of a streamed block.
const PREFILLED: Slot = 1 << 32;

#[derive(Default)]
pub struct MessageStream {
    usage: UsageFields,
    /// Arguments that stood in a tool call's `content_block_start`: they count only when no delta
    /// brings any.
    arguments_at_start: Option<(Slot, String)>,
    ended: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(default)]
    index: Slot,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    message: Option<Start<'a>>,
    #[serde(default)]
    usage: Option<UsageFields>,
}

/// The delta of a block, or of the message (`stop_reason`).
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(borrow, default)]
    signature: Text<'a>,
    #[serde(borrow, default)]
    partial_json: Text<'a>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    #[serde(default)]
    usage: Option<UsageFields>,
}

/// Enough to pass over an event that is not known.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
}

impl ChatStream for MessageStream {
    fn event(&mut self, event: &SseEvent<'_>, fold: &mut ChatFold) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        let parsed = match serde_json::from_str::<Event<'_>>(event.data) {
            Ok(parsed) => parsed,
            Err(error) => return unreadable(event.data, &error),
        };
        match parsed.r#type.as_str() {
            "content_block_delta" => {
                if let Some(delta) = &parsed.delta {
                    self.delta(parsed.index, delta, fold);
                }
            }
            "content_block_start" => {
                if let Some(block) = &parsed.content_block {
                    block.begin(parsed.index, fold);
                    self.arguments_at_start = block
                        .arguments()
                        .map(|arguments| (parsed.index, arguments.to_owned()));
                }
            }
            "content_block_stop" => self.stop(parsed.index, fold),
            "message_start" => {
                if let Some(start) = &parsed.message {
                    start.read(fold);
                }
                self.count(parsed.message.and_then(|start| start.usage), fold);
            }
            "message_delta" => {
                if let Some(delta) = &parsed.delta {
                    finish(&delta.stop_reason, fold);
                }
                self.count(parsed.usage, fold);
            }
            "message_stop" => {
                fold.end_tools();
                self.ended = true;
            }
            "error" => return Err(failure::of_event(event.data)),
            _ => {} // ping, and what is not known yet
        }
        Ok(())
    }

    fn end(&mut self, _fold: &mut ChatFold) -> Result<()> {
        if self.ended { Ok(()) } else { Err(cut_off()) }
    }
}

impl MessageStream {
    fn delta(&mut self, slot: Slot, delta: &Delta<'_>, fold: &mut ChatFold) {
        match delta.r#type.as_str() {
            "text_delta" => fold.text(slot, delta.text.as_str()),
            "thinking_delta" => fold.reasoning(slot, delta.thinking.as_str()),
            "signature_delta" => sign(slot, delta.signature.as_str(), false, fold),
            "input_json_delta" => {
                let piece = delta.partial_json.as_str();
                if !piece.is_empty() {
                    self.arguments_at_start = None;
                }
                fold.tool_arguments(slot, piece);
            }
            _ => {} // citations_delta, compaction_delta
        }
    }

    fn stop(&mut self, slot: Slot, fold: &mut ChatFold) {
        let arguments = self.arguments_at_start.take();
        let arguments = arguments.filter(|(start, _)| *start == slot);
        fold.tool_end(slot, arguments.as_ref().map(|(_, text)| text.as_str()));
    }

    fn count(&mut self, usage: Option<UsageFields>, fold: &mut ChatFold) {
        if let Some(usage) = usage {
            self.usage.update(usage);
            fold.usage(self.usage.normalised());
        }
    }
}

impl Start<'_> {
    fn read(&self, fold: &mut ChatFold) {
        fold.id(self.id.as_str());
        fold.model(self.model.as_str());
        for (slot, block) in (PREFILLED..).zip(self.content.iter().flatten()) {
            block.read_whole(slot, fold);
        }
        finish(&self.stop_reason, fold);
    }
}

fn finish(stop_reason: &Text<'_>, fold: &mut ChatFold) {
    let word = stop_reason.as_str();
    if !word.is_empty() {
        fold.finish(finish_reason(word), Some(word));
    }
}

/// An event of a type that we read must have the shape that we know; any other may have any.
fn unreadable(data: &str, error: &serde_json::Error) -> Result<()> {
    const READ: &[&str] = &[
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    match serde_json::from_str::<Kind<'_>>(data) {
        Ok(kind) if kind.r#type.as_str() == "error" => Err(failure::of_event(data)),
        Ok(kind) if !READ.contains(&kind.r#type.as_str()) => Ok(()),
        _ => Err(not_json("An event of Anthropic's stream", error)),
    }
}
