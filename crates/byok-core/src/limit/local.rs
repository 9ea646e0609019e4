//! Counting in this process: all claims of a call are decided together, under the locks of their keys,
//! so a limit is exact however many calls come at once and a refused call takes nothing.

use super::claim::{Claim, Refusal, Taken};
use super::clock::Clock;
use super::gcra::Verdict;
use super::rule::{Measure, Rule};
use super::standing::Standing;
use super::table::{Shard, Table};

pub struct LocalLimiter {
    /// One for each rule, in the rules' order, which is the order of locking.
    tables: Vec<Table>,
}

impl LocalLimiter {
    pub fn new(rules: usize) -> Self {
        LocalLimiter {
            tables: (0..rules).map(|_| Table::new()).collect(),
        }
    }

    /// Takes all claims or none. They stand in the rules' order.
    pub fn take(&self, rules: &[Rule], claims: &[Claim], clock: &Clock) -> Taken {
        let mut shards: Vec<_> = claims
            .iter()
            .map(|claim| self.tables[claim.rule].lock(claim.key))
            .collect();
        // Read under the locks, so that no earlier moment follows a later one.
        let now_ns = clock.now_ns();
        let mut values = [0; 8];
        let mut more = Vec::new();
        for (index, (claim, shard)) in claims.iter().zip(&mut shards).enumerate() {
            match decide(&rules[claim.rule], claim, shard, now_ns, clock) {
                Ok(value) if index < values.len() => values[index] = value,
                Ok(value) => more.push(value),
                Err(retry_after_ms) => {
                    return Taken::Refused(Refusal {
                        rule: claim.rule,
                        retry_after_ms,
                        standing: standing(&rules[claim.rule], claim, shard, now_ns, clock),
                    });
                }
            }
        }
        let values = values.iter().take(claims.len()).chain(&more);
        for ((claim, shard), value) in claims.iter().zip(&mut shards).zip(values) {
            shard.set(
                claim.key,
                *value,
                is_idle(&rules[claim.rule].measure, now_ns),
            );
        }
        Taken::Granted
    }

    /// Puts what turned out in the place of what was claimed.
    pub fn settle(&self, rules: &[Rule], claim: &Claim, actual: u64, now_ns: u64) {
        let mut shard = self.tables[claim.rule].lock(claim.key);
        let value = shard.get(claim.key);
        let measure = &rules[claim.rule].measure;
        let value = match measure {
            Measure::Requests(gcra) | Measure::Tokens(gcra) => {
                gcra.correct(value, claim.units, actual, now_ns)
            }
            Measure::Concurrent { .. } => value.saturating_sub(claim.units),
            // A budget's period may have ended meanwhile, and its entries with it.
            Measure::Spend { .. } if shard.period() != claim.period.0 => return,
            Measure::Spend { .. } => value.saturating_sub(claim.units).saturating_add(actual),
            Measure::External { .. } => return,
        };
        shard.set(claim.key, value, is_idle(measure, now_ns));
    }

    pub fn standing(&self, rules: &[Rule], claim: &Claim, clock: &Clock) -> Standing {
        let mut shard = self.tables[claim.rule].lock(claim.key);
        if claim.period.0 != 0 {
            shard.enter(claim.period.0);
        }
        standing(&rules[claim.rule], claim, &shard, clock.now_ns(), clock)
    }

    /// Takes out entries that are idle.
    pub fn sweep(&self, rules: &[Rule], now_ns: u64) {
        for (table, rule) in self.tables.iter().zip(rules) {
            table.sweep(is_idle(&rule.measure, now_ns));
        }
    }

    /// How many keys are held, over all rules.
    pub fn len(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
    }
}

/// The key's new value if the claim may pass, else when to ask again.
fn decide(
    rule: &Rule,
    claim: &Claim,
    shard: &mut Shard,
    now_ns: u64,
    clock: &Clock,
) -> Result<u64, Option<u64>> {
    match &rule.measure {
        Measure::Requests(gcra) | Measure::Tokens(gcra) => {
            match gcra.ask(shard.get(claim.key), claim.units, now_ns) {
                Verdict::Allowed { tat_ns } => Ok(tat_ns),
                Verdict::Refused { wait_ns } => Err(Some(wait_ns.div_ceil(1_000_000))),
            }
        }
        Measure::Concurrent { limit, .. } => match shard.get(claim.key) + claim.units {
            count if count <= *limit => Ok(count),
            _ => Err(None),
        },
        Measure::Spend { limit_nanos, .. } => {
            shard.enter(claim.period.0);
            let spent = shard.get(claim.key);
            // A call that alone is worth more than the budget passes once, at its beginning.
            let ask = claim.units.min(*limit_nanos);
            if spent.saturating_add(ask) <= *limit_nanos && spent < *limit_nanos {
                Ok(spent.saturating_add(claim.units))
            } else {
                Err(Some(claim.period.1.saturating_sub(clock.unix_ms())))
            }
        }
        Measure::External { .. } => Ok(0),
    }
}

fn standing(rule: &Rule, claim: &Claim, shard: &Shard, now_ns: u64, clock: &Clock) -> Standing {
    let value = shard.get(claim.key);
    let (limit, window_ms) = rule.allowance(claim.period);
    let mut standing = Standing {
        rule: rule.name.clone(),
        counts: rule.measure.as_str().to_owned(),
        limit,
        remaining: 0.0,
        reset_ms: None,
        window_ms,
    };
    match &rule.measure {
        Measure::Requests(gcra) | Measure::Tokens(gcra) => {
            standing.remaining = gcra.remaining(value, now_ns) as f64;
            standing.reset_ms = Some(value.saturating_sub(now_ns).div_ceil(1_000_000));
        }
        Measure::Concurrent { limit, .. } => {
            standing.remaining = limit.saturating_sub(value) as f64;
        }
        Measure::Spend { limit_nanos, .. } => {
            let (_, end_ms) = claim.period;
            standing.remaining = limit_nanos.saturating_sub(value) as f64 / 1e9;
            standing.reset_ms = Some(end_ms.saturating_sub(clock.unix_ms()));
        }
        Measure::External { .. } => {}
    }
    standing
}

/// Whether a value says the same as no entry.
fn is_idle(measure: &Measure, now_ns: u64) -> impl Fn(u64) -> bool + use<> {
    let by_time = matches!(measure, Measure::Requests(_) | Measure::Tokens(_));
    move |value| value == 0 || (by_time && value <= now_ns)
}
