//! The pipeline of text to speech, whole and streamed.

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;

use super::Engine;
use super::byte_answer::{ByteAnswer, ByteSource};
use super::request::parse_routed;
use super::route::{Attempt, Route};
use crate::capability::Capability;
use crate::capability::meta::Meta;
use crate::capability::speech::{SpeechRequest, SpeechResult, SpeechUsage};
use crate::error::{Code, Error, Result};
use crate::http::Response;
use crate::provider::{SpeechDecoder, SpeechProvider};
use crate::usage::Units;

/// What a stream of audio begins with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpeechHead<'a> {
    content_type: &'a str,
    #[serde(flatten)]
    meta: Meta,
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
                    let characters = request.text.chars().count() as u64;
                    result.meta.failed_attempts = route.take_failed();
                    attempt.observation.units(units(&result.usage, characters));
                    attempt.observation.succeeded();
                    return Ok((result, vec![audio]));
                }
                Err(error) => route.failed(attempt, error)?,
            }
        }
    }

    /// Audio as it arrives. Answers once there is a first piece: until then another key can serve.
    ///
    /// # Errors
    /// As [`Engine::chat`]; the source's are `STREAM_INTERRUPTED` when the audio breaks off, and others.
    pub async fn text_to_speech_stream(&self, json: &str) -> Result<ByteAnswer> {
        let (mut route, mut request) = self.route_speech(json).await?;
        loop {
            let mut attempt = route.next(self).await?;
            let answer = match self.send_speech(&mut attempt, &mut request, true).await {
                Ok(answer) => answer,
                Err(error) => {
                    route.failed(attempt, error)?;
                    continue;
                }
            };
            let mut source = SpeechSource {
                response: answer.response,
                decoder: answer.decoder,
                characters: request.text.chars().count() as u64,
                request_id: answer.meta.request_id.clone(),
                first: None,
                is_over: false,
                attempt,
            };
            source.first = match source.read().await {
                Ok(first) => first,
                Err(error) => {
                    route.failed(source.attempt, error)?;
                    continue;
                }
            };
            let head = SpeechHead {
                content_type: source.decoder.content_type(),
                meta: Meta {
                    failed_attempts: route.take_failed(),
                    ..answer.meta
                },
            };
            let head = serde_json::to_string(&head)
                .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
            return Ok(ByteAnswer {
                head,
                source: Box::new(source),
            });
        }
    }

    async fn route_speech(&self, json: &str) -> Result<(Route, SpeechRequest)> {
        let (routing, request) = parse_routed::<SpeechRequest>(json)?;
        request.prepare()?;
        let mut route = self.route(routing, Capability::TextToSpeech).await?;
        route.expect(Units {
            characters: Some(request.text.chars().count() as u64),
            ..Units::default()
        });
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

/// The audio of one answer.
struct SpeechSource {
    response: Response,
    decoder: Box<dyn SpeechDecoder>,
    attempt: Attempt,
    request_id: Option<String>,
    characters: u64,
    first: Option<Bytes>,
    is_over: bool,
}

#[async_trait]
impl ByteSource for SpeechSource {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let piece = self.read().await;
        if let Err(error) = &piece {
            self.attempt.observation.failed(error);
        }
        piece
    }
}

impl SpeechSource {
    async fn read(&mut self) -> Result<Option<Bytes>> {
        let mut audio = Vec::new();
        while audio.is_empty() && !self.is_over {
            let chunk = self
                .response
                .chunk()
                .await
                .map_err(|error| self.blame(error))?;
            let read = match &chunk {
                Some(chunk) => self.decoder.push(chunk, &mut audio),
                None => self.decoder.finish(&mut audio, false),
            };
            read.map_err(|error| self.blame(error))?;
            self.is_over = chunk.is_none();
        }
        let observation = &mut self.attempt.observation;
        observation.output();
        observation.units(units(&self.decoder.usage(), self.characters));
        if audio.is_empty() {
            observation.succeeded();
            return Ok(None);
        }
        Ok(Some(audio.into()))
    }

    fn blame(&self, error: Error) -> Error {
        let error = self.attempt.key.blame(error);
        error.with_request_id(self.request_id.as_deref())
    }
}

fn speech_of(attempt: &Attempt) -> Result<&dyn SpeechProvider> {
    let speech = attempt.key.registered.provider.speech();
    speech.ok_or_else(|| attempt.key.cannot(Capability::TextToSpeech))
}

/// Characters are the text's own where the provider does not count them.
fn units(usage: &SpeechUsage, characters: u64) -> Units {
    Units {
        characters: usage.characters.or(Some(characters)),
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        ..Units::default()
    }
}
