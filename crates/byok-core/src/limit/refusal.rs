//! The words of a refusal: which rule, how much it allows, when to come again.

use super::claim::Refusal;
use super::rule::{Measure, Rule, Subject};
use crate::error::{Code, Error};
use crate::usage::money;

/// What callers are told to wait for a call of theirs to end, which nobody can know.
const CONCURRENT_RETRY_MS: u64 = 1_000;

pub fn rate_limited(rule: &Rule, refusal: &Refusal, subject: &Subject<'_>) -> Error {
    let after_ms = refusal.retry_after_ms.unwrap_or(CONCURRENT_RETRY_MS);
    let allowed = describe(rule);
    let message = format!(
        "The application's limit {:?} ({allowed}) is used up. Try again in {}.",
        rule.name,
        duration(after_ms)
    );
    Error::new(Code::RateLimited, message)
        .with_provider(subject.provider)
        .with_retry_after_ms(Some(after_ms))
        .with_limits(vec![refusal.standing.clone()])
}

pub fn unpriced(rule: &Rule, subject: &Subject<'_>) -> Error {
    let Subject {
        provider, model, ..
    } = subject;
    Error::new(
        Code::RateLimited,
        format!(
            "The budget {:?} can't count {provider}/{model}: usage.prices has no price for it. Add one, or set allowUnpriced: true for the rule.",
            rule.name
        ),
    )
    .with_provider(provider)
    .with_retryable(false)
}

pub fn unavailable(cause: Error) -> Error {
    cause.map_message(|message| {
        Some(format!(
            "{message} The call was refused, since limits.whenUnavailable is \"refuse\"."
        ))
    })
}

pub fn unreadable() -> Error {
    Error::new(
        Code::LimiterError,
        "The limiter refused under a rule that it was not asked about.",
    )
}

fn describe(rule: &Rule) -> String {
    let per: Vec<&str> = rule
        .per
        .iter()
        .map(|dimension| dimension.as_str())
        .collect();
    let each = if per.is_empty() {
        String::new()
    } else {
        format!(" for each {}", per.join(" and "))
    };
    match &rule.measure {
        Measure::Requests(gcra) => {
            format!(
                "{} requests in {}{each}",
                gcra.limit,
                duration(gcra.window_ms)
            )
        }
        Measure::Tokens(gcra) => {
            format!(
                "{} tokens in {}{each}",
                gcra.limit,
                duration(gcra.window_ms)
            )
        }
        Measure::Concurrent { limit, .. } => format!("{limit} calls at the same time{each}"),
        Measure::Spend {
            limit_nanos,
            period,
            ..
        } => {
            let amount = money::format(i128::from(*limit_nanos));
            format!("{amount} a {}{each}", format!("{period:?}").to_lowercase())
        }
        Measure::External { .. } => format!("a limiter of its own{each}"),
    }
}

fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms.div_ceil(100) as f64 / 10.0),
        120_000..7_200_000 => format!("{} min", ms.div_ceil(60_000)),
        7_200_000..172_800_000 => format!("{} hours", ms.div_ceil(3_600_000)),
        _ => format!("{} days", ms.div_ceil(86_400_000)),
    }
}
