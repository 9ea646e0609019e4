//! The pipeline of embeddings: inputs are split to the provider's limit, sent a few batches at a time,
//! and put together again in their order.

use std::ops::Range;

use futures_util::StreamExt;
use futures_util::stream;

use super::Engine;
use super::exchange::OpenKey;
use super::gathered::{Said, gather};
use super::request::parse_routed;
use super::route::{Attempt, Route};
use crate::capability::Capability;
use crate::capability::embed::{EmbedRequest, EmbedResult, EmbedUsage};
use crate::error::{Code, Error, Result};
use crate::progress::Progress;
use crate::provider::{BatchLimit, EmbedBatch, EmbedProvider, Provider, ScriptedEmbed};
use crate::usage::Units;

/// How many batches of one call are under way at the same time.
const BATCHES_AT_ONCE: usize = 4;

/// One answered batch.
struct Answered {
    range: Range<usize>,
    vectors: Vec<Vec<f32>>,
    input_tokens: Option<u64>,
    said: Said,
}

impl Engine {
    /// The vectors come as one attachment: see [`EmbedResult`]. Progress counts inputs.
    ///
    /// # Errors
    /// As [`Engine::chat`]; a batch that fails fails the call, and the message says which inputs it had.
    pub async fn embed(
        &self,
        json: &str,
        progress: &Progress,
    ) -> Result<(EmbedResult, Vec<Vec<u8>>)> {
        let (routing, mut request) = parse_routed::<EmbedRequest>(json)?;
        let inputs = request.inputs()?.to_vec();
        let mut route = self.route(routing, Capability::Embeddings).await?;
        route.expect(Units {
            input_tokens: Some(inputs.iter().map(|input| Units::of_text(input.len())).sum()),
            ..Units::default()
        });
        loop {
            let mut attempt = route.next(self).await?;
            if attempt.is_foreign {
                request.provider_options.clear();
            }
            progress.set(0, Some(inputs.len() as u64));
            match self
                .try_embed(&mut attempt, &request, &inputs, progress)
                .await
            {
                Ok(answered) => return put_together(&mut route, attempt, answered),
                Err(error) => route.failed(attempt, error)?,
            }
        }
    }

    async fn try_embed(
        &self,
        attempt: &mut Attempt,
        request: &EmbedRequest,
        inputs: &[String],
        progress: &Progress,
    ) -> Result<Vec<Answered>> {
        let model = attempt.model()?;
        let ranges = split(inputs, batch_limit(attempt, &model)?);
        let mut batches = stream::iter(ranges.into_iter().map(|range| {
            let attempt = &*attempt;
            let model = model.as_str();
            async move {
                self.embed_batch(attempt, request, inputs, range.clone(), model)
                    .await
                    .map_err(|error| which_inputs(error, &range, inputs.len()))
            }
        }))
        .buffer_unordered(BATCHES_AT_ONCE);
        let mut answered = Vec::new();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            progress.add(batch.range.len() as u64);
            answered.push(batch);
        }
        drop(batches);
        answered.sort_by_key(|batch| batch.range.start);
        Ok(answered)
    }

    async fn embed_batch(
        &self,
        attempt: &Attempt,
        request: &EmbedRequest,
        inputs: &[String],
        range: Range<usize>,
        model: &str,
    ) -> Result<Answered> {
        let key = &attempt.key;
        let inputs = &inputs[range.clone()];
        let speaker = Speaker::of(attempt, request, inputs, model)?;
        let wire = match &speaker {
            Speaker::Native(embed) => embed.request(request, inputs, model),
            Speaker::Scripted(embed) => embed.request().await,
        };
        let mut wire = wire.map_err(|error| key.blame(error))?;
        let warnings = std::mem::take(&mut wire.warnings);
        let (head, body) = self.fetch(key, wire, None, &attempt.routing).await?;
        let request_id = key.request_id(&head.headers);
        let batch = match &speaker {
            Speaker::Native(embed) => embed.response(&body),
            Speaker::Scripted(embed) => read(key, embed, &body).await,
        };
        let batch = batch
            .and_then(|batch| checked(batch, range.len()))
            .map_err(|error| key.blame(error).with_request_id(request_id.as_deref()))?;
        Ok(Answered {
            range,
            vectors: batch.vectors,
            input_tokens: batch.input_tokens,
            said: Said {
                model: batch.model,
                id: batch.id,
                ..Said::new(attempt, &head, &body, request_id, warnings)
            },
        })
    }
}

/// Who turns a batch into the provider's request and its answer back.
enum Speaker<'a> {
    Native(&'a dyn EmbedProvider),
    Scripted(ScriptedEmbed<'a>),
}

impl<'a> Speaker<'a> {
    fn of(
        attempt: &'a Attempt,
        request: &'a EmbedRequest,
        inputs: &[String],
        model: &'a str,
    ) -> Result<Self> {
        let provider = &attempt.key.registered.provider;
        match (provider.embed(), provider.scripted()) {
            (Some(embed), _) => Ok(Speaker::Native(embed)),
            (None, Some(scripted)) => {
                let embed = scripted.embed(request, inputs, model)?;
                Ok(Speaker::Scripted(embed))
            }
            (None, None) => Err(attempt.key.cannot(Capability::Embeddings)),
        }
    }
}

fn batch_limit(attempt: &Attempt, model: &str) -> Result<BatchLimit> {
    let provider = &attempt.key.registered.provider;
    match (provider.embed(), provider.scripted()) {
        (Some(embed), _) => Ok(embed.batch_limit(model)),
        (None, Some(scripted)) if scripted.supports(Capability::Embeddings) => {
            Ok(scripted.batch_limit())
        }
        _ => Err(attempt.key.cannot(Capability::Embeddings)),
    }
}

async fn read(key: &OpenKey, embed: &ScriptedEmbed<'_>, body: &[u8]) -> Result<EmbedBatch> {
    embed.response(&key.text_of(body)?).await
}

/// Ranges of inputs that each fit into one request. An input over the limit of bytes goes alone: the
/// provider says what it thinks of it.
fn split(inputs: &[String], limit: BatchLimit) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (index, input) in inputs.iter().enumerate() {
        let is_full = index - start >= limit.inputs.max(1) || bytes + input.len() > limit.bytes;
        if is_full && index > start {
            ranges.push(start..index);
            start = index;
            bytes = 0;
        }
        bytes += input.len();
    }
    ranges.push(start..inputs.len());
    ranges
}

fn checked(batch: EmbedBatch, expected: usize) -> Result<EmbedBatch> {
    let lengths = || batch.vectors.iter().map(Vec::len);
    let is_even = lengths().min() == lengths().max() && lengths().min() > Some(0);
    if batch.vectors.len() != expected || !is_even {
        return Err(Error::bad_response(format!(
            "The provider answered {expected} inputs with {} vectors of {} to {} numbers.",
            batch.vectors.len(),
            lengths().min().unwrap_or(0),
            lengths().max().unwrap_or(0),
        )));
    }
    Ok(batch)
}

fn which_inputs(error: Error, range: &Range<usize>, all: usize) -> Error {
    if range.len() == all {
        return error;
    }
    error.map_message(|message| {
        Some(match range.len() {
            1 => format!("input[{}]: {message}", range.start),
            _ => format!(
                "input[{}] to input[{}]: {message}",
                range.start,
                range.end - 1
            ),
        })
    })
}

fn put_together(
    route: &mut Route,
    mut attempt: Attempt,
    answered: Vec<Answered>,
) -> Result<(EmbedResult, Vec<Vec<u8>>)> {
    let count = answered.iter().map(|batch| batch.vectors.len()).sum();
    let dimensions = answered
        .first()
        .and_then(|batch| batch.vectors.first())
        .map_or(0, Vec::len);
    let mut floats = Vec::with_capacity(count * dimensions * 4);
    let mut input_tokens = Some(0);
    let mut all = Vec::with_capacity(answered.len());
    for batch in answered {
        for vector in batch.vectors {
            if vector.len() != dimensions {
                let message = "The provider answered one call with vectors of different lengths.";
                let error = attempt.key.blame(Error::new(Code::BadResponse, message));
                attempt.observation.failed(&error);
                return Err(error);
            }
            floats.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
        }
        input_tokens = input_tokens
            .zip(batch.input_tokens)
            .map(|(sum, tokens)| sum + tokens);
        all.push(batch.said);
    }
    let meta = gather(route, &mut attempt, all)?;
    attempt.observation.units(Units {
        input_tokens,
        ..Units::default()
    });
    attempt.observation.succeeded();
    let result = EmbedResult {
        count,
        dimensions,
        usage: EmbedUsage { input_tokens },
        meta,
    };
    Ok((result, vec![floats]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lengths: &[usize]) -> Vec<String> {
        lengths.iter().map(|length| "x".repeat(*length)).collect()
    }

    #[test]
    fn inputs_are_split_by_number_and_by_bytes_and_none_is_lost() {
        let limit = BatchLimit {
            inputs: 3,
            bytes: 10,
        };
        assert_eq!(split(&texts(&[1; 7]), limit), [0..3, 3..6, 6..7]);
        assert_eq!(split(&texts(&[6, 6, 4, 1]), limit), [0..1, 1..3, 3..4]);
        assert_eq!(split(&texts(&[99, 1]), limit), [0..1, 1..2]);
        assert_eq!(split(&texts(&[1]), limit).len(), 1);
    }

    #[test]
    fn an_answer_of_another_number_or_length_is_refused() {
        let batch = |vectors: &[&[f32]]| EmbedBatch {
            vectors: vectors.iter().map(|vector| vector.to_vec()).collect(),
            ..EmbedBatch::default()
        };
        assert!(checked(batch(&[&[1.0, 2.0], &[3.0, 4.0]]), 2).is_ok());
        for bad in [
            batch(&[&[1.0]]),
            batch(&[&[1.0], &[1.0, 2.0]]),
            batch(&[&[], &[]]),
        ] {
            assert!(checked(bad, 2).is_err());
        }
    }
}
