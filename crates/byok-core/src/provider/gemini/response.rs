//! Whole answers and the events of a stream. A stream is complete once a chunk has said why the
//! model stopped (or why the prompt was blocked); chunks with usage may still follow, and the end of
//! the connection is the only end mark after that.
//!
//! A prompt or an answer that Gemini's filters refuse comes with HTTP 200, so it is an answer with
//! `finishReason: "content-filter"` (and Gemini's own word in `rawFinishReason`), not an error.

use super::Gemini;
use super::failure;
use super::reader::Reader;
use super::request;
use super::wire::Answer;
use crate::capability::chat::{ChatRequest, FinishReason};
use crate::capability::fold::ChatFold;
use crate::error::{Error, Result};
use crate::provider::{ChatProvider, ChatStream, Failure, WireRequest, cut_off, not_json};
use crate::sse::SseEvent;

impl ChatProvider for Gemini {
    fn request(&self, request: &ChatRequest, model: &str, stream: bool) -> Result<WireRequest> {
        request::build(request, model, stream)
    }

    /// Also reads an array of answers, which is what `streamGenerateContent` gives without
    /// `alt=sse` and how some endpoints wrap their errors.
    fn response(&self, request: &ChatRequest, body: &[u8], fold: &mut ChatFold) -> Result<()> {
        let mut reader = Reader::new(request);
        let mut has_candidate = false;
        for answer in parse(body).map_err(|error| not_json("Gemini's answer", &error))? {
            if let Some(error) = answer.error {
                return Err(into_error(failure::read_error(error.get())));
            }
            has_candidate |= answer
                .candidates
                .as_ref()
                .is_some_and(|all| !all.is_empty());
            reader.read(&answer, fold)?;
        }
        if reader.is_finished() {
            return Ok(());
        }
        if !has_candidate {
            return Err(Error::bad_response(
                "Gemini answered without a candidate and without saying why. Send the request again.",
            )
            .with_retryable(true));
        }
        fold.finish(FinishReason::Other, None);
        Ok(())
    }

    fn stream(&self, request: &ChatRequest) -> Box<dyn ChatStream> {
        Box::new(GeminiStream {
            reader: Reader::new(request),
        })
    }
}

struct GeminiStream {
    reader: Reader,
}

impl ChatStream for GeminiStream {
    fn event(&mut self, event: &SseEvent<'_>, fold: &mut ChatFold) -> Result<()> {
        let data = event.data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        if data.starts_with('[') {
            let answers = parse(data.as_bytes()).map_err(|error| broken(&error))?;
            return answers
                .iter()
                .try_for_each(|answer| self.read(answer, fold));
        }
        let answer = serde_json::from_str(data).map_err(|error| broken(&error))?;
        self.read(&answer, fold)
    }

    fn end(&mut self, _fold: &mut ChatFold) -> Result<()> {
        if self.reader.is_finished() {
            return Ok(());
        }
        Err(cut_off())
    }
}

impl GeminiStream {
    fn read(&mut self, answer: &Answer<'_>, fold: &mut ChatFold) -> Result<()> {
        if let Some(error) = answer.error {
            return Err(failure::read_error(error.get()).into_stream_error());
        }
        self.reader.read(answer, fold)
    }
}

fn parse(body: &[u8]) -> serde_json::Result<Vec<Answer<'_>>> {
    if body.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice(body);
    }
    Ok(vec![serde_json::from_slice(body)?])
}

/// An event that stops in the middle of its JSON is a stream that was cut off there.
fn broken(error: &serde_json::Error) -> Error {
    if error.is_eof() {
        return cut_off();
    }
    not_json("An event of Gemini's stream", error)
}

fn into_error(failure: Failure) -> Error {
    let message = failure.message.unwrap_or_else(|| "no reason given".into());
    Error::new(
        failure.code,
        format!("Gemini answered with an error: {message}"),
    )
    .with_retryable(failure.retryable)
    .with_retry_after_ms(failure.retry_after_ms)
}
