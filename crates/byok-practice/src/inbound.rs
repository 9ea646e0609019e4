//! One request as the handlers see it: read to its end, the path split from the query.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

/// A complete request. `path` shrinks as prefixes such as `/fault/...` are taken off.
#[derive(Clone)]
pub struct Inbound {
    pub method: Method,
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Inbound {
    /// A header's text; absent when it is not there or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of a query parameter, undecoded.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.as_deref()?.split('&');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }

    /// The body as a JSON object.
    pub fn json(&self) -> Result<Value, String> {
        match serde_json::from_slice(&self.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) => Err("the body is not a JSON object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The same request at a shorter path.
    pub fn at(&self, path: &str) -> Inbound {
        Inbound {
            path: path.to_owned(),
            ..self.clone()
        }
    }
}
