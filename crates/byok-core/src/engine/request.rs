//! JSON from the caller to typed requests: routing options apart from the capability's own, and
//! errors that name the option and, for a misspelt one, the nearest right name.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::nearest::nearest;
use crate::error::{Error, Result};

/// Options that every request takes, whatever the capability.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Routing {
    pub user_id: String,
    pub provider: Option<String>,
    pub label: Option<String>,
    pub model: Option<String>,
    pub timeout_ms: Option<u64>,
    pub idle_timeout_ms: Option<u64>,
    pub max_retries: Option<u32>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub include_raw: bool,
    #[serde(default)]
    pub fallback: Fallback,
    /// The end of the whole call, whatever keys it tries.
    #[serde(skip)]
    pub deadline: Option<Instant>,
    /// The longest pause before a retry that is worth it; the HTTP layer's own limit when absent.
    #[serde(skip)]
    pub longest_wait: Option<Duration>,
}

/// `false`, `true`, or the providers to go on with, best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fallback {
    #[default]
    Off,
    Any,
    Providers(Vec<String>),
}

impl<'de> Deserialize<'de> for Fallback {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Input {
            Switch(bool),
            Providers(Vec<String>),
        }
        match Input::deserialize(deserializer) {
            Ok(Input::Switch(false)) => Ok(Fallback::Off),
            Ok(Input::Switch(true)) => Ok(Fallback::Any),
            Ok(Input::Providers(ids)) => Ok(Fallback::Providers(ids)),
            Err(_) => Err(D::Error::custom(
                "must be true, false or an array of providers' names",
            )),
        }
    }
}

const ROUTING_FIELDS: &[&str] = &[
    "userId",
    "provider",
    "label",
    "model",
    "timeoutMs",
    "idleTimeoutMs",
    "maxRetries",
    "headers",
    "includeRaw",
    "fallback",
];

/// Splits one flat object into routing options and the capability's request.
pub fn parse_routed<'de, T: Deserialize<'de>>(json: &'de str) -> Result<(Routing, T)> {
    let fields: Fields<'de> =
        serde_json::from_str(json).map_err(|error| explain(&error.to_string(), ""))?;
    let (routing, rest): (Vec<_>, Vec<_>) = fields
        .0
        .into_iter()
        .partition(|(name, _)| ROUTING_FIELDS.contains(name));
    let routing = from_fields(routing)?;
    let request = from_fields(rest).map_err(|error: Error| also_routing(error))?;
    Ok((routing, request))
}

/// Parses an object without routing options.
pub fn parse<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserialize(&mut deserializer)
}

struct Fields<'de>(Vec<(&'de str, &'de RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(name) = map.next_key::<&str>().map_err(A::Error::custom)? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

fn from_fields<'de, T: Deserialize<'de>>(fields: Vec<(&'de str, &'de RawValue)>) -> Result<T> {
    deserialize(MapDeserializer::<_, serde_json::Error>::new(
        fields.into_iter(),
    ))
}

fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T>
where
    D::Error: std::fmt::Display,
{
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        explain(&error.inner().to_string(), path.trim_start_matches('.'))
    })
}

/// Makes serde's words the caller's: where, what, and the nearest right name.
fn explain(message: &str, path: &str) -> Error {
    // serde_json appends its position in our own text, which means nothing to the caller.
    let message = message.split(" at line ").next().unwrap_or(message);
    let place = if path.is_empty() || path == "?" {
        String::new()
    } else {
        format!("{path}: ")
    };
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((name, expected)) = rest.split_once('`')
    {
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let parent = path
            .strip_suffix(name)
            .unwrap_or(path)
            .trim_end_matches('.');
        let place = if parent.is_empty() {
            String::new()
        } else {
            format!("{parent}: ")
        };
        return unknown_option(&place, name, &known);
    }
    Error::invalid_argument(format!("{place}{message}."))
}

fn unknown_option(place: &str, name: &str, known: &[&str]) -> Error {
    let hint = match nearest(name, known.iter().copied()) {
        Some(name) => format!("Did you mean {name:?}?"),
        None => format!("Known options: {}.", known.join(", ")),
    };
    Error::invalid_argument(format!("{place}there is no option {name:?}. {hint}"))
}

/// An unknown top-level option may be a misspelt routing option.
fn also_routing(error: Error) -> Error {
    error.map_message(|message| {
        let rest = message.strip_prefix("there is no option \"")?;
        let (name, hint) = rest.split_once('"')?;
        if hint.contains("Did you mean") {
            return None;
        }
        let near = nearest(name, ROUTING_FIELDS.iter().copied())?;
        Some(format!(
            "there is no option {name:?}. Did you mean {near:?}?"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::chat::ChatRequest;

    fn error(json: &str) -> String {
        parse_routed::<ChatRequest>(json)
            .unwrap_err()
            .message()
            .to_owned()
    }

    #[test]
    fn routing_and_request_are_told_apart() {
        let (routing, request) = parse_routed::<ChatRequest>(
            r#"{"userId":"u","model":"m","prompt":"hi","maxTokens":3,"timeoutMs":9}"#,
        )
        .unwrap();
        assert_eq!(
            (routing.user_id.as_str(), routing.timeout_ms),
            ("u", Some(9))
        );
        assert_eq!(
            (request.prompt.as_deref(), request.max_tokens),
            (Some("hi"), Some(3))
        );
    }

    #[test]
    fn a_misspelt_option_names_the_right_one() {
        assert_eq!(
            error(r#"{"userId":"u","prompt":"x","temprature":1}"#),
            "there is no option \"temprature\". Did you mean \"temperature\"?"
        );
        assert_eq!(
            error(r#"{"userId":"u","prompt":"x","timeoutMS":1}"#),
            "there is no option \"timeoutMS\". Did you mean \"timeoutMs\"?"
        );
    }

    #[test]
    fn a_wrong_type_says_where() {
        let message =
            error(r#"{"userId":"u","messages":[{"role":"user","content":[{"type":"txt"}]}]}"#);
        assert!(
            message.contains("messages[0]") && message.contains("txt"),
            "{message}"
        );
        let message = error(r#"{"userId":"u","prompt":"x","maxTokens":"ten"}"#);
        assert!(message.starts_with("maxTokens: "), "{message}");
    }
}
