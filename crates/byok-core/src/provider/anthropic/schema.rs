//! Makes a JSON Schema one that Anthropic's structured output takes: objects are closed, and what
//! the service can't enforce (lengths, ranges, patterns) goes into descriptions, where the model
//! reads it. The rules are those of the official SDK's `transformJSONSchema`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Formats of texts that the service enforces.
const FORMATS: &[&str] = &[
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
];

/// The schema to send, and the keywords of the caller's that are not enforced in it.
pub fn supported(schema: &Map<String, Value>) -> (Map<String, Value>, BTreeSet<String>) {
    let mut loosened = BTreeSet::new();
    let schema = rewrite(schema, &mut loosened);
    (schema, loosened)
}

fn rewrite(node: &Map<String, Value>, loosened: &mut BTreeSet<String>) -> Map<String, Value> {
    let mut kept = Map::new();
    let mut described = Vec::new();
    for (keyword, value) in node {
        match (keyword.as_str(), value) {
            ("$schema" | "$id" | "$comment", _) => {}
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                let named = named
                    .iter()
                    .map(|(name, schema)| (name.clone(), sub(schema, loosened)));
                kept.insert(keyword.clone(), Value::Object(named.collect()));
            }
            ("anyOf" | "allOf", Value::Array(all)) => {
                let all = all.iter().map(|schema| sub(schema, loosened)).collect();
                kept.insert(keyword.clone(), Value::Array(all));
            }
            ("oneOf", Value::Array(all)) if !node.contains_key("anyOf") => {
                let all = all.iter().map(|schema| sub(schema, loosened)).collect();
                kept.insert("anyOf".to_owned(), Value::Array(all));
            }
            ("items", Value::Object(_)) => {
                kept.insert(keyword.clone(), sub(value, loosened));
            }
            ("additionalProperties", Value::Bool(false)) => {}
            ("additionalProperties", _) => {
                loosened.insert(keyword.clone());
            }
            ("type" | "$ref" | "enum" | "const" | "required" | "title" | "description", _) => {
                kept.insert(keyword.clone(), value.clone());
            }
            ("format", Value::String(format)) if FORMATS.contains(&format.as_str()) => {
                kept.insert(keyword.clone(), value.clone());
            }
            ("minItems", Value::Number(least)) if least.as_u64().is_some_and(|n| n <= 1) => {
                kept.insert(keyword.clone(), value.clone());
            }
            _ => {
                described.push(format!("{keyword}: {value}"));
                loosened.insert(keyword.clone());
            }
        }
    }
    if is_object(node) {
        kept.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if !described.is_empty() {
        let note = format!("{{{}}}", described.join(", "));
        let description = match kept.get("description").and_then(Value::as_str) {
            Some(own) => format!("{own}\n\n{note}"),
            None => note,
        };
        kept.insert("description".to_owned(), json!(description));
    }
    kept
}

fn sub(schema: &Value, loosened: &mut BTreeSet<String>) -> Value {
    match schema {
        Value::Object(node) => Value::Object(rewrite(node, loosened)),
        other => other.clone(),
    }
}

fn is_object(node: &Map<String, Value>) -> bool {
    match node.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => node.contains_key("properties"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(schema: Value) -> (Value, Vec<String>) {
        let (schema, loosened) = supported(schema.as_object().unwrap());
        (Value::Object(schema), loosened.into_iter().collect())
    }

    #[test]
    fn objects_are_closed_at_every_depth() {
        let (schema, loosened) = run(json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": { "a": { "type": "array", "items": { "type": "object", "properties": {} } } },
            "required": ["a"],
        }));
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": { "a": {
                    "type": "array",
                    "items": { "type": "object", "properties": {}, "additionalProperties": false },
                } },
                "required": ["a"],
                "additionalProperties": false,
            })
        );
        assert!(loosened.is_empty());
    }

    #[test]
    fn constraints_that_are_not_enforced_are_told_to_the_model_and_named() {
        let (schema, loosened) = run(json!({
            "type": "object",
            "properties": {
                "age": { "type": "integer", "minimum": 0, "description": "In years" },
                "when": { "type": "string", "format": "date" },
                "which": { "oneOf": [{ "type": "string", "minLength": 2 }, { "type": "null" }] },
            },
        }));
        assert_eq!(
            schema["properties"],
            json!({
                "age": { "type": "integer", "description": "In years\n\n{minimum: 0}" },
                "when": { "type": "string", "format": "date" },
                "which": { "anyOf": [
                    { "type": "string", "description": "{minLength: 2}" }, { "type": "null" },
                ] },
            })
        );
        assert_eq!(loosened, ["minLength", "minimum"]);
    }

    #[test]
    fn a_property_may_be_called_like_a_keyword() {
        let (schema, loosened) = run(json!({
            "type": "object",
            "properties": { "minimum": { "type": "number" } },
        }));
        assert_eq!(schema["properties"]["minimum"], json!({ "type": "number" }));
        assert!(loosened.is_empty());
    }
}
