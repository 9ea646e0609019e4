//! A value that satisfies a simple JSON Schema: for structured answers and tool arguments. Knows the
//! keywords that providers accept (type, enum, const, properties, items, anyOf, $ref, bounds); patterns
//! are not solved.

use serde_json::{Map, Number, Value, json};

/// Below this depth only required properties are filled in, so recursive schemas end.
const FULL_DEPTH: usize = 6;
const MAX_DEPTH: usize = 24;

/// An instance of `schema`. Gemini's upper-case type names are understood too.
pub fn instance(schema: &Value) -> Value {
    build(schema, schema, "", 0)
}

fn build(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| build(target, root, name, depth + 1));
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[keyword].as_array() {
            let choice = choices.iter().find(|choice| kind(choice) != "null");
            return choice.map_or(Value::Null, |choice| build(choice, root, name, depth + 1));
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return all_of(parts, root, name, depth);
    }
    match kind(schema).as_str() {
        "object" => object(schema, root, depth),
        "array" => array(schema, root, name, depth),
        "integer" => integer(schema),
        "number" => number(schema),
        "boolean" => Value::Bool(true),
        "null" => Value::Null,
        _ => Value::String(text(schema, name)),
    }
}

/// The first type that is not null; objects and arrays are known by their keywords too.
fn kind(schema: &Value) -> String {
    let named = match &schema["type"] {
        Value::String(name) => Some(name.as_str()),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names
                .clone()
                .find(|name| !name.eq_ignore_ascii_case("null"))
                .or(names.next())
        }
        _ => None,
    };
    match named {
        Some(name) => name.to_ascii_lowercase(),
        None if schema.get("properties").is_some() => "object".to_owned(),
        None if schema.get("items").is_some() => "array".to_owned(),
        None => "string".to_owned(),
    }
}

fn all_of(parts: &[Value], root: &Value, name: &str, depth: usize) -> Value {
    let mut merged = Map::new();
    for part in parts {
        match build(part, root, name, depth + 1) {
            Value::Object(fields) => merged.extend(fields),
            other => return other,
        }
    }
    Value::Object(merged)
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut fields = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if depth < FULL_DEPTH || required.contains(&name.as_str()) {
            fields.insert(name.clone(), build(property, root, name, depth + 1));
        }
    }
    Value::Object(fields)
}

fn array(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    let fewest = schema["minItems"]
        .as_u64()
        .unwrap_or(u64::from(depth < FULL_DEPTH));
    let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
    let prefix = schema["prefixItems"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let count = fewest.max(prefix.len() as u64).min(most).min(100);
    let open = json!({ "type": "string" });
    let rest = schema
        .get("items")
        .filter(|items| items.is_object())
        .unwrap_or(&open);
    (0..count as usize)
        .map(|at| build(prefix.get(at).unwrap_or(rest), root, name, depth + 1))
        .collect()
}

fn integer(schema: &Value) -> Value {
    let step = schema["multipleOf"]
        .as_i64()
        .filter(|step| *step > 0)
        .unwrap_or(1);
    let lowest = schema["minimum"].as_i64().or_else(|| {
        schema["exclusiveMinimum"]
            .as_i64()
            .map(|bound| bound.saturating_add(1))
    });
    let highest = schema["maximum"].as_i64().or_else(|| {
        schema["exclusiveMaximum"]
            .as_i64()
            .map(|bound| bound.saturating_sub(1))
    });
    let wanted = 1
        .max(lowest.unwrap_or(i64::MIN))
        .min(highest.unwrap_or(i64::MAX));
    let remainder = wanted.rem_euclid(step);
    let up = if remainder == 0 {
        wanted
    } else {
        wanted.saturating_add(step - remainder)
    };
    Value::from(if highest.is_some_and(|highest| up > highest) {
        up - step
    } else {
        up
    })
}

fn number(schema: &Value) -> Value {
    let lowest = schema["minimum"]
        .as_f64()
        .or(schema["exclusiveMinimum"].as_f64());
    let highest = schema["maximum"]
        .as_f64()
        .or(schema["exclusiveMaximum"].as_f64());
    let value = match (lowest, highest) {
        (Some(lowest), Some(highest)) => f64::midpoint(lowest, highest),
        (Some(lowest), None) => lowest.max(0.5) + 1.0,
        (None, Some(highest)) => highest.min(2.5) - 1.0,
        (None, None) => 1.5,
    };
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn text(schema: &Value, name: &str) -> String {
    let plain = match schema["format"].as_str().unwrap_or_default() {
        "date-time" => "2026-08-01T12:00:00Z",
        "date" => "2026-08-01",
        "time" => "12:00:00Z",
        "duration" => "PT1H",
        "email" => "practice@example.com",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" => "https://example.com/practice",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ if matches!(name, "city" | "location" | "place") => "Paris",
        _ => "practice, not a model",
    };
    let shortest = schema["minLength"].as_u64().unwrap_or(0).min(10_000) as usize;
    let longest = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
    let padded = plain.chars().chain(std::iter::repeat('.'));
    padded
        .take(
            plain
                .len()
                .max(shortest)
                .min(usize::try_from(longest).unwrap_or(usize::MAX)),
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_get_every_property_in_order() {
        let schema = json!({ "type": "object", "required": ["city"], "properties": {
            "city": { "type": "string" }, "days": { "type": "integer", "minimum": 3 },
            "unit": { "enum": ["c", "f"] }, "tags": { "type": "array", "items": { "type": "boolean" } },
            "note": { "type": ["null", "number"] } } });
        let expected =
            json!({ "city": "Paris", "days": 3, "unit": "c", "tags": [true], "note": 1.5 });
        assert_eq!(instance(&schema).to_string(), expected.to_string());
    }

    #[test]
    fn references_choices_and_bounds_are_followed() {
        let schema = json!({ "$defs": { "n": { "type": "integer", "maximum": -4, "multipleOf": 3 } },
            "anyOf": [{ "type": "null" }, { "allOf": [
                { "properties": { "n": { "$ref": "#/$defs/n" } } },
                { "properties": { "s": { "type": "STRING", "minLength": 30 } } }] }] });
        let value = instance(&schema);
        assert_eq!(value["n"], -6);
        assert_eq!(value["s"].as_str().map(str::len), Some(30));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({ "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string" }, "child": { "$ref": "#" },
            "children": { "type": "array", "items": { "$ref": "#" } } } });
        assert_eq!(instance(&schema)["child"]["name"], "practice, not a model");
    }
}
