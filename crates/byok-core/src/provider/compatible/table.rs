//! The table of known providers that speak like OpenAI, a row each.

use super::{fireworks, mistral, openrouter, together, xai};
use crate::capability::Capability;
use crate::provider::BatchLimit;
use crate::provider::openai::dialect::{
    self, Audio, Dialect, Effort, EndMark, Files, Replay, StructuredOutput,
};
use crate::provider::openai::embeddings::{self, EmbedDialect};
use crate::provider::openai::images;
use crate::provider::openai::speech::{self, SpeechDialect};
use crate::provider::openai::transcription::{self, Answer, Diarize, TranscriptionDialect};

use super::way::{ImageWay, SpeechWay, TranscriptionWay};

/// One known provider.
pub struct Row {
    pub id: &'static str,
    pub name: &'static str,
    pub base_url: &'static str,
    /// A free GET that fails without a valid key.
    pub verify_path: &'static str,
    pub models: Models,
    pub request_id_header: Option<&'static str>,
    pub recognizes: fn(&str) -> bool,
    /// A server on the user's own machine or network, which asks for a key only if told to.
    pub is_local: bool,
    pub(super) chat: Dialect,
    pub(super) embed: Option<EmbedDialect>,
    pub(super) speech: Option<SpeechWay>,
    pub(super) transcription: Option<TranscriptionWay>,
    pub(super) image: Option<ImageWay>,
}

/// The model of each capability when nobody names one; empty where it has none.
#[derive(Debug, Clone, Copy)]
pub struct Models {
    pub chat: &'static str,
    pub embed: &'static str,
    pub speech: &'static str,
    pub transcription: &'static str,
    pub image: &'static str,
}

impl Models {
    const NONE: Models = Models {
        chat: "",
        embed: "",
        speech: "",
        transcription: "",
        image: "",
    };

    const fn chat(chat: &'static str) -> Models {
        Models {
            chat,
            ..Models::NONE
        }
    }

    pub fn of(&self, capability: Capability) -> Option<&'static str> {
        let model = match capability {
            Capability::Chat => self.chat,
            Capability::Embeddings => self.embed,
            Capability::TextToSpeech => self.speech,
            Capability::SpeechToText => self.transcription,
            Capability::ImageGeneration => self.image,
        };
        (!model.is_empty()).then_some(model)
    }
}

/// What all providers of the table have in common: `[DONE]` ends a stream.
const LISTED: Dialect = Dialect {
    end: EndMark::Done,
    files: Files::Unsupported,
    audio: Audio::Unsupported,
    ..dialect::COMPATIBLE
};

/// A server that does nothing but chat; the base of all rows.
const ROW: Row = Row {
    id: "",
    name: "",
    base_url: "",
    verify_path: "/models",
    models: Models::NONE,
    request_id_header: Some("x-request-id"),
    recognizes: |_| false,
    is_local: false,
    chat: LISTED,
    embed: None,
    speech: None,
    transcription: None,
    image: None,
};

/// A server on the user's own machine: no key, no default model, since only the user knows what it has.
/// It takes whatever its model takes, and may close a stream without `[DONE]`.
const LOCAL: Row = Row {
    request_id_header: None,
    is_local: true,
    chat: dialect::COMPATIBLE,
    embed: Some(embeddings::COMPATIBLE),
    ..ROW
};

/// Bases, checks and key shapes as in the providers' documentation and recorded traffic of 2026;
/// models are inexpensive current ones.
pub static TABLE: &[Row] = &[
    Row {
        id: "groq",
        name: "Groq",
        base_url: "https://api.groq.com/openai/v1",
        models: Models {
            speech: "canopylabs/orpheus-v1-english",
            transcription: "whisper-large-v3-turbo",
            ..Models::chat("openai/gpt-oss-120b")
        },
        recognizes: |key| key.starts_with("gsk_"),
        chat: Dialect {
            max_tokens: "max_completion_tokens",
            // Not in its description; usage comes unasked, in `x_groq`.
            stream_usage: false,
            ..LISTED
        },
        speech: Some(SpeechWay::OpenAi(SpeechDialect {
            // Orpheus speaks WAV; MP3 is the default of the API but not of the model.
            format: Some("wav"),
            voice: |model| match model {
                model if model.contains("orpheus-arabic") => Some("fahad"),
                model if model.contains("orpheus") => Some("autumn"),
                _ => None,
            },
            instructions: |_| false,
            ..speech::COMPATIBLE
        })),
        transcription: Some(TranscriptionWay::OpenAi(TranscriptionDialect {
            answer: Answer::Verbose,
            ..transcription::COMPATIBLE
        })),
        ..ROW
    },
    Row {
        id: "deepseek",
        name: "DeepSeek",
        base_url: "https://api.deepseek.com",
        models: Models::chat("deepseek-v4-flash"),
        request_id_header: Some("x-ds-trace-id"),
        recognizes: |key| {
            key.strip_prefix("sk-").is_some_and(|rest| {
                rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
        },
        chat: Dialect {
            effort: Effort::Thinking,
            output: StructuredOutput::JsonObject,
            replay: Replay::ReasoningContent,
            ..LISTED
        },
        ..ROW
    },
    Row {
        id: "xai",
        name: "xAI",
        base_url: "https://api.x.ai/v1",
        models: Models {
            speech: "grok-tts",
            transcription: "grok-stt",
            image: "grok-imagine-image",
            ..Models::chat("grok-4.3")
        },
        recognizes: |key| key.starts_with("xai-"),
        chat: Dialect {
            max_tokens: "max_completion_tokens",
            ..LISTED
        },
        speech: Some(SpeechWay::Own {
            request: xai::speech,
            pcm: speech::PCM,
        }),
        transcription: Some(TranscriptionWay::Own(xai::transcription)),
        image: Some(ImageWay::Own {
            request: xai::image,
            most_at_once: 3,
        }),
        ..ROW
    },
    Row {
        id: "openrouter",
        name: "OpenRouter",
        base_url: "https://openrouter.ai/api/v1",
        // `/models` answers without a key.
        verify_path: "/key",
        models: Models {
            embed: "openai/text-embedding-3-small",
            speech: "hexgrad/kokoro-82m",
            transcription: "openai/whisper-large-v3",
            image: "google/gemini-3.1-flash-lite-image",
            ..Models::chat("openai/gpt-5-mini")
        },
        request_id_header: Some("x-generation-id"),
        recognizes: |key| key.starts_with("sk-or-"),
        chat: Dialect {
            effort: Effort::Object,
            files: Files::InlineOrUrl,
            audio: Audio::Object,
            replay: Replay::Details,
            ..LISTED
        },
        embed: Some(EmbedDialect {
            input_type: Some("input_type"),
            input_types: &[("query", "search_query"), ("document", "search_document")],
            encoding: Some("base64"),
            ..embeddings::COMPATIBLE
        }),
        speech: Some(SpeechWay::OpenAi(SpeechDialect {
            // It would be bare samples unasked.
            format: Some("mp3"),
            voice: |model| model.contains("kokoro").then_some("af_bella"),
            instructions: |_| false,
            ..speech::COMPATIBLE
        })),
        transcription: Some(TranscriptionWay::OpenAi(TranscriptionDialect {
            prompt: false,
            ..transcription::COMPATIBLE
        })),
        image: Some(ImageWay::Own {
            request: openrouter::image,
            // Several only from models that make several; others refuse.
            most_at_once: 1,
        }),
        ..ROW
    },
    Row {
        id: "mistral",
        name: "Mistral",
        base_url: "https://api.mistral.ai/v1",
        models: Models {
            embed: "mistral-embed",
            speech: "voxtral-mini-tts-latest",
            transcription: "voxtral-mini-latest",
            ..Models::chat("mistral-small-latest")
        },
        request_id_header: Some("mistral-correlation-id"),
        recognizes: |key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        chat: Dialect {
            seed: "random_seed",
            stream_usage: false,
            files: Files::DocumentUrl,
            audio: Audio::Text,
            replay: Replay::ThinkingChunk,
            effort: Effort::OffOrHigh,
            ..LISTED
        },
        embed: Some(EmbedDialect {
            dimensions: Some("output_dimension"),
            encoding: Some("float"),
            limit: BatchLimit {
                inputs: 32,
                bytes: 16_384,
            },
            ..embeddings::COMPATIBLE
        }),
        speech: Some(SpeechWay::Own {
            request: mistral::speech,
            // Its documentation does not say how a sample is written.
            pcm: "channels=1",
        }),
        transcription: Some(TranscriptionWay::Own(mistral::transcription)),
        ..ROW
    },
    Row {
        id: "together",
        name: "Together AI",
        base_url: "https://api.together.xyz/v1",
        models: Models {
            embed: "BAAI/bge-large-en-v1.5",
            speech: "hexgrad/Kokoro-82M",
            transcription: "openai/whisper-large-v3",
            image: "black-forest-labs/FLUX.1-schnell",
            ..Models::chat("openai/gpt-oss-20b")
        },
        recognizes: |key| key.starts_with("tgp_v1_"),
        embed: Some(EmbedDialect {
            dimensions: None,
            ..embeddings::COMPATIBLE
        }),
        speech: Some(SpeechWay::OpenAi(SpeechDialect {
            format: Some("mp3"),
            pcm: |body| {
                // Cartesia's models would choose another rate and encoding.
                body.insert("response_format".into(), "raw".into());
                body.insert("response_encoding".into(), "pcm_s16le".into());
                body.insert("sample_rate".into(), 24_000.into());
            },
            voice: |model| match model {
                model if model.contains("Kokoro") => Some("af_alloy"),
                model if model.contains("orpheus") => Some("tara"),
                model if model.contains("sonic") => Some("friendly sidekick"),
                _ => None,
            },
            speed: false,
            instructions: |_| false,
            language: Some("language"),
        })),
        transcription: Some(TranscriptionWay::OpenAi(TranscriptionDialect {
            answer: Answer::Verbose,
            diarize: Diarize::Field,
            prompt: true,
        })),
        image: Some(ImageWay::Own {
            request: together::image,
            most_at_once: 4,
        }),
        ..ROW
    },
    Row {
        id: "fireworks",
        name: "Fireworks AI",
        base_url: "https://api.fireworks.ai/inference/v1",
        models: Models {
            embed: "nomic-ai/nomic-embed-text-v1.5",
            image: "accounts/fireworks/models/flux-1-schnell-fp8",
            ..Models::chat("accounts/fireworks/models/gpt-oss-20b")
        },
        recognizes: |key| key.starts_with("fw_"),
        chat: Dialect {
            replay: Replay::ReasoningContent,
            ..LISTED
        },
        embed: Some(embeddings::COMPATIBLE),
        image: Some(ImageWay::Picture(fireworks::image)),
        ..ROW
    },
    Row {
        id: "cerebras",
        name: "Cerebras",
        base_url: "https://api.cerebras.ai/v1",
        models: Models::chat("gpt-oss-120b"),
        recognizes: |key| key.starts_with("csk-"),
        chat: Dialect {
            max_tokens: "max_completion_tokens",
            // As `reasoning`; there are no details.
            replay: Replay::Details,
            ..LISTED
        },
        ..ROW
    },
    Row {
        id: "perplexity",
        name: "Perplexity",
        base_url: "https://api.perplexity.ai",
        // The list of the user's own asynchronous requests; there is no list of models here.
        verify_path: "/async/chat/completions",
        models: Models {
            embed: "pplx-embed-v1-0.6b",
            ..Models::chat("sonar")
        },
        recognizes: |key| key.starts_with("pplx-"),
        chat: Dialect {
            stream_usage: false,
            // Recorded streams just close after the last finish_reason.
            end: EndMark::FinishReason,
            ..LISTED
        },
        embed: Some(EmbedDialect {
            path: "/v1/embeddings",
            encoding: Some("base64_int8"),
            quantised: true,
            limit: BatchLimit {
                inputs: 512,
                bytes: 120_000,
            },
            ..embeddings::COMPATIBLE
        }),
        ..ROW
    },
    Row {
        id: "moonshot",
        name: "Moonshot AI",
        base_url: "https://api.moonshot.ai/v1",
        models: Models::chat("kimi-k3"),
        request_id_header: None,
        // `sk-` with 48 characters, which is OpenAI's old shape too, and so nothing is recognised.
        chat: Dialect {
            max_tokens: "max_completion_tokens",
            effort: Effort::FieldOrOff,
            replay: Replay::ReasoningContent,
            ..LISTED
        },
        ..ROW
    },
    Row {
        id: "ollama",
        name: "Ollama",
        base_url: "http://127.0.0.1:11434/v1",
        chat: Dialect {
            replay: Replay::Details,
            ..dialect::COMPATIBLE
        },
        ..LOCAL
    },
    Row {
        id: "lmstudio",
        name: "LM Studio",
        base_url: "http://127.0.0.1:1234/v1",
        ..LOCAL
    },
    Row {
        id: "vllm",
        name: "vLLM",
        base_url: "http://127.0.0.1:8000/v1",
        chat: Dialect {
            replay: Replay::Details,
            ..dialect::COMPATIBLE
        },
        ..LOCAL
    },
    Row {
        id: "llamacpp",
        name: "llama.cpp",
        base_url: "http://127.0.0.1:8080/v1",
        chat: Dialect {
            replay: Replay::ReasoningContent,
            ..dialect::COMPATIBLE
        },
        ..LOCAL
    },
];

/// What is assumed of a server that an app names itself: everything, in OpenAI's way; what it lacks it
/// answers with 404. No model: the app says which.
pub static CUSTOM: Row = Row {
    chat: dialect::COMPATIBLE,
    embed: Some(embeddings::COMPATIBLE),
    speech: Some(SpeechWay::OpenAi(speech::COMPATIBLE)),
    transcription: Some(TranscriptionWay::OpenAi(transcription::COMPATIBLE)),
    image: Some(ImageWay::OpenAi(images::COMPATIBLE)),
    ..ROW
};
