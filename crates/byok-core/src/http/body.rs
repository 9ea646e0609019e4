//! A 2xx answer: its head, and its body in bounded time and memory. Dropping it closes the stream,
//! and with HTTP/1.1 the connection, at once.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, Sleep};

use super::{Timeouts, fault};
use crate::error::{Code, Error, Result};

/// Never reserved for more than this on a server's word.
const LARGEST_RESERVATION: usize = 1 << 20;

/// An answer whose head has arrived.
pub struct Response {
    pub status: StatusCode,
    /// The words after the status; known of what [`HttpClient::pass`](super::HttpClient::pass) gives.
    pub status_text: String,
    pub headers: HeaderMap,
    /// How many times the request was sent again before this answer.
    pub retries: u32,
    pub(super) body: Body,
}

impl Response {
    /// The next piece of the body, decompressed; `None` at its end. Safe to drop while it waits.
    ///
    /// # Errors
    /// `STREAM_INTERRUPTED` when the connection broke, `TIMEOUT` for a silence longer than the idle
    /// timeout or the call's deadline, `BAD_RESPONSE` for a body over the limit or wrongly
    /// compressed. The connection is closed then.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.body.chunk().await
    }

    /// As [`chunk`](Self::chunk), if it is there.
    pub fn ready(&mut self) -> Option<Result<Option<Bytes>>> {
        self.body.ready()
    }

    /// As [`ready`](Self::ready), once the connection had a turn to read on: it hands over one piece at
    /// a time.
    pub async fn read_on(&mut self) -> Option<Result<Option<Bytes>>> {
        self.body.read_on().await
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub async fn bytes(mut self) -> Result<Bytes> {
        self.body.rest().await
    }
}

/// A body being read, within its limits.
pub(super) struct Body {
    state: State,
    /// Made when the body first has to be waited for, then moved along.
    timer: Option<Pin<Box<Sleep>>>,
    timeouts: Timeouts,
    received: usize,
    limit: usize,
}

enum State {
    Open(reqwest::Response),
    Ended,
    Failed,
}

impl Body {
    pub(super) fn new(response: reqwest::Response, timeouts: Timeouts, limit: usize) -> Self {
        Body {
            state: State::Open(response),
            timer: None,
            timeouts,
            received: 0,
            limit,
        }
    }

    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if let Some(result) = self.ready() {
            return result;
        }
        let result = match &mut self.state {
            State::Open(response) => next(response, &mut self.timer, &self.timeouts).await,
            State::Ended | State::Failed => Ok(None),
        };
        self.took(result)
    }

    fn ready(&mut self) -> Option<Result<Option<Bytes>>> {
        let response = match &mut self.state {
            State::Open(response) => response,
            State::Ended => return Some(Ok(None)),
            State::Failed => {
                return Some(Err(Error::new(
                    Code::StreamInterrupted,
                    "The provider's answer was read on after it had failed.",
                )));
            }
        };
        let result = if over(self.received, response.content_length(), self.limit) {
            Err(fault::too_large(self.limit))
        } else {
            response.chunk().now_or_never()?.map_err(fault::broken_body)
        };
        Some(self.took(result))
    }

    async fn read_on(&mut self) -> Option<Result<Option<Bytes>>> {
        let State::Open(response) = &mut self.state else {
            return self.ready();
        };
        let result = tokio::select! {
            biased;
            result = response.chunk() => result.map_err(fault::broken_body),
            () = tokio::task::yield_now() => return None,
        };
        Some(self.took(result))
    }

    fn took(&mut self, result: Result<Option<Bytes>>) -> Result<Option<Bytes>> {
        let result = result.and_then(|chunk| {
            self.received += chunk.as_ref().map_or(0, Bytes::len);
            if self.received > self.limit {
                return Err(fault::too_large(self.limit));
            }
            Ok(chunk)
        });
        match &result {
            Ok(Some(_)) => {}
            Ok(None) => self.state = State::Ended,
            Err(_) => self.state = State::Failed,
        }
        result
    }

    pub(super) async fn rest(&mut self) -> Result<Bytes> {
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.chunk().await? else {
            return Ok(first);
        };
        let mut whole = BytesMut::with_capacity(self.expected(first.len() + second.len()));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// What arrives of the body until it ends, breaks or reaches its limit: enough to read an error
    /// from, whose status says the main thing already.
    pub(super) async fn beginning(&mut self) -> Vec<u8> {
        let mut beginning = Vec::new();
        let limit = std::mem::replace(&mut self.limit, usize::MAX);
        while let Ok(Some(chunk)) = self.chunk().await {
            let room = limit - beginning.len();
            beginning.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        beginning
    }

    fn expected(&self, so_far: usize) -> usize {
        let left = match &self.state {
            State::Open(response) => response.content_length().unwrap_or(0),
            State::Ended | State::Failed => 0,
        };
        so_far
            + usize::try_from(left)
                .map_or(LARGEST_RESERVATION, |left| left.min(LARGEST_RESERVATION))
    }
}

/// Whether the announced rest can't fit; saves reading what is thrown away.
fn over(received: usize, announced: Option<u64>, limit: usize) -> bool {
    announced.is_some_and(|announced| announced > limit.saturating_sub(received) as u64)
}

async fn next(
    response: &mut reqwest::Response,
    timer: &mut Option<Pin<Box<Sleep>>>,
    timeouts: &Timeouts,
) -> Result<Option<Bytes>> {
    let mut chunk = pin!(response.chunk());
    let mut waiting = false;
    poll_fn(|context| {
        if let Poll::Ready(result) = chunk.as_mut().poll(context) {
            return Poll::Ready(result.map_err(fault::broken_body));
        }
        // The timer is touched only when there is something to wait for: most pieces of a fast
        // stream are there already.
        let timer = match timer {
            Some(timer) => {
                if !waiting {
                    timer.as_mut().reset(limit(timeouts));
                }
                timer
            }
            None => timer.insert(Box::pin(tokio::time::sleep_until(limit(timeouts)))),
        };
        waiting = true;
        timer.as_mut().poll(context).map(|()| {
            Err(if Instant::now() >= timeouts.deadline {
                fault::past_deadline()
            } else {
                fault::silent(timeouts.idle)
            })
        })
    })
    .await
}

fn limit(timeouts: &Timeouts) -> Instant {
    Instant::now()
        .checked_add(timeouts.idle)
        .map_or(timeouts.deadline, |silence| silence.min(timeouts.deadline))
}
