//! Text to speech, as one provider speaks it.

use http::HeaderMap;

use super::WireRequest;
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

/// The body is the audio.
pub struct RawAudio {
    content_type: String,
    usage: SpeechUsage,
    is_empty: bool,
    /// The answer calls itself a text: an error page, or JSON of some gateway.
    is_text: bool,
}

impl RawAudio {
    pub fn new(content_type: impl Into<String>, usage: SpeechUsage) -> Self {
        RawAudio {
            content_type: content_type.into(),
            usage,
            is_empty: true,
            is_text: false,
        }
    }

    /// With the answer's own `content-type`, else `otherwise`.
    pub fn of(headers: &HeaderMap, otherwise: &str, usage: SpeechUsage) -> Self {
        let said = headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let own = said.starts_with("audio/").then_some(said);
        RawAudio {
            is_text: said.starts_with("text/") || said.starts_with("application/json"),
            ..RawAudio::new(own.unwrap_or(otherwise), usage)
        }
    }
}

impl SpeechDecoder for RawAudio {
    fn content_type(&self) -> &str {
        &self.content_type
    }

    fn push(&mut self, chunk: &[u8], audio: &mut Vec<u8>) -> Result<()> {
        if self.is_text {
            return Err(Error::bad_response(
                "The provider answered with a text where audio was expected. Check the base URL, the model and the format.",
            ));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_or_json_is_not_taken_for_audio() {
        let push = |content_type: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", http::HeaderValue::from_static(content_type));
            let mut audio = RawAudio::of(&headers, "audio/mpeg", SpeechUsage::default());
            let read = audio.push(b"x", &mut Vec::new());
            read.map(|()| audio.content_type().to_owned())
        };
        assert_eq!(push("audio/wav").unwrap(), "audio/wav");
        assert_eq!(push("application/octet-stream").unwrap(), "audio/mpeg");
        assert!(push("text/html; charset=utf-8").is_err());
        assert!(push("application/json").is_err());
    }
}
