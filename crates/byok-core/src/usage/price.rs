//! What calls cost, by the app's own price table. There is no price that the app did not give: a model
//! without one is unpriced, which is not the same as free.

use std::collections::BTreeMap;
use std::collections::HashMap;

use serde::Deserialize;

use super::{Units, money};
use crate::error::{Error, Result};

/// The price of one model. All amounts are nanos of the table's currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    #[serde(default, deserialize_with = "money::decimal")]
    pub input_per_million: Option<u64>,
    /// Of the input tokens that came from the provider's cache; the input's price unless given.
    #[serde(default, deserialize_with = "money::decimal")]
    pub cached_input_per_million: Option<u64>,
    #[serde(default, deserialize_with = "money::decimal")]
    pub output_per_million: Option<u64>,
    #[serde(default, deserialize_with = "money::decimal")]
    pub characters_per_million: Option<u64>,
    #[serde(default, deserialize_with = "money::decimal")]
    pub audio_per_minute: Option<u64>,
    #[serde(default, deserialize_with = "money::decimal")]
    pub per_image: Option<u64>,
    #[serde(default, deserialize_with = "money::decimal")]
    pub per_request: Option<u64>,
}

/// Parts of a nano in which a call is added up: a million (tokens) times a minute's milliseconds.
const PARTS: u128 = 1_000_000 * 60_000;

impl Price {
    /// The cost in nanos, rounded once (half up); nothing when something that has been used has no
    /// price, or when nobody knows how much was used.
    pub fn of(&self, units: &Units) -> Option<u64> {
        let mut parts: u128 = 0;
        let mut known = false;
        let mut add = |units: Option<u64>, price: Option<u64>, unit_parts: u128| {
            match (units, price) {
                (Some(units), Some(price)) => {
                    known = true;
                    parts += u128::from(units) * u128::from(price) * unit_parts;
                }
                // Something was used that the table says nothing of.
                (Some(used), None) if used > 0 => return None,
                _ => {}
            }
            Some(())
        };
        let million = PARTS / 1_000_000;
        // A price without any for tokens is one by the piece: tokens cost nothing beside it.
        if self.input_per_million.is_some() || self.output_per_million.is_some() {
            let cached = units.cached_input_tokens.unwrap_or(0);
            let fresh = units.input_tokens.map(|input| input.saturating_sub(cached));
            add(fresh, self.input_per_million, million)?;
            let cached_price = self.cached_input_per_million.or(self.input_per_million);
            add(units.cached_input_tokens, cached_price, million)?;
            add(units.output_tokens, self.output_per_million, million)?;
        }
        // A provider tells characters, seconds and images of its own accord: what is not priced by
        // them is priced by its tokens or not at all.
        let by = |price: Option<u64>, units: Option<u64>| price.and(units);
        let characters = by(self.characters_per_million, units.characters);
        add(characters, self.characters_per_million, million)?;
        let audio_ms = units.audio_seconds.map(super::milliseconds);
        add(
            by(self.audio_per_minute, audio_ms),
            self.audio_per_minute,
            PARTS / 60_000,
        )?;
        add(by(self.per_image, units.images), self.per_image, PARTS)?;
        add(self.per_request.map(|_| 1), self.per_request, PARTS)?;
        let nanos = (parts + PARTS / 2) / PARTS;
        known.then(|| u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// What a call of this weight would cost, for budgets that must decide before it: by the units that
    /// have a price, and nothing when none of them is known ahead.
    pub fn estimate(&self, weight: &Units) -> u64 {
        let units = Units {
            input_tokens: self.input_per_million.and(weight.input_tokens),
            output_tokens: self.output_per_million.and(weight.output_tokens),
            ..weight.clone()
        };
        self.of(&units).unwrap_or(0)
    }
}

/// The app's table: `provider/model` to a price; a name that ends in `*` is a beginning.
#[derive(Debug, Default)]
pub struct Prices {
    exact: HashMap<String, Price>,
    /// Longest beginning first.
    beginnings: Vec<(String, Price)>,
}

impl Prices {
    /// # Errors
    /// `INVALID_ARGUMENT` for a name without a slash or a price without any amount.
    pub fn new(table: BTreeMap<String, Price>) -> Result<Self> {
        let mut prices = Prices::default();
        for (name, price) in table {
            if !name.contains('/') {
                return Err(Error::invalid_argument(format!(
                    "usage.prices: {name:?} must be a provider and a model, such as \"openai/gpt-5-mini\" or \"openai/gpt-5*\"."
                )));
            }
            if price == Price::default() {
                return Err(Error::invalid_argument(format!(
                    "usage.prices[{name:?}] has no amount. Give inputPerMillion and outputPerMillion, or perImage, perRequest and the like."
                )));
            }
            match name.strip_suffix('*') {
                Some(beginning) => prices.beginnings.push((beginning.to_owned(), price)),
                None => {
                    prices.exact.insert(name, price);
                }
            }
        }
        prices
            .beginnings
            .sort_by_key(|(beginning, _)| std::cmp::Reverse(beginning.len()));
        Ok(prices)
    }

    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.beginnings.is_empty()
    }

    pub fn find(&self, provider: &str, model: &str) -> Option<&Price> {
        if self.is_empty() {
            return None;
        }
        let name = [provider, "/", model].concat();
        self.exact.get(&name).or_else(|| {
            let holds = |(beginning, _): &&(String, Price)| name.starts_with(beginning.as_str());
            self.beginnings.iter().find(holds).map(|(_, price)| price)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(json: &str) -> Prices {
        Prices::new(serde_json::from_str(json).unwrap()).unwrap()
    }

    fn tokens(input: u64, cached: u64, output: u64) -> Units {
        Units {
            input_tokens: Some(input),
            cached_input_tokens: Some(cached),
            output_tokens: Some(output),
            ..Units::default()
        }
    }

    #[test]
    fn a_call_costs_its_tokens_rounded_once() {
        let prices = prices(
            r#"{"openai/m":{"inputPerMillion":"0.25","cachedInputPerMillion":0.025,"outputPerMillion":"2"}}"#,
        );
        let price = prices.find("openai", "m").unwrap();
        // 900 * 250 + 100 * 25 + 50 * 2000 nanos.
        assert_eq!(price.of(&tokens(1_000, 100, 50)), Some(327_500));
        let halves = Price {
            input_per_million: Some(500_000),
            output_per_million: Some(500_000),
            ..Price::default()
        };
        // Half a nano each: together one, not two.
        assert_eq!(halves.of(&tokens(1, 0, 1)), Some(1));
        assert_eq!(halves.of(&tokens(1, 0, 0)), Some(1));
    }

    #[test]
    fn what_is_unknown_is_unpriced_and_never_nothing() {
        let input_only = Price {
            input_per_million: Some(1_000_000_000),
            ..Price::default()
        };
        assert_eq!(input_only.of(&Units::default()), None);
        assert_eq!(input_only.of(&tokens(5, 0, 1)), None);
        assert_eq!(input_only.of(&tokens(5, 0, 0)), Some(5_000));
        assert!(
            prices(r#"{"openai/m":{"perRequest":1}}"#)
                .find("openai", "n")
                .is_none()
        );
    }

    #[test]
    fn the_longest_beginning_wins_and_an_exact_name_wins_over_it() {
        let prices = prices(
            r#"{"openai/*":{"perRequest":1},"openai/gpt-5*":{"perRequest":2},"openai/gpt-5":{"perRequest":3}}"#,
        );
        let cost =
            |model| prices.find("openai", model).unwrap().per_request.unwrap() / money::NANOS;
        assert_eq!((cost("o3"), cost("gpt-5-mini"), cost("gpt-5")), (1, 2, 3));
    }

    #[test]
    fn images_and_audio_are_priced_by_the_piece_and_the_minute() {
        let price = Price {
            audio_per_minute: Some(6_000_000),
            per_image: Some(40_000_000),
            ..Price::default()
        };
        let units = Units {
            audio_seconds: Some(90.5),
            ..Units::default()
        };
        assert_eq!(price.of(&units), Some(9_050_000));
        let units = Units {
            images: Some(3),
            ..Units::default()
        };
        assert_eq!(price.of(&units), Some(120_000_000));
    }
}
