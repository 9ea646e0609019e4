//! A response as a script: status, headers, and the steps in which its body goes out. Faults are edits of
//! the script, and `ScriptBody` plays it on whatever protocol hyper speaks with the peer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::body::{Body, Frame};
use serde_json::Value;
use tokio::time::Sleep;

use crate::connection::Connection;
use crate::journal::Exchange;

/// How the server ends a connection on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// FIN: the peer reads an end of file.
    Close,
    /// RST: the peer reads "connection reset".
    Reset,
}

/// One thing that happens to a body.
#[derive(Clone, Debug)]
pub enum Step {
    /// Bytes that go out, flushed, before the next step; a chunk of their own in chunked coding.
    Send(Bytes),
    /// The same bytes over and over, `times` times (`u64::MAX`: until the peer goes), with a pause before each.
    Repeat {
        bytes: Bytes,
        times: u64,
        pause: Duration,
    },
    Pause(Duration),
    /// Silence until the peer goes away.
    Stall,
    End(Ending),
}

/// What a handler decides: a response, or none.
pub enum Outcome {
    Reply(Reply),
    /// The connection ends before any response.
    Cut(Ending),
    /// The request is never answered.
    Never,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Outcome::Reply(reply)
    }
}

/// A response before it is played. With no `content-length` header it goes out chunked.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub steps: VecDeque<Step>,
}

impl Reply {
    /// A whole body with its length.
    pub fn whole(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
        let mut reply = Reply::chunks(status, content_type, [body.into()]);
        reply.measure();
        reply
    }

    /// A JSON body as Anthropic sends it: compact.
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::whole(status, "application/json", body.to_string())
    }

    /// A JSON body as OpenAI and Google send it: indented by two spaces, newline at the end.
    pub fn pretty_json(status: u16, content_type: &'static str, body: &Value) -> Reply {
        Reply::whole(status, content_type, format!("{body:#}\n"))
    }

    /// A chunked body, each piece flushed by itself.
    pub fn chunks(
        status: u16,
        content_type: &'static str,
        pieces: impl IntoIterator<Item = Bytes>,
    ) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Reply {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers,
            steps: pieces.into_iter().map(Step::Send).collect(),
        }
    }

    /// The same reply with one more header. A value that HTTP can't carry is left out.
    pub fn with(mut self, name: &'static str, value: impl AsRef<str>) -> Reply {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Whether the reply is an event stream or another chunked body.
    pub fn is_chunked(&self) -> bool {
        !self.headers.contains_key(CONTENT_LENGTH)
    }

    /// The bytes of every `Send` step, in order.
    pub fn pieces(&self) -> Vec<Bytes> {
        let sends = self.steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes.clone()),
            _ => None,
        });
        sends.collect()
    }

    /// The whole body as one block.
    pub fn bytes(&self) -> Bytes {
        Bytes::from(self.pieces().concat())
    }

    /// Sets `content-length` from the `Send` steps.
    pub fn measure(&mut self) {
        let length: usize = self.pieces().iter().map(Bytes::len).sum();
        self.headers
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }

    /// Puts other bytes in the body; a body with a length gets the new one.
    pub fn replace(&mut self, pieces: impl IntoIterator<Item = Bytes>) {
        self.steps = pieces.into_iter().map(Step::Send).collect();
        if !self.is_chunked() {
            self.measure();
        }
    }
}

/// Plays the steps of a `Reply` to hyper.
pub struct ScriptBody {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    flush: bool,
    exchange: Exchange,
    connection: Arc<Connection>,
}

impl ScriptBody {
    pub fn new(steps: VecDeque<Step>, exchange: Exchange, connection: Arc<Connection>) -> Self {
        // The head goes out before anything that is not a piece of the body.
        let flush = matches!(steps.front(), Some(Step::Pause(_) | Step::End(_)));
        let mut body = ScriptBody {
            steps,
            sleep: None,
            flush,
            exchange,
            connection,
        };
        if body.steps.is_empty() {
            body.exchange.finish();
        }
        body
    }

    fn hand_over(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // hyper drops a body of known length without asking for its end.
        if self.steps.is_empty() {
            self.exchange.finish();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl Body for ScriptBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if std::mem::take(&mut self.flush) {
                // hyper flushes when a body has nothing ready, so each piece leaves by itself.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(sleep) = self.sleep.as_mut() {
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.sleep = None;
            }
            match self.steps.pop_front() {
                None => {
                    self.exchange.finish();
                    return Poll::Ready(None);
                }
                Some(Step::Send(bytes)) if bytes.is_empty() => {}
                Some(Step::Send(bytes)) => {
                    self.flush = !self.steps.is_empty();
                    return self.hand_over(bytes);
                }
                Some(Step::Repeat { times: 0, .. }) => {}
                Some(Step::Repeat {
                    bytes,
                    times,
                    pause,
                }) => {
                    let left = if times == u64::MAX { times } else { times - 1 };
                    self.steps.push_front(Step::Repeat {
                        bytes: bytes.clone(),
                        times: left,
                        pause,
                    });
                    if !pause.is_zero() {
                        self.steps.push_front(Step::Pause(pause));
                    }
                    return self.hand_over(bytes);
                }
                Some(Step::Pause(duration)) => {
                    self.sleep = Some(Box::pin(tokio::time::sleep(duration)));
                }
                Some(Step::Stall) => {
                    self.exchange.stall();
                    self.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                Some(Step::End(ending)) if self.connection.has_unsent() => {
                    self.steps.push_front(Step::End(ending));
                    self.steps.push_front(Step::Pause(Duration::from_millis(1)));
                }
                Some(Step::End(ending)) => {
                    self.exchange.finish();
                    self.connection.end(ending);
                    // hyper may ask again before the connection is dropped, and must not see an end.
                    self.steps.push_front(Step::End(ending));
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.sleep.is_none()
    }
}
