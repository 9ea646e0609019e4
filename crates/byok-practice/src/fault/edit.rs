//! The faults that change an answer: each edits the script of a `Reply`.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::json;

use super::bomb;
use crate::provider::{Api, Family, Refusal, anthropic, gemini, openai};
use crate::reply::{Ending, Reply, Step};
use crate::sse;

/// Long enough for the peer to read what was sent before an RST throws it away.
const SETTLE: Duration = Duration::from_millis(30);
const MEBIBYTE: usize = 1 << 20;

/// One change of an answer.
#[derive(Debug, PartialEq)]
pub enum Edit {
    EndMid(Ending),
    StallMid,
    Slow {
        bytes: usize,
        pause: Duration,
    },
    Delay(Duration),
    Chunk(usize),
    ContentType(String),
    TruncatedJson,
    InvalidUtf8,
    Huge {
        mebibytes: u64,
    },
    EndlessLine {
        mebibytes: u64,
    },
    Gzip,
    GzipBomb {
        mebibytes: u64,
    },
    ErrorMid,
    NoEndMark,
    /// `None` ends the body as if it were whole.
    Cut {
        length: usize,
        ending: Option<Ending>,
    },
}

impl Edit {
    /// The changed answer; `api` is the one that made it, when one did.
    pub fn apply(&self, reply: Reply, api: Option<Api>) -> Reply {
        let mut reply = reply;
        match self {
            Edit::EndMid(ending) => {
                keep_half(&mut reply);
                reply
                    .steps
                    .extend([Step::Pause(settle(*ending)), Step::End(*ending)]);
            }
            Edit::StallMid => {
                keep_half(&mut reply);
                reply.steps.push_back(Step::Stall);
            }
            Edit::Slow { bytes, pause } => {
                recut(&mut reply, *bytes);
                delayed(&mut reply, *pause);
            }
            Edit::Delay(pause) => reply.steps.push_front(Step::Pause(*pause)),
            Edit::Chunk(bytes) => recut(&mut reply, *bytes),
            Edit::ContentType(text) => {
                if let Ok(value) = HeaderValue::from_str(text) {
                    reply.headers.insert(CONTENT_TYPE, value);
                }
            }
            Edit::TruncatedJson => truncate_json(&mut reply),
            Edit::InvalidUtf8 => {
                let pieces: Vec<Bytes> = reply.pieces().iter().map(with_bad_byte).collect();
                reply.replace(pieces);
            }
            Edit::Huge { mebibytes } => huge(&mut reply, *mebibytes),
            Edit::EndlessLine { mebibytes } => endless_line(&mut reply, *mebibytes),
            Edit::Gzip => return compressed(reply, |reply| bomb::gzip(&reply.pieces())),
            Edit::GzipBomb { mebibytes } => {
                return compressed(reply, |reply| bomb::bomb(*mebibytes, &reply.bytes()));
            }
            Edit::ErrorMid => return error_mid(reply, api),
            Edit::NoEndMark if reply.is_chunked() => {
                reply.steps.pop_back();
            }
            // A whole answer has no end mark.
            Edit::NoEndMark => {}
            Edit::Cut { length, ending } => cut(&mut reply, *length, *ending),
        }
        reply
    }
}

/// Puts a pause before every piece.
pub fn delayed(reply: &mut Reply, pause: Duration) {
    let steps = std::mem::take(&mut reply.steps);
    let paused = steps.into_iter().flat_map(|step| match step {
        Step::Send(_) => vec![Step::Pause(pause), step],
        step => vec![step],
    });
    reply.steps = paused.collect();
}

/// Ends the body after `length` bytes: with the connection, or as if it were whole.
pub fn cut(reply: &mut Reply, length: usize, ending: Option<Ending>) {
    let mut left = length;
    let mut kept = Vec::new();
    for piece in reply.pieces() {
        let piece = piece.slice(..piece.len().min(left));
        left -= piece.len();
        kept.push(Step::Send(piece));
    }
    kept.retain(|step| !matches!(step, Step::Send(bytes) if bytes.is_empty()));
    reply.steps = kept.into();
    match ending {
        Some(ending) => reply
            .steps
            .extend([Step::Pause(settle(ending)), Step::End(ending)]),
        None if reply.is_chunked() => {}
        None => reply.measure(),
    }
}

/// A FIN comes after what was sent; only an RST can overtake it.
fn settle(ending: Ending) -> Duration {
    match ending {
        Ending::Close => Duration::ZERO,
        Ending::Reset => SETTLE,
    }
}

/// Keeps the first half of a stream's pieces, or of a single piece's bytes; a length stays as it was.
fn keep_half(reply: &mut Reply) {
    let pieces = reply.pieces();
    let kept = match pieces.as_slice() {
        [] => Vec::new(),
        [only] => vec![only.slice(..only.len() / 2)],
        pieces => pieces[..pieces.len().div_ceil(2)].to_vec(),
    };
    reply.steps = kept.into_iter().map(Step::Send).collect();
}

fn recut(reply: &mut Reply, length: usize) {
    let whole = reply.bytes();
    let starts = (0..whole.len()).step_by(length);
    let cuts = starts.map(|at| whole.slice(at..(at + length).min(whole.len())));
    reply.steps = cuts.map(Step::Send).collect();
}

/// A whole body loses its second half; a stream ends after half of its middle event's data.
fn truncate_json(reply: &mut Reply) {
    let mut pieces = reply.pieces();
    if pieces.len() < 2 {
        keep_half(reply);
        reply.measure();
        return;
    }
    pieces.truncate(pieces.len().div_ceil(2));
    if let Some(last) = pieces.last_mut() {
        let mut half = BytesMut::from(&last[..last.len() * 3 / 4]);
        half.extend_from_slice(b"\n\n");
        *last = half.freeze();
    }
    reply.replace(pieces);
}

/// Puts the byte 0xFF, which is never UTF-8, at the start of a text.
fn with_bad_byte(piece: &Bytes) -> Bytes {
    const NAMES: [&[u8]; 4] = [
        b"\"text\":",
        b"\"content\":",
        b"\"delta\":",
        b"\"message\":",
    ];
    for name in NAMES {
        for (at, window) in piece.windows(name.len()).enumerate() {
            let after = at + name.len();
            let space = usize::from(piece.get(after) == Some(&b' '));
            if window != name || piece.get(after + space) != Some(&b'"') {
                continue;
            }
            let (head, tail) = piece.split_at(after + space + 1);
            return Bytes::from([head, &[0xff], tail].concat());
        }
    }
    piece.clone()
}

fn huge(reply: &mut Reply, mebibytes: u64) {
    reply.headers.remove(CONTENT_LENGTH);
    let bytes = Bytes::from(vec![b'a'; 64 << 10]);
    let times = if mebibytes == 0 {
        u64::MAX
    } else {
        mebibytes.saturating_mul(16)
    };
    reply.steps = [
        Step::Send(Bytes::from_static(b"{\"padding\":\"")),
        Step::Repeat {
            bytes,
            times,
            pause: Duration::ZERO,
        },
        Step::Send(Bytes::from_static(b"\"}")),
    ]
    .into();
}

/// The first megabytes come at full speed, then 16 KiB every 50 ms until the peer goes.
fn endless_line(reply: &mut Reply, mebibytes: u64) {
    reply.headers.remove(CONTENT_LENGTH);
    reply
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    let fast = Bytes::from(vec![b'a'; MEBIBYTE / 16]);
    let slow = fast.slice(..MEBIBYTE / 64);
    reply.steps = [
        Step::Send(Bytes::from_static(b"data: {\"text\":\"")),
        Step::Repeat {
            bytes: fast,
            times: mebibytes.saturating_mul(16),
            pause: Duration::ZERO,
        },
        Step::Repeat {
            bytes: slow,
            times: u64::MAX,
            pause: Duration::from_millis(50),
        },
    ]
    .into();
}

fn compressed(reply: Reply, pack: impl FnOnce(&Reply) -> std::io::Result<Vec<Bytes>>) -> Reply {
    let mut reply = reply;
    match pack(&reply) {
        Ok(pieces) => {
            reply.replace(pieces);
            reply
                .headers
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            reply
        }
        Err(error) => Reply::whole(500, "text/plain", format!("could not compress: {error}")),
    }
}

/// The provider's error inside a stream, after half of it; an answer that is not a stream is refused.
fn error_mid(reply: Reply, api: Option<Api>) -> Reply {
    let status = Refusal::Status {
        status: 500,
        retry_after: None,
    };
    let Some(api) = api else {
        return Family::OpenAi.refuse(&status);
    };
    if !reply.is_chunked() {
        return match api {
            Api::OpenAiChat | Api::OpenAiResponses => Family::OpenAi.refuse(&status),
            Api::Anthropic => Family::Anthropic.refuse(&status),
            Api::Gemini => Family::Gemini.refuse(&status),
        };
    }
    let mut reply = reply;
    keep_half(&mut reply);
    let number = reply.steps.len();
    let message = "The server had an error while processing your request. Sorry about that!";
    let failure = openai::error(message, "server_error", None, Some("server_error"));
    let events = match api {
        Api::OpenAiChat => vec![sse::bare(&failure)],
        Api::OpenAiResponses => vec![
            sse::named(&json!({ "type": "error", "sequence_number": number,
                "error": failure["error"] })),
            sse::named(
                &json!({ "type": "response.failed", "sequence_number": number + 1,
                "response": { "id": "resp_failed", "object": "response", "status": "failed",
                    "error": { "code": "server_error", "message": message }, "output": [],
                    "usage": null } }),
            ),
        ],
        Api::Anthropic => {
            let error = anthropic::error("overloaded_error", "Overloaded", "req_overloaded");
            vec![sse::named(&error)]
        }
        Api::Gemini => {
            let message = "The model is overloaded. Please try again later.";
            vec![sse::bare_crlf(&gemini::error(
                503,
                "UNAVAILABLE",
                message,
                json!([]),
            ))]
        }
    };
    reply.steps.extend(events.into_iter().map(Step::Send));
    reply
}
