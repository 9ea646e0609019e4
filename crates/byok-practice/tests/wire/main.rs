//! The practice provider as its peers see it: a real process, real connections, a file for each part.

mod anthropic;
mod control;
mod faults;
mod gemini;
mod openai;
mod support;
