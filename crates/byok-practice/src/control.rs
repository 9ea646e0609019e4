//! The control endpoints: what the server saw, and what it shall replay. They need no key.

use http::Method;
use serde_json::json;

use crate::app::App;
use crate::inbound::Inbound;
use crate::reply::Reply;

/// Answers a request under `/control/`; `inbound.path` is what follows.
pub fn reply(app: &App, inbound: &Inbound) -> Reply {
    match (&inbound.method, inbound.path.as_str()) {
        (&Method::GET, "requests") => {
            let clear = inbound.parameter("clear") == Some("1");
            Reply::json(200, &app.journal.requests(clear))
        }
        (&Method::GET, "connections") => {
            let mut connections = app.connections.to_json();
            connections["stalled"] = app.journal.stalls();
            Reply::json(200, &connections)
        }
        (&Method::POST, "replay") => match app.replays.register(&inbound.body) {
            Ok(id) => Reply::json(200, &json!({ "id": id, "path": format!("/replay/{id}") })),
            Err(message) => Reply::json(400, &json!({ "error": message })),
        },
        (method, path) => {
            let message = format!("no control endpoint {method} /control/{path}");
            Reply::json(404, &json!({ "error": message }))
        }
    }
}
