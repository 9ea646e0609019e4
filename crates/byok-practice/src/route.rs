//! From a path to the part that answers it. Prefixes come off one by one, so `/fault/...` can stand
//! before any provider and before `/replay/...`.

use crate::app::App;
use crate::inbound::Inbound;
use crate::provider::{Family, anthropic, gemini, openai};
use crate::reply::{Outcome, Reply};
use crate::{control, fault, replay};

/// Decides what happens to a request.
pub fn outcome(app: &App, inbound: &Inbound) -> Outcome {
    let path = inbound.path.as_str();
    if let Some(rest) = path.strip_prefix("/control/") {
        return control::reply(app, &inbound.at(rest)).into();
    }
    if let Some(rest) = path.strip_prefix("/fault/") {
        return fault::outcome(app, inbound, rest);
    }
    if let Some(rest) = path.strip_prefix("/replay/") {
        return replay::reply(app, rest).into();
    }
    match Family::split(path) {
        Some((Family::OpenAi, rest)) => openai::reply(app, &inbound.at(rest)).into(),
        Some((Family::Anthropic, rest)) => anthropic::reply(app, &inbound.at(rest)).into(),
        Some((Family::Gemini, rest)) => gemini::reply(app, &inbound.at(rest)).into(),
        None => nowhere().into(),
    }
}

fn nowhere() -> Reply {
    Reply::whole(
        404,
        "text/plain; charset=utf-8",
        "This is the byok-ai practice provider. It is not a model.\n\
         It answers under /openai/v1, /anthropic and /gemini/v1beta; see docs/practice-provider.md.\n",
    )
}
