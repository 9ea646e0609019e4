//! A request as it goes to a provider, before the key and the network: where to, and what body.

use std::borrow::Cow;

use crate::capability::Warning;

/// A request body and where to send it.
#[derive(Debug)]
pub struct WireRequest {
    /// Relative to the base URL, with a leading slash, percent-encoded, with a query if need be.
    pub path: String,
    pub body: WireBody,
    /// Beyond [`Provider::headers`](super::Provider::headers) and the body's own `content-type`.
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub warnings: Vec<Warning>,
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
        }
    }

    pub fn with_warnings(mut self, warnings: Vec<Warning>) -> Self {
        self.warnings = warnings;
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
