//! Chat of a defined provider: the prepared request as JSON for its functions, and their answer.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::chat_answer::Answer;
use super::{ScriptedProvider, ScriptedStream};
use crate::capability::chat::{ChatRequest, Message, Part, Reasoning, Tool, ToolChoice};
use crate::capability::fold::ChatFold;
use crate::capability::media::Media;
use crate::error::{Code, Error, Result};
use crate::provider::WireRequest;

/// One chat request on its way through a provider's functions.
pub struct ScriptedChat<'a> {
    provider: &'a ScriptedProvider,
    request: Box<RawValue>,
    options: &'a Map<String, Value>,
    model: &'a str,
}

/// What functions see of a request: after [`ChatRequest::prepare`], and without `providerOptions`,
/// which are merged over the body that they make.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    messages: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "<[Tool]>::is_empty")]
    tools: &'a [Tool],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'a ToolChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a Reasoning>,
}

#[derive(Serialize)]
struct RequestArguments<'a> {
    request: &'a RawValue,
    model: &'a str,
    stream: bool,
}

impl ScriptedProvider {
    pub fn chat<'a>(
        &'a self,
        request: &'a ChatRequest,
        model: &'a str,
    ) -> Result<ScriptedChat<'a>> {
        let messages = request.messages.iter().map(message);
        let asked = Asked {
            system: request.system.as_deref(),
            messages: messages.collect::<Result<_>>()?,
            max_tokens: request.max_tokens,
            temperature: request.temperature,
            top_p: request.top_p,
            stop: request.stop.as_slice(),
            seed: request.seed,
            tools: &request.tools,
            tool_choice: request.tool_choice.as_ref(),
            parallel_tool_calls: request.parallel_tool_calls,
            output: request.output.as_ref().map(|output| {
                json!({ "schema": output.schema(), "name": output.name(), "strict": output.strict() })
            }),
            reasoning: request.reasoning.as_ref(),
        };
        Ok(ScriptedChat {
            provider: self,
            request: serde_json::value::to_raw_value(&asked).map_err(unwritable)?,
            options: &request.provider_options,
            model,
        })
    }
}

impl ScriptedChat<'_> {
    /// Whether the provider can stream; one that can't answers a stream with its whole answer.
    pub fn streams(&self) -> bool {
        let chat = self.provider.definition.chat.as_ref();
        chat.is_some_and(|chat| chat.streams)
    }

    pub async fn request(&self, stream: bool) -> Result<WireRequest> {
        let arguments = RequestArguments {
            request: &self.request,
            model: self.model,
            stream: stream && self.streams(),
        };
        self.provider
            .outgoing("chat.request", &arguments, self.options, None)
            .await
    }

    /// Reads a whole answer; `body` is without the key.
    pub async fn response(&self, body: &str, fold: &mut ChatFold) -> Result<()> {
        let answer: Answer = self
            .provider
            .incoming("chat.response", body, &self.request, self.model)
            .await?;
        answer.report(fold)
    }

    pub fn stream(&self) -> ScriptedStream<'_> {
        ScriptedStream::new(self.provider, self.model)
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(Code::Internal, error.to_string())
}

/// A message with its media as the functions get them: `{ url }` or `{ mediaType, base64 }`.
fn message(message: &Message) -> Result<Value> {
    let mut content = Vec::with_capacity(message.content().len());
    for part in message.content() {
        let mut value = serde_json::to_value(part).map_err(unwritable)?;
        let (field, media) = match part {
            Part::Image { media, .. } => ("image", media.as_ref()),
            Part::File { media, .. } | Part::Audio { media, .. } => ("data", media.as_ref()),
            _ => ("", None),
        };
        if let (Some(media), Some(fields)) = (media, value.as_object_mut()) {
            fields.insert(field.to_owned(), self::media(media));
        }
        content.push(value);
    }
    Ok(json!({ "role": message.role(), "content": content }))
}

pub(super) fn media(media: &Media) -> Value {
    match media {
        Media::Url(url) => json!({ "url": url }),
        Media::Inline { media_type, base64 } => {
            json!({ "mediaType": media_type, "base64": base64 })
        }
    }
}
