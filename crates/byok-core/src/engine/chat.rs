//! The pipeline of a chat, whole and streamed: route, open, map the request, send, map the answer
//! back.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::Engine;
use super::exchange::OpenKey;
use super::pace::Paced;
use super::request::parse_routed;
use super::route::{Attempt, Route};
use crate::capability::chat::{ChatEvent, ChatRequest, ChatResult};
use crate::capability::fold::ChatFold;
use crate::capability::{Capability, Warning};
use crate::error::{Error, Result};
use crate::provider::{
    ChatProvider, ChatStream, Provider, ScriptedChat, ScriptedStream, WireRequest,
};
use crate::sse::{SseDecoder, SseEvent};
use crate::usage::Units;

/// What a stream hands on: events in the order of arrival, then the whole answer.
#[derive(Debug)]
pub enum ChatStreamItem {
    Events(Vec<ChatEvent>),
    Result(Box<ChatResult>),
}

/// Where a stream's items go; it bounds how far the reading runs ahead.
struct Sink {
    sender: mpsc::Sender<ChatStreamItem>,
    /// Something was handed on: from then on no other key can serve.
    is_used: bool,
}

impl Engine {
    /// # Errors
    /// Any code of `docs/reference/errors.md` but those of registration.
    pub async fn chat(&self, json: &str, attachments: &[Vec<u8>]) -> Result<ChatResult> {
        let (mut route, mut request) = self.route_chat(json, attachments).await?;
        loop {
            let mut attempt = route.next(self).await?;
            match self.try_chat(&mut attempt, &mut request).await {
                Ok(result) => return Ok(served(&mut route, attempt, result)),
                Err(error) => route.failed(attempt, error)?,
            }
        }
    }

    /// Streams an answer into `sink`. Ends early when the receiver is gone.
    ///
    /// # Errors
    /// As [`Engine::chat`]; `STREAM_INTERRUPTED` when the answer breaks off.
    pub async fn chat_stream(
        self: Arc<Self>,
        json: &str,
        attachments: &[Vec<u8>],
        sink: mpsc::Sender<ChatStreamItem>,
    ) -> Result<()> {
        let (mut route, mut request) = self.route_chat(json, attachments).await?;
        let mut sink = Sink {
            sender: sink,
            is_used: false,
        };
        loop {
            let mut attempt = route.next(&self).await?;
            match self.try_stream(&mut attempt, &mut request, &mut sink).await {
                Ok(Some(result)) => {
                    let result = served(&mut route, attempt, result);
                    let last = ChatEvent::Finish {
                        finish_reason: result.finish_reason,
                        usage: result.usage.clone(),
                    };
                    let _ = sink.sender.send(ChatStreamItem::Events(vec![last])).await;
                    let result = ChatStreamItem::Result(Box::new(result));
                    let _ = sink.sender.send(result).await;
                    return Ok(());
                }
                Ok(None) => return Ok(()),
                Err(error) if sink.is_used => {
                    attempt.observation.failed(&error);
                    return Err(error);
                }
                Err(error) => route.failed(attempt, error)?,
            }
        }
    }

    async fn route_chat(
        &self,
        json: &str,
        attachments: &[Vec<u8>],
    ) -> Result<(Route, ChatRequest)> {
        let (routing, mut request) = parse_routed::<ChatRequest>(json)?;
        request.prepare(attachments)?;
        let mut route = self.route(routing, Capability::Chat).await?;
        route.expect(weight(json, attachments.len(), &request));
        Ok((route, request))
    }

    async fn try_chat(
        &self,
        attempt: &mut Attempt,
        request: &mut ChatRequest,
    ) -> Result<ChatResult> {
        if attempt.is_foreign {
            request.provider_options.clear();
        }
        let model = attempt.model()?;
        let key = &attempt.key;
        let speaker = Speaker::of(key, request, &model)?;
        let wire = speaker.request(request, &model, false).await;
        let mut wire = wire.map_err(|error| key.blame(error))?;
        let warnings = std::mem::take(&mut wire.warnings);
        let (head, body) = self.fetch(key, wire, None, &attempt.routing).await?;
        let request_id = key.request_id(&head.headers);
        attempt
            .observation
            .answered(head.retries, request_id.as_deref());

        let mut fold = ChatFold::whole();
        speaker
            .response(key, request, &body, &mut fold)
            .await
            .map_err(|error| key.blame(error).with_request_id(request_id.as_deref()))?;
        let mut result = finish(fold, key, request, &model, warnings, request_id);
        if attempt.routing.include_raw {
            result.raw = serde_json::from_slice(&body).ok();
        }
        Ok(result)
    }

    /// Nothing when the receiver is gone.
    async fn try_stream(
        &self,
        attempt: &mut Attempt,
        request: &mut ChatRequest,
        sink: &mut Sink,
    ) -> Result<Option<ChatResult>> {
        if attempt.is_foreign {
            request.provider_options.clear();
        }
        let model = attempt.model()?;
        let key = &attempt.key;
        let speaker = Speaker::of(key, request, &model)?;
        let wire = speaker.request(request, &model, true).await;
        let mut wire = wire.map_err(|error| key.blame(error))?;
        let warnings = std::mem::take(&mut wire.warnings);
        let observation = &mut attempt.observation;
        let response = self.send(key, wire, None, &attempt.routing).await?;
        let request_id = key.request_id(&response.headers);
        observation.answered(response.retries, request_id.as_deref());
        let mut response = Paced::new(response);
        let blame = |error: Error| key.blame(error).with_request_id(request_id.as_deref());

        let mut fold = ChatFold::streaming();
        let mut reader = speaker.reader(request);
        let mut decoder = SseDecoder::new(self.max_event_bytes);
        let mut raw = attempt.routing.include_raw.then(Vec::new);
        loop {
            let chunk = response.next().await.map_err(&blame)?;
            let mut note = |event: &SseEvent<'_>| {
                if let Some(raw) = &mut raw {
                    raw.extend(serde_json::from_str::<Value>(event.data).ok());
                }
            };
            let outcome = match &mut reader {
                Reader::Native(parser) => {
                    let mut on_event = |event: SseEvent<'_>| {
                        note(&event);
                        parser.event(&event, &mut fold)
                    };
                    match &chunk {
                        Some(chunk) => decoder.push(chunk, &mut on_event),
                        None => decoder
                            .finish(&mut on_event)
                            .and_then(|()| parser.end(&mut fold)),
                    }
                }
                Reader::Scripted(stream) => {
                    let chunk = chunk.as_deref();
                    scripted_events(key, stream, &mut decoder, chunk, note, &mut fold).await
                }
                Reader::Whole(chat, body) => match &chunk {
                    Some(chunk) => {
                        body.extend_from_slice(chunk);
                        Ok(())
                    }
                    None => {
                        if let Some(raw) = &mut raw {
                            raw.extend(serde_json::from_slice::<Value>(body).ok());
                        }
                        read_whole(key, chat, body, &mut fold).await
                    }
                },
            };
            // What was understood before an error is still handed on.
            let events = fold.take_events();
            if !events.is_empty() {
                observation.output();
                observation.units(Units::from(fold.current_usage()));
                sink.is_used = true;
                let events = ChatStreamItem::Events(events);
                if sink.sender.send(events).await.is_err() {
                    return Ok(None);
                }
            }
            outcome.map_err(&blame)?;
            if chunk.is_none() {
                break;
            }
        }
        drop(response);
        let mut result = finish(fold, key, request, &model, warnings, request_id);
        result.raw = raw.map(Value::Array);
        Ok(Some(result))
    }
}

/// Tokens of an image or a file, about; and of an answer whose length nobody bounds.
const TOKENS_OF_ATTACHMENT: u64 = 1_000;
const TOKENS_OF_ANSWER: u64 = 500;

fn weight(json: &str, attachments: usize, request: &ChatRequest) -> Units {
    let output_tokens = request.max_tokens.map_or(TOKENS_OF_ANSWER, u64::from);
    Units {
        input_tokens: Some(Units::of_text(json.len()) + TOKENS_OF_ATTACHMENT * attachments as u64),
        output_tokens: Some(output_tokens),
        ..Units::default()
    }
}

/// Who turns a request into the provider's own and its answer back.
enum Speaker<'a> {
    Native(&'a dyn ChatProvider),
    Scripted(ScriptedChat<'a>),
}

/// Who reads a streamed answer.
enum Reader<'a> {
    Native(Box<dyn ChatStream>),
    Scripted(ScriptedStream<'a>),
    /// The provider can't stream: its answer is read when it is whole.
    Whole(&'a ScriptedChat<'a>, Vec<u8>),
}

impl<'a> Speaker<'a> {
    fn of(key: &'a OpenKey, request: &'a ChatRequest, model: &'a str) -> Result<Self> {
        let provider = &key.registered.provider;
        if let Some(chat) = provider.chat() {
            return Ok(Speaker::Native(chat));
        }
        match provider.scripted() {
            Some(scripted) if scripted.supports(Capability::Chat) => {
                scripted.chat(request, model).map(Speaker::Scripted)
            }
            _ => Err(key.cannot(Capability::Chat)),
        }
    }

    async fn request(
        &self,
        request: &ChatRequest,
        model: &str,
        stream: bool,
    ) -> Result<WireRequest> {
        match self {
            Speaker::Native(chat) => chat.request(request, model, stream),
            Speaker::Scripted(chat) => chat.request(stream).await,
        }
    }

    async fn response(
        &self,
        key: &OpenKey,
        request: &ChatRequest,
        body: &[u8],
        fold: &mut ChatFold,
    ) -> Result<()> {
        match self {
            Speaker::Native(chat) => chat.response(request, body, fold),
            Speaker::Scripted(chat) => read_whole(key, chat, body, fold).await,
        }
    }

    fn reader(&'a self, request: &ChatRequest) -> Reader<'a> {
        match self {
            Speaker::Native(chat) => Reader::Native(chat.stream(request)),
            Speaker::Scripted(chat) if chat.streams() => Reader::Scripted(chat.stream()),
            Speaker::Scripted(chat) => Reader::Whole(chat, Vec::new()),
        }
    }
}

async fn read_whole(
    key: &OpenKey,
    chat: &ScriptedChat<'_>,
    body: &[u8],
    fold: &mut ChatFold,
) -> Result<()> {
    chat.response(&key.text_of(body)?, fold).await
}

/// Hands all events that a chunk completes to the provider's function at once; without a chunk the
/// body has ended.
async fn scripted_events(
    key: &OpenKey,
    stream: &mut ScriptedStream<'_>,
    decoder: &mut SseDecoder,
    chunk: Option<&[u8]>,
    mut note: impl FnMut(&SseEvent<'_>),
    fold: &mut ChatFold,
) -> Result<()> {
    let mut on_event = |event: SseEvent<'_>| {
        note(&event);
        stream.event(&event, key.text_of(event.data.as_bytes())?.into_owned());
        Ok(())
    };
    let decoded = match chunk {
        Some(chunk) => decoder.push(chunk, &mut on_event),
        None => decoder.finish(&mut on_event),
    };
    stream.read(fold).await?;
    decoded?;
    match chunk {
        Some(_) => Ok(()),
        None => stream.end(fold),
    }
}

fn finish(
    fold: ChatFold,
    key: &OpenKey,
    request: &ChatRequest,
    model: &str,
    mut warnings: Vec<Warning>,
    request_id: Option<String>,
) -> ChatResult {
    let mut result = fold.into_result(key.registered.id(), model, request.output.is_some());
    warnings.append(&mut result.warnings);
    result.warnings = warnings;
    result.request_id = request_id;
    result
}

fn served(route: &mut Route, mut attempt: Attempt, mut result: ChatResult) -> ChatResult {
    attempt.observation.model(&result.model);
    attempt.observation.units(Units::from(&result.usage));
    attempt.observation.succeeded();
    result.label = attempt.label;
    result.failed_attempts = route.take_failed();
    result
}
