//! The fields of a multipart form as OpenAI's servers read them: arrays are repeated under `name[]`,
//! objects are JSON. The audio or the images come last, since some servers read no field after a file.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::provider::{FormField, FormValue};

/// How the name of an array is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrays {
    /// `timestamp_granularities[]`, as the official SDKs of OpenAI's kind write it.
    Brackets,
    /// The bare name, again and again (Mistral).
    Repeated,
}

/// The text fields of a form under way.
pub struct Form {
    arrays: Arrays,
    fields: Vec<FormField>,
}

impl Form {
    pub fn new(arrays: Arrays) -> Self {
        Form {
            arrays,
            fields: Vec::new(),
        }
    }

    pub fn text(&mut self, name: &'static str, value: impl Into<String>) {
        self.fields.push(FormField::text(name, value));
    }

    pub fn number(&mut self, name: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            self.text(name, value.to_string());
        }
    }

    pub fn list(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let name = match self.arrays {
            Arrays::Brackets => format!("{name}[]"),
            Arrays::Repeated => name.to_owned(),
        };
        for value in values {
            self.fields.push(FormField::text(name.clone(), value));
        }
    }

    /// Lays the caller's `providerOptions` over the fields: they replace those of the same name, and
    /// null takes one away.
    pub fn merge(&mut self, options: &Map<String, Value>) {
        for (name, value) in options {
            self.fields
                .retain(|field| field.name.trim_end_matches("[]") != name);
            match value {
                Value::Null => {}
                Value::Array(values) => self.list(name, values.iter().map(text_of)),
                value => self.fields.push(FormField {
                    name: Cow::Owned(name.clone()),
                    value: FormValue::Text(text_of(value)),
                }),
            }
        }
    }

    /// The whole form, with its files at the end.
    pub fn with_files(mut self, files: impl IntoIterator<Item = FormField>) -> Vec<FormField> {
        self.fields.extend(files);
        self.fields
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_replace_fields_of_their_name_and_null_takes_one_away() {
        let mut form = Form::new(Arrays::Brackets);
        form.text("model", "m");
        form.text("prompt", "p");
        form.list("timestamp_granularities", ["word".to_owned()]);
        let options = json!({
            "prompt": null,
            "timestamp_granularities": ["segment"],
            "chunking_strategy": { "type": "server_vad" },
            "stream": true
        });
        form.merge(options.as_object().unwrap());
        let fields = form.with_files([]);
        let expected = [
            ("model", "m"),
            ("chunking_strategy", r#"{"type":"server_vad"}"#),
            ("stream", "true"),
            ("timestamp_granularities[]", "segment"),
        ];
        let mut found: Vec<(&str, &str)> = fields
            .iter()
            .map(|field| match &field.value {
                FormValue::Text(text) => (field.name.as_ref(), text.as_str()),
                FormValue::File { .. } => ("file", ""),
            })
            .collect();
        found[1..].sort_unstable();
        assert_eq!(found, expected);
    }
}
