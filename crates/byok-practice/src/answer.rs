//! What the practice provider says, before any protocol dresses it. A few fixed rules, the same for
//! every provider; nothing here resembles a model, and every text says so. Tokens are words.

use serde_json::{Value, json};

use crate::schema;

/// Stands at the end of every free text.
pub const NOTICE: &str = "(This is the byok-ai practice provider, not a model.)";

const REASONING: &str = "No thinking happens here: the practice provider follows fixed rules.";

/// A function that the caller offers.
pub struct Tool {
    pub name: String,
    pub schema: Value,
}

/// What the caller allows to be done with the tools.
#[derive(Default, PartialEq)]
pub enum ToolUse {
    #[default]
    Auto,
    Off,
    Required,
    Named(String),
}

/// A chat request, freed of its protocol.
#[derive(Default)]
pub struct Ask {
    /// Text of the last turn, when the user has it.
    pub prompt: String,
    /// What a tool answered, when that is the last turn.
    pub tool_result: Option<String>,
    pub tools: Vec<Tool>,
    pub tool_use: ToolUse,
    pub parallel_tools: bool,
    /// The schema that the answer must satisfy; an open object for plain JSON mode.
    pub schema: Option<Value>,
    pub reasoning: bool,
    pub max_words: Option<u64>,
    pub stop: Vec<String>,
    pub input_words: u64,
}

pub struct Call {
    pub name: String,
    pub arguments: Value,
}

#[derive(Debug, PartialEq)]
pub enum Finish {
    Stop,
    StopSequence(String),
    Length,
    ToolCalls,
}

/// The answer: a text or calls, never both.
pub struct Answer {
    pub reasoning: Option<&'static str>,
    pub text: String,
    pub calls: Vec<Call>,
    pub finish: Finish,
    pub input_tokens: u64,
    /// Words of text and arguments; reasoning is apart.
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
}

impl Ask {
    pub fn answer(&self) -> Answer {
        let calls = self.calls();
        let (text, finish) = if calls.is_empty() {
            self.shorten(self.text())
        } else {
            (String::new(), Finish::ToolCalls)
        };
        let called: u64 = calls.iter().map(|call| 1 + words_in(&call.arguments)).sum();
        let reasoning = self.reasoning.then_some(REASONING);
        Answer {
            reasoning,
            output_tokens: words(&text) + called,
            reasoning_tokens: reasoning.map_or(0, words),
            input_tokens: self.input_words,
            text,
            calls,
            finish,
        }
    }

    /// A prompt with "weather" or "tool" calls the first tool; with "both" the first two.
    fn calls(&self) -> Vec<Call> {
        let prompt = self.prompt.to_lowercase();
        let asked =
            self.tool_result.is_none() && (prompt.contains("weather") || prompt.contains("tool"));
        let chosen: Vec<&Tool> = match &self.tool_use {
            ToolUse::Off => Vec::new(),
            ToolUse::Named(name) => self
                .tools
                .iter()
                .filter(|tool| tool.name == *name)
                .collect(),
            ToolUse::Auto if !asked => Vec::new(),
            ToolUse::Auto | ToolUse::Required => {
                let count = if self.parallel_tools && prompt.contains("both") {
                    2
                } else {
                    1
                };
                self.tools.iter().take(count).collect()
            }
        };
        let calls = chosen.into_iter().map(|tool| Call {
            name: tool.name.clone(),
            arguments: match schema::instance(&tool.schema) {
                arguments @ Value::Object(_) => arguments,
                _ => json!({}),
            },
        });
        calls.collect()
    }

    fn text(&self) -> String {
        if let Some(schema) = &self.schema {
            return match schema::instance(schema) {
                Value::Object(fields) if fields.is_empty() => {
                    json!({ "answer": NOTICE }).to_string()
                }
                value => value.to_string(),
            };
        }
        if let Some(result) = &self.tool_result {
            return format!("The tool answered: {} {NOTICE}", excerpt(result));
        }
        if self.prompt.to_lowercase().contains("capital of france") {
            return format!("Paris. {NOTICE}");
        }
        format!("You said: {} {NOTICE}", excerpt(&self.prompt))
    }

    fn shorten(&self, text: String) -> (String, Finish) {
        let mut text = text;
        let mut finish = Finish::Stop;
        let first = self.stop.iter().filter(|stop| !stop.is_empty());
        let first = first
            .filter_map(|stop| Some((text.find(stop.as_str())?, stop)))
            .min();
        if let Some((at, stop)) = first {
            text.truncate(at);
            finish = Finish::StopSequence(stop.clone());
        }
        if let Some(limit) = self.max_words.filter(|limit| words(&text) > *limit) {
            let kept: Vec<&str> = pieces(&text).into_iter().take(limit as usize).collect();
            text = kept.concat().trim_end().to_owned();
            finish = Finish::Length;
        }
        (text, finish)
    }
}

/// Splits a text after each run of white space: the deltas of a stream.
pub fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut after_space = false;
    for (at, character) in text.char_indices() {
        if after_space && !character.is_whitespace() {
            pieces.push(&text[start..at]);
            start = at;
        }
        after_space = character.is_whitespace();
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

/// Splits JSON text in pieces of about eight bytes, as arguments stream.
pub fn fragments(json: &str) -> Vec<&str> {
    let mut fragments = Vec::new();
    let mut start = 0;
    for (at, _) in json.char_indices() {
        if at - start >= 8 {
            fragments.push(&json[start..at]);
            start = at;
        }
    }
    fragments.push(&json[start..]);
    fragments
}

pub fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Words in every string of a JSON value; base64 data counts as one.
pub fn words_in(value: &Value) -> u64 {
    match value {
        Value::String(text) => words(text),
        Value::Array(items) => items.iter().map(words_in).sum(),
        Value::Object(fields) => fields.values().map(words_in).sum(),
        Value::Null => 0,
        Value::Bool(_) | Value::Number(_) => 1,
    }
}

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(200).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weather() -> Tool {
        Tool {
            name: "get_weather".to_owned(),
            schema: json!({ "type": "object", "properties": { "city": { "type": "string" } } }),
        }
    }

    #[test]
    fn a_question_about_the_weather_calls_the_first_tool() {
        let ask = Ask {
            prompt: "Weather?".to_owned(),
            tools: vec![weather()],
            ..Ask::default()
        };
        let answer = ask.answer();
        assert_eq!(answer.finish, Finish::ToolCalls);
        assert_eq!(answer.calls[0].arguments, json!({ "city": "Paris" }));
        assert_eq!(answer.text, "");
    }

    #[test]
    fn a_tool_that_is_off_is_not_called() {
        let ask = Ask {
            prompt: "Use the tool".to_owned(),
            tools: vec![weather()],
            tool_use: ToolUse::Off,
            ..Ask::default()
        };
        assert!(ask.answer().calls.is_empty());
    }

    #[test]
    fn every_free_text_says_that_this_is_not_a_model() {
        let result = Ask {
            tool_result: Some("21 degrees".to_owned()),
            ..Ask::default()
        };
        let echo = Ask {
            prompt: "Hello".to_owned(),
            ..Ask::default()
        };
        for ask in [result, echo] {
            assert!(ask.answer().text.ends_with(NOTICE));
        }
    }

    #[test]
    fn a_word_limit_and_a_stop_sequence_cut_the_text() {
        let prompt = "capital of France".to_owned();
        let limited = Ask {
            prompt: prompt.clone(),
            max_words: Some(2),
            ..Ask::default()
        }
        .answer();
        assert_eq!(
            (limited.text.as_str(), limited.finish),
            ("Paris. (This", Finish::Length)
        );
        let stopped = Ask {
            prompt,
            stop: vec![" (".to_owned()],
            ..Ask::default()
        }
        .answer();
        assert_eq!(stopped.text, "Paris.");
        assert_eq!(stopped.finish, Finish::StopSequence(" (".to_owned()));
    }

    #[test]
    fn pieces_and_fragments_join_to_the_whole() {
        let text = " Ünïcode  words\n and…more ";
        assert_eq!(pieces(text).concat(), text);
        assert_eq!(fragments(text).concat(), text);
        assert_eq!(pieces("a b c").len(), 3);
    }
}
