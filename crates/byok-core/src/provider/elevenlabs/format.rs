//! Our names of audio formats in ElevenLabs' terms: codec, sample rate and bit rate in one word.
//! Defaults are formats that every plan may use: 192 kbit/s and samples of 44.1 kHz are for paid ones.

use crate::capability::Warning;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// `output_format`.
    pub name: String,
    /// The sample rate, when the audio that comes is bare samples.
    pub pcm_rate: Option<u32>,
    /// Whether we put those samples into a WAV file: streams have no `wav_*`.
    pub wrap: bool,
}

pub const DEFAULT: &str = "mp3_44100_128";

pub fn choose(wanted: Option<&str>, stream: bool, warnings: &mut Vec<Warning>) -> Format {
    let name = match wanted {
        None | Some("mp3") => DEFAULT,
        Some("pcm") => "pcm_24000",
        Some("wav") => "wav_24000",
        Some("opus") => "opus_48000_128",
        Some("ulaw") => "ulaw_8000",
        Some("alaw") => "alaw_8000",
        Some(own) if own.contains('_') => own,
        Some(other) => {
            warnings.push(Warning::new(
                "format",
                format!("ElevenLabs makes no {other}; mp3 was made. It knows mp3, wav, pcm, opus, ulaw and alaw."),
            ));
            DEFAULT
        }
    };
    let rate = |prefix: &str| name.strip_prefix(prefix)?.parse().ok();
    if stream && let Some(rate) = rate("wav_") {
        return Format {
            name: format!("pcm_{rate}"),
            pcm_rate: Some(rate),
            wrap: true,
        };
    }
    Format {
        pcm_rate: rate("pcm_"),
        wrap: false,
        name: name.to_owned(),
    }
}

impl Format {
    /// What the format is when the answer's own header does not say.
    pub fn media_type(&self) -> &'static str {
        match self.name.split('_').next().unwrap_or_default() {
            "wav" => "audio/wav",
            "opus" => "audio/ogg",
            "ulaw" => "audio/basic",
            "alaw" => "audio/x-alaw-basic",
            _ => "audio/mpeg",
        }
    }
}
