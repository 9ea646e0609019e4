//! One rule of an app: which calls it is about, what of them it counts apart, and how much it allows.

use std::fmt::Write as _;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use serde::{Deserialize, Serialize};

use super::gcra::Gcra;
use super::period::Period;
use super::table::Key;
use crate::capability::Capability;

/// What one call is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub namespace: &'a str,
    pub user_id: &'a str,
    pub provider: &'a str,
    pub model: &'a str,
    pub capability: Capability,
    pub label: &'a str,
}

/// What a rule counts apart: `per: ["user", "model"]` gives each user an allowance for each model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dimension {
    Namespace,
    User,
    Provider,
    Model,
    Capability,
    Label,
}

impl Dimension {
    pub fn as_str(self) -> &'static str {
        match self {
            Dimension::Namespace => "namespace",
            Dimension::User => "user",
            Dimension::Provider => "provider",
            Dimension::Model => "model",
            Dimension::Capability => "capability",
            Dimension::Label => "label",
        }
    }

    fn of<'a>(self, subject: &Subject<'a>) -> &'a str {
        match self {
            Dimension::Namespace => subject.namespace,
            Dimension::User => subject.user_id,
            Dimension::Provider => subject.provider,
            Dimension::Model => subject.model,
            Dimension::Capability => subject.capability.as_str(),
            Dimension::Label => subject.label,
        }
    }
}

/// Which calls a rule is about; an empty list is all. A text that ends in `*` means a beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Only {
    #[serde(default)]
    pub users: Vec<String>,
    #[serde(default)]
    pub providers: Vec<String>,
    #[serde(default)]
    pub models: Vec<String>,
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    #[serde(default)]
    pub labels: Vec<String>,
}

impl Only {
    fn holds(&self, subject: &Subject<'_>) -> bool {
        let fits = |list: &[String], value: &str| {
            list.is_empty()
                || list.iter().any(|wanted| match wanted.strip_suffix('*') {
                    Some(beginning) => value.starts_with(beginning),
                    None => wanted == value,
                })
        };
        fits(&self.users, subject.user_id)
            && fits(&self.providers, subject.provider)
            && fits(&self.models, subject.model)
            && fits(&self.labels, subject.label)
            && (self.capabilities.is_empty() || self.capabilities.contains(&subject.capability))
    }
}

/// How much, of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Requests(Gcra),
    Tokens(Gcra),
    /// Calls at the same time. `lease_ms` ends a call that a dead process never ended (Redis only).
    Concurrent {
        limit: u64,
        lease_ms: u64,
    },
    /// Billionths of the price table's currency in a calendar period.
    Spend {
        limit_nanos: u64,
        period: Period,
        allow_unpriced: bool,
    },
    /// A limiter of the app's own decides; it is told so many units.
    External {
        counts: Counts,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Counts {
    #[default]
    Requests,
    Tokens,
}

impl Measure {
    pub fn as_str(&self) -> &'static str {
        match self {
            Measure::Requests(_) => "requests",
            Measure::Tokens(_) => "tokens",
            Measure::Concurrent { .. } => "concurrent",
            Measure::Spend { .. } => "spend",
            Measure::External { .. } => "external",
        }
    }
}

#[derive(Debug)]
pub struct Rule {
    pub name: String,
    pub per: Vec<Dimension>,
    pub only: Only,
    pub measure: Measure,
    /// Counted by the app's limiter (Redis), not here.
    pub remote: bool,
    hashers: [RandomState; 2],
}

impl Rule {
    pub fn new(
        name: String,
        mut per: Vec<Dimension>,
        only: Only,
        measure: Measure,
        remote: bool,
    ) -> Self {
        let mut seen = Vec::new();
        per.retain(|dimension| {
            !seen.contains(dimension) && {
                seen.push(*dimension);
                true
            }
        });
        Rule {
            name,
            per,
            only,
            measure,
            remote,
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        self.only.holds(subject)
    }

    /// What the rule allows (money in units of the currency) and its window's length.
    pub fn allowance(&self, period: (u64, u64)) -> (f64, Option<u64>) {
        match &self.measure {
            Measure::Requests(gcra) | Measure::Tokens(gcra) => {
                (gcra.burst as f64, Some(gcra.window_ms))
            }
            Measure::Concurrent { limit, .. } => (*limit as f64, None),
            Measure::Spend { limit_nanos, .. } => {
                (*limit_nanos as f64 / 1e9, Some(period.1 - period.0))
            }
            Measure::External { .. } => (0.0, None),
        }
    }

    pub fn is_per_user(&self) -> bool {
        self.per.contains(&Dimension::User)
    }

    /// The counted key in 128 bits under secret seeds: a million keys collide with a chance of about
    /// 10^-27, and nobody can make them.
    pub fn hash(&self, subject: &Subject<'_>) -> Key {
        Key(self.hashers.each_ref().map(|seed| {
            let mut hasher = seed.build_hasher();
            for dimension in &self.per {
                dimension.of(subject).hash(&mut hasher);
            }
            hasher.finish()
        }))
    }

    /// The counted key for limiters elsewhere, the same in all processes: `name:user=alice`. Colons,
    /// percent signs and braces in a value are escaped, so no user can speak for another.
    pub fn key(&self, subject: &Subject<'_>) -> String {
        let mut key = String::with_capacity(64);
        escape(&self.name, &mut key);
        for dimension in &self.per {
            let _ = write!(key, ":{}=", dimension.as_str());
            escape(dimension.of(subject), &mut key);
        }
        key
    }
}

fn escape(text: &str, key: &mut String) {
    for character in text.chars() {
        if matches!(character, ':' | '%' | '{' | '}' | '=') || character.is_control() {
            let _ = write!(key, "%{:02X}", u32::from(character));
        } else {
            key.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn subject(user_id: &str) -> Subject<'_> {
        Subject {
            namespace: "default",
            user_id,
            provider: "openai",
            model: "gpt-5-mini",
            capability: Capability::Chat,
            label: "default",
        }
    }

    fn rule(per: &[Dimension], only: Only) -> Rule {
        let measure = Measure::Requests(Gcra::new(1, 1, 1));
        Rule::new("calls".into(), per.to_vec(), only, measure, false)
    }

    #[test]
    fn a_key_holds_what_the_rule_counts_apart_and_no_user_can_speak_for_another() {
        let rule = rule(&[Dimension::User, Dimension::Provider], Only::default());
        assert_eq!(
            rule.key(&subject("alice")),
            "calls:user=alice:provider=openai"
        );
        assert_eq!(
            rule.key(&subject("a:provider=x%{}")),
            "calls:user=a%3Aprovider%3Dx%25%7B%7D:provider=openai"
        );
        assert_ne!(rule.hash(&subject("alice")), rule.hash(&subject("bob")));
        assert_eq!(rule.hash(&subject("alice")), rule.hash(&subject("alice")));
    }

    #[test]
    fn a_rule_is_about_the_calls_that_fit_all_its_lists() {
        let only = Only {
            models: vec!["gpt-5*".into()],
            providers: vec!["openai".into(), "groq".into()],
            ..Only::default()
        };
        let rule = rule(&[], only);
        assert!(rule.holds(&subject("u")));
        assert!(!rule.holds(&Subject {
            model: "gpt-4",
            ..subject("u")
        }));
        assert!(!rule.holds(&Subject {
            provider: "gemini",
            ..subject("u")
        }));
    }
}
