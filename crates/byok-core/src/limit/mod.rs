//! The app's limits for its users: how often, how much, how many at once, for how much money. Rules are
//! nested: a call needs the consent of every rule that is about it and takes from all or none. Tokens
//! and money are estimated before a call and corrected after it. A refused call may wait for its turn.
//!
//! A rule's keys are counted in this process ([`local`]) or by a limiter of the app's ([`Limiter`]), such
//! as Redis. Rates are GCRA ([`gcra`]), so an idle key costs no memory.

mod claim;
mod clock;
mod config;
mod gcra;
mod local;
mod period;
mod permit;
mod queue;
mod refusal;
mod rule;
mod standing;
mod table;

pub use claim::{
    Claim, Correction, Limiter, RemoteAnswer, RemoteClaim, RemoteRefusal, RemoteStanding,
};
pub use clock::Clock;
pub use config::{LimitsConfig, RuleConfig, WhenUnavailable};
pub use period::Period;
pub use permit::{Actual, Permit};
pub use rule::{Counts, Dimension, Measure, Rule, Subject};
pub use standing::Standing;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use self::claim::{Refusal, Taken};
use self::local::LocalLimiter;
use self::queue::{LineName, Queue, line};
use crate::error::{Error, Result};

/// How often a call asks again for a place among those at the same time, where nobody wakes it.
const POLL: Duration = Duration::from_millis(50);

/// Called with what went wrong whenever the app's limiter could not be asked.
pub type OnTrouble = Arc<dyn Fn(&Error) + Send + Sync>;

/// What a call will probably use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Estimate {
    pub tokens: u64,
    /// Billionths; nothing when the model has no price.
    pub cost_nanos: Option<u64>,
}

pub struct Limits {
    rules: Vec<Rule>,
    local: LocalLimiter,
    remote: Option<Arc<dyn Limiter>>,
    when_unavailable: WhenUnavailable,
    on_trouble: Option<OnTrouble>,
    queue: Queue,
    wait: Duration,
    clock: Clock,
    user_hasher: RandomState,
    /// Makes names of calls unique: a random number and a count.
    call_prefix: u64,
    calls: AtomicU64,
}

impl Limits {
    /// # Errors
    /// `INVALID_ARGUMENT` naming the rule and what is wrong with it.
    pub fn new(
        config: &LimitsConfig,
        remote: Option<Arc<dyn Limiter>>,
        on_trouble: Option<OnTrouble>,
        clock: Clock,
    ) -> Result<Self> {
        let rules = config.rules()?;
        let needs_remote = rules.iter().any(|rule| rule.remote);
        if needs_remote && remote.is_none() {
            return Err(Error::invalid_argument("limits.limiter is missing."));
        }
        Ok(Limits {
            local: LocalLimiter::new(rules.len()),
            rules,
            remote: remote.filter(|_| needs_remote),
            when_unavailable: config.when_unavailable,
            on_trouble,
            queue: Queue::new(config.max_queued()),
            wait: Duration::from_millis(config.wait_ms),
            clock,
            user_hasher: RandomState::new(),
            call_prefix: getrandom::u64().unwrap_or_default(),
            calls: AtomicU64::new(0),
        })
    }

    /// Whether any rule counts money, which needs prices.
    pub fn counts_money(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| matches!(rule.measure, Measure::Spend { .. }))
    }

    /// Takes a call's share of every rule that is about it, waiting for it where the app allows that.
    /// Dropping the future while it waits leaves the line and takes nothing.
    ///
    /// # Errors
    /// `RATE_LIMITED` with `retry_after_ms` and the numbers; `LIMITER_ERROR` when the app's limiter
    /// can't be asked and calls are then to be refused.
    pub async fn acquire(
        self: &Arc<Self>,
        subject: &Subject<'_>,
        estimate: Estimate,
    ) -> Result<Permit> {
        let claims = self.claims(subject, estimate)?;
        if claims.is_empty() {
            return Ok(Permit::free());
        }
        let behind = self.line_before(subject, &claims);
        let refusal = match behind {
            Some(rule) if !self.wait.is_zero() => self.refused_unasked(rule, &claims),
            _ => match self.take(subject, &claims).await? {
                Ok(permit) => return Ok(permit),
                Err(refusal) => refusal,
            },
        };
        let patience_ms = u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX);
        let hopeless = behind.is_none()
            && refusal
                .retry_after_ms
                .is_some_and(|after| after > patience_ms);
        if self.wait.is_zero() || hopeless {
            return Err(self.error(&refusal, subject));
        }
        self.wait_for_turn(subject, &claims, refusal).await
    }

    /// How the keys of such a call stand, without taking anything.
    ///
    /// # Errors
    /// `LIMITER_ERROR` when the app's limiter can't be asked.
    pub async fn standings(&self, subject: &Subject<'_>) -> Result<Vec<Standing>> {
        let claims = self.rules_about(subject, |_| Some(0));
        let (local, remote) = self.split(subject, &claims, 0);
        let mut standings: Vec<(usize, Standing)> = local
            .iter()
            .map(|claim| {
                (
                    claim.rule,
                    self.local.standing(&self.rules, claim, &self.clock),
                )
            })
            .collect();
        if let (Some(limiter), false) = (&self.remote, remote.is_empty()) {
            let answer = limiter.take(&remote).await?;
            for remote in &answer.standings {
                if let Some(claim) = claims.iter().find(|claim| claim.rule == remote.rule) {
                    standings.push((remote.rule, self.remote_standing(claim, Some(remote))));
                }
            }
        }
        standings.sort_by_key(|(rule, _)| *rule);
        Ok(standings
            .into_iter()
            .map(|(_, standing)| standing)
            .collect())
    }

    /// Frees the memory of keys that are idle. Cheap; for a timer.
    pub fn sweep(&self) {
        self.local.sweep(&self.rules, self.clock.now_ns());
    }

    /// How many keys are held in this process.
    pub fn keys(&self) -> usize {
        self.local.len()
    }

    fn claims(&self, subject: &Subject<'_>, estimate: Estimate) -> Result<Vec<Claim>> {
        let mut unpriced = None;
        let claims = self.rules_about(subject, |rule| match &rule.measure {
            Measure::Requests(_) | Measure::Concurrent { .. } => Some(1),
            Measure::Tokens(_) => Some(estimate.tokens),
            Measure::External {
                counts: Counts::Requests,
            } => Some(1),
            Measure::External {
                counts: Counts::Tokens,
            } => Some(estimate.tokens),
            Measure::Spend { allow_unpriced, .. } => {
                if estimate.cost_nanos.is_none() && !allow_unpriced {
                    unpriced = Some(rule);
                }
                estimate.cost_nanos
            }
        });
        match unpriced {
            Some(rule) => Err(refusal::unpriced(rule, subject)),
            None => Ok(claims),
        }
    }

    /// A claim for each rule that is about the call and counts it.
    fn rules_about<'a>(
        &'a self,
        subject: &Subject<'_>,
        mut units: impl FnMut(&'a Rule) -> Option<u64>,
    ) -> Vec<Claim> {
        let mut claims = Vec::with_capacity(self.rules.len());
        for (index, rule) in self.rules.iter().enumerate() {
            if !rule.holds(subject) {
                continue;
            }
            let Some(units) = units(rule) else { continue };
            let period = match &rule.measure {
                Measure::Spend { period, .. } => period.around(self.clock.unix_ms()),
                _ => (0, 0),
            };
            claims.push(Claim {
                rule: index,
                key: rule.hash(subject),
                units,
                period,
            });
        }
        claims
    }

    /// One try at all of it. What is counted here is given back when the limiter elsewhere refuses.
    async fn take(
        self: &Arc<Self>,
        subject: &Subject<'_>,
        claims: &[Claim],
    ) -> Result<Result<Permit, Refusal>> {
        let Some(limiter) = &self.remote else {
            return Ok(match self.local.take(&self.rules, claims, &self.clock) {
                Taken::Granted => Ok(Permit::local(self.clone(), claims.to_vec())),
                Taken::Refused(refusal) => Err(refusal),
            });
        };
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let (local, remote) = self.split(subject, claims, call);
        if let Taken::Refused(refusal) = self.local.take(&self.rules, &local, &self.clock) {
            return Ok(Err(refusal));
        }
        // From here on a dropped future or a refusal gives it back.
        let asks = !remote.is_empty();
        let mut permit = Permit::tentative(self.clone(), local, remote.clone());
        if asks {
            match limiter.take(&remote).await {
                Ok(answer) => {
                    if let Some(refused) = answer.refused {
                        permit.forget_remote();
                        return self
                            .refused_remotely(claims, &refused, &answer.standings)
                            .map(Err);
                    }
                }
                Err(error) => {
                    self.report(&error);
                    permit.doubt_remote();
                    if self.when_unavailable == WhenUnavailable::Refuse {
                        return Err(refusal::unavailable(error));
                    }
                }
            }
        }
        permit.keep();
        Ok(Ok(permit))
    }

    fn refused_remotely(
        &self,
        claims: &[Claim],
        refused: &RemoteRefusal,
        standings: &[RemoteStanding],
    ) -> Result<Refusal> {
        let claim = claims.iter().find(|claim| claim.rule == refused.rule);
        let claim = claim.ok_or_else(refusal::unreadable)?;
        let known = standings.iter().find(|known| known.rule == refused.rule);
        Ok(Refusal {
            rule: refused.rule,
            retry_after_ms: refused.retry_after_ms,
            standing: self.remote_standing(claim, known),
        })
    }

    /// The claims that are counted here and those that are counted elsewhere.
    fn split(
        &self,
        subject: &Subject<'_>,
        claims: &[Claim],
        call: u64,
    ) -> (Vec<Claim>, Vec<RemoteClaim>) {
        let (remote, local): (Vec<_>, Vec<_>) = claims
            .iter()
            .cloned()
            .partition(|claim| self.rules[claim.rule].remote);
        let remote = remote.iter().map(|claim| {
            let rule = &self.rules[claim.rule];
            RemoteClaim::new(claim, rule, subject, (self.call_prefix, call))
        });
        (local, remote.collect())
    }

    async fn wait_for_turn(
        self: &Arc<Self>,
        subject: &Subject<'_>,
        claims: &[Claim],
        mut refusal: Refusal,
    ) -> Result<Permit> {
        let Some(_waiting) = self.queue.join() else {
            return Err(self.error(&refusal, subject));
        };
        let deadline = Instant::now() + self.wait;
        let user = self.user(subject);
        loop {
            let rule = refusal.rule;
            let Some(claim) = claims.iter().find(|claim| claim.rule == rule) else {
                return Err(refusal::unreadable());
            };
            // First among the user's own, then among the users.
            let Some(_own) = self.queue.turn(line(rule, claim.key, user), deadline).await else {
                return Err(self.error(&refusal, subject));
            };
            let _shared = if self.rules[rule].is_per_user() {
                None
            } else {
                let turn = self.queue.turn(line(rule, claim.key, 0), deadline).await;
                if turn.is_none() {
                    return Err(self.error(&refusal, subject));
                }
                turn
            };
            loop {
                let freed = self.queue.freed.notified();
                tokio::pin!(freed);
                freed.as_mut().enable();
                refusal = match self.take(subject, claims).await? {
                    Ok(permit) => return Ok(permit),
                    Err(refusal) => refusal,
                };
                if refusal.rule != rule {
                    break;
                }
                let pause = refusal.retry_after_ms.map_or(POLL, Duration::from_millis);
                let wake = Instant::now() + pause;
                if wake > deadline && refusal.retry_after_ms.is_some() {
                    return Err(self.error(&refusal, subject));
                }
                if Instant::now() >= deadline {
                    return Err(self.error(&refusal, subject));
                }
                tokio::select! {
                    () = tokio::time::sleep_until(wake.min(deadline)) => {}
                    () = freed => {}
                }
            }
        }
    }

    /// The rule in whose line others already wait: who comes later stands behind them.
    fn line_before(&self, subject: &Subject<'_>, claims: &[Claim]) -> Option<usize> {
        if self.queue.is_empty() {
            return None;
        }
        let user = self.user(subject);
        let occupied = |name: LineName| self.queue.has_line(&name);
        claims
            .iter()
            .find(|claim| {
                occupied(line(claim.rule, claim.key, user))
                    || occupied(line(claim.rule, claim.key, 0))
            })
            .map(|claim| claim.rule)
    }

    /// The refusal of a call that did not ask because others wait already.
    fn refused_unasked(&self, rule: usize, claims: &[Claim]) -> Refusal {
        let claim = claims.iter().find(|claim| claim.rule == rule);
        let standing = claim.map(|claim| {
            if self.rules[rule].remote {
                self.remote_standing(claim, None)
            } else {
                self.local.standing(&self.rules, claim, &self.clock)
            }
        });
        Refusal {
            rule,
            retry_after_ms: None,
            standing: standing.unwrap_or_default(),
        }
    }

    fn user(&self, subject: &Subject<'_>) -> u64 {
        // 0 is everyone's.
        self.user_hasher.hash_one(subject.user_id) | 1
    }

    fn error(&self, refusal: &Refusal, subject: &Subject<'_>) -> Error {
        refusal::rate_limited(&self.rules[refusal.rule], refusal, subject)
    }

    fn report(&self, error: &Error) {
        if let Some(on_trouble) = &self.on_trouble {
            on_trouble(error);
        }
    }

    fn remote_standing(&self, claim: &Claim, known: Option<&RemoteStanding>) -> Standing {
        let rule = &self.rules[claim.rule];
        let unit = match rule.measure {
            Measure::Spend { .. } => 1e9,
            _ => 1.0,
        };
        let (limit, window_ms) = rule.allowance(claim.period);
        Standing {
            rule: rule.name.clone(),
            counts: rule.measure.as_str().to_owned(),
            limit: known.and_then(|known| known.limit).unwrap_or(limit),
            remaining: known.map_or(0.0, |known| known.remaining / unit),
            reset_ms: known.and_then(|known| known.reset_ms),
            window_ms: known.and_then(|known| known.window_ms).or(window_ms),
        }
    }
}
