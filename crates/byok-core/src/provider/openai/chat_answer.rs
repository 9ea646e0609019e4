//! A Chat Completions answer, whole or streamed, of OpenAI and of those who speak like it. The types
//! borrow from the body and know only the fields that are used: one parse, no tree.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::dialect::{Dialect, EndMark, Replay};
use super::failure;
use super::reasoning_details::ReasoningDetails;
use super::text::{Content, Text};
use super::tool_pieces::{Piece, ToolPieces};
use super::usage::WireUsage;
use crate::capability::chat::{FinishReason, Signature};
use crate::capability::fold::{ChatFold, Slot};
use crate::error::{Error, Result};
use crate::provider::{ChatStream, Failure, cut_off, not_json};
use crate::sse::SseEvent;

const REASONING: Slot = 0;
const TEXT: Slot = 1;
const FIRST_TOOL: Slot = 2;

/// Reads a whole answer of the provider `id`.
pub fn response(id: &str, dialect: &Dialect, body: &[u8], fold: &mut ChatFold) -> Result<()> {
    let body: Body<'_> =
        serde_json::from_slice(body).map_err(|error| not_json("The answer", &error))?;
    let mut answer = ChatAnswer {
        is_whole: true,
        ..ChatAnswer::new(id, dialect)
    };
    if !answer.read(&body, fold).map_err(Failure::into_error)? {
        return Err(Error::bad_response(
            "The answer holds no choice, so there is nothing in it to read.",
        ));
    }
    answer.complete(fold);
    Ok(())
}

/// The state of one streamed answer.
pub struct ChatAnswer {
    id: String,
    replay: Replay,
    end: EndMark,
    is_whole: bool,
    tools: ToolPieces,
    details: ReasoningDetails,
    has_choice: bool,
    has_reasoning: bool,
    has_refusal: bool,
    is_done: bool,
}

impl ChatAnswer {
    pub fn new(id: &str, dialect: &Dialect) -> Self {
        ChatAnswer {
            id: id.to_owned(),
            replay: dialect.replay,
            end: dialect.end,
            is_whole: false,
            tools: ToolPieces::default(),
            details: ReasoningDetails::default(),
            has_choice: false,
            has_reasoning: false,
            has_refusal: false,
            is_done: false,
        }
    }

    /// Takes over what a body or a chunk holds; tells whether it held our choice.
    fn read(&mut self, body: &Body<'_>, fold: &mut ChatFold) -> Result<bool, Failure> {
        if let Some(error) = body
            .error
            .or(body.choices.0.as_ref().and_then(|choice| choice.error))
        {
            return Err(failure::from_raw(error));
        }
        fold.id(&body.id);
        fold.model(&body.model);
        if let Some(usage) = body
            .usage
            .as_ref()
            .or(body.x_groq.as_ref().and_then(|x| x.usage.as_ref()))
        {
            fold.usage(usage.read());
        }
        let Some(choice) = &body.choices.0 else {
            return Ok(false);
        };
        // Perplexity sends both, with an empty delta in a whole answer and the text so far as the
        // message of a chunk.
        let (delta, message) = (choice.delta.as_ref(), choice.message.as_deref());
        let said = match self.is_whole {
            true => message.or(delta),
            false => delta.or(message),
        };
        if let Some(said) = said {
            self.message(said, &body.id, fold);
        }
        if !choice.finish_reason.is_empty() {
            self.finish(&choice.finish_reason, fold);
        }
        Ok(true)
    }

    fn message(&mut self, message: &WireMessage<'_>, answer: &str, fold: &mut ChatFold) {
        let reasoning = if message.reasoning_content.is_empty() {
            &message.reasoning
        } else {
            &message.reasoning_content
        };
        self.reasoning(reasoning, fold);
        if let Some(details) = message.reasoning_details {
            self.details.add(details);
        }
        match &message.content {
            Content::Text(text) => add_text(text, fold),
            Content::Chunks(chunks) => {
                for chunk in chunks {
                    add_text(&chunk.text, fold);
                    match &chunk.thinking {
                        Content::Text(text) => self.reasoning(text, fold),
                        Content::Chunks(thoughts) => {
                            for thought in thoughts {
                                self.reasoning(&thought.text, fold);
                            }
                        }
                    }
                }
            }
        }
        if !message.refusal.is_empty() {
            self.has_refusal = true;
            add_text(&message.refusal, fold);
        }
        for call in message.tool_calls.iter().flatten() {
            let piece = Piece {
                index: call.index,
                id: &call.id,
                name: &call.function.name,
                arguments: &call.function.arguments,
            };
            self.tools.add(&piece, FIRST_TOOL, answer, fold);
        }
    }

    fn reasoning(&mut self, text: &str, fold: &mut ChatFold) {
        if !text.is_empty() {
            self.has_reasoning = true;
            fold.reasoning(REASONING, text);
        }
    }

    fn finish(&mut self, raw: &str, fold: &mut ChatFold) {
        fold.end_tools();
        let reason = match raw {
            // Some servers say `stop` after a call; a caller must not overlook it.
            "stop" | "eos" | "end_turn" if fold.has_tool_calls() => FinishReason::ToolCalls,
            "stop" | "eos" | "end_turn" if self.has_refusal => FinishReason::ContentFilter,
            "stop" | "eos" | "end_turn" => FinishReason::Stop,
            "length" | "model_length" => FinishReason::Length,
            "tool_calls" | "function_call" => FinishReason::ToolCalls,
            "content_filter" => FinishReason::ContentFilter,
            "error" | "insufficient_system_resource" => FinishReason::Error,
            _ => FinishReason::Other,
        };
        fold.finish(reason, Some(raw));
    }

    /// The end mark was seen: what could only be known then.
    fn complete(&mut self, fold: &mut ChatFold) {
        self.is_done = true;
        fold.end_tools();
        if !fold.is_finished() {
            let reason = if fold.has_tool_calls() {
                FinishReason::ToolCalls
            } else {
                FinishReason::Other
            };
            fold.finish(reason, None);
        }
        let details = self.details.take();
        if self.replay != Replay::Dropped && (self.has_reasoning || details.is_some()) {
            fold.sign(
                REASONING,
                Signature {
                    provider: self.id.clone(),
                    value: details,
                    id: None,
                    redacted: false,
                },
            );
        }
    }
}

impl ChatStream for ChatAnswer {
    fn event(&mut self, event: &SseEvent<'_>, fold: &mut ChatFold) -> Result<()> {
        if self.is_done {
            return Ok(());
        }
        let data = event.data.trim();
        if data == "[DONE]" {
            if !self.has_choice {
                return Err(Error::bad_response(
                    "The stream ended without an answer in it.",
                ));
            }
            self.complete(fold);
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        let body: Body<'_> = serde_json::from_str(data).map_err(|error| {
            if error.is_eof() {
                cut_off()
            } else {
                not_json("A piece of the stream", &error)
            }
        })?;
        self.has_choice |= self.read(&body, fold).map_err(Failure::into_stream_error)?;
        Ok(())
    }

    fn end(&mut self, fold: &mut ChatFold) -> Result<()> {
        if self.is_done {
            return Ok(());
        }
        if self.end == EndMark::FinishReason && fold.is_finished() {
            self.complete(fold);
            return Ok(());
        }
        Err(cut_off())
    }
}

fn add_text(text: &str, fold: &mut ChatFold) {
    if !text.is_empty() {
        fold.text(TEXT, text);
    }
}

/// What few chunks have is boxed: the rest is moved about while it is read.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    choices: First<Choice<'a>>,
    usage: Option<Box<WireUsage>>,
    x_groq: Option<Box<XGroq>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct XGroq {
    usage: Option<Box<WireUsage>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<WireMessage<'a>>,
    #[serde(borrow)]
    message: Option<Box<WireMessage<'a>>>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireMessage<'a> {
    #[serde(borrow, default)]
    content: Content<'a>,
    /// DeepSeek, Moonshot, xAI.
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    /// Groq, OpenRouter, Together.
    #[serde(borrow, default)]
    reasoning: Text<'a>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow)]
    tool_calls: Option<Vec<WireCall<'a>>>,
}

#[derive(Deserialize)]
struct WireCall<'a> {
    index: Option<u64>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    function: WireFunction<'a>,
}

#[derive(Default, Deserialize)]
struct WireFunction<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
}

/// The choice number 0 of a list that may be null, without a vector: further choices (`n` above 1 in
/// `providerOptions`) are skipped.
struct First<T>(Option<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        First(None)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for First<Choice<'a>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FirstVisitor<'a>(PhantomData<Choice<'a>>);
        impl<'de: 'a, 'a> Visitor<'de> for FirstVisitor<'a> {
            type Value = First<Choice<'a>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of choices")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(First(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                while let Some(choice) = items.next_element::<Choice<'a>>()? {
                    if choice.index.unwrap_or(0) == 0 {
                        while items.next_element::<IgnoredAny>()?.is_some() {}
                        return Ok(First(Some(choice)));
                    }
                }
                Ok(First(None))
            }
        }
        deserializer.deserialize_any(FirstVisitor(PhantomData))
    }
}
