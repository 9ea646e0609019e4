//! Bare samples as they arrive, handed on as they are or as a WAV file.

use super::speech::SpeechDecoder;
use super::wav;
use crate::capability::speech::SpeechUsage;
use crate::error::{Error, Result};

/// Mono samples of 16 bits, in little-endian order.
pub struct PcmAudio {
    sample_rate: u32,
    is_wav: bool,
    content_type: String,
    usage: SpeechUsage,
    bytes: usize,
}

impl PcmAudio {
    pub fn new(sample_rate: u32, is_wav: bool, usage: SpeechUsage) -> Self {
        PcmAudio {
            sample_rate,
            is_wav,
            content_type: if is_wav {
                "audio/wav".to_owned()
            } else {
                wav::pcm_type(sample_rate)
            },
            usage,
            bytes: 0,
        }
    }
}

impl SpeechDecoder for PcmAudio {
    fn content_type(&self) -> &str {
        &self.content_type
    }

    fn push(&mut self, chunk: &[u8], audio: &mut Vec<u8>) -> Result<()> {
        if self.is_wav && self.bytes == 0 && !chunk.is_empty() {
            audio.extend_from_slice(&wav::head(self.sample_rate, None));
        }
        self.bytes += chunk.len();
        audio.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(&mut self, audio: &mut Vec<u8>, whole: bool) -> Result<()> {
        if self.bytes == 0 {
            return Err(Error::bad_response(
                "The provider answered without any audio. Send the request again.",
            )
            .with_retryable(true));
        }
        if self.is_wav && whole {
            let head = wav::head(self.sample_rate, Some(self.bytes));
            audio[..wav::HEAD_BYTES].copy_from_slice(&head);
        }
        Ok(())
    }

    fn usage(&self) -> SpeechUsage {
        self.usage.clone()
    }
}
