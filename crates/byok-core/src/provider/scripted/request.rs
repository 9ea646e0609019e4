//! What a request function returns, as a request for the network: path, body in one of its forms,
//! headers, and the credential's further fields where the definition puts them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::definition::{Definition, check_path};
use crate::capability::Warning;
use crate::error::{Error, Result};
use crate::provider::{Fields, FileContent, FormField, WireBody, WireRequest, merge};

/// Stands in JSON where the caller's audio goes, as base64. No text of a user's can look like it, since
/// quotes inside texts are escaped.
const AUDIO_IN_JSON: &str = r#"{"$audio":"base64"}"#;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Outgoing {
    path: String,
    body: Option<Value>,
    form: Option<Vec<Field>>,
    /// The caller's audio is the body.
    #[serde(default)]
    raw_audio: bool,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Field {
    name: String,
    value: Option<String>,
    /// The caller's audio.
    #[serde(default)]
    audio: bool,
    base64: Option<String>,
    filename: Option<String>,
    media_type: Option<String>,
}

/// How the caller's audio is called, where there is any.
pub(super) struct AudioName<'a> {
    pub filename: &'a str,
    pub media_type: &'a str,
}

impl Outgoing {
    /// # Errors
    /// Says what is wrong with what the function returned.
    pub fn into_wire(
        self,
        options: &Map<String, Value>,
        audio: Option<&AudioName>,
    ) -> Result<WireRequest, String> {
        check_path("path", &self.path).map_err(|error| error.message().to_owned())?;
        let kinds = [self.body.is_some(), self.form.is_some(), self.raw_audio];
        if kinds.iter().filter(|is_given| **is_given).count() != 1 {
            return Err("give one of body, form and rawAudio".to_owned());
        }
        let body = match (self.body, self.form) {
            (Some(body), _) => json(body, options, audio.is_some())?,
            (_, Some(fields)) => form(fields, options, audio)?,
            _ if audio.is_none() => return Err(NO_AUDIO.to_owned()),
            _ => WireBody::Audio,
        };
        Ok(WireRequest {
            path: self.path,
            body,
            headers: own_headers(self.headers),
            warnings: self.warnings,
            model: None,
        })
    }
}

const NO_AUDIO: &str = "this request has no audio to send";

fn own_headers(headers: BTreeMap<String, String>) -> Vec<(Cow<'static, str>, String)> {
    let owned = |(name, value)| (Cow::Owned(name), value);
    headers.into_iter().map(owned).collect()
}

fn json(
    mut body: Value,
    options: &Map<String, Value>,
    has_audio: bool,
) -> Result<WireBody, String> {
    if let Value::Object(fields) = &mut body {
        merge(fields, options);
    }
    let text = body.to_string();
    let Some((before, after)) = text.split_once(AUDIO_IN_JSON) else {
        return Ok(WireBody::Json(text.into_bytes()));
    };
    if !has_audio {
        return Err(NO_AUDIO.to_owned());
    }
    Ok(WireBody::JsonAroundAudio {
        before: format!("{before}\"").into_bytes(),
        after: format!("\"{after}").into_bytes(),
    })
}

fn form(
    fields: Vec<Field>,
    options: &Map<String, Value>,
    audio: Option<&AudioName>,
) -> Result<WireBody, String> {
    let mut all = Vec::with_capacity(fields.len() + options.len());
    for field in fields {
        // The caller's own field of the same name goes before.
        if !options.contains_key(&field.name) || field.audio || field.base64.is_some() {
            all.push(form_field(field, audio)?);
        }
    }
    for (name, value) in options {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        all.push(FormField::text(name.clone(), value));
    }
    Ok(WireBody::Form(all))
}

fn form_field(field: Field, audio: Option<&AudioName>) -> Result<FormField, String> {
    let Field { name, .. } = field;
    match (field.value, field.audio, field.base64) {
        (Some(value), false, None) => Ok(FormField::text(name, value)),
        (None, true, None) => {
            let audio = audio.ok_or_else(|| NO_AUDIO.to_owned())?;
            let filename = field.filename.unwrap_or_else(|| audio.filename.to_owned());
            let media_type = field
                .media_type
                .unwrap_or_else(|| audio.media_type.to_owned());
            Ok(FormField::file(
                name,
                filename,
                media_type,
                FileContent::Audio,
            ))
        }
        (None, false, Some(base64)) => {
            let bytes = STANDARD
                .decode(base64)
                .map_err(|_| format!("form field {name}: base64 is not base64"))?;
            Ok(FormField::file(
                name,
                field.filename.unwrap_or_else(|| "file".to_owned()),
                field
                    .media_type
                    .unwrap_or_else(|| "application/octet-stream".to_owned()),
                FileContent::Bytes(bytes),
            ))
        }
        _ => Err(format!(
            "form field {name}: give one of value, base64 and audio: true"
        )),
    }
}

/// The base URL with the credential's fields in it.
pub(super) fn base_url(definition: &Definition, fields: &Fields) -> Result<String> {
    let mut url = definition.base_url.clone();
    for field in &definition.fields {
        let placeholder = format!("{{{}}}", field.name);
        if !url.contains(&placeholder) {
            continue;
        }
        let value = fields.get(&field.name).unwrap_or_default();
        let is_label = (1..=63).contains(&value.len())
            && !value.starts_with('-')
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_label {
            return Err(Error::invalid_argument(format!(
                "apiKey.{} must be 1 to 63 letters, digits, hyphens and underscores: it is part of the address.",
                field.name
            )));
        }
        url = url.replace(&placeholder, value);
    }
    Ok(url)
}

/// The credential's fields that are headers or parameters.
pub(super) fn add_fields(definition: &Definition, wire: &mut WireRequest, fields: &Fields) {
    for field in &definition.fields {
        let Some(value) = fields.get(&field.name) else {
            continue;
        };
        if let Some(header) = &field.header {
            wire.headers
                .push((Cow::Owned(header.clone()), value.to_owned()));
        }
        if let Some(query) = &field.query {
            let escaped: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            wire.add_query(query, &escaped);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AUDIO: AudioName<'_> = AudioName {
        filename: "a.wav",
        media_type: "audio/wav",
    };

    fn wire(outgoing: Value, audio: Option<&AudioName>) -> Result<WireRequest, String> {
        let options = json!({ "extra": { "a": 1 } });
        serde_json::from_value::<Outgoing>(outgoing)
            .map_err(|error| error.to_string())?
            .into_wire(options.as_object().unwrap(), audio)
    }

    #[test]
    fn provider_options_are_merged_into_json_and_forms() {
        let request = wire(
            json!({ "path": "/x", "body": { "extra": { "b": 2 } } }),
            None,
        )
        .unwrap();
        let body: Value = serde_json::from_slice(request.json_body()).unwrap();
        assert_eq!(body, json!({ "extra": { "a": 1, "b": 2 } }));
        let fields = json!([{ "name": "extra", "value": "0" }, { "name": "file", "audio": true }]);
        let request = wire(json!({ "path": "/x", "form": fields }), Some(&AUDIO)).unwrap();
        let WireBody::Form(fields) = request.body else {
            panic!("no form");
        };
        assert_eq!(
            fields,
            [
                FormField::file("file", "a.wav", "audio/wav", FileContent::Audio),
                FormField::text("extra", r#"{"a":1}"#)
            ]
        );
    }

    #[test]
    fn audio_stands_in_json_where_its_mark_is_and_no_text_can_pass_for_it() {
        let body =
            json!({ "path": "/x", "body": { "t": AUDIO_IN_JSON, "a": { "$audio": "base64" } } });
        let request = wire(body, Some(&AUDIO)).unwrap();
        let WireBody::JsonAroundAudio { before, after } = request.body else {
            panic!("no audio");
        };
        let before = String::from_utf8(before).unwrap();
        assert!(before.starts_with(r#"{"t":"{\"$audio\""#), "{before}");
        assert!(before.ends_with(r#","a":""#), "{before}");
        assert!(
            String::from_utf8(after)
                .unwrap()
                .starts_with("\",\"extra\"")
        );
    }

    #[test]
    fn what_leads_elsewhere_or_nowhere_is_refused() {
        for (outgoing, word) in [
            (json!({ "path": "x", "body": {} }), "path"),
            (json!({ "path": "//evil.example/", "body": {} }), "path"),
            (json!({ "path": "/\\evil.example/", "body": {} }), "path"),
            (json!({ "path": "@evil.example/", "body": {} }), "path"),
            (json!({ "path": "/x" }), "one of"),
            (
                json!({ "path": "/x", "body": {}, "rawAudio": true }),
                "one of",
            ),
            (json!({ "path": "/x", "rawAudio": true }), "no audio"),
            (
                json!({ "path": "/x", "form": [{ "name": "a" }] }),
                "field a",
            ),
        ] {
            let message = wire(outgoing.clone(), None).unwrap_err();
            assert!(message.contains(word), "{outgoing}: {message}");
        }
    }
}
