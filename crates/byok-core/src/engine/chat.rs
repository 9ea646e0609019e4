//! The pipeline of a chat, whole and streamed: find the key, open it, map the request, send, map the
//! answer back.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::Engine;
use super::exchange::OpenKey;
use super::request::{Routing, parse_routed};
use crate::capability::chat::{ChatEvent, ChatRequest, ChatResult};
use crate::capability::fold::ChatFold;
use crate::capability::{Capability, Warning};
use crate::error::{Code, Error, Result};
use crate::provider::{ChatProvider, WireRequest};
use crate::sse::SseDecoder;

/// What a stream hands on: events in the order of arrival, then the whole answer.
#[derive(Debug)]
pub enum ChatStreamItem {
    Events(Vec<ChatEvent>),
    Result(Box<ChatResult>),
}

/// A request whose key is open and whose body is ready.
struct Prepared {
    key: OpenKey,
    routing: Routing,
    request: ChatRequest,
    model: String,
    wire: WireRequest,
}

impl Engine {
    /// # Errors
    /// Any code of `docs/reference/errors.md` but those of registration.
    pub async fn chat(&self, json: &str, attachments: &[Vec<u8>]) -> Result<ChatResult> {
        let prepared = self.prepare_chat(json, attachments, false).await?;
        let Prepared {
            key,
            routing,
            request,
            model,
            mut wire,
        } = prepared;
        let warnings = std::mem::take(&mut wire.warnings);
        let failure = key.failure();
        let call = key.call(wire, &routing, &failure)?;
        let (head, body) = self
            .http
            .fetch(call)
            .await
            .map_err(|error| key.blame(error))?;
        let request_id = key.request_id(&head.headers);

        let mut fold = ChatFold::whole();
        chat_of(&key)?
            .response(&request, &body, &mut fold)
            .map_err(|error| key.blame(error).with_request_id(request_id.as_deref()))?;
        let mut result = finish(fold, &key, &request, &model, warnings, request_id);
        if routing.include_raw {
            result.raw = serde_json::from_slice(&body).ok();
        }
        Ok(result)
    }

    /// Streams an answer into `sink`, which bounds how far the reading runs ahead. Ends early when the
    /// receiver is gone.
    ///
    /// # Errors
    /// As [`Engine::chat`]; `STREAM_INTERRUPTED` when the answer breaks off.
    pub async fn chat_stream(
        self: Arc<Self>,
        json: &str,
        attachments: &[Vec<u8>],
        sink: mpsc::Sender<ChatStreamItem>,
    ) -> Result<()> {
        let prepared = self.prepare_chat(json, attachments, true).await?;
        let Prepared {
            key,
            routing,
            request,
            model,
            mut wire,
        } = prepared;
        let warnings = std::mem::take(&mut wire.warnings);
        let failure = key.failure();
        let call = key.call(wire, &routing, &failure)?;
        let mut response = self
            .http
            .send(call)
            .await
            .map_err(|error| key.blame(error))?;
        let request_id = key.request_id(&response.headers);
        let blame = |error: Error| key.blame(error).with_request_id(request_id.as_deref());

        let mut fold = ChatFold::streaming();
        let mut parser = chat_of(&key)?.stream(&request);
        let mut decoder = SseDecoder::new(self.max_event_bytes);
        let mut raw = routing.include_raw.then(Vec::new);
        loop {
            let chunk = response.chunk().await.map_err(&blame)?;
            let mut on_event = |event: crate::sse::SseEvent<'_>| {
                if let Some(raw) = &mut raw {
                    raw.extend(serde_json::from_str::<Value>(event.data).ok());
                }
                parser.event(&event, &mut fold)
            };
            let outcome = match &chunk {
                Some(chunk) => decoder.push(chunk, &mut on_event),
                None => decoder
                    .finish(&mut on_event)
                    .and_then(|()| parser.end(&mut fold)),
            };
            // What was understood before an error is still handed on.
            let events = fold.take_events();
            if !events.is_empty() && sink.send(ChatStreamItem::Events(events)).await.is_err() {
                return Ok(());
            }
            outcome.map_err(&blame)?;
            if chunk.is_none() {
                break;
            }
        }
        drop(response);

        let last = fold.finish_event();
        let mut result = finish(fold, &key, &request, &model, warnings, request_id);
        result.raw = raw.map(Value::Array);
        let _ = sink.send(ChatStreamItem::Events(vec![last])).await;
        let _ = sink.send(ChatStreamItem::Result(Box::new(result))).await;
        Ok(())
    }

    async fn prepare_chat(
        &self,
        json: &str,
        attachments: &[Vec<u8>],
        stream: bool,
    ) -> Result<Prepared> {
        let (routing, mut request) = parse_routed::<ChatRequest>(json)?;
        request.prepare(attachments)?;
        let key = self.serving_key(&routing, Capability::Chat).await?;
        let model = routing
            .model
            .clone()
            .or_else(|| {
                key.registered
                    .default_model(Capability::Chat)
                    .map(str::to_owned)
            })
            .ok_or_else(|| no_model(key.registered.id()))?;
        let wire = chat_of(&key)?
            .request(&request, &model, stream)
            .map_err(|error| key.blame(error))?;
        Ok(Prepared {
            key,
            routing,
            request,
            model,
            wire,
        })
    }
}

fn chat_of(key: &OpenKey) -> Result<&dyn ChatProvider> {
    key.registered.provider.chat().ok_or_else(|| {
        Error::new(
            Code::CapabilityUnsupported,
            format!("{} can't do chat.", key.registered.name()),
        )
    })
}

fn no_model(provider: &str) -> Error {
    Error::invalid_argument(format!(
        "model: {provider} has no default model. Give model, or set new BYOK({{ providers: {{ {provider:?}: {{ defaultModels: {{ chat: ... }} }} }} }})."
    ))
    .with_provider(provider)
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
