//! Whether a JSON Schema is one that OpenAI's strict mode takes.

use serde_json::Value;

/// Strict mode's rules (platform documentation, "Supported schemas"): the root is an object and not an
/// `anyOf`, every object lists all its properties as required and has `additionalProperties: false`,
/// and no composition beyond `anyOf` occurs. A schema outside them is answered with a 400 when
/// `strict` is set, so `strict` is only our default within them.
pub fn is_strict(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
        && schema.get("anyOf").is_none()
        && follows_rules(schema)
}

fn follows_rules(schema: &Value) -> bool {
    const UNSUPPORTED: &[&str] = &[
        "allOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
        "prefixItems",
        "unevaluatedProperties",
    ];
    let Some(fields) = schema.as_object() else {
        return false;
    };
    if UNSUPPORTED.iter().any(|name| fields.contains_key(*name)) {
        return false;
    }
    let is_object = fields.contains_key("properties")
        || match fields.get("type") {
            Some(Value::String(name)) => name == "object",
            Some(Value::Array(names)) => names.iter().any(|name| name == "object"),
            _ => false,
        };
    if is_object && !is_closed(schema) {
        return false;
    }
    let named = ["properties", "$defs", "definitions"]
        .iter()
        .filter_map(|name| fields.get(*name)?.as_object())
        .flat_map(|all| all.values());
    let listed = fields
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    named
        .chain(listed)
        .chain(fields.get("items"))
        .all(follows_rules)
}

fn is_closed(schema: &Value) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &String| required.is_some_and(|all| all.iter().any(|known| known == name.as_str()));
    schema.get("additionalProperties") == Some(&Value::Bool(false))
        && schema
            .get("properties")
            .and_then(Value::as_object)
            .is_none_or(|properties| properties.keys().all(is_required))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_whose_objects_are_closed_and_complete_is_strict() {
        assert!(is_strict(&json!({
            "type": "object",
            "properties": {
                "name": { "type": ["string", "null"] },
                "tags": { "type": "array", "items": { "$ref": "#/$defs/tag" } }
            },
            "required": ["name", "tags"],
            "additionalProperties": false,
            "$defs": { "tag": {
                "anyOf": [{ "type": "string" }, { "type": "number" }]
            } }
        })));
    }

    #[test]
    fn optional_properties_open_objects_and_other_roots_are_not_strict() {
        let open = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] });
        assert!(!is_strict(&open));
        assert!(!is_strict(&json!({
            "type": "object",
            "properties": { "a": { "type": "string" } },
            "required": [],
            "additionalProperties": false
        })));
        assert!(!is_strict(
            &json!({ "type": "array", "items": { "type": "string" } })
        ));
        assert!(!is_strict(&json!({
            "type": "object",
            "properties": { "inner": open },
            "required": ["inner"],
            "additionalProperties": false
        })));
    }
}
