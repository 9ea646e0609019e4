//! The pipeline of text to speech, whole and streamed.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use super::Engine;
use super::request::parse_routed;
use super::route::{Attempt, Route};
use crate::capability::Capability;
use crate::capability::meta::Meta;
use crate::capability::speech::{SpeechRequest, SpeechResult, SpeechUsage};
use crate::error::{Error, Result};
use crate::http::Response;
use crate::provider::{SpeechDecoder, SpeechProvider};
use crate::usage::Units;

/// What a stream of audio begins with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechHead {
    pub content_type: String,
    #[serde(flatten)]
    pub meta: Meta,
}

/// What a stream of audio hands on: its head once, then the audio as it arrives.
#[derive(Debug)]
pub enum SpeechStreamItem {
    Head(Box<SpeechHead>),
    Audio(Bytes),
}

/// An answer whose head has arrived.
struct Answer {
    response: Response,
    decoder: Box<dyn SpeechDecoder>,
    meta: Meta,
}

impl Engine {
    /// The audio is the one attachment.
    ///
    /// # Errors
    /// As [`Engine::chat`].
    pub async fn text_to_speech(&self, json: &str) -> Result<(SpeechResult, Vec<Vec<u8>>)> {
        let (mut route, mut request) = self.route_speech(json).await?;
        loop {
            let mut attempt = route.next(self).await?;
            match self.try_speech(&mut attempt, &mut request).await {
                Ok((mut result, audio)) => {
                    result.meta.failed_attempts = route.take_failed();
                    attempt.observation.units(units(&result.usage, &request));
                    attempt.observation.succeeded();
                    return Ok((result, vec![audio]));
                }
                Err(error) => route.failed(attempt, error)?,
            }
        }
    }

    /// Streams audio into `sink`, which bounds how far the reading runs ahead. Ends early when the receiver is
    /// gone.
    ///
    /// # Errors
    /// As [`Engine::chat`]; `STREAM_INTERRUPTED` when the audio breaks off.
    pub async fn text_to_speech_stream(
        self: Arc<Self>,
        json: &str,
        sink: mpsc::Sender<SpeechStreamItem>,
    ) -> Result<()> {
        let (mut route, mut request) = self.route_speech(json).await?;
        loop {
            let mut attempt = route.next(&self).await?;
            let mut is_used = false;
            let outcome = self
                .try_speech_stream(&mut route, &mut attempt, &mut request, &sink, &mut is_used)
                .await;
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) if is_used => {
                    attempt.observation.failed(&error);
                    return Err(error);
                }
                Err(error) => route.failed(attempt, error)?,
            }
        }
    }

    async fn route_speech(&self, json: &str) -> Result<(Route, SpeechRequest)> {
        let (routing, request) = parse_routed::<SpeechRequest>(json)?;
        request.prepare()?;
        let route = self.route(routing, Capability::TextToSpeech).await?;
        Ok((route, request))
    }

    async fn try_speech(
        &self,
        attempt: &mut Attempt,
        request: &mut SpeechRequest,
    ) -> Result<(SpeechResult, Vec<u8>)> {
        let Answer {
            mut response,
            mut decoder,
            meta,
        } = self.send_speech(attempt, request, false).await?;
        let blame = |error: Error| {
            let error = attempt.key.blame(error);
            error.with_request_id(meta.request_id.as_deref())
        };
        let mut audio = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(&blame)? {
            decoder.push(&chunk, &mut audio).map_err(&blame)?;
        }
        decoder.finish(&mut audio, true).map_err(&blame)?;
        let result = SpeechResult {
            content_type: decoder.content_type().to_owned(),
            usage: decoder.usage(),
            meta,
        };
        Ok((result, audio))
    }

    async fn try_speech_stream(
        &self,
        route: &mut Route,
        attempt: &mut Attempt,
        request: &mut SpeechRequest,
        sink: &mpsc::Sender<SpeechStreamItem>,
        is_used: &mut bool,
    ) -> Result<()> {
        let Answer {
            mut response,
            mut decoder,
            meta,
        } = self.send_speech(attempt, request, true).await?;
        let request_id = meta.request_id.clone();
        let key = &attempt.key;
        let blame = |error: Error| key.blame(error).with_request_id(request_id.as_deref());
        let mut meta = Some(meta);
        let mut audio = Vec::new();
        loop {
            let chunk = response.chunk().await.map_err(&blame)?;
            match &chunk {
                Some(chunk) => decoder.push(chunk, &mut audio),
                None => decoder.finish(&mut audio, false),
            }
            .map_err(&blame)?;
            if !audio.is_empty() {
                if let Some(meta) = meta.take() {
                    let head = SpeechHead {
                        content_type: decoder.content_type().to_owned(),
                        meta: Meta {
                            failed_attempts: route.take_failed(),
                            ..meta
                        },
                    };
                    *is_used = true;
                    attempt.observation.output();
                    attempt.observation.units(units(&decoder.usage(), request));
                    let head = SpeechStreamItem::Head(Box::new(head));
                    if sink.send(head).await.is_err() {
                        return Ok(());
                    }
                }
                let piece = Bytes::from(std::mem::take(&mut audio));
                if sink.send(SpeechStreamItem::Audio(piece)).await.is_err() {
                    return Ok(());
                }
            }
            if chunk.is_none() {
                break;
            }
        }
        attempt.observation.units(units(&decoder.usage(), request));
        attempt.observation.succeeded();
        Ok(())
    }

    async fn send_speech(
        &self,
        attempt: &mut Attempt,
        request: &mut SpeechRequest,
        stream: bool,
    ) -> Result<Answer> {
        if attempt.is_foreign {
            // Voices and formats of one provider mean nothing to another.
            request.provider_options.clear();
            request.voice = None;
        }
        let model = attempt.model()?;
        let key = &attempt.key;
        let provider = speech_of(attempt)?;
        let mut wire = provider
            .request(request, &model, stream)
            .map_err(|error| key.blame(error))?;
        let warnings = std::mem::take(&mut wire.warnings);
        let failure = key.failure();
        let call = key.call(wire, None, &attempt.routing, &failure)?;
        let response = self
            .http
            .send(call)
            .await
            .map_err(|error| key.blame(error))?;
        let request_id = key.request_id(&response.headers);
        let decoder = provider
            .decoder(request, &response.headers, stream)
            .map_err(|error| key.blame(error).with_request_id(request_id.as_deref()))?;
        let meta = Meta {
            provider: key.registered.id().to_owned(),
            label: attempt.label.clone(),
            model,
            request_id,
            warnings,
            ..Meta::default()
        };
        attempt
            .observation
            .answered(response.retries, meta.request_id.as_deref());
        Ok(Answer {
            response,
            decoder,
            meta,
        })
    }
}

fn speech_of(attempt: &Attempt) -> Result<&dyn SpeechProvider> {
    let speech = attempt.key.registered.provider.speech();
    speech.ok_or_else(|| attempt.key.cannot(Capability::TextToSpeech))
}

/// Characters are the text's own where the provider does not count them.
fn units(usage: &SpeechUsage, request: &SpeechRequest) -> Units {
    Units {
        characters: usage
            .characters
            .or_else(|| Some(request.text.chars().count() as u64)),
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        ..Units::default()
    }
}
