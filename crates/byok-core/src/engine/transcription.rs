//! The pipeline of speech to text. Audio that is an upload is sent while it arrives, so it can be sent
//! once only: to one provider, without retries once it has begun.

use std::path::Path;

use bytes::Bytes;

use super::Engine;
use super::body::{Audio, AudioSource};
use super::exchange::OpenKey;
use super::request::parse_routed;
use super::route::Attempt;
use crate::capability::Capability;
use crate::capability::media::sniff;
use crate::capability::meta::Meta;
use crate::capability::transcription::{
    AudioInput, Transcript, TranscriptionRequest, TranscriptionResult,
};
use crate::error::{Error, Result};
use crate::http::Upload;
use crate::progress::Progress;
use crate::provider::{Provider, ScriptedTranscription, TranscriptionProvider};
use crate::usage::Units;

/// Extensions of the audio that providers take, and their types (IANA, or what is in use).
const TYPES: &[(&str, &str)] = &[
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("mpga", "audio/mpeg"),
    ("mpeg", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("mp4", "audio/mp4"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("oga", "audio/ogg"),
    ("opus", "audio/opus"),
    ("webm", "audio/webm"),
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
    ("amr", "audio/amr"),
    ("pcm", "audio/pcm"),
];

/// The audio, for as many attempts as it lasts.
enum Supply {
    Bytes(Bytes),
    Upload(Option<Upload>),
}

impl Engine {
    /// Progress counts bytes handed to the network.
    ///
    /// # Errors
    /// As [`Engine::chat`].
    pub async fn speech_to_text(
        &self,
        json: &str,
        attachments: Vec<Vec<u8>>,
        progress: &Progress,
    ) -> Result<TranscriptionResult> {
        let (routing, mut request) = parse_routed::<TranscriptionRequest>(json)?;
        let mut supply = self.supply(&request.audio, attachments)?;
        name_audio(&mut request, &supply)?;
        let mut route = self.route(routing, Capability::SpeechToText).await?;
        loop {
            let mut attempt = route.next(self).await?;
            let outcome = self
                .try_transcription(&mut attempt, &mut request, &mut supply, progress)
                .await;
            match outcome {
                Ok(mut result) => {
                    result.meta.failed_attempts = route.take_failed();
                    attempt.observation.model(&result.meta.model);
                    attempt.observation.units(units(&result.transcript));
                    attempt.observation.succeeded();
                    return Ok(result);
                }
                // What was read of an upload is gone, and no other key can have it.
                Err(error) if matches!(supply, Supply::Upload(None)) => {
                    attempt.observation.failed(&error);
                    return Err(error);
                }
                Err(error) => route.failed(attempt, error)?,
            }
        }
    }

    fn supply(&self, audio: &AudioInput, attachments: Vec<Vec<u8>>) -> Result<Supply> {
        match audio {
            AudioInput::Attachment(index) => {
                let bytes = attachments.into_iter().nth(*index).ok_or_else(|| {
                    Error::invalid_argument(format!("audio: attachment {index} is missing."))
                })?;
                if bytes.is_empty() {
                    return Err(Error::invalid_argument("audio: there is no byte in it."));
                }
                Ok(Supply::Bytes(bytes.into()))
            }
            AudioInput::Upload(id) => Ok(Supply::Upload(Some(self.uploads.take(*id)?))),
        }
    }

    async fn try_transcription(
        &self,
        attempt: &mut Attempt,
        request: &mut TranscriptionRequest,
        supply: &mut Supply,
        progress: &Progress,
    ) -> Result<TranscriptionResult> {
        if attempt.is_foreign {
            request.provider_options.clear();
        }
        let model = attempt.model()?;
        let key = &attempt.key;
        let speaker = Speaker::of(attempt, request, &model)?;
        let wire = match &speaker {
            Speaker::Native(provider) => provider.request(request, &model),
            Speaker::Scripted(provider) => provider.request().await,
        };
        let mut wire = wire.map_err(|error| key.blame(error))?;
        let warnings = std::mem::take(&mut wire.warnings);
        let audio = Audio {
            source: supply.take(progress),
            media_type: request.media_type.clone(),
        };
        let (head, body) = self.fetch(key, wire, Some(audio), &attempt.routing).await?;
        let request_id = key.request_id(&head.headers);
        let transcript = match &speaker {
            Speaker::Native(provider) => provider.response(request, &body),
            Speaker::Scripted(provider) => read(key, provider, &body).await,
        };
        let transcript =
            transcript.map_err(|error| key.blame(error).with_request_id(request_id.as_deref()))?;
        drop(speaker);
        let meta = Meta {
            provider: key.registered.id().to_owned(),
            label: attempt.label.clone(),
            model: transcript.model.clone().unwrap_or(model),
            id: transcript.id.clone(),
            raw: attempt
                .routing
                .include_raw
                .then(|| serde_json::from_slice(&body).unwrap_or_default()),
            request_id,
            warnings,
            ..Meta::default()
        };
        attempt
            .observation
            .answered(head.retries, meta.request_id.as_deref());
        Ok(TranscriptionResult { transcript, meta })
    }
}

impl Supply {
    fn take(&mut self, progress: &Progress) -> AudioSource {
        match self {
            Supply::Bytes(bytes) => {
                progress.set(0, Some(bytes.len() as u64));
                AudioSource::Bytes(bytes.clone())
            }
            Supply::Upload(upload) => match upload.take() {
                Some(upload) => {
                    progress.set(0, upload.length());
                    AudioSource::Upload(upload.watched(progress))
                }
                None => AudioSource::Bytes(Bytes::new()),
            },
        }
    }
}

/// Finds type and name where the caller gave none.
fn name_audio(request: &mut TranscriptionRequest, supply: &Supply) -> Result<()> {
    let extension = Path::new(&request.filename)
        .extension()
        .and_then(|extension| extension.to_str())
        .map(str::to_ascii_lowercase);
    if request.media_type.is_empty() {
        let by_name = TYPES
            .iter()
            .find(|(known, _)| Some(*known) == extension.as_deref())
            .map(|(_, media_type)| *media_type);
        let by_bytes = match supply {
            Supply::Bytes(bytes) => sniff(bytes).map(as_audio),
            Supply::Upload(_) => None,
        };
        request.media_type = by_bytes
            .or(by_name)
            .ok_or_else(|| {
                Error::invalid_argument(
                    "audio: its kind is not known. Say what it is with filename (\"speech.mp3\") or mediaType (\"audio/mpeg\").",
                )
            })?
            .to_owned();
    }
    if extension.is_none() {
        let essence = request
            .media_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let extension = TYPES
            .iter()
            .find(|(_, media_type)| *media_type == essence)
            .map_or("bin", |(extension, _)| *extension);
        let stem = if request.filename.is_empty() {
            "audio"
        } else {
            &request.filename
        };
        request.filename = format!("{stem}.{extension}");
    }
    Ok(())
}

/// The containers of video hold plain audio as well.
fn as_audio(media_type: &'static str) -> &'static str {
    match media_type {
        "video/mp4" => "audio/mp4",
        "video/webm" => "audio/webm",
        other => other,
    }
}

/// Who turns a request into the provider's own and its answer back.
enum Speaker<'a> {
    Native(&'a dyn TranscriptionProvider),
    Scripted(ScriptedTranscription<'a>),
}

impl<'a> Speaker<'a> {
    fn of(attempt: &'a Attempt, request: &'a TranscriptionRequest, model: &'a str) -> Result<Self> {
        let provider = &attempt.key.registered.provider;
        match (provider.transcription(), provider.scripted()) {
            (Some(transcription), _) => Ok(Speaker::Native(transcription)),
            (None, Some(scripted)) if scripted.supports(Capability::SpeechToText) => {
                let transcription = scripted.transcription(request, model)?;
                Ok(Speaker::Scripted(transcription))
            }
            _ => Err(attempt.key.cannot(Capability::SpeechToText)),
        }
    }
}

async fn read(
    key: &OpenKey,
    transcription: &ScriptedTranscription<'_>,
    body: &[u8],
) -> Result<Transcript> {
    transcription.response(&key.text_of(body)?).await
}

fn units(transcript: &Transcript) -> Units {
    Units {
        audio_seconds: transcript
            .usage
            .audio_seconds
            .or(transcript.duration_seconds),
        input_tokens: transcript.usage.input_tokens,
        output_tokens: transcript.usage.output_tokens,
        ..Units::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(filename: &str, media_type: &str, bytes: &'static [u8]) -> Result<(String, String)> {
        let json = serde_json::json!({ "audio": { "$bytes": 0 }, "filename": filename, "mediaType": media_type });
        let mut request: TranscriptionRequest = serde_json::from_value(json).unwrap();
        name_audio(&mut request, &Supply::Bytes(Bytes::from_static(bytes)))?;
        Ok((request.filename, request.media_type))
    }

    #[test]
    fn audio_gets_the_name_and_type_that_providers_tell_it_by() {
        let named = |filename, media_type, bytes| named(filename, media_type, bytes).unwrap();
        let both = |filename: &str, media_type: &str| (filename.to_owned(), media_type.to_owned());
        assert_eq!(named("a.mp3", "", b"?"), both("a.mp3", "audio/mpeg"));
        assert_eq!(
            named("", "audio/ogg; codecs=opus", b"?"),
            both("audio.ogg", "audio/ogg; codecs=opus")
        );
        assert_eq!(named("", "", b"fLaC...."), both("audio.flac", "audio/flac"));
        assert_eq!(
            named("speech", "", b"RIFF....WAVE"),
            both("speech.wav", "audio/wav")
        );
    }

    #[test]
    fn audio_of_no_known_kind_asks_for_its_name() {
        let message = named("", "", b"????").unwrap_err().message().to_owned();
        assert!(
            message.contains("filename") && message.contains("mediaType"),
            "{message}"
        );
    }
}
