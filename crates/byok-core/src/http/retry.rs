//! When to send a request again: what the server asks for in headers, and how long to wait. Pure but
//! for the random number.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::time::Instant;

use super::Timeouts;
use crate::error::{Code, Error};

/// The upper end of the first pause; it doubles with every retry.
const BASE: Duration = Duration::from_millis(500);
/// The upper end of every pause that the server did not ask for.
const CAP: Duration = Duration::from_secs(8);

/// Adds to an error what the headers of the failed answer say: `retry-after-ms`, `retry-after`
/// (RFC 9110, section 10.2.3) and `x-should-retry`. They go before what the body said. A server that
/// says "retry" is believed only for errors that time can heal.
pub(super) fn read_hints(error: Error, headers: &HeaderMap) -> Error {
    let wait_ms = asked_wait(headers, SystemTime::now())
        .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let error = error.with_retry_after_ms(wait_ms);
    match text(headers, "x-should-retry") {
        Some("false") => error.with_retryable(false),
        Some("true")
            if matches!(
                error.code(),
                Code::ProviderError | Code::ProviderUnavailable | Code::ProviderRateLimited
            ) =>
        {
            error.with_retryable(true)
        }
        _ => error,
    }
}

/// How long to wait before retry number `retry` (from 0), or `None` when it is not worth it: the
/// error is no passing one, or the wait is too long, or would end past the deadline.
pub(super) fn pause(error: &Error, retry: u32, timeouts: Timeouts) -> Option<Duration> {
    if !error.retryable() {
        return None;
    }
    let wait = match error.retry_after_ms() {
        Some(asked_ms) if asked_ms > 0 => Duration::from_millis(asked_ms),
        _ => backoff(retry, random_fraction()),
    };
    let left = timeouts.deadline.saturating_duration_since(Instant::now());
    (wait <= timeouts.longest_wait && wait < left).then_some(wait)
}

/// Exponential backoff with full jitter: anything between nothing and the doubled, capped base.
fn backoff(retry: u32, fraction: f64) -> Duration {
    let ceiling = BASE.saturating_mul(1 << retry.min(16)).min(CAP);
    ceiling.mul_f64(fraction)
}

/// From 0 to below 1. Without a source of randomness (never seen) it is a half: still a backoff.
fn random_fraction() -> f64 {
    getrandom::u32().map_or(0.5, |random| {
        f64::from(random) / (f64::from(u32::MAX) + 1.0)
    })
}

fn asked_wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if let Some(wait_ms) = text(headers, "retry-after-ms").and_then(number) {
        return Some(Duration::from_secs_f64(wait_ms / 1000.0));
    }
    let value = text(headers, "retry-after")?;
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs_f64(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

/// A header's number, if it is one that makes sense as a wait (below 10^12, as milliseconds go).
fn number(value: &str) -> Option<f64> {
    value
        .parse()
        .ok()
        .filter(|number| (0.0..1e12).contains(number))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn asked_ms(pairs: &[(&'static str, &'static str)]) -> Option<u128> {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        asked_wait(&headers(pairs), now).map(|wait| wait.as_millis())
    }

    #[test]
    fn a_wait_is_read_from_seconds_fractions_milliseconds_and_dates() {
        assert_eq!(asked_ms(&[("retry-after", "3")]), Some(3000));
        assert_eq!(asked_ms(&[("retry-after", " 0.25 ")]), Some(250));
        assert_eq!(asked_ms(&[("retry-after-ms", "70.5")]), Some(70));
        let both = [("retry-after", "9"), ("retry-after-ms", "5")];
        assert_eq!(asked_ms(&both), Some(5));
        let date = [("retry-after", "Sun, 06 Nov 1994 08:50:00 GMT")];
        assert_eq!(asked_ms(&date), Some(23_000));
        let past = [("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")];
        assert_eq!(asked_ms(&past), Some(0));
    }

    #[test]
    fn a_wait_that_makes_no_sense_is_as_none() {
        for value in ["", "-1", "NaN", "inf", "1e400", "1e300", "soon"] {
            assert_eq!(asked_ms(&[("retry-after", value)]), None, "{value}");
            assert_eq!(asked_ms(&[("retry-after-ms", value)]), None, "{value}");
        }
    }

    #[test]
    fn the_server_decides_about_retries_except_where_time_heals_nothing() {
        let read = |code, value: &'static str| {
            read_hints(Error::new(code, ""), &headers(&[("x-should-retry", value)])).retryable()
        };
        assert!(!read(Code::ProviderRateLimited, "false"));
        assert!(read(Code::ProviderError, "true"));
        assert!(!read(Code::QuotaExceeded, "true"));
        assert!(!read(Code::KeyInvalid, "true"));
        assert!(!read(Code::ProviderError, "perhaps"));
    }

    #[test]
    fn backoff_doubles_up_to_its_cap_and_jitters_down_to_nothing() {
        let ceilings: Vec<u128> = [0, 1, 2, 3, 4, 5, u32::MAX]
            .iter()
            .map(|retry| backoff(*retry, 1.0).as_millis())
            .collect();
        assert_eq!(ceilings, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(backoff(3, 0.0), Duration::ZERO);
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&random_fraction()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_past_a_minute_or_past_the_deadline_is_not_waited() {
        let error =
            |wait_ms| Error::new(Code::ProviderRateLimited, "").with_retry_after_ms(Some(wait_ms));
        let within = |seconds| Timeouts {
            deadline: Instant::now() + Duration::from_secs(seconds),
            ..Timeouts::default()
        };
        let in_two_minutes = within(120);
        let minute = Duration::from_secs(60);
        assert_eq!(pause(&error(60_000), 0, in_two_minutes), Some(minute));
        assert_eq!(pause(&error(60_001), 0, in_two_minutes), None);
        let soon = within(5);
        assert_eq!(pause(&error(5_000), 0, soon), None);
        assert!(pause(&error(4_999), 0, soon).is_some());
        assert_eq!(pause(&error(4_999).with_retryable(false), 0, soon), None);
    }
}
