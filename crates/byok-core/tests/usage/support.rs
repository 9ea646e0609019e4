use byok_core::capability::Capability;
use byok_core::error::Code;
use byok_core::usage::{Outcome, Prices, Units, UsageEvent, UsageFilter, UsageQuery};

/// 2026-11-26T12:00:00Z.
pub const NOON: u64 = 1_795_694_400_000;

pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// An event of one of 50 users within 90 days.
pub fn event(random: &mut Random) -> UsageEvent {
    let outcome = match random.below(20) {
        0 => Outcome::Abandoned,
        1 => Outcome::Failed(Code::ProviderRateLimited),
        2 => Outcome::Failed(Code::KeyInvalid),
        _ => Outcome::Ok,
    };
    let known = !matches!(outcome, Outcome::Failed(_));
    let input_tokens = known.then(|| random.below(10_000));
    UsageEvent {
        namespace: random
            .one_of(&["default", "default", "default", "other"])
            .into(),
        user_id: format!("user-{}", random.below(50)),
        provider: random.one_of(&["openai", "anthropic", "gemini"]).into(),
        label: random.one_of(&["default", "work"]).into(),
        model: random
            .one_of(&[None, Some("priced"), Some("priced"), Some("free")])
            .map(str::to_owned),
        capability: random.one_of(&[Capability::Chat, Capability::Embeddings]),
        outcome,
        started_at_ms: NOON + random.below(90 * 86_400_000),
        duration_ms: random.below(60_000) as f64,
        first_output_ms: (random.below(2) == 0).then(|| random.below(3_000) as f64),
        retries: random.below(3) as u32,
        units: Units {
            input_tokens,
            output_tokens: known.then(|| random.below(4_000)),
            cached_input_tokens: input_tokens.map(|input| input / 3),
            reasoning_tokens: (random.below(3) == 0).then(|| random.below(500)),
            characters: (random.below(5) == 0).then(|| random.below(5_000)),
            audio_seconds: (random.below(5) == 0).then(|| random.below(100_000) as f64 / 1_000.0),
            images: (random.below(9) == 0).then(|| random.below(4)),
        },
        request_id: Some(format!("req_{}", random.below(1_000_000))),
        attempt: random.below(2) as u32,
    }
}

pub fn prices() -> Prices {
    let table = r#"{
        "openai/priced":{"inputPerMillion":"0.15","cachedInputPerMillion":"0.075","outputPerMillion":"0.6"},
        "anthropic/pri*":{"inputPerMillion":3,"outputPerMillion":15},
        "gemini/priced":{"inputPerMillion":"0.0375","outputPerMillion":"0.15","perRequest":"0.0001"}
    }"#;
    Prices::new(serde_json::from_str(table).unwrap()).unwrap()
}

pub fn all() -> UsageQuery {
    UsageQuery {
        filter: UsageFilter {
            namespace: "default".into(),
            from_ms: 0,
            to_ms: u64::MAX / 2,
            ..UsageFilter::default()
        },
        group_by: Vec::new(),
        interval: None,
    }
}
