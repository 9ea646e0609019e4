//! A tool call whose arguments arrive in pieces, each under a JSON Path. Gemini sends these only
//! when the caller asks for `streamFunctionCallArguments`; without putting them together such a call
//! would look like one without arguments.

use serde_json::{Map, Value};

use super::wire::PartialArg;
use crate::error::{Error, Result};

/// The arguments so far.
#[derive(Debug)]
pub struct PartialArguments(Value);

#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

impl PartialArguments {
    pub fn new() -> Self {
        PartialArguments(Value::Object(Map::new()))
    }

    /// Texts of one path are joined, other values replace what was there.
    ///
    /// # Errors
    /// `BAD_RESPONSE` for a path that is not a plain one or that contradicts an earlier piece.
    pub fn add(&mut self, piece: &PartialArg<'_>) -> Result<()> {
        let path = piece.json_path.as_deref().unwrap_or("$");
        let place = parse_path(path)
            .and_then(|steps| place(&mut self.0, &steps))
            .ok_or_else(|| {
                Error::bad_response(
                    "Gemini sent a piece of a tool call's arguments under a path that does not fit.",
                )
            })?;
        if let Some(text) = &piece.string_value {
            match place {
                Value::String(known) => known.push_str(text),
                _ => *place = Value::String(text.to_string()),
            }
        } else if let Some(number) = &piece.number_value {
            *place = Value::Number(number.clone());
        } else if let Some(truth) = piece.bool_value {
            *place = Value::Bool(truth);
        }
        Ok(())
    }

    pub fn to_json(&self) -> String {
        self.0.to_string()
    }
}

/// `$.a.b[0]` and `$['a b'][0]`: the plain paths of RFC 9535, no wildcards or filters.
fn parse_path(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Key(name[..end].to_owned()));
            rest = &name[end..];
            continue;
        }
        let inside = rest.strip_prefix('[')?;
        match inside.chars().next()? {
            quote @ ('\'' | '"') => {
                let end = inside[1..].find([quote, '\\'])? + 1;
                steps.push(Step::Key(inside[1..end].to_owned()));
                rest = inside[end..].strip_prefix(quote)?.strip_prefix(']')?;
            }
            _ => {
                let end = inside.find(']')?;
                steps.push(Step::Index(inside[..end].parse().ok()?));
                rest = &inside[end + 1..];
            }
        }
    }
    Some(steps)
}

/// Finds or makes the place of a path. An array grows by one item at a time, so that an index can't
/// ask for memory.
fn place<'v>(mut value: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    for step in steps {
        value = match step {
            Step::Key(name) => {
                if value.is_null() {
                    *value = Value::Object(Map::new());
                }
                value.as_object_mut()?.entry(name).or_insert(Value::Null)
            }
            Step::Index(index) => {
                if value.is_null() {
                    *value = Value::Array(Vec::new());
                }
                let items = value.as_array_mut()?;
                if *index == items.len() {
                    items.push(Value::Null);
                }
                items.get_mut(*index)?
            }
        };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(arguments: &mut PartialArguments, piece: &str) -> Result<()> {
        arguments.add(&serde_json::from_str(piece).unwrap())
    }

    #[test]
    fn pieces_under_paths_become_one_object() {
        let mut arguments = PartialArguments::new();
        for piece in [
            r#"{"jsonPath":"$.items[0].name","stringValue":"Bos"}"#,
            r#"{"jsonPath":"$.items[0].name","stringValue":"ton"}"#,
            r#"{"jsonPath":"$.items[0]['a b']","numberValue":3}"#,
            r#"{"jsonPath":"$.items[1].ok","boolValue":true}"#,
            r#"{"jsonPath":"$.none","nullValue":"NULL_VALUE"}"#,
        ] {
            add(&mut arguments, piece).unwrap();
        }
        assert_eq!(
            arguments.to_json(),
            r#"{"items":[{"name":"Boston","a b":3},{"ok":true}],"none":null}"#
        );
    }

    #[test]
    fn paths_that_do_not_fit_are_errors_and_take_no_memory() {
        for path in [
            "a",
            "$.",
            "$..a",
            "$[*]",
            "$.a[99999999999]",
            "$.s.t",
            "$['x",
            "$[",
            "$['a\\'b']",
        ] {
            let mut arguments = PartialArguments::new();
            add(&mut arguments, r#"{"jsonPath":"$.s","stringValue":"x"}"#).unwrap();
            let piece = serde_json::json!({ "jsonPath": path, "stringValue": "x" }).to_string();
            assert!(add(&mut arguments, &piece).is_err(), "{path}");
        }
    }
}
