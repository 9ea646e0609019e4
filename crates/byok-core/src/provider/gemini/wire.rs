//! The JSON that Gemini answers with, as far as it is used; what can borrow from the input does.
//! Every field is optional, because recorded answers lack any of them at times (`content.parts`,
//! `candidates`), and unknown fields are passed over.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Number;
use serde_json::value::RawValue;

/// A text that borrows when it has no escapes, also inside an `Option` (where a bare `Cow` would be
/// copied).
#[derive(Debug, Clone, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole answer, or one chunk of a stream: they have one shape.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<'a> {
    #[serde(borrow)]
    pub candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub prompt_feedback: Option<PromptFeedback<'a>>,
    pub usage_metadata: Option<UsageMetadata>,
    #[serde(borrow)]
    pub model_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub response_id: Option<Text<'a>>,
    /// Instead of everything else, also inside an HTTP 200.
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate<'a> {
    pub index: Option<u32>,
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    #[serde(borrow)]
    pub finish_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub finish_message: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct Content<'a> {
    #[serde(borrow)]
    pub parts: Option<Vec<WirePart<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WirePart<'a> {
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    pub thought: Option<bool>,
    #[serde(borrow)]
    pub thought_signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub function_call: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    pub inline_data: Option<InlineData<'a>>,
    #[serde(borrow)]
    pub file_data: Option<FileData<'a>>,
    pub executable_code: Option<IgnoredAny>,
    pub code_execution_result: Option<IgnoredAny>,
    pub tool_call: Option<IgnoredAny>,
    pub tool_response: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionCall<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
    /// Only where `streamFunctionCallArguments` was asked for.
    #[serde(borrow)]
    pub partial_args: Option<Vec<PartialArg<'a>>>,
    pub will_continue: Option<bool>,
}

/// A piece of one argument; which of the values is there says its type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialArg<'a> {
    #[serde(borrow)]
    pub json_path: Option<Text<'a>>,
    #[serde(borrow)]
    pub string_value: Option<Text<'a>>,
    pub number_value: Option<Number>,
    pub bool_value: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InlineData<'a> {
    #[serde(borrow)]
    pub mime_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub data: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileData<'a> {
    #[serde(borrow)]
    pub mime_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub file_uri: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptFeedback<'a> {
    #[serde(borrow)]
    pub block_reason: Option<Text<'a>>,
}

/// Cumulative within a stream: the last one counts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageMetadata {
    /// Cached tokens included.
    pub prompt_token_count: Option<u64>,
    pub cached_content_token_count: Option<u64>,
    /// Thoughts excluded.
    pub candidates_token_count: Option<u64>,
    pub thoughts_token_count: Option<u64>,
    /// What Google's own tools (search, code, URLs) fed back to the model.
    pub tool_use_prompt_token_count: Option<u64>,
    pub total_token_count: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_escapes_are_not_copied() {
        let json = r#"{"candidates":[{"content":{"parts":[{"text":"plain","thoughtSignature":"a\/b"}]}}]}"#;
        let answer: Answer<'_> = serde_json::from_str(json).unwrap();
        let part = &answer.candidates.unwrap()[0];
        let part = &part.content.as_ref().unwrap().parts.as_ref().unwrap()[0];
        assert!(matches!(part.text, Some(Text(Cow::Borrowed("plain")))));
        assert_eq!(part.thought_signature.as_deref(), Some("a/b"));
    }
}
