//! OpenRouter's `reasoning_details`: opaque pieces of the model's own reasoning (signed, encrypted or
//! summarised) that must return unchanged for the model to go on thinking after a tool call. A stream
//! gives them in pieces, which are joined here by their `index` and `type`.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

#[derive(Debug, Default)]
pub struct ReasoningDetails {
    all: Vec<Map<String, Value>>,
}

impl ReasoningDetails {
    /// Adds an array of details; what is not one is ignored, since it can only make a later turn
    /// think anew.
    pub fn add(&mut self, raw: &RawValue) {
        let Ok(details) = serde_json::from_str::<Vec<Map<String, Value>>>(raw.get()) else {
            return;
        };
        for detail in details {
            let same = |known: &&mut Map<String, Value>| {
                known.get("index") == detail.get("index") && known.get("type") == detail.get("type")
            };
            match self.all.last_mut().filter(same) {
                Some(known) if detail.contains_key("index") => join(known, detail),
                _ => self.all.push(detail),
            }
        }
    }

    /// All of them as the JSON text of an array, if there are any.
    pub fn take(&mut self) -> Option<String> {
        let all = std::mem::take(&mut self.all);
        (!all.is_empty()).then(|| Value::from_iter(all.into_iter().map(Value::Object)).to_string())
    }
}

/// Texts that grow are appended; everything else is what was said last.
fn join(known: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (name, value) in piece {
        match (known.get_mut(&name), value) {
            (_, Value::Null) => {}
            (Some(Value::String(text)), Value::String(more))
                if matches!(name.as_str(), "text" | "summary" | "data") =>
            {
                text.push_str(&more);
            }
            (_, value) => {
                known.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_detail_are_joined_and_others_kept_apart() {
        let mut details = ReasoningDetails::default();
        for json in [
            r#"[{"type":"reasoning.text","text":"a","signature":null,"index":0}]"#,
            r#"[{"type":"reasoning.text","text":"b","index":0},{"type":"reasoning.encrypted","data":"X","index":1}]"#,
            r#"[{"type":"reasoning.encrypted","data":"Y","index":2}]"#,
            r#""nonsense""#,
        ] {
            details.add(&RawValue::from_string(json.to_owned()).unwrap());
        }
        assert_eq!(
            details.take().unwrap(),
            r#"[{"type":"reasoning.text","text":"ab","signature":null,"index":0},{"type":"reasoning.encrypted","data":"X","index":1},{"type":"reasoning.encrypted","data":"Y","index":2}]"#
        );
    }
}
