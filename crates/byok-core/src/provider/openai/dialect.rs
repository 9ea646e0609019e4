//! How servers that speak Chat Completions differ: facts that requests and answers are built from,
//! so that no code asks which provider it is talking to.

/// One server's way of speaking Chat Completions.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// `developer` at OpenAI (models since o1), `system` elsewhere.
    pub system_role: &'static str,
    /// `max_completion_tokens` where reasoning models reject `max_tokens`.
    pub max_tokens: &'static str,
    pub seed: &'static str,
    /// Whether usage in a stream has to be asked for with `stream_options`.
    pub stream_usage: bool,
    pub effort: Effort,
    pub output: StructuredOutput,
    pub files: Files,
    pub audio: Audio,
    pub replay: Replay,
    pub end: EndMark,
}

/// Where the reasoning effort goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// `reasoning_effort: "high"`.
    Field,
    /// `thinking: { type }` switches it, `reasoning_effort` says how much (DeepSeek).
    Thinking,
    /// `reasoning_effort: "high"`, and `thinking: { type: "disabled" }` for `none` (Moonshot: its
    /// older models only know the switch, kimi-k3 only the levels).
    FieldOrOff,
    /// `reasoning: { effort, max_tokens }` (OpenRouter).
    Object,
    /// `reasoning_effort` of `none` or `high`, nothing between (Mistral's API description).
    OffOrHigh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructuredOutput {
    /// `response_format: { type: "json_schema" }`.
    JsonSchema,
    /// `response_format: { type: "json_object" }` only; the schema is told in the system message.
    JsonObject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// `{ type: "file", file: { filename, file_data } }`, inline only.
    Inline,
    /// As [`Files::Inline`], and a URL may stand in `file_data` (OpenRouter).
    InlineOrUrl,
    /// `{ type: "document_url", document_url }` with a URL or a data URL (Mistral).
    DocumentUrl,
    Unsupported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audio {
    /// `input_audio: { data, format }`.
    Object,
    /// `input_audio: "<base64 or URL>"` (Mistral).
    Text,
    Unsupported,
}

/// How reasoning returns to the server that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// It does not: Chat Completions of OpenAI has no place for it.
    Dropped,
    /// `reasoning_content` beside `content` (DeepSeek, Moonshot).
    ReasoningContent,
    /// `reasoning` and the opaque `reasoning_details` (OpenRouter).
    Details,
    /// A `thinking` chunk in front of the text chunk (Mistral).
    ThinkingChunk,
}

/// What proves that a stream is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndMark {
    /// `data: [DONE]`, which every server of the table but Perplexity sends.
    Done,
    /// `data: [DONE]` or a `finish_reason` that is not null: for servers that just close. A broken
    /// connection before it is an error; after it only usage can be missing.
    FinishReason,
}

/// OpenAI's own Chat Completions.
pub const OPENAI: Dialect = Dialect {
    system_role: "developer",
    max_tokens: "max_completion_tokens",
    seed: "seed",
    stream_usage: true,
    effort: Effort::Field,
    output: StructuredOutput::JsonSchema,
    files: Files::Inline,
    audio: Audio::Object,
    replay: Replay::Dropped,
    end: EndMark::Done,
};

/// A server of which nothing is known: what most of them take.
pub const COMPATIBLE: Dialect = Dialect {
    system_role: "system",
    max_tokens: "max_tokens",
    end: EndMark::FinishReason,
    ..OPENAI
};
