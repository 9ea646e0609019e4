//! `reasoning` to `thinkingConfig`. Models since Gemini 3 take a level, those of 2.x a budget in
//! tokens, and each refuses the other's word; a name that says no generation gets a level.
//! Source: "Gemini thinking" and "OpenAI compatibility" of ai.google.dev, and `ThinkingConfig` of
//! `@google/genai`.

use serde_json::{Map, Value, json};

use crate::capability::Warning;
use crate::capability::chat::Reasoning;

/// What a model's name says about how it thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thinking {
    pub takes_level: bool,
    is_pro: bool,
    /// `gemini-3-pro`, which knows LOW and HIGH only.
    lacks_medium: bool,
}

impl Thinking {
    /// `model` without `models/`.
    pub fn of(model: &str) -> Self {
        let generation = model.strip_prefix("gemini-").and_then(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse::<u32>().ok()
        });
        Thinking {
            takes_level: generation.is_none_or(|generation| generation >= 3),
            is_pro: model.contains("-pro"),
            lacks_medium: model.starts_with("gemini-3-pro"),
        }
    }

    /// `None` when nothing that Gemini knows was asked for.
    pub fn config(
        self,
        reasoning: &Reasoning,
        warnings: &mut Vec<Warning>,
    ) -> Option<Map<String, Value>> {
        let mut config = Map::new();
        let effort = reasoning.effort.as_deref();
        if let Some(budget) = reasoning.max_tokens {
            config.insert("thinkingBudget".to_owned(), json!(budget));
            if effort.is_some() {
                warnings.push(Warning::new(
                    "reasoning.effort",
                    "Gemini takes a budget or an effort, not both; reasoning.maxTokens was sent.",
                ));
            }
        } else if let Some(effort) = effort {
            if self.takes_level {
                let level = self.level(effort, warnings);
                config.insert("thinkingLevel".to_owned(), json!(level));
            } else if let Some(budget) = self.budget(effort, warnings) {
                config.insert("thinkingBudget".to_owned(), json!(budget));
            }
        }
        // Asking for thoughts where there are none is an error.
        let is_off = config.get("thinkingBudget") == Some(&json!(0)) || effort == Some("none");
        if let Some(summary) = reasoning.summary.or((!is_off).then_some(true)) {
            config.insert("includeThoughts".to_owned(), json!(summary));
        }
        (!config.is_empty()).then_some(config)
    }

    fn level(self, effort: &str, warnings: &mut Vec<Warning>) -> String {
        let least = if self.is_pro { "LOW" } else { "MINIMAL" };
        let (level, is_exact) = match effort {
            "none" => (least, false),
            "minimal" => (least, !self.is_pro),
            "low" => ("LOW", true),
            "medium" if self.lacks_medium => ("HIGH", false),
            "medium" => ("MEDIUM", true),
            "high" => ("HIGH", true),
            "xhigh" | "max" => ("HIGH", false),
            other => (other, true),
        };
        if !is_exact {
            warnings.push(Warning::new(
                "reasoning.effort",
                format!(
                    "This Gemini model has no effort \"{effort}\"; the nearest, {level}, was sent."
                ),
            ));
        }
        level.to_owned()
    }

    /// Google's own numbers for OpenAI's words. 2.5 Pro can't stop thinking: 128 is its least.
    fn budget(self, effort: &str, warnings: &mut Vec<Warning>) -> Option<u32> {
        match effort {
            "none" if self.is_pro => {
                warnings.push(Warning::new(
                    "reasoning.effort",
                    "This Gemini model can't answer without reasoning; its least budget, 128 tokens, was sent.",
                ));
                Some(128)
            }
            "none" => Some(0),
            "minimal" | "low" => Some(1_024),
            "medium" => Some(8_192),
            "high" => Some(24_576),
            "xhigh" | "max" => Some(if self.is_pro { 32_768 } else { 24_576 }),
            _ => {
                warnings.push(Warning::new(
                    "reasoning.effort",
                    format!("This Gemini model takes a budget in tokens, and \"{effort}\" stands for none; use reasoning.maxTokens."),
                ));
                None
            }
        }
    }
}
