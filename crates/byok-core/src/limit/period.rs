//! Calendar periods of budgets, in UTC: which one a moment lies in, and when it ends.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    Day,
    Month,
}

const DAY_MS: u64 = 86_400_000;

impl Period {
    /// The period that holds this moment: its first and the next one's first millisecond since 1970.
    pub fn around(self, unix_ms: u64) -> (u64, u64) {
        match self {
            Period::Day => {
                let start = unix_ms - unix_ms % DAY_MS;
                (start, start + DAY_MS)
            }
            Period::Month => month(unix_ms).unwrap_or((0, u64::MAX)),
        }
    }
}

/// Nothing for moments beyond the calendar (the year 9999).
fn month(unix_ms: u64) -> Option<(u64, u64)> {
    let at = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
    let first = TimeZone::UTC.to_datetime(at).date().first_of_month();
    let next = first.checked_add(1.month()).ok()?;
    let millisecond = |date: Date| {
        let start = date.to_zoned_datetime(TimeZone::UTC).ok()?;
        u64::try_from(start.timestamp().as_millisecond()).ok()
    };
    Some((millisecond(first)?, millisecond(next)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        let at: Timestamp = text.parse().unwrap();
        at.as_millisecond().try_into().unwrap()
    }

    #[test]
    fn days_and_months_begin_at_midnight_utc_leap_years_included() {
        let (start, end) = Period::Day.around(ms("2028-02-29T23:59:59.999Z"));
        assert_eq!(
            (start, end),
            (ms("2028-02-29T00:00:00Z"), ms("2028-03-01T00:00:00Z"))
        );
        let (start, end) = Period::Month.around(ms("2028-02-29T23:59:59.999Z"));
        assert_eq!(
            (start, end),
            (ms("2028-02-01T00:00:00Z"), ms("2028-03-01T00:00:00Z"))
        );
        let (start, end) = Period::Month.around(ms("2026-12-01T00:00:00Z"));
        assert_eq!(
            (start, end),
            (ms("2026-12-01T00:00:00Z"), ms("2027-01-01T00:00:00Z"))
        );
    }
}
