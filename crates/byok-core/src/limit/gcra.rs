//! The generic cell rate algorithm (ITU-T I.371) on whole nanoseconds: pure, time is handed in. The
//! state of one key is a single number, the theoretical arrival time (TAT): the moment at which the
//! key has its whole allowance again. A key whose TAT has passed is like one that was never seen.

/// `limit` units a window, of which `burst` may come at once. An idle key may take `burst` units at
/// the same instant, and one more each `window / limit`; so no stretch of time `t` sees more than
/// `burst + t * limit / window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gcra {
    pub limit: u64,
    pub window_ms: u64,
    pub burst: u64,
    /// What one unit costs in time. Rounded up, so that rounding never lets one too many through.
    interval_ns: u64,
}

/// An answer that changes nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The key's TAT if the units are taken.
    Allowed { tat_ns: u64 },
    /// When to ask again.
    Refused { wait_ns: u64 },
}

impl Gcra {
    pub fn new(limit: u64, window_ms: u64, burst: u64) -> Self {
        let window_ns = window_ms.saturating_mul(1_000_000);
        Gcra {
            limit,
            window_ms,
            burst,
            interval_ns: window_ns.div_ceil(limit.max(1)).max(1),
        }
    }

    /// Whether `units` may pass now. More than `burst` counts as `burst`, so that a large request is
    /// served by an idle key instead of never.
    pub fn ask(&self, tat_ns: u64, units: u64, now_ns: u64) -> Verdict {
        let cost = self.interval_ns.saturating_mul(units.min(self.burst));
        let tat_ns = tat_ns.max(now_ns).saturating_add(cost);
        let latest = now_ns.saturating_add(self.tolerance_ns());
        match tat_ns.checked_sub(latest) {
            None | Some(0) => Verdict::Allowed { tat_ns },
            Some(wait_ns) => Verdict::Refused { wait_ns },
        }
    }

    /// The TAT after it turned out that `actual` units were used where `estimate` were taken.
    pub fn correct(&self, tat_ns: u64, estimate: u64, actual: u64, now_ns: u64) -> u64 {
        let taken = self.interval_ns.saturating_mul(estimate.min(self.burst));
        let used = self.interval_ns.saturating_mul(actual);
        if used >= taken {
            tat_ns.max(now_ns).saturating_add(used - taken)
        } else {
            tat_ns.saturating_sub(taken - used)
        }
    }

    /// How many units a key may take now.
    pub fn remaining(&self, tat_ns: u64, now_ns: u64) -> u64 {
        let owed = tat_ns.saturating_sub(now_ns);
        self.tolerance_ns().saturating_sub(owed) / self.interval_ns
    }

    fn tolerance_ns(&self) -> u64 {
        self.interval_ns.saturating_mul(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same promise as a bucket that leaks continuously, in exact fractions of `1/window` units.
    struct Bucket {
        limit: u128,
        window_ns: u128,
        burst: u128,
        /// Units in the bucket, times `window_ns`.
        level: u128,
        at_ns: u128,
    }

    impl Bucket {
        fn take(&mut self, units: u64, now_ns: u64) -> bool {
            let now_ns = u128::from(now_ns);
            let leaked = (now_ns - self.at_ns) * self.limit;
            self.level = self.level.saturating_sub(leaked);
            self.at_ns = now_ns;
            let full = self.burst * self.window_ns;
            let level = self.level + u128::from(units).min(self.burst) * self.window_ns;
            if level > full {
                return false;
            }
            self.level = level;
            true
        }
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % end
        }
    }

    #[test]
    fn it_admits_what_a_leaking_bucket_admits_and_never_more_over_random_traffic() {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for round in 0..300 {
            let limit = 1 + random.below(10_000);
            let window_ms = [1, 10, 1_000, 60_000, 86_400_000][random.below(5) as usize];
            let burst = 1 + random.below(limit);
            let gcra = Gcra::new(limit, window_ms, burst);
            let window_ns = window_ms * 1_000_000;
            let mut model = Bucket {
                limit: u128::from(limit),
                window_ns: u128::from(window_ns),
                burst: u128::from(burst),
                level: 0,
                at_ns: 0,
            };
            let (mut tat, mut now, mut ours, mut theirs) = (0_u64, 0_u64, 0_u64, 0_u64);
            let start = now;
            for _ in 0..2_000 {
                // Mostly crowded, sometimes idle for windows.
                now += match random.below(10) {
                    0 => random.below(window_ns / 4 + 1),
                    _ => random.below(2 * window_ns / limit + 2),
                };
                let units = if random.below(4) == 0 {
                    1 + random.below(3)
                } else {
                    1
                };
                let taken = units.min(burst);
                if model.take(units, now) {
                    theirs += taken;
                }
                if let Verdict::Allowed { tat_ns } = gcra.ask(tat, units, now) {
                    tat = tat_ns;
                    ours += taken;
                }
                let bound = burst
                    + (u128::from(now - start) * u128::from(limit) / u128::from(window_ns)) as u64;
                assert!(ours <= bound, "round {round}: {ours} of {bound}");
            }
            // Where the interval divides evenly both are the same; else rounding up costs at most a
            // nanosecond a unit, and a refusal may move later ones. Neither may drift away.
            let slack = 3 + ours / 1_000;
            assert!(
                ours.abs_diff(theirs) <= slack,
                "round {round}: {ours} and {theirs}"
            );
        }
    }

    #[test]
    fn an_even_interval_gives_the_models_answer_every_single_time() {
        let mut random = Random(42);
        for limit in [1, 2, 4, 5, 8, 10, 100, 1_000, 10_000] {
            let gcra = Gcra::new(limit, 60_000, limit);
            let mut model = Bucket {
                limit: u128::from(limit),
                window_ns: 60_000_000_000,
                burst: u128::from(limit),
                level: 0,
                at_ns: 0,
            };
            let (mut tat, mut now) = (0, 0);
            for step in 0..20_000 {
                now += random.below(2 * 60_000_000_000 / limit);
                let ours = match gcra.ask(tat, 1, now) {
                    Verdict::Allowed { tat_ns } => {
                        tat = tat_ns;
                        true
                    }
                    Verdict::Refused { wait_ns } => {
                        // The promised moment is the first at which it is allowed.
                        let allowed = |at| matches!(gcra.ask(tat, 1, at), Verdict::Allowed { .. });
                        assert!(allowed(now + wait_ns) && !allowed(now + wait_ns - 1));
                        false
                    }
                };
                assert_eq!(ours, model.take(1, now), "limit {limit}, step {step}");
            }
        }
    }

    #[test]
    fn a_correction_gives_back_what_was_not_used_and_charges_what_was_used_beyond() {
        let gcra = Gcra::new(100, 1_000, 100);
        let Verdict::Allowed { tat_ns } = gcra.ask(0, 60, 5) else {
            panic!("an idle key has its burst");
        };
        assert_eq!(gcra.remaining(tat_ns, 5), 40);
        assert_eq!(gcra.remaining(gcra.correct(tat_ns, 60, 10, 5), 5), 90);
        let in_debt = gcra.correct(tat_ns, 60, 150, 5);
        assert_eq!(gcra.remaining(in_debt, 5), 0);
        assert_eq!(
            gcra.ask(in_debt, 1, 5),
            Verdict::Refused {
                wait_ns: 510_000_000
            }
        );
    }

    #[test]
    fn a_request_larger_than_the_burst_is_served_by_an_idle_key() {
        let gcra = Gcra::new(10, 1_000, 10);
        let Verdict::Allowed { tat_ns } = gcra.ask(0, 1_000_000, 7) else {
            panic!("an idle key serves it");
        };
        assert_eq!(gcra.remaining(tat_ns, 7), 0);
    }
}
