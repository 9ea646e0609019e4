//! Text to speech, as one provider speaks it.

use http::HeaderMap;

use super::{WireRequest, content_type};
use crate::capability::speech::{SpeechRequest, SpeechUsage};
use crate::error::{Error, Result};

pub trait SpeechProvider: Send + Sync {
    /// `stream` asks for the way that gives the first audio soonest.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the request can't be expressed at all; what is merely unsupported
    /// becomes a warning.
    fn request(&self, request: &SpeechRequest, model: &str, stream: bool) -> Result<WireRequest>;

    /// Reads the body of a 2xx answer whose head has arrived.
    fn decoder(
        &self,
        request: &SpeechRequest,
        headers: &HeaderMap,
        stream: bool,
    ) -> Result<Box<dyn SpeechDecoder>>;
}

/// Turns the body into audio as it arrives.
pub trait SpeechDecoder: Send {
    /// `audio/mpeg`, `audio/wav`, `audio/pcm;rate=24000;encoding=s16le;channels=1`. May be more precise once some of
    /// the body was read.
    fn content_type(&self) -> &str;

    /// Appends to `audio` what `chunk` brought.
    ///
    /// # Errors
    /// `BAD_RESPONSE` for what is not the provider's answer, or the provider's own error inside it.
    fn push(&mut self, chunk: &[u8], audio: &mut Vec<u8>) -> Result<()>;

    /// The body ended. `whole` is everything when nothing was handed on yet (not a stream), for
    /// containers whose head tells the length.
    ///
    /// # Errors
    /// `STREAM_INTERRUPTED` unless the answer was complete, as far as one can tell.
    fn finish(&mut self, audio: &mut Vec<u8>, whole: bool) -> Result<()>;

    /// What the provider counted; known at the end.
    fn usage(&self) -> SpeechUsage {
        SpeechUsage::default()
    }
}

/// Where the body is the audio itself, nothing else in it would be noticed: a page of a proxy, an error
/// as JSON.
///
/// # Errors
/// `BAD_RESPONSE` for an answer that says that it is text or JSON.
pub fn check_is_audio(headers: &HeaderMap) -> Result<()> {
    let kind = content_type(headers);
    if kind.starts_with("text/") || kind.starts_with("application/json") {
        return Err(Error::bad_response(
            "The answer is text instead of audio. The provider or a proxy in between sent something unexpected.",
        ));
    }
    Ok(())
}

/// The body is the audio.
pub struct RawAudio {
    content_type: String,
    usage: SpeechUsage,
    is_empty: bool,
}

impl RawAudio {
    pub fn new(content_type: impl Into<String>, usage: SpeechUsage) -> Self {
        RawAudio {
            content_type: content_type.into(),
            usage,
            is_empty: true,
        }
    }

    /// With the answer's own `content-type`, else `otherwise`.
    pub fn of(headers: &HeaderMap, otherwise: &str, usage: SpeechUsage) -> Self {
        let own = content_type(headers);
        let is_audio = own.starts_with("audio/");
        RawAudio::new(if is_audio { own } else { otherwise }, usage)
    }
}

impl SpeechDecoder for RawAudio {
    fn content_type(&self) -> &str {
        &self.content_type
    }

    fn push(&mut self, chunk: &[u8], audio: &mut Vec<u8>) -> Result<()> {
        self.is_empty &= chunk.is_empty();
        audio.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(&mut self, _audio: &mut Vec<u8>, _whole: bool) -> Result<()> {
        if self.is_empty {
            return Err(Error::bad_response(
                "The provider answered without any audio. Send the request again.",
            )
            .with_retryable(true));
        }
        Ok(())
    }

    fn usage(&self) -> SpeechUsage {
        self.usage.clone()
    }
}
