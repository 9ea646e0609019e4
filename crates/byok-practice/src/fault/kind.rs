//! Reads a fault's name and parameters from its path segment. Parameters are separated by commas and may
//! be percent-encoded; a wrong one is an error that says what was expected.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::edit::Edit;
use crate::reply::Ending;

/// A parsed fault.
#[derive(Debug, PartialEq)]
pub enum Kind {
    Reset,
    Close,
    Stall,
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
    Flaky {
        failures: u64,
        status: u16,
    },
    Redirect {
        status: u16,
        location: String,
    },
    Edit(Edit),
}

impl Kind {
    /// Parses `<name>[,<parameter>...]`.
    pub fn parse(spec: &str) -> Result<Kind, String> {
        let mut parts = spec
            .split(',')
            .map(|part| percent_decode_str(part).decode_utf8_lossy());
        let name = parts.next().unwrap_or_default().into_owned();
        let mut parameters = Parameters {
            name: &name,
            rest: parts.map(Into::into).collect(),
        };
        let kind = match name.as_str() {
            "reset" => Kind::Reset,
            "close" => Kind::Close,
            "stall" => Kind::Stall,
            "reset-mid" => Kind::Edit(Edit::EndMid(Ending::Reset)),
            "close-mid" => Kind::Edit(Edit::EndMid(Ending::Close)),
            "stall-mid" => Kind::Edit(Edit::StallMid),
            "truncated-json" => Kind::Edit(Edit::TruncatedJson),
            "invalid-utf8" => Kind::Edit(Edit::InvalidUtf8),
            "gzip" => Kind::Edit(Edit::Gzip),
            "error-mid" => Kind::Edit(Edit::ErrorMid),
            "no-end-mark" => Kind::Edit(Edit::NoEndMark),
            "slow" => Kind::Edit(Edit::Slow {
                bytes: parameters.positive("bytes")?,
                pause: Duration::from_millis(parameters.number("milliseconds")?),
            }),
            "delay" => Kind::Edit(Edit::Delay(Duration::from_millis(
                parameters.number("milliseconds")?,
            ))),
            "chunk" => Kind::Edit(Edit::Chunk(parameters.positive("bytes")?)),
            "content-type" => Kind::Edit(Edit::ContentType(parameters.text("content type")?)),
            "huge" => Kind::Edit(Edit::Huge {
                mebibytes: parameters.number("MiB")?,
            }),
            "endless-line" => Kind::Edit(Edit::EndlessLine {
                mebibytes: parameters.number("MiB")?,
            }),
            "gzip-bomb" => Kind::Edit(Edit::GzipBomb {
                mebibytes: parameters.number("MiB")?,
            }),
            "cut" => Kind::Edit(Edit::Cut {
                length: parameters.number("bytes")?,
                ending: match parameters.optional().as_deref() {
                    None | Some("close") => Some(Ending::Close),
                    Some("reset") => Some(Ending::Reset),
                    Some("end") => None,
                    Some(_) => return Err("cut ends with close, reset or end".to_owned()),
                },
            }),
            "status" => Kind::Status {
                status: parameters.status()?,
                retry_after: parameters.optional_seconds()?,
            },
            "flaky" => {
                let failures = parameters.number("number of failures")?;
                let status = parameters.status()?;
                parameters.optional();
                Kind::Flaky { failures, status }
            }
            "redirect" => Kind::Redirect {
                status: parameters.status()?,
                location: parameters.text("target")?,
            },
            _ => return Err(format!("{name} is not a fault")),
        };
        match parameters.optional() {
            Some(extra) => Err(format!("{name} does not take {extra}")),
            None => Ok(kind),
        }
    }
}

struct Parameters<'a> {
    name: &'a str,
    rest: std::collections::VecDeque<String>,
}

impl Parameters<'_> {
    fn optional(&mut self) -> Option<String> {
        self.rest.pop_front()
    }

    fn text(&mut self, what: &str) -> Result<String, String> {
        let text = self.optional().filter(|text| !text.is_empty());
        text.ok_or_else(|| format!("{} needs a {what}", self.name))
    }

    fn number<T: FromStr>(&mut self, what: &str) -> Result<T, String> {
        let text = self.text(what)?;
        text.parse()
            .map_err(|_| format!("{text} is not a number of {what}"))
    }

    fn positive(&mut self, what: &str) -> Result<usize, String> {
        match self.number(what)? {
            0 => Err(format!("{} needs {what} above 0", self.name)),
            number => Ok(number),
        }
    }

    fn status(&mut self) -> Result<u16, String> {
        match self.number("status")? {
            status @ 200..=599 => Ok(status),
            status => Err(format!("{status} is not a status from 200 to 599")),
        }
    }

    fn optional_seconds(&mut self) -> Result<Option<Duration>, String> {
        let Some(text) = self.optional() else {
            return Ok(None);
        };
        let seconds: f64 = text
            .parse()
            .map_err(|_| format!("{text} is not a number of seconds"))?;
        let duration = Duration::try_from_secs_f64(seconds);
        duration
            .map(Some)
            .map_err(|_| format!("{text} is not a number of seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_percent_decoded_and_checked() {
        let location = "http://127.0.0.1:1/x,y".to_owned();
        assert_eq!(
            Kind::parse("redirect,307,http:%2F%2F127.0.0.1:1%2Fx%2Cy"),
            Ok(Kind::Redirect {
                status: 307,
                location
            })
        );
        assert_eq!(
            Kind::parse("status,429,0.25"),
            Ok(Kind::Status {
                status: 429,
                retry_after: Some(Duration::from_millis(250))
            })
        );
        assert_eq!(
            Kind::parse("flaky,2,503,mine"),
            Ok(Kind::Flaky {
                failures: 2,
                status: 503
            })
        );
        for wrong in [
            "",
            "nothing",
            "status",
            "status,99",
            "slow,0,1",
            "reset,1",
            "cut,3,maybe",
        ] {
            assert!(Kind::parse(wrong).is_err(), "{wrong}");
        }
    }
}
