//! What a call asks of the limiters: one claim for each rule that is about it, and what comes back.

use std::fmt::Write as _;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::rule::{Measure, Rule, Subject};
use super::standing::Standing;
use super::table::Key;
use crate::error::Result;

/// One rule's share of a call.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The rule's place in the app's list.
    pub rule: usize,
    pub key: Key,
    /// Requests, tokens, calls or nano-units of money, as the rule counts.
    pub units: u64,
    /// The first and last-plus-one millisecond of the budget's period; 0 for other rules.
    pub period: (u64, u64),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// All claims were taken.
    Granted,
    /// One rule refused, so none was taken.
    Refused(Refusal),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub rule: usize,
    /// When to ask again; nothing when that is not known (calls at the same time).
    pub retry_after_ms: Option<u64>,
    /// The refusing rule's numbers.
    pub standing: Standing,
}

/// What a limiter elsewhere is asked; the form that crosses to JavaScript.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteClaim {
    pub rule: usize,
    pub key: String,
    /// `requests`, `tokens`, `concurrent`, `spend` or `external`.
    pub counts: &'static str,
    pub units: u64,
    pub limit: u64,
    pub window_ms: u64,
    pub burst: u64,
    /// When a budget's period ends, in milliseconds since 1970.
    pub period_end_ms: u64,
    /// How long a call that nobody ends counts as running.
    pub lease_ms: u64,
    /// Names this call among those at the same time.
    pub id: String,
}

impl RemoteClaim {
    /// `call` is unique among all processes.
    pub fn new(claim: &Claim, rule: &Rule, subject: &Subject<'_>, call: (u64, u64)) -> Self {
        let mut remote = RemoteClaim {
            rule: claim.rule,
            key: rule.key(subject),
            counts: rule.measure.as_str(),
            units: claim.units,
            limit: 0,
            window_ms: 0,
            burst: 0,
            period_end_ms: claim.period.1,
            lease_ms: 0,
            id: format!("{:016x}{:08x}", call.0, call.1),
        };
        match &rule.measure {
            Measure::Requests(gcra) | Measure::Tokens(gcra) => {
                remote.limit = gcra.limit;
                remote.window_ms = gcra.window_ms;
                remote.burst = gcra.burst;
            }
            Measure::Concurrent { limit, lease_ms } => {
                remote.limit = *limit;
                remote.lease_ms = *lease_ms;
            }
            Measure::Spend { limit_nanos, .. } => {
                remote.limit = *limit_nanos;
                let _ = write!(remote.key, ":{}", claim.period.0);
            }
            Measure::External { .. } => {}
        }
        remote
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteAnswer {
    /// The rule that refused; nothing when all was taken.
    pub refused: Option<RemoteRefusal>,
    /// How the claims' keys stand now, as far as the limiter knows.
    #[serde(default)]
    pub standings: Vec<RemoteStanding>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteRefusal {
    pub rule: usize,
    pub retry_after_ms: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteStanding {
    pub rule: usize,
    /// Units as the rule counts them (nanos of money).
    pub remaining: f64,
    pub reset_ms: Option<u64>,
    /// Where the limiter knows its own limit (`consume(key, points)`).
    pub limit: Option<f64>,
    pub window_ms: Option<u64>,
}

/// What turned out: `actual` units instead of the claim's; the end of a call at the same time.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Correction {
    #[serde(flatten)]
    pub claim: RemoteClaim,
    pub actual: u64,
}

/// Where rules are counted when not in this process: Redis, or any limiter of the app's.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Takes all claims or none.
    ///
    /// # Errors
    /// When it can't tell; the app has said whether the call may then pass.
    async fn take(&self, claims: &[RemoteClaim]) -> Result<RemoteAnswer>;

    /// Off the request's path, once a call is over.
    async fn settle(&self, corrections: &[Correction]) -> Result<()>;
}
