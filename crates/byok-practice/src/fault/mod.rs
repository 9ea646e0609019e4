//! Faults: `/fault/<name>[,<parameter>...]/<path>` does something wrong on purpose to the answer that
//! `<path>` would have given. Prefixes may stand one behind another; the outer one works on what the
//! inner one made. `kind` reads the name, `edit` changes a reply, `bomb` compresses.

mod bomb;
mod edit;
mod kind;

use std::sync::PoisonError;

use crate::app::App;
use crate::inbound::Inbound;
use crate::provider::{Api, Family, Refusal};
use crate::reply::{Ending, Outcome, Reply};
use crate::route;

pub use edit::{cut, delayed};
use kind::Kind;

/// Longest row of prefixes.
const MAX_DEPTH: usize = 8;

/// Decides about a request under `/fault/`; `rest` is `<name>[,...]/<path>`.
pub fn outcome(app: &App, inbound: &Inbound, rest: &str) -> Outcome {
    let (spec, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let kind = match Kind::parse(spec) {
        Ok(kind) if path.matches("/fault/").count() < MAX_DEPTH => kind,
        Ok(_) => return complaint("too many faults in one path"),
        Err(message) => return complaint(&message),
    };
    match kind {
        Kind::Reset => Outcome::Cut(Ending::Reset),
        Kind::Close => Outcome::Cut(Ending::Close),
        Kind::Stall => Outcome::Never,
        Kind::Status {
            status,
            retry_after,
        } => refuse(
            path,
            &Refusal::Status {
                status,
                retry_after,
            },
        )
        .into(),
        Kind::Flaky { failures, status } => {
            let mut seen = app.flaky.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = seen.entry(flaky_token(spec, path)).or_default();
            *seen += 1;
            if *seen <= failures {
                return refuse(
                    path,
                    &Refusal::Status {
                        status,
                        retry_after: None,
                    },
                )
                .into();
            }
            inner(app, inbound, path)
        }
        Kind::Redirect { status, location } => Reply::whole(status, "text/plain", "Moved.")
            .with("location", location)
            .into(),
        Kind::Edit(edit) => match inner(app, inbound, path) {
            Outcome::Reply(reply) => edit.apply(reply, Api::of(path)).into(),
            other => other,
        },
    }
}

fn inner(app: &App, inbound: &Inbound, path: &str) -> Outcome {
    route::outcome(app, &inbound.at(path))
}

/// `flaky` counts by its own text, so an id after the status makes a counter of one's own.
fn flaky_token(spec: &str, path: &str) -> String {
    match spec.split(',').nth(3) {
        Some(_) => spec.to_owned(),
        None => format!("{spec}{path}"),
    }
}

/// An error in the words of the provider behind the path, OpenAI's when there is none.
fn refuse(path: &str, refusal: &Refusal) -> Reply {
    let families = [
        ("/anthropic/", Family::Anthropic),
        ("/gemini/v1", Family::Gemini),
        ("/", Family::OpenAi),
    ];
    let family = families.into_iter().find(|(part, _)| path.contains(part));
    family
        .map_or(Family::OpenAi, |(_, family)| family)
        .refuse(refusal)
}

fn complaint(message: &str) -> Outcome {
    Reply::whole(
        404,
        "text/plain; charset=utf-8",
        format!("No such fault: {message}.\n"),
    )
    .into()
}
