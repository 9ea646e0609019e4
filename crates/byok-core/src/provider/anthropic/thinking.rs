//! `reasoning` in Anthropic's terms. Current models choose for themselves how long to think
//! (`adaptive`) and are steered by `output_config.effort`; models up to 4.5 know only a budget of
//! tokens, and get one that stands for the effort.

use serde::Serialize;

use crate::capability::Warning;
use crate::capability::chat::Reasoning;

/// Sent as `max_tokens`, which the API requires, when the caller sets none. All current models can
/// write more (32,000 and up); it is a size that answers without streaming in time (the official SDK
/// refuses more than 21,333 there) and leaves room for thinking. With a thinking budget that much is
/// added to the budget.
pub const DEFAULT_MAX_TOKENS: u32 = 16_384;

/// The least budget that the API takes.
const LEAST_BUDGET: u32 = 1024;

#[derive(Debug, Serialize, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Thinking {
    Adaptive {
        display: &'static str,
    },
    Enabled {
        budget_tokens: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Disabled,
}

/// What goes into the body.
#[derive(Debug, PartialEq)]
pub struct Plan<'a> {
    pub thinking: Option<Thinking>,
    pub effort: Option<&'a str>,
    pub max_tokens: u32,
}

/// An explicit budget (`reasoning.maxTokens`) is sent as it is, to every model; effort `none` turns
/// thinking off, which models that always think refuse by themselves.
pub fn plan<'a>(
    reasoning: Option<&'a Reasoning>,
    max_tokens: Option<u32>,
    model: &str,
    warnings: &mut Vec<Warning>,
) -> Plan<'a> {
    let mut plan = Plan {
        thinking: None,
        effort: None,
        max_tokens: max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
    };
    let Some(reasoning) = reasoning else {
        return plan;
    };
    let effort = match reasoning.effort.as_deref() {
        Some("none") => {
            if reasoning.max_tokens.is_some() {
                warnings.push(Warning::new(
                    "reasoning.maxTokens",
                    "Effort none turns thinking off, so the budget was not sent.",
                ));
            }
            plan.thinking = Some(Thinking::Disabled);
            return plan;
        }
        Some("minimal") => {
            warnings.push(Warning::new(
                "reasoning.effort",
                "Anthropic has no effort minimal; low was sent.",
            ));
            Some("low")
        }
        other => other,
    };
    let display = |summary: bool| if summary { "summarized" } else { "omitted" };
    let by_budget = knows_only_budgets(model);
    if !by_budget {
        plan.effort = effort;
    }
    let budget = match (reasoning.max_tokens, effort) {
        (Some(budget), _) => Some(budget),
        (None, Some(effort)) if by_budget => {
            let Some(budget) = budget_of(effort, max_tokens) else {
                warnings.push(Warning::new(
                    "reasoning.effort",
                    format!("{model} needs at least {LEAST_BUDGET} tokens to think and more to answer; maxTokens is too small, so it does not think."),
                ));
                return plan;
            };
            warnings.push(Warning::new(
                "reasoning.effort",
                format!("{model} takes a thinking budget instead of an effort; {budget} tokens were sent. Set reasoning.maxTokens for another."),
            ));
            Some(budget)
        }
        (None, None) if by_budget => return plan,
        (None, _) => None,
    };
    plan.thinking = match budget {
        Some(budget_tokens) => {
            if max_tokens.is_none() {
                plan.max_tokens = budget_tokens.saturating_add(DEFAULT_MAX_TOKENS);
            }
            Some(Thinking::Enabled {
                budget_tokens,
                display: reasoning.summary.map(display),
            })
        }
        None if effort.is_some() || reasoning.summary == Some(true) => Some(Thinking::Adaptive {
            display: display(reasoning.summary.unwrap_or(true)),
        }),
        None => None,
    };
    plan
}

/// By name, since nothing in a request says it; an unknown name is taken for a current model.
fn knows_only_budgets(model: &str) -> bool {
    const OLD: &[&str] = &[
        "claude-3-",
        "claude-haiku-4-5",
        "claude-sonnet-4-0",
        "claude-sonnet-4-2025",
        "claude-sonnet-4-5",
        "claude-opus-4-0",
        "claude-opus-4-1",
        "claude-opus-4-2025",
        "claude-opus-4-5",
    ];
    OLD.iter().any(|old| model.starts_with(old))
}

/// At most half of the caller's `maxTokens`, so that there is room for an answer.
fn budget_of(effort: &str, max_tokens: Option<u32>) -> Option<u32> {
    let wanted = match effort {
        "low" => 2048,
        "medium" => 8192,
        _ => 16_384,
    };
    let budget = match max_tokens {
        Some(limit) => (limit / 2).max(LEAST_BUDGET).min(wanted),
        None => wanted,
    };
    max_tokens
        .is_none_or(|limit| budget < limit)
        .then_some(budget)
}
