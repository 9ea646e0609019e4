//! Bytes to server-sent events, by the WHATWG rules (UTF-8, LF, CR and CRLF lines, comments,
//! multi-line data). Pure: no I/O, no JSON. An event larger than the limit is an error, so an
//! endless line can't fill the memory.

use crate::error::{Error, Result};

/// One event; `data` has its lines joined by LF.
#[derive(Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The `event:` field; empty when the stream gave none.
    pub event: &'a str,
    pub data: &'a str,
}

/// An incremental decoder: push chunks as they come, events come out as soon as they are whole.
pub struct SseDecoder {
    /// Bytes of a line that is not whole yet.
    line: Vec<u8>,
    event: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    skip_line_feed: bool,
    at_start: bool,
    limit: usize,
}

impl SseDecoder {
    /// `limit` bounds one event (and one line) in bytes.
    pub fn new(limit: usize) -> Self {
        SseDecoder {
            line: Vec::new(),
            event: Vec::new(),
            data: Vec::new(),
            has_data: false,
            skip_line_feed: false,
            at_start: true,
            limit,
        }
    }

    /// Feeds one chunk and calls `sink` for every event that it completes.
    ///
    /// # Errors
    /// `BAD_RESPONSE` for invalid UTF-8 or an event over the limit, and whatever `sink` returns.
    pub fn push(
        &mut self,
        mut chunk: &[u8],
        mut sink: impl FnMut(SseEvent<'_>) -> Result<()>,
    ) -> Result<()> {
        while !chunk.is_empty() {
            if std::mem::take(&mut self.skip_line_feed) && chunk[0] == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', chunk) else {
                self.check_size(self.line.len() + chunk.len())?;
                self.line.extend_from_slice(chunk);
                return Ok(());
            };
            self.skip_line_feed = chunk[end] == b'\r';
            if self.line.is_empty() {
                self.end_line(&chunk[..end], &mut sink)?;
            } else {
                self.check_size(self.line.len() + end)?;
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&chunk[..end]);
                self.end_line(&line, &mut sink)?;
                line.clear();
                self.line = line;
            }
            chunk = &chunk[end + 1..];
        }
        Ok(())
    }

    /// The end of the body. The standard drops an event without its empty line; real providers end
    /// their last one so, and so it is handed on.
    pub fn finish(&mut self, mut sink: impl FnMut(SseEvent<'_>) -> Result<()>) -> Result<()> {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.end_line(&line, &mut sink)?;
        }
        self.dispatch(&mut sink)
    }

    fn end_line(
        &mut self,
        mut line: &[u8],
        sink: &mut impl FnMut(SseEvent<'_>) -> Result<()>,
    ) -> Result<()> {
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch(sink);
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(0) => return Ok(()), // a comment, used as keep-alive
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &line[..0]),
        };
        match name {
            b"data" => {
                self.check_size(self.data.len() + usize::from(self.has_data) + value.len())?;
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => {
                self.event.clear();
                self.event.extend_from_slice(value);
            }
            _ => {} // id, retry and unknown fields have no meaning for a single answer
        }
        Ok(())
    }

    fn dispatch(&mut self, sink: &mut impl FnMut(SseEvent<'_>) -> Result<()>) -> Result<()> {
        let result = if self.has_data {
            sink(SseEvent {
                event: text(&self.event)?,
                data: text(&self.data)?,
            })
        } else {
            Ok(())
        };
        self.event.clear();
        self.data.clear();
        self.has_data = false;
        result
    }

    fn check_size(&self, size: usize) -> Result<()> {
        if size <= self.limit {
            return Ok(());
        }
        Err(Error::bad_response(format!(
            "The provider sent a stream event larger than {} bytes. The stream was closed.",
            self.limit
        )))
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::bad_response("The provider sent a stream that is not valid UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8], chunk_size: usize) -> Vec<(String, String)> {
        let mut decoder = SseDecoder::new(1 << 20);
        let mut events = Vec::new();
        let mut sink = |event: SseEvent<'_>| {
            events.push((event.event.to_owned(), event.data.to_owned()));
            Ok(())
        };
        for chunk in input.chunks(chunk_size) {
            decoder.push(chunk, &mut sink).unwrap();
        }
        decoder.finish(&mut sink).unwrap();
        events
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let input = "\u{FEFF}: hi\r\nevent: a\r\ndata: {\"é\":\r\ndata:1}\r\n\r\ndata: x\n\ndata\n\nid: 4\rdata: last";
        let whole = decode(input.as_bytes(), input.len());
        let expected = [("a", "{\"é\":\n1}"), ("", "x"), ("", ""), ("", "last")];
        assert_eq!(whole, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        for size in 1..20 {
            assert_eq!(decode(input.as_bytes(), size), whole, "chunks of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_an_error_within_the_limit() {
        let mut decoder = SseDecoder::new(64);
        let mut pushed = 0;
        let error = loop {
            if let Err(error) = decoder.push(&[b'a'; 10], |_| Ok(())) {
                break error;
            }
            pushed += 10;
            assert!(pushed <= 64);
        };
        assert_eq!(error.code(), crate::error::Code::BadResponse);
    }

    #[test]
    fn data_lines_without_end_are_an_error_within_the_limit() {
        let mut decoder = SseDecoder::new(64);
        let failed = (0..100).any(|_| decoder.push(b"data: 0123456789\n", |_| Ok(())).is_err());
        assert!(failed && decoder.data.len() <= 64);
    }

    #[test]
    fn invalid_utf8_is_an_error() {
        let mut decoder = SseDecoder::new(64);
        assert!(decoder.push(b"data: \xFF\n\n", |_| Ok(())).is_err());
    }
}
