//! `byok-practice`: a practice provider for this machine. It speaks the OpenAI, Anthropic and Gemini
//! protocols over loopback, answers from a few fixed rules and is not a model. It also serves faults,
//! scripted replays and a benchmark. It must not know byok-core: it is the other side of the wire.

mod answer;
mod app;
mod bench;
mod connection;
mod control;
mod fault;
mod id;
mod inbound;
mod journal;
mod options;
mod provider;
mod replay;
mod reply;
mod route;
mod schema;
mod server;
mod sse;

use std::io::Write;
use std::process::ExitCode;

use options::{Command, Options};

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)) {
        Ok(Command::Serve(options)) => match server::run(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("could not serve: {error}")),
        },
        Ok(Command::Print(text)) => match writeln!(std::io::stdout(), "{text}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "byok-practice: {message}");
    ExitCode::from(2)
}
