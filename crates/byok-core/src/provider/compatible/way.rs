//! How a provider of the table does what is not chat: in OpenAI's way, with a dialect, or in its own.

use crate::capability::image::ImageRequest;
use crate::capability::speech::SpeechRequest;
use crate::capability::transcription::TranscriptionRequest;
use crate::error::Result;
use crate::provider::WireRequest;
use crate::provider::openai::images::ImageDialect;
use crate::provider::openai::speech::SpeechDialect;
use crate::provider::openai::transcription::TranscriptionDialect;

pub enum SpeechWay {
    OpenAi(SpeechDialect),
    Own {
        /// Request, model, whether it is a stream, and the provider's name for warnings.
        request: fn(&SpeechRequest, &str, bool, &str) -> Result<WireRequest>,
        /// What its bare samples are.
        pcm: &'static str,
    },
}

pub enum TranscriptionWay {
    OpenAi(TranscriptionDialect),
    /// Request, model, and the provider's name for warnings.
    Own(fn(&TranscriptionRequest, &str, &str) -> Result<WireRequest>),
}

/// Request, how many, model, and the provider's name for warnings.
type ImageFn = fn(&ImageRequest, u32, &str, &str) -> Result<WireRequest>;

pub enum ImageWay {
    OpenAi(ImageDialect),
    Own {
        request: ImageFn,
        most_at_once: u32,
    },
    /// The body of the answer is the one image.
    Picture(ImageFn),
}
