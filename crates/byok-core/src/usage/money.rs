//! Money as whole billionths ("nanos") of a currency's unit. Prices are given per million tokens, so a
//! token of $0.05 a million is 50 nanos: sums of whole numbers are exact in any order and equal in
//! SQL, JavaScript (up to 9 million dollars) and here, which floating point's are not.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub const NANOS: u64 = 1_000_000_000;

/// Reads `"12.5"` or `12.5`: digits with at most nine behind the point.
pub fn parse(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    whole.checked_mul(NANOS)?.checked_add(nanos)
}

/// `12.5`: the shortest decimal that says the same.
pub fn format(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let (whole, fraction) = (nanos / u128::from(NANOS), nanos % u128::from(NANOS));
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{fraction:09}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

/// For options: a decimal as text, or a number whose shortest form is one.
pub fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => match number.as_f64() {
            Some(float) => float.to_string(),
            None => number.to_string(),
        },
        Some(_) => String::new(),
    };
    match parse(&text) {
        Some(nanos) => Ok(Some(nanos)),
        None => Err(D::Error::custom(
            "must be an amount such as \"12.50\", with at most nine digits behind the point",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_and_written_exactly_and_nothing_else_is_read() {
        for (text, nanos) in [
            ("0", 0),
            ("0.1", 100_000_000),
            ("12.5", 12_500_000_000),
            ("0.000000001", 1),
        ] {
            assert_eq!(parse(text), Some(nanos));
            assert_eq!(format(i128::from(nanos)), text);
        }
        for bad in [
            "",
            ".",
            "-1",
            "1e3",
            "1,5",
            "0.0000000001",
            "99999999999999999999",
            " 1",
            "1.-5",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(format(-1_500_000_000), "-1.5");
    }
}
