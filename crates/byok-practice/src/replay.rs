//! Scripted responses: a test registers bytes under an id, and every request under `/replay/<id>/...`
//! gets them, whatever its method, path and key. At most 4,096 are kept; the oldest goes first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::fault::{cut, delayed};
use crate::reply::{Ending, Reply};

const MAX_SCRIPTS: usize = 4_096;

/// Headers that belong to the connection, not to the recording.
const FRAMING: [&str; 4] = [
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
];

/// The body of `POST /control/replay`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Registration {
    id: String,
    #[serde(default = "ok")]
    status: u16,
    /// Name to value, or to a list of values.
    #[serde(default)]
    headers: Map<String, Value>,
    /// Base64; each goes out as a chunk of its own.
    #[serde(default)]
    chunks: Vec<String>,
    /// Milliseconds before each chunk.
    #[serde(default)]
    delay_ms: u64,
    /// Bytes of body after which the connection ends without the end of the body.
    cut: Option<usize>,
    #[serde(default)]
    cut_with: CutWith,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CutWith {
    #[default]
    Close,
    Reset,
    /// The body ends there as if it were whole.
    End,
}

fn ok() -> u16 {
    200
}

/// The registered scripts.
#[derive(Default)]
pub struct Replays {
    scripts: Mutex<(HashMap<String, Reply>, VecDeque<String>)>,
}

impl Replays {
    /// Registers a script, replacing the one of the same id. Fails with a sentence about the body.
    pub fn register(&self, body: &[u8]) -> Result<String, String> {
        let registration: Registration =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let id = registration.id.clone();
        if id.is_empty() || id.contains('/') {
            return Err("id: one path segment, not empty".to_owned());
        }
        let reply = registration.reply()?;
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let (by_id, order) = &mut *scripts;
        if by_id.insert(id.clone(), reply).is_none() {
            order.push_back(id.clone());
        }
        if order.len() > MAX_SCRIPTS
            && let Some(oldest) = order.pop_front()
        {
            by_id.remove(&oldest);
        }
        Ok(id)
    }

    fn find(&self, id: &str) -> Option<Reply> {
        self.scripts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .get(id)
            .cloned()
    }
}

impl Registration {
    fn reply(self) -> Result<Reply, String> {
        let mut pieces = Vec::with_capacity(self.chunks.len());
        for chunk in &self.chunks {
            let bytes = STANDARD
                .decode(chunk)
                .map_err(|error| format!("chunks: {error}"))?;
            pieces.push(Bytes::from(bytes));
        }
        let mut reply = Reply::chunks(self.status, "application/json", pieces);
        reply.status = StatusCode::from_u16(self.status).map_err(|_| "status: 100 to 999")?;
        for (name, value) in &self.headers {
            append(&mut reply, name, value)?;
        }
        if let Some(length) = self.cut {
            let ending = match self.cut_with {
                CutWith::Close => Some(Ending::Close),
                CutWith::Reset => Some(Ending::Reset),
                CutWith::End => None,
            };
            cut(&mut reply, length, ending);
        }
        if self.delay_ms > 0 {
            delayed(&mut reply, Duration::from_millis(self.delay_ms));
        }
        Ok(reply)
    }
}

fn append(reply: &mut Reply, name: &str, value: &Value) -> Result<(), String> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("headers: {name}"))?;
    if FRAMING.contains(&name.as_str()) {
        return Ok(());
    }
    let values = match value {
        Value::Array(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    reply.headers.remove(&name);
    for value in values {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let value = HeaderValue::from_str(&text).map_err(|_| format!("headers: {name}"))?;
        reply.headers.append(name.clone(), value);
    }
    Ok(())
}

/// Answers a request under `/replay/`; `rest` is `<id>` and whatever follows.
pub fn reply(app: &App, rest: &str) -> Reply {
    let id = rest.split('/').next().unwrap_or_default();
    app.replays.find(id).unwrap_or_else(|| {
        Reply::whole(
            404,
            "text/plain",
            format!("No replay is registered as {id}."),
        )
    })
}
