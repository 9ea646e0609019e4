//! The three protocols, a file each, and the few words they share: which provider a path belongs to,
//! what a key is worth, and why a request is refused. How a refusal looks is each provider's own.

pub mod anthropic;
mod anthropic_messages;
pub mod gemini;
mod gemini_content;
pub mod openai;
mod openai_chat;
mod openai_responses;
mod openai_responses_stream;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::answer::ToolUse;
use crate::app::App;
use crate::reply::Reply;

/// The provider that a path speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    OpenAi,
    Anthropic,
    Gemini,
}

/// The API of one provider that answers with text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    OpenAiChat,
    OpenAiResponses,
    Anthropic,
    Gemini,
}

impl Family {
    /// Takes the provider's prefix off a path.
    pub fn split(path: &str) -> Option<(Family, &str)> {
        let prefixes = [
            ("/openai/v1", Family::OpenAi),
            ("/anthropic", Family::Anthropic),
            ("/gemini/v1beta", Family::Gemini),
            // The stable version, which the SDK of today uses by default.
            ("/gemini/v1", Family::Gemini),
        ];
        prefixes.into_iter().find_map(|(prefix, family)| {
            let rest = path.strip_prefix(prefix)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((family, rest))
        })
    }

    /// The provider's own answer to a refused request.
    pub fn refuse(self, refusal: &Refusal) -> Reply {
        match self {
            Family::OpenAi => openai::refuse(refusal),
            Family::Anthropic => anthropic::refuse(refusal),
            Family::Gemini => gemini::refuse(refusal),
        }
    }
}

impl Api {
    /// The API behind a path that may still carry fault prefixes.
    pub fn of(path: &str) -> Option<Api> {
        let at = ["/openai/v1/", "/anthropic/", "/gemini/v1"];
        let start = at.into_iter().find_map(|prefix| path.find(prefix))?;
        match Family::split(&path[start..])? {
            (Family::OpenAi, "/chat/completions") => Some(Api::OpenAiChat),
            (Family::OpenAi, "/responses") => Some(Api::OpenAiResponses),
            (Family::Anthropic, "/v1/messages") => Some(Api::Anthropic),
            (Family::Gemini, rest) if rest.contains("enerateContent") => Some(Api::Gemini),
            _ => None,
        }
    }
}

/// Why a request gets no answer.
#[derive(Clone, Debug)]
pub enum Refusal {
    MissingKey,
    UnknownKey(String),
    NoPermission,
    QuotaExhausted,
    RateLimited {
        retry_after: Duration,
    },
    Down,
    UnknownModel(String),
    /// A body that the provider can't accept; `field` is what it names.
    Invalid {
        message: String,
        field: Option<String>,
        code: Option<&'static str>,
    },
    UnknownPath {
        method: String,
        path: String,
    },
    /// Any status, for faults.
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
}

impl Refusal {
    pub fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::Invalid {
            message: message.into(),
            field: None,
            code: None,
        }
    }
}

/// Judges a key: `Ok` for a known one. Parts of its text choose the other outcomes, so that a test picks
/// one by picking a key: `-noperm-`, `-quota-`, `-ratelimited-`, `-down-`.
pub fn check_key(app: &App, key: &str, practice_key: &str) -> Result<(), Refusal> {
    let outcomes = [
        ("-noperm-", Refusal::NoPermission),
        ("-quota-", Refusal::QuotaExhausted),
        (
            "-ratelimited-",
            Refusal::RateLimited {
                retry_after: Duration::from_secs(1),
            },
        ),
        ("-down-", Refusal::Down),
    ];
    for (mark, refusal) in outcomes {
        if key.contains(mark) {
            return Err(refusal);
        }
    }
    if key == practice_key || app.keys.iter().any(|known| known == key) {
        Ok(())
    } else {
        Err(Refusal::UnknownKey(key.to_owned()))
    }
}

/// The model name that no provider has.
pub const NO_SUCH_MODEL: &str = "no-such-model";

/// Seconds since 1970.
pub fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// The text of a content that is a string or a list of parts with `text`.
pub fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// The strings of a value that is one string or a list of them.
pub fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// The first field of an object that is not among the known ones.
pub fn unknown_field<'a>(body: &'a Value, known: &[&str]) -> Option<&'a str> {
    let mut names = body.as_object()?.keys().map(String::as_str);
    names.find(|name| !known.contains(name))
}

/// A `tool_choice` of OpenAI's: a word, or an object that names a function.
fn openai_tool_use(choice: &Value) -> ToolUse {
    match choice.as_str() {
        Some("none") => ToolUse::Off,
        Some("required") => ToolUse::Required,
        Some(_) => ToolUse::Auto,
        None => {
            let name = choice["name"]
                .as_str()
                .or_else(|| choice["function"]["name"].as_str());
            name.map_or(ToolUse::Auto, |name| ToolUse::Named(name.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_found_behind_any_number_of_prefixes() {
        assert_eq!(Api::of("/openai/v1/responses"), Some(Api::OpenAiResponses));
        assert_eq!(
            Api::of("/fault/chunk,7/anthropic/v1/messages"),
            Some(Api::Anthropic)
        );
        let gemini = "/fault/a/gemini/v1beta/models/m:streamGenerateContent";
        assert_eq!(Api::of(gemini), Some(Api::Gemini));
        assert_eq!(Api::of("/openai/v1/models"), None);
    }
}
