//! `POST /v1/text-to-speech/{voice}` and its `/stream`, which begins to answer sooner. The body is the
//! audio; it ends with the connection, so a short one can't be told from a whole one beyond what the
//! transfer itself says.

use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::ElevenLabs;
use super::format::{self, Format};
use crate::capability::Warning;
use crate::capability::speech::{SpeechRequest, SpeechUsage};
use crate::error::{Error, Result};
use crate::provider::pcm::PcmAudio;
use crate::provider::wire::{escaped, segment};
use crate::provider::{
    RawAudio, SpeechDecoder, SpeechProvider, WireRequest, check_is_audio, merge,
};

/// George, the voice of ElevenLabs' own examples, which every account has.
const DEFAULT_VOICE: &str = "JBFqnCBsd6RMkjVDRZzb";

/// What `providerOptions` may set that is part of the URL.
const IN_THE_QUERY: [&str; 3] = [
    "output_format",
    "enable_logging",
    "optimize_streaming_latency",
];

impl SpeechProvider for ElevenLabs {
    fn request(&self, request: &SpeechRequest, model: &str, stream: bool) -> Result<WireRequest> {
        let mut warnings = Vec::new();
        let format = chosen(request, stream, &mut warnings);
        let mut options = request.provider_options.clone();
        let mut body = Map::new();
        body.insert("text".into(), request.text.as_str().into());
        body.insert("model_id".into(), model.into());
        if let Some(language) = &request.language {
            body.insert("language_code".into(), language.as_str().into());
        }
        if let Some(speed) = request.speed {
            body.insert("voice_settings".into(), json!({ "speed": speed }));
        }
        if request.instructions.is_some() {
            warnings.push(Warning::new(
                "instructions",
                "ElevenLabs takes no instructions. eleven_v3 reads directions in the text, in square brackets: [whispers].",
            ));
        }
        let voice = request.voice.as_deref().unwrap_or(DEFAULT_VOICE);
        let mut path = format!("/v1/text-to-speech/{}", segment(voice, "voice")?);
        if stream {
            path.push_str("/stream");
        }
        let mut wire = WireRequest::json(path, Vec::new());
        options.insert("output_format".into(), format.name.into());
        for name in IN_THE_QUERY {
            if let Some(value) = options.remove(name) {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                wire.add_query(name, &escaped(&value));
            }
        }
        merge(&mut body, &options);
        let body = serde_json::to_vec(&body)
            .map_err(|error| Error::invalid_argument(error.to_string()))?;
        wire.body = crate::provider::WireBody::Json(body);
        Ok(wire.with_warnings(warnings))
    }

    fn decoder(
        &self,
        request: &SpeechRequest,
        headers: &HeaderMap,
        stream: bool,
    ) -> Result<Box<dyn SpeechDecoder>> {
        check_is_audio(headers)?;
        let format = chosen(request, stream, &mut Vec::new());
        let usage = SpeechUsage {
            characters: ["character-cost", "x-character-count"]
                .iter()
                .find_map(|name| headers.get(*name)?.to_str().ok()?.parse().ok()),
            ..SpeechUsage::default()
        };
        Ok(match format.pcm_rate {
            Some(rate) => Box::new(PcmAudio::new(rate, format.wrap, usage)),
            None => Box::new(RawAudio::of(headers, format.media_type(), usage)),
        })
    }
}

/// `providerOptions.output_format` is a format like any other.
fn chosen(request: &SpeechRequest, stream: bool, warnings: &mut Vec<Warning>) -> Format {
    let own = request.provider_options.get("output_format");
    let wanted = own.and_then(Value::as_str).or(request.format.as_deref());
    format::choose(wanted, stream, warnings)
}
