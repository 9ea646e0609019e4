//! `POST /v1/speak`. A voice is a model: `aura-2-thalia-en` is the voice Thalia of the family Aura 2. The
//! answer begins as soon as there is audio, so streams need no other path.

use http::HeaderMap;
use serde_json::{Value, json};

use super::Deepgram;
use super::query::Query;
use crate::capability::Warning;
use crate::capability::speech::{SpeechRequest, SpeechUsage};
use crate::error::{Error, Result};
use crate::provider::pcm::PcmAudio;
use crate::provider::{RawAudio, SpeechDecoder, SpeechProvider, WireRequest, check_is_audio};

/// What Deepgram gives for `linear16` unless asked otherwise.
const PCM_RATE: u32 = 24_000;

impl SpeechProvider for Deepgram {
    fn request(&self, request: &SpeechRequest, model: &str, _stream: bool) -> Result<WireRequest> {
        let mut warnings = Vec::new();
        let query = query(request, model, &mut warnings);
        if request.instructions.is_some() {
            warnings.push(Warning::new(
                "instructions",
                "Deepgram takes no instructions; they were left out.",
            ));
        }
        let body = serde_json::to_vec(&json!({ "text": request.text }))
            .map_err(|error| Error::invalid_argument(error.to_string()))?;
        let mut wire = WireRequest::json("/v1/speak", body);
        query.add_to(&mut wire);
        Ok(wire.with_warnings(warnings))
    }

    fn decoder(
        &self,
        request: &SpeechRequest,
        headers: &HeaderMap,
        _stream: bool,
    ) -> Result<Box<dyn SpeechDecoder>> {
        check_is_audio(headers)?;
        let usage = SpeechUsage {
            characters: headers
                .get("dg-char-count")
                .and_then(|count| count.to_str().ok()?.parse().ok()),
            ..SpeechUsage::default()
        };
        let query = query(request, "", &mut Vec::new());
        if query.is("encoding", "linear16") && query.is("container", "none") {
            let rate = query.get("sample_rate").and_then(Value::as_u64);
            let rate = rate.and_then(|rate| u32::try_from(rate).ok());
            return Ok(Box::new(PcmAudio::new(
                rate.unwrap_or(PCM_RATE),
                false,
                usage,
            )));
        }
        let otherwise = match query.get("encoding").and_then(Value::as_str) {
            Some("linear16") => "audio/wav",
            Some("opus") => "audio/ogg",
            Some("flac") => "audio/flac",
            Some("aac") => "audio/aac",
            Some("mulaw") => "audio/basic",
            Some("alaw") => "audio/x-alaw-basic",
            _ => "audio/mpeg",
        };
        Ok(Box::new(RawAudio::of(headers, otherwise, usage)))
    }
}

fn query(request: &SpeechRequest, model: &str, warnings: &mut Vec<Warning>) -> Query {
    let mut query = Query::new(&voice(request, model));
    let (encoding, container) = match request.format.as_deref() {
        None | Some("mp3") => ("mp3", None),
        Some("wav") => ("linear16", Some("wav")),
        Some("pcm") => ("linear16", Some("none")),
        Some("opus") => ("opus", Some("ogg")),
        Some(own @ ("aac" | "flac" | "linear16")) => (own, None),
        Some("ulaw" | "mulaw") => ("mulaw", Some("wav")),
        Some("alaw") => ("alaw", Some("wav")),
        Some(other) => {
            warnings.push(Warning::new(
                "format",
                format!("Deepgram makes no {other}; mp3 was made. It knows mp3, wav, pcm, opus, aac, flac, mulaw and alaw."),
            ));
            ("mp3", None)
        }
    };
    query.set("encoding", encoding);
    if let Some(container) = container {
        query.set("container", container);
    }
    if let Some(speed) = request.speed {
        query.set("speed", speed);
    }
    query.merge(&request.provider_options);
    query
}

/// The model that has the voice. A whole model name stands for itself; a voice's own name takes family
/// and language from the model, and the language from the request before that.
fn voice(request: &SpeechRequest, model: &str) -> String {
    let voice = request.voice.as_deref();
    if let Some(voice) = voice.filter(|voice| voice.starts_with("aura-")) {
        return voice.to_owned();
    }
    let (family, rest) = match model.strip_prefix("aura-2") {
        Some(rest) => ("aura-2", rest),
        None => match model.strip_prefix("aura") {
            Some(rest) => ("aura", rest),
            None => return model.to_owned(),
        },
    };
    let mut named = rest.trim_start_matches('-').splitn(2, '-');
    let own_voice = named.next().filter(|name| !name.is_empty());
    let own_language = named.next();
    if voice.is_none() && own_voice.is_some() {
        return model.to_owned();
    }
    let default = if family == "aura-2" {
        "thalia"
    } else {
        "asteria"
    };
    let voice = voice.or(own_voice).unwrap_or(default).to_lowercase();
    let language = request.language.as_deref().or(own_language).unwrap_or("en");
    format!("{family}-{voice}-{language}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_a_model_and_takes_family_and_language_from_where_they_stand() {
        let name = |voice: Option<&str>, language: Option<&str>, model: &str| {
            let request = SpeechRequest {
                voice: voice.map(str::to_owned),
                language: language.map(str::to_owned),
                ..SpeechRequest::default()
            };
            super::voice(&request, model)
        };
        let default = "aura-2-thalia-en";
        assert_eq!(name(None, None, default), "aura-2-thalia-en");
        assert_eq!(name(Some("Zeus"), None, default), "aura-2-zeus-en");
        assert_eq!(
            name(Some("celeste"), Some("es"), default),
            "aura-2-celeste-es"
        );
        assert_eq!(
            name(Some("aura-asteria-en"), None, default),
            "aura-asteria-en"
        );
        assert_eq!(name(Some("luna"), None, "aura"), "aura-luna-en");
        assert_eq!(name(None, None, "aura-2"), "aura-2-thalia-en");
        assert_eq!(name(None, Some("es"), default), "aura-2-thalia-en");
        assert_eq!(name(Some("x"), None, "other"), "other");
    }
}
