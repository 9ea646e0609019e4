//! A request as it goes to a provider, before the key and the network: where to, and what body.

use std::borrow::Cow;

use crate::capability::Warning;
use crate::error::{Error, Result};

/// A request body and where to send it.
#[derive(Debug)]
pub struct WireRequest {
    /// Relative to the base URL, with a leading slash, percent-encoded, with a query if need be.
    pub path: String,
    pub body: WireBody,
    /// Beyond [`Provider::headers`](super::Provider::headers) and the body's own `content-type`.
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub warnings: Vec<Warning>,
    /// The model that the body names, for [`Provider::finish_request`](super::Provider::finish_request)
    /// of a provider whose path needs it, too.
    pub model: Option<String>,
}

/// What is sent. Everything but `Empty` is a POST.
#[derive(Debug)]
pub enum WireBody {
    /// A GET.
    Empty,
    Json(Vec<u8>),
    /// `multipart/form-data`, fields in this order.
    Form(Vec<FormField>),
    /// The caller's audio as it is, with its own media type as `content-type`.
    Audio,
    /// JSON with the caller's audio as base64 between two pieces.
    JsonAroundAudio {
        before: Vec<u8>,
        after: Vec<u8>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct FormField {
    pub name: Cow<'static, str>,
    pub value: FormValue,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FormValue {
    Text(String),
    File {
        filename: String,
        media_type: String,
        content: FileContent,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum FileContent {
    /// The caller's audio, streamed.
    Audio,
    Bytes(Vec<u8>),
}

impl FormField {
    pub fn text(name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        FormField {
            name: name.into(),
            value: FormValue::Text(value.into()),
        }
    }

    pub fn file(
        name: impl Into<Cow<'static, str>>,
        filename: impl Into<String>,
        media_type: impl Into<String>,
        content: FileContent,
    ) -> Self {
        FormField {
            name: name.into(),
            value: FormValue::File {
                filename: filename.into(),
                media_type: media_type.into(),
                content,
            },
        }
    }
}

impl WireRequest {
    /// A POST of JSON.
    pub fn json(path: impl Into<String>, body: Vec<u8>) -> Self {
        WireRequest::new(path, WireBody::Json(body))
    }

    pub fn new(path: impl Into<String>, body: WireBody) -> Self {
        WireRequest {
            path: path.into(),
            body,
            headers: Vec::new(),
            warnings: Vec::new(),
            model: None,
        }
    }

    pub fn with_warnings(mut self, warnings: Vec<Warning>) -> Self {
        self.warnings = warnings;
        self
    }

    pub fn with_model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }

    /// The JSON text; empty for any other body.
    pub fn json_body(&self) -> &[u8] {
        match &self.body {
            WireBody::Json(body) => body,
            _ => &[],
        }
    }

    /// Appends a query parameter; `value` must need no escaping.
    pub fn add_query(&mut self, name: &str, value: &str) {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        self.path.extend([&mark.to_string(), name, "=", value]);
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters, so that a name can't leave its place
/// in a path or a query.
pub fn escaped(name: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// A name as one segment of a path.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming `option`, for one that is empty, `.` or `..`: it would lead elsewhere.
pub fn segment(name: &str, option: &str) -> Result<String> {
    if matches!(name, "" | "." | "..") {
        return Err(Error::invalid_argument(format!(
            "{option}: {name:?} can't be part of a URL."
        )));
    }
    Ok(escaped(name))
}

/// A model's name as part of a path: its slashes stay.
///
/// # Errors
/// As [`segment`], for each part.
pub fn path_of(name: &str) -> Result<String> {
    let parts: Result<Vec<String>> = name.split('/').map(|part| segment(part, "model")).collect();
    Ok(parts?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_path_stays_in_its_place() {
        assert_eq!(
            path_of("accounts/x/models/a b?c#d%").unwrap(),
            "accounts/x/models/a%20b%3Fc%23d%25"
        );
        for name in ["", "..", "a/../b", "a//b", "/a", "."] {
            assert!(path_of(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_query_begins_once() {
        let mut wire = WireRequest::new("/models", WireBody::Empty);
        wire.add_query("a", "1");
        wire.add_query("b", "2");
        assert_eq!(wire.path, "/models?a=1&b=2");
    }
}
