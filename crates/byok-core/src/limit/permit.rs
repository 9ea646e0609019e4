//! What an admitted call holds: it ends its place among those at the same time when dropped, and puts
//! what was really used in the place of the estimate when it is told.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::Limits;
use super::claim::{Claim, Correction, Limiter, RemoteClaim};
use super::rule::{Counts, Measure};

/// What a call has used, as far as anyone said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Actual {
    /// Nothing: the estimate stays.
    pub tokens: Option<u64>,
    pub cost_nanos: Option<u64>,
}

/// Dropped without [`settle`](Permit::settle), a call counts as what was estimated for it.
#[must_use = "a call that holds no permit is not counted as running"]
pub struct Permit {
    limits: Option<Arc<Limits>>,
    local: Vec<Claim>,
    remote: Vec<RemoteClaim>,
    /// Not yet granted by everyone: dropped, it takes nothing.
    tentative: bool,
    actual: Actual,
}

impl Permit {
    /// Of a call that no rule is about.
    pub fn free() -> Self {
        Permit {
            limits: None,
            local: Vec::new(),
            remote: Vec::new(),
            tentative: false,
            actual: Actual::default(),
        }
    }

    pub(super) fn local(limits: Arc<Limits>, claims: Vec<Claim>) -> Self {
        let mut permit = Permit::free();
        permit.limits = Some(limits);
        permit.local = claims;
        permit
    }

    /// Until it is [kept](Permit::keep), dropping it gives back what was taken here, and ends the
    /// call's places among those at the same time elsewhere.
    pub(super) fn tentative(
        limits: Arc<Limits>,
        local: Vec<Claim>,
        remote: Vec<RemoteClaim>,
    ) -> Self {
        let mut permit = Permit::local(limits, local);
        permit.remote = remote;
        permit.tentative = true;
        permit
    }

    /// Nothing was taken elsewhere.
    pub(super) fn forget_remote(&mut self) {
        self.remote.clear();
    }

    /// Nobody knows what was taken elsewhere.
    pub(super) fn doubt_remote(&mut self) {
        self.remote.retain(|claim| claim.counts == "concurrent");
    }

    pub(super) fn keep(&mut self) {
        self.tentative = false;
    }

    /// The call is over and has used this.
    pub fn settle(mut self, actual: Actual) {
        self.actual = actual;
    }

    /// What a claim turned out to be, or nothing when it stays as it is.
    fn actual_of(&self, measure: &Measure, units: u64) -> Option<u64> {
        let actual = match measure {
            Measure::Concurrent { .. } => return Some(0),
            _ if self.tentative => return Some(0),
            Measure::Requests(_)
            | Measure::External {
                counts: Counts::Requests,
            } => return None,
            Measure::Tokens(_)
            | Measure::External {
                counts: Counts::Tokens,
            } => self.actual.tokens,
            Measure::Spend { .. } => self.actual.cost_nanos,
        };
        actual.filter(|actual| *actual != units)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(limits) = self.limits.take() else {
            return;
        };
        let mut gave_back = false;
        let now_ns = limits.clock.now_ns();
        for claim in &self.local {
            let measure = &limits.rules[claim.rule].measure;
            let Some(actual) = self.actual_of(measure, claim.units) else {
                continue;
            };
            gave_back |= actual < claim.units;
            limits.local.settle(&limits.rules, claim, actual, now_ns);
        }
        if gave_back && !limits.queue.is_empty() {
            limits.queue.freed.notify_waiters();
        }
        let corrections: Vec<Correction> = std::mem::take(&mut self.remote)
            .into_iter()
            .filter_map(|claim| {
                let measure = &limits.rules[claim.rule].measure;
                // A call that was dropped while it asked may have been refused: only places, which
                // are its own by name, can be given back.
                if self.tentative && !matches!(measure, Measure::Concurrent { .. }) {
                    return None;
                }
                let actual = self.actual_of(measure, claim.units)?;
                Some(Correction { claim, actual })
            })
            .collect();
        if let (Some(limiter), false) = (limits.remote.clone(), corrections.is_empty()) {
            send(limits, limiter, corrections);
        }
    }
}

/// Off the call's path. Without a runtime nothing can be sent: leases end what is running, and the
/// estimates stay.
fn send(limits: Arc<Limits>, limiter: Arc<dyn Limiter>, corrections: Vec<Correction>) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    runtime.spawn(async move {
        if let Err(error) = limiter.settle(&corrections).await {
            limits.report(&error);
        }
        if !limits.queue.is_empty() {
            limits.queue.freed.notify_waiters();
        }
    });
}
