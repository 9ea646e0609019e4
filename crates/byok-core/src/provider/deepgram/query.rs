//! The query that holds every parameter of a request. `providerOptions` set or replace parameters; an
//! array is the same one several times.

use serde_json::{Map, Value};

use crate::provider::WireRequest;
use crate::provider::wire::escaped;

pub struct Query(Map<String, Value>);

impl Query {
    pub fn new(model: &str) -> Self {
        Query(Map::from_iter([("model".to_owned(), model.into())]))
    }

    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Whether a parameter has this value.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name).and_then(Value::as_str) == Some(value)
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Null takes a parameter out.
    pub fn merge(&mut self, options: &Map<String, Value>) {
        for (name, value) in options {
            if value.is_null() {
                self.0.remove(name);
            } else {
                self.0.insert(name.clone(), value.clone());
            }
        }
    }

    pub fn add_to(&self, wire: &mut WireRequest) {
        for (name, value) in &self.0 {
            let values = match value {
                Value::Array(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            for value in values {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                wire.add_query(&escaped(name), &escaped(&text));
            }
        }
    }
}
