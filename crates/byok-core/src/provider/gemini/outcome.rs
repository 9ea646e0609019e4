//! How an answer ended and what it cost, in our terms.

use super::wire::UsageMetadata;
use crate::capability::chat::{FinishReason, Usage};

/// Gemini ends a turn of tool calls with STOP. The words are those of `FinishReason` in
/// `@google/genai` and the v1beta discovery document.
pub fn finish_reason(raw: &str, has_tool_calls: bool) -> FinishReason {
    match raw {
        "STOP" if has_tool_calls => FinishReason::ToolCalls,
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" | "CONTINUATION" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => FinishReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => FinishReason::Error,
        _ => FinishReason::Other,
    }
}

/// `None` while no token has been counted (early chunks say only `trafficType`).
pub fn usage(wire: &UsageMetadata) -> Option<Usage> {
    let input = wire.prompt_token_count.unwrap_or(0);
    let tools = wire.tool_use_prompt_token_count.unwrap_or(0);
    let output = wire.candidates_token_count.unwrap_or(0);
    let thoughts = wire.thoughts_token_count.unwrap_or(0);
    let input_tokens = input.saturating_add(tools);
    let output_tokens = output.saturating_add(thoughts);
    let total_tokens = wire
        .total_token_count
        .unwrap_or(input_tokens.saturating_add(output_tokens));
    (total_tokens > 0).then_some(Usage {
        input_tokens,
        output_tokens,
        total_tokens,
        cached_input_tokens: wire.cached_content_token_count,
        reasoning_tokens: wire.thoughts_token_count,
    })
}
