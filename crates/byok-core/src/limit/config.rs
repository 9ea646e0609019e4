//! The app's `limits` option, checked once: every mistake is found when the engine is made.

use serde::Deserialize;

use super::gcra::Gcra;
use super::period::Period;
use super::rule::{Counts, Dimension, Measure, Only, Rule};
use crate::error::{Error, Result};
use crate::usage::money;

/// More rules than this are a mistake in a loop; each costs a lock and two hashes a call.
const MAX_RULES: usize = 32;
const MAX_WINDOW_MS: u64 = 400 * 86_400_000;
const DEFAULT_LEASE_MS: u64 = 600_000;
const DEFAULT_MAX_QUEUED: usize = 10_000;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitsConfig {
    pub rules: Vec<RuleConfig>,
    /// How long a refused call may wait for its turn; 0 is not at all.
    #[serde(default)]
    pub wait_ms: u64,
    /// Calls that wait at the same time; one more is refused at once.
    pub max_queued: Option<usize>,
    /// What happens to calls while the app's limiter can't be asked.
    #[serde(default)]
    pub when_unavailable: WhenUnavailable,
    /// Whether rules are counted by the app's limiter.
    #[serde(default)]
    pub remote: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WhenUnavailable {
    #[default]
    Refuse,
    Allow,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleConfig {
    pub name: Option<String>,
    #[serde(default)]
    pub per: Vec<Dimension>,
    #[serde(default)]
    pub only: Only,
    pub requests: Option<u64>,
    pub tokens: Option<u64>,
    pub concurrent: Option<u64>,
    /// Money, as a decimal.
    #[serde(default, deserialize_with = "money::decimal")]
    pub spend: Option<u64>,
    /// Counted by a limiter of the app's own, which knows its limit.
    #[serde(default)]
    pub external: bool,
    #[serde(default)]
    pub counts: Counts,
    pub window_ms: Option<u64>,
    pub burst: Option<u64>,
    pub period: Option<Period>,
    pub lease_ms: Option<u64>,
    #[serde(default)]
    pub allow_unpriced: bool,
}

impl LimitsConfig {
    /// # Errors
    /// `INVALID_ARGUMENT` naming the rule and what is wrong with it.
    pub fn rules(&self) -> Result<Vec<Rule>> {
        if self.rules.is_empty() || self.rules.len() > MAX_RULES {
            return Err(Error::invalid_argument(format!(
                "limits.rules must have 1 to {MAX_RULES} rules."
            )));
        }
        let mut rules: Vec<Rule> = Vec::with_capacity(self.rules.len());
        for (index, config) in self.rules.iter().enumerate() {
            let fail = |what: &str| Error::invalid_argument(format!("limits.rules[{index}]{what}"));
            let measure = config.measure().map_err(|what| fail(&what))?;
            let name = match &config.name {
                Some(name) => name.clone(),
                None => config.default_name(&measure),
            };
            let is_name = (1..=64).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if !is_name {
                return Err(fail(
                    ".name: use 1 to 64 letters, digits, dots, underscores and hyphens.",
                ));
            }
            if rules.iter().any(|rule| rule.name == name) {
                return Err(fail(&format!(
                    ": there is another rule called {name:?}. Give this one a name of its own with name: \"...\"."
                )));
            }
            let remote = config.external || self.remote;
            rules.push(Rule::new(
                name,
                config.per.clone(),
                config.only.clone(),
                measure,
                remote,
            ));
        }
        Ok(rules)
    }

    pub fn max_queued(&self) -> usize {
        self.max_queued.unwrap_or(DEFAULT_MAX_QUEUED)
    }
}

impl RuleConfig {
    fn measure(&self) -> Result<Measure, String> {
        let given = [
            self.requests.is_some(),
            self.tokens.is_some(),
            self.concurrent.is_some(),
            self.spend.is_some(),
            self.external,
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            return Err(
                " needs exactly one of requests, tokens, concurrent, spend and limiter.".into(),
            );
        }
        let rate = self.requests.or(self.tokens);
        if rate.is_none() && (self.window_ms.is_some() || self.burst.is_some()) {
            return Err(": windowMs and burst belong to requests and tokens.".into());
        }
        if self.spend.is_none() && (self.period.is_some() || self.allow_unpriced) {
            return Err(": period and allowUnpriced belong to spend.".into());
        }
        if self.concurrent.is_none() && self.lease_ms.is_some() {
            return Err(": leaseMs belongs to concurrent.".into());
        }
        if let Some(limit) = rate {
            let gcra = self.gcra(limit)?;
            return Ok(match self.requests {
                Some(_) => Measure::Requests(gcra),
                None => Measure::Tokens(gcra),
            });
        }
        if let Some(limit) = self.concurrent {
            let limit = at_least_one(limit, "concurrent")?;
            let lease_ms = at_least_one(self.lease_ms.unwrap_or(DEFAULT_LEASE_MS), "leaseMs")?;
            return Ok(Measure::Concurrent { limit, lease_ms });
        }
        if let Some(limit_nanos) = self.spend {
            let period = self
                .period
                .ok_or(": spend needs period: \"day\" or \"month\".")?;
            return Ok(Measure::Spend {
                limit_nanos: at_least_one(limit_nanos, "spend")?,
                period,
                allow_unpriced: self.allow_unpriced,
            });
        }
        Ok(Measure::External {
            counts: self.counts,
        })
    }

    fn gcra(&self, limit: u64) -> Result<Gcra, String> {
        let limit = at_least_one(
            limit,
            if self.tokens.is_some() {
                "tokens"
            } else {
                "requests"
            },
        )?;
        let window_ms = self
            .window_ms
            .ok_or(": requests and tokens need windowMs, for example 60_000 for a minute.")?;
        if !(1..=MAX_WINDOW_MS).contains(&window_ms) {
            return Err(format!(
                ".windowMs must be 1 to {MAX_WINDOW_MS} (400 days)."
            ));
        }
        if limit > 1_000_000_000_000 {
            return Err(" allows more than 10^12 units, which is no limit.".into());
        }
        let burst = at_least_one(self.burst.unwrap_or(limit), "burst")?;
        Ok(Gcra::new(limit, window_ms, burst))
    }

    /// `user-requests`, `user-provider-tokens`, `spend`.
    fn default_name(&self, measure: &Measure) -> String {
        let mut parts: Vec<&str> = self
            .per
            .iter()
            .map(|dimension| dimension.as_str())
            .collect();
        parts.push(measure.as_str());
        parts.join("-")
    }
}

fn at_least_one(value: u64, option: &str) -> Result<u64, String> {
    if value == 0 {
        return Err(format!(".{option} must be more than 0."));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Result<Vec<Rule>> {
        let config: LimitsConfig = serde_json::from_str(json).unwrap();
        config.rules()
    }

    fn complaint(json: &str) -> String {
        rules(json).unwrap_err().message().to_owned()
    }

    #[test]
    fn every_mistake_is_named_by_its_rule() {
        for (json, said) in [
            (r#"{"rules":[]}"#, "1 to 32 rules"),
            (
                r#"{"rules":[{"per":["user"]}]}"#,
                "rules[0] needs exactly one of",
            ),
            (
                r#"{"rules":[{"requests":1,"tokens":1,"windowMs":1}]}"#,
                "exactly one",
            ),
            (r#"{"rules":[{"requests":1}]}"#, "need windowMs"),
            (
                r#"{"rules":[{"requests":0,"windowMs":1}]}"#,
                "requests must be more than 0",
            ),
            (
                r#"{"rules":[{"concurrent":1,"burst":1}]}"#,
                "belong to requests and tokens",
            ),
            (r#"{"rules":[{"spend":"1.5"}]}"#, "needs period"),
            (
                r#"{"rules":[{"concurrent":1},{"concurrent":2}]}"#,
                "another rule called \"concurrent\"",
            ),
            (r#"{"rules":[{"concurrent":1,"name":"a b"}]}"#, ".name"),
        ] {
            let complaint = complaint(json);
            assert!(complaint.contains(said), "{json}: {complaint}");
        }
    }

    #[test]
    fn rules_have_names_that_say_what_they_count() {
        let json = r#"{"rules":[{"per":["user","model"],"tokens":5,"windowMs":1},
            {"spend":2.5,"period":"month"}]}"#;
        let rules = rules(json).unwrap();
        assert_eq!(rules[0].name, "user-model-tokens");
        assert_eq!(rules[1].name, "spend");
        let Measure::Spend { limit_nanos, .. } = rules[1].measure else {
            panic!("a budget");
        };
        assert_eq!(limit_nanos, 2_500_000_000);
    }
}
