//! Reads a whole message, and the pieces that a stream has in common with one: content blocks and
//! usage. Blocks of server tools (`server_tool_use`, `web_search_tool_result`, `mcp_tool_use`, ...)
//! and blocks not known yet are passed over: they are no call to the caller's tools.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{ID, failure};
use crate::capability::chat::{FinishReason, Signature, Usage};
use crate::capability::fold::{ChatFold, Slot};
use crate::error::{Error, Result};
use crate::provider::not_json;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
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

pub fn read(body: &[u8], fold: &mut ChatFold) -> Result<()> {
    let message: Message<'_> =
        serde_json::from_slice(body).map_err(|error| not_json("Anthropic's answer", &error))?;
    if message.r#type.as_str() == "error" {
        return Err(failure::of_answer(body));
    }
    let Some(content) = message.content else {
        return Err(Error::bad_response(
            "Anthropic's answer is JSON but no message: it has no content. Is there a proxy in between that speaks another protocol?",
        ));
    };
    fold.id(message.id.as_str());
    fold.model(message.model.as_str());
    for (slot, block) in content.iter().enumerate() {
        block.read_whole(slot as Slot, fold);
    }
    if let Some(usage) = message.usage {
        fold.usage(usage.normalised());
    }
    let reason = message.stop_reason.as_str();
    fold.finish(
        finish_reason(reason),
        Some(reason).filter(|word| !word.is_empty()),
    );
    Ok(())
}

/// A content block, of any type: which fields count depends on `type`.
#[derive(Deserialize)]
pub struct Block<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(borrow, default)]
    signature: Text<'a>,
    #[serde(borrow, default)]
    data: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

impl Block<'_> {
    /// Begins the part; a stream's deltas go on with it.
    pub fn begin(&self, slot: Slot, fold: &mut ChatFold) {
        match self.r#type.as_str() {
            "text" => fold.text(slot, self.text.as_str()),
            "thinking" => {
                fold.reasoning(slot, self.thinking.as_str());
                sign(slot, self.signature.as_str(), false, fold);
            }
            "redacted_thinking" => sign(slot, self.data.as_str(), true, fold),
            "tool_use" => fold.tool_start(slot, self.id.as_str(), self.name.as_str()),
            _ => {}
        }
    }

    pub fn read_whole(&self, slot: Slot, fold: &mut ChatFold) {
        self.begin(slot, fold);
        fold.tool_end(slot, self.arguments());
    }

    /// The arguments that a tool call has from the start: all of them in a whole message, none (an
    /// empty object) in a stream.
    pub fn arguments(&self) -> Option<&str> {
        let input = self.input.map(RawValue::get)?;
        (self.r#type.as_str() == "tool_use" && input != "null" && input != "{}").then_some(input)
    }
}

/// Keeps what Anthropic wants back on the next turn; an empty signature is none.
pub fn sign(slot: Slot, value: &str, redacted: bool, fold: &mut ChatFold) {
    if value.is_empty() {
        return;
    }
    fold.sign(
        slot,
        Signature {
            provider: ID.to_owned(),
            value: Some(value.to_owned()),
            id: None,
            redacted,
        },
    );
}

/// `pause_turn` (a server tool needs another request) has no word of ours.
pub fn finish_reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

/// Anthropic's counts; in a stream each later one replaces the earlier.
#[derive(Debug, Default, Deserialize)]
pub struct UsageFields {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Option<u64>,
}

impl UsageFields {
    /// Takes what `newer` has and keeps the rest.
    pub fn update(&mut self, newer: UsageFields) {
        let keep = |place: &mut Option<u64>, value: Option<u64>| *place = value.or(*place);
        keep(&mut self.input_tokens, newer.input_tokens);
        keep(&mut self.output_tokens, newer.output_tokens);
        keep(
            &mut self.cache_read_input_tokens,
            newer.cache_read_input_tokens,
        );
        keep(
            &mut self.cache_creation_input_tokens,
            newer.cache_creation_input_tokens,
        );
        if newer.output_tokens_details.is_some() {
            self.output_tokens_details = newer.output_tokens_details;
        }
    }

    /// Anthropic's input excludes what was read from and written to the cache; ours includes it.
    /// Its output includes thinking, as ours does.
    pub fn normalised(&self) -> Usage {
        let input_tokens = [
            self.input_tokens,
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
        ]
        .into_iter()
        .flatten()
        .fold(0, u64::saturating_add);
        let output_tokens = self.output_tokens.unwrap_or(0);
        Usage {
            input_tokens,
            output_tokens,
            total_tokens: input_tokens.saturating_add(output_tokens),
            cached_input_tokens: self.cache_read_input_tokens,
            reasoning_tokens: self
                .output_tokens_details
                .as_ref()
                .and_then(|details| details.thinking_tokens),
        }
    }
}

/// A text, borrowed from the input where it has no escapes. Anything else that stands in its place
/// (`null`, an object of a block type not known yet) counts as empty, so that what is new in the API
/// can't break an answer.
#[derive(Debug, Default)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrAnything)
    }
}

struct TextOrAnything;

impl<'de> Visitor<'de> for TextOrAnything {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> std::result::Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut items: A,
    ) -> std::result::Result<Text<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut fields: A,
    ) -> std::result::Result<Text<'de>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }
}
