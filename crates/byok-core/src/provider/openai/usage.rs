//! Token counts of both APIs in one shape, made to mean the same everywhere.

use serde::Deserialize;

use crate::capability::chat::Usage;

/// `usage` of Chat Completions (`prompt_tokens`) and of Responses (`input_tokens`).
#[derive(Debug, Default, Deserialize)]
pub struct WireUsage {
    #[serde(alias = "prompt_tokens")]
    input_tokens: Option<u64>,
    #[serde(alias = "completion_tokens")]
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    #[serde(alias = "prompt_tokens_details")]
    input_tokens_details: Option<Details>,
    #[serde(alias = "completion_tokens_details")]
    output_tokens_details: Option<Details>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Option<u64>,
    /// Moonshot.
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

impl WireUsage {
    pub fn read(&self) -> Usage {
        let input_tokens = self.input_tokens.unwrap_or(0);
        let mut output_tokens = self.output_tokens.unwrap_or(0);
        let cached_input_tokens = self
            .input_tokens_details
            .as_ref()
            .and_then(|details| details.cached_tokens)
            .or(self.prompt_cache_hit_tokens)
            .or(self.cached_tokens);
        let reasoning_tokens = self
            .output_tokens_details
            .as_ref()
            .and_then(|details| details.reasoning_tokens);
        // xAI leaves reasoning out of its completion tokens; its total shows it.
        if let (Some(reasoning @ 1..), Some(total)) = (reasoning_tokens, self.total_tokens)
            && total == input_tokens + output_tokens + reasoning
        {
            output_tokens += reasoning;
        }
        Usage {
            input_tokens,
            output_tokens,
            total_tokens: self.total_tokens.unwrap_or(input_tokens + output_tokens),
            cached_input_tokens,
            reasoning_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Usage {
        serde_json::from_str::<WireUsage>(json).unwrap().read()
    }

    #[test]
    fn both_apis_and_their_dialects_mean_the_same() {
        let chat = read(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
                "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}"#,
        );
        let responses = read(
            r#"{"input_tokens":10,"output_tokens":5,"total_tokens":15,
                "input_tokens_details":{"cached_tokens":4},"output_tokens_details":{"reasoning_tokens":3}}"#,
        );
        assert_eq!(chat, responses);
        assert_eq!((chat.output_tokens, chat.reasoning_tokens), (5, Some(3)));
        let deepseek =
            read(r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":8}"#);
        assert_eq!(
            (deepseek.cached_input_tokens, deepseek.total_tokens),
            (Some(8), 15)
        );
    }

    #[test]
    fn reasoning_that_the_total_shows_beside_the_output_is_counted_into_it() {
        let xai = read(
            r#"{"prompt_tokens":12,"completion_tokens":1,"total_tokens":303,
                "completion_tokens_details":{"reasoning_tokens":290}}"#,
        );
        assert_eq!((xai.output_tokens, xai.total_tokens), (291, 303));
    }
}
