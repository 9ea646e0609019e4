//! What a provider can do, each capability with its own request and result types. These types are
//! the public JSON (camelCase) and know no provider.

pub mod chat;
pub mod chat_result;
pub mod embed;
pub mod fold;
pub mod image;
pub mod media;
pub mod meta;
pub mod speech;
pub mod transcription;
pub mod verify;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Capability {
    #[serde(rename = "chat")]
    Chat,
    #[serde(rename = "embeddings")]
    Embeddings,
    #[serde(rename = "textToSpeech")]
    TextToSpeech,
    #[serde(rename = "speechToText")]
    SpeechToText,
    #[serde(rename = "imageGeneration")]
    ImageGeneration,
}

impl Capability {
    pub const ALL: &'static [Capability] = &[
        Capability::Chat,
        Capability::Embeddings,
        Capability::TextToSpeech,
        Capability::SpeechToText,
        Capability::ImageGeneration,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Chat => "chat",
            Capability::Embeddings => "embeddings",
            Capability::TextToSpeech => "textToSpeech",
            Capability::SpeechToText => "speechToText",
            Capability::ImageGeneration => "imageGeneration",
        }
    }
}

/// Something the caller asked for that the provider can't do or that was done differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// The option it is about, as the caller wrote it: `seed`, `messages[2].content[0]`.
    pub option: String,
    pub message: String,
}

impl Warning {
    pub fn new(option: impl Into<String>, message: impl Into<String>) -> Self {
        Warning {
            option: option.into(),
            message: message.into(),
        }
    }
}
