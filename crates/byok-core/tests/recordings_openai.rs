//! Replays every recorded chat answer of OpenAI (both APIs) and of the compatible providers through
//! our readers, and holds the outcome against EXPECTED.json where it has the exchange. Streams are
//! also cut into pieces of every kind, and cut off at every tenth byte.
#![allow(clippy::print_stdout)]

mod support;

use byok_core::capability::chat::{ChatRequest, ChatResult, FinishReason};
use byok_core::capability::fold::ChatFold;
use byok_core::error::{Code, Result};
use byok_core::provider::compatible::{Compatible, TABLE};
use byok_core::provider::openai::OpenAi;
use byok_core::provider::{Azure, Provider, builtin};
use byok_core::sse::SseDecoder;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use support::recordings::{Api, Kind, Recording, cuts, load, text_hash};

/// Folders of recordings whose provider has another name here.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("moonshotai", "moonshot"),
    ("togetherai", "together"),
    ("ollama (local)", "ollama"),
];

/// A fixture written by hand whose first and last event lack their closing brace: not JSON, so there
/// is no answer in it.
const NOT_JSON: &str = "openai/responses/parallel-tool-call-wrapper.1";

fn is_ours(recording: &Recording) -> bool {
    matches!(recording.api, Api::ChatCompletions | Api::Responses) && recording.kind != Kind::Other
}

/// Who would have sent this, and the request's part that its readers look at. Servers that are not in
/// the table are an app's own; the Responses API of others is read by the only reader there is.
fn reader(recording: &Recording) -> (Box<dyn Provider>, ChatRequest) {
    let mut request = ChatRequest::default();
    let is_azure = recording.provider == "azure" || recording.path.contains("azure-model-router");
    if recording.api == Api::Responses {
        if is_azure {
            let options = &mut request.provider_options;
            options.insert("api".into(), "responses".into());
            return (Box::new(Azure), request);
        }
        return (Box::new(OpenAi), request);
    }
    if is_azure {
        return (Box::new(Azure), request);
    }
    let id = OTHER_NAMES
        .iter()
        .find(|(folder, _)| *folder == recording.provider)
        .map_or(recording.provider.as_str(), |(_, id)| *id);
    if id == "openai" {
        request
            .provider_options
            .insert("api".into(), "chat-completions".into());
        return (Box::new(OpenAi), request);
    }
    match TABLE.iter().find(|row| row.id == id) {
        Some(row) => (Box::new(Compatible::row(row)), request),
        None => (
            Box::new(Compatible::custom(
                id.to_owned(),
                "http://own.test/v1".to_owned(),
            )),
            request,
        ),
    }
}

fn whole(recording: &Recording) -> Result<ChatResult> {
    let (provider, request) = reader(recording);
    let mut fold = ChatFold::whole();
    provider
        .chat()
        .unwrap()
        .response(&request, &recording.body, &mut fold)?;
    Ok(fold.into_result(provider.id(), "asked-for", false))
}

fn streamed(recording: &Recording, chunks: &[&[u8]]) -> Result<ChatResult> {
    let (provider, request) = reader(recording);
    let mut stream = provider.chat().unwrap().stream(&request);
    let mut fold = ChatFold::streaming();
    let mut decoder = SseDecoder::new(16 << 20);
    for chunk in chunks {
        decoder.push(chunk, |event| stream.event(&event, &mut fold))?;
    }
    decoder.finish(|event| stream.event(&event, &mut fold))?;
    stream.end(&mut fold)?;
    Ok(fold.into_result(provider.id(), "asked-for", false))
}

fn is_error_stream(recording: &Recording) -> bool {
    let body = String::from_utf8_lossy(&recording.body);
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .any(|data| {
            let event: Value = serde_json::from_str(data).unwrap_or_default();
            event["error"].is_object()
                || event["type"] == "error"
                || event["type"] == "response.failed"
        })
}

/// Compares with EXPECTED.json: text, calls, finish reason and usage. Gives what differs.
fn differences(recording: &Recording, result: &ChatResult) -> Vec<String> {
    let mut all = Vec::new();
    let Some(expected) = &recording.expected else {
        return all;
    };
    let mut compare = |what: &str, ours: Value, theirs: Value| {
        if ours != theirs {
            all.push(format!(
                "{}: {what} is {ours}, not {theirs}",
                recording.path
            ));
        }
    };
    compare(
        "text",
        text_hash(&result.text).into(),
        expected["text_sha256_16"].clone(),
    );
    let calls = result.tool_calls.iter().map(
        |call| serde_json::json!({ "id": call.id, "name": call.name, "args": call.arguments }),
    );
    let mut expected_calls = expected["tool_calls"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for call in &mut expected_calls {
        if call["args"] == "" {
            call["args"] = serde_json::json!({}); // no arguments at all mean none
        }
    }
    compare("tool calls", calls.collect(), expected_calls.into());
    if let Some(length) = expected["reasoning_len"].as_u64() {
        let reasoning = result.reasoning.as_deref().unwrap_or_default();
        compare("reasoning", reasoning.chars().count().into(), length.into());
    }
    let has_calls = !result.tool_calls.is_empty();
    let raw = expected["finish"].as_str().or(expected["status"].as_str());
    let reason = match raw {
        None | Some("stop" | "completed") if has_calls => Some(FinishReason::ToolCalls),
        Some("stop" | "completed") => Some(FinishReason::Stop),
        Some("tool_calls") => Some(FinishReason::ToolCalls),
        Some("length") => Some(FinishReason::Length),
        _ => None,
    };
    assert!(reason.is_some(), "{}: what is {raw:?}?", recording.path);
    compare(
        "finish reason",
        format!("{:?}", result.finish_reason).into(),
        format!("{:?}", reason.unwrap()).into(),
    );
    if let Some(model) = expected["model"].as_str() {
        compare("model", result.model.as_str().into(), model.into());
    }
    let usage = &expected["usage"];
    let count = |names: [&str; 2]| names.iter().find_map(|name| usage[*name].as_u64());
    let reasoning = count([
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
    ]);
    let input = count(["prompt_tokens", "input_tokens"]).unwrap_or(0);
    let mut output = count(["completion_tokens", "output_tokens"]).unwrap_or(0);
    if recording.provider == "xai" && recording.api == Api::ChatCompletions {
        output += reasoning.unwrap_or(0); // xAI counts it apart; ours is the sum everywhere
    }
    compare(
        "input tokens",
        result.usage.input_tokens.into(),
        input.into(),
    );
    compare(
        "output tokens",
        result.usage.output_tokens.into(),
        output.into(),
    );
    if let Some(reasoning) = reasoning {
        compare(
            "reasoning tokens",
            result.usage.reasoning_tokens.into(),
            reasoning.into(),
        );
    }
    if let Some(cached) = count([
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
    ]) {
        compare(
            "cached tokens",
            result.usage.cached_input_tokens.into(),
            cached.into(),
        );
    }
    all
}

#[test]
fn every_whole_answer_is_read_as_expected() {
    let wanted = |r: &Recording| is_ours(r) && r.kind == Kind::Json && r.status == 200;
    let Some(recordings) = load(wanted) else {
        return;
    };
    let mut problems = Vec::new();
    for recording in &recordings {
        match whole(recording) {
            Ok(result) => problems.extend(differences(recording, &result)),
            Err(error) => problems.push(format!("{}: {error}", recording.path)),
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert!(
        recordings.len() > 350,
        "only {} recordings",
        recordings.len()
    );
    let mut answered: Vec<String> = recordings
        .iter()
        .map(|recording| reader(recording).0.id().to_owned())
        .collect();
    answered.sort_unstable();
    answered.dedup();
    for id in [
        "azure-openai",
        "cerebras",
        "groq",
        "mistral",
        "ollama",
        "openrouter",
    ] {
        assert!(answered.iter().any(|known| known == id), "none of {id}");
    }
    println!("{} whole answers of {answered:?}", recordings.len());
}

#[test]
fn every_failed_request_has_a_meaning() {
    let Some(recordings) = load(|r| is_ours(r) && r.status >= 400) else {
        return;
    };
    for recording in &recordings {
        let status = StatusCode::from_u16(recording.status).unwrap();
        let failure = reader(recording)
            .0
            .failure(status, &HeaderMap::new(), &recording.body);
        let path = &recording.path;
        assert!(failure.message.is_some(), "{path}");
        let code = if path.contains("auth_error") || path.contains("invalid_api_keys") {
            Code::KeyInvalid
        } else if recording.status == 429 {
            Code::ProviderRateLimited
        } else if path.contains("context_length") {
            Code::ContextTooLong
        } else {
            Code::ProviderError
        };
        assert_eq!(failure.code, code, "{path}: {failure:?}");
        assert_eq!(
            failure.retryable,
            code == Code::ProviderRateLimited,
            "{path}"
        );
    }
    assert!(
        recordings.len() >= 25,
        "only {} recordings",
        recordings.len()
    );
}

#[test]
fn every_stream_is_read_as_expected_however_it_is_cut() {
    let wanted = |r: &Recording| is_ours(r) && r.kind == Kind::Sse && r.status == 200;
    let Some(recordings) = load(wanted) else {
        return;
    };
    let mut problems = Vec::new();
    let mut errors = 0;
    for recording in &recordings {
        let cut = cuts(&recording.body);
        let first = streamed(recording, &cut[0]);
        match &first {
            Ok(result) => problems.extend(differences(recording, result)),
            Err(_) if is_error_stream(recording) => errors += 1,
            Err(error) if recording.path.contains(NOT_JSON) => {
                assert_eq!(error.code(), Code::StreamInterrupted);
            }
            Err(error) => problems.push(format!("{}: {error}", recording.path)),
        }
        for chunks in &cut[1..] {
            let again = streamed(recording, chunks);
            let same = match (&first, &again) {
                (Ok(first), Ok(again)) => first == again,
                (Err(first), Err(again)) => first.to_string() == again.to_string(),
                _ => false,
            };
            if !same {
                problems.push(format!(
                    "{}: another answer in {} pieces",
                    recording.path,
                    chunks.len()
                ));
            }
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert!(
        recordings.len() > 140,
        "only {} recordings",
        recordings.len()
    );
    println!("{} streams, {errors} of them errors", recordings.len());
}

/// Where the proof that a stream is complete ends: the events after it may be lost.
fn proven_at(recording: &Recording) -> usize {
    let body = std::str::from_utf8(&recording.body).unwrap();
    let has_done = body.contains("data: [DONE]");
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let Some(data) = line.trim_end().strip_prefix("data:") else {
            continue;
        };
        let event: Value = serde_json::from_str(data.trim()).unwrap_or_default();
        let is_end = match recording.api {
            Api::Responses => ["response.completed", "response.incomplete"]
                .contains(&event["type"].as_str().unwrap_or("")),
            _ if data.trim() == "[DONE]" => true,
            // An app's own server, a local one and Perplexity, which may close after the reason.
            _ => {
                let provider = reader(recording).0;
                let may_close = ["perplexity", "ollama"].contains(&provider.id())
                    || !builtin().iter().any(|known| known.id() == provider.id());
                (may_close || !has_done) && event["choices"][0]["finish_reason"].is_string()
            }
        };
        if is_end {
            return start + line.trim_end().len();
        }
    }
    panic!("{} has no end", recording.path)
}

/// One pass: between two events the state is what a connection cut there would leave behind, so each
/// cut inside an event tries that event's beginning and the end of the body on it. A piece that is
/// refused leaves the state as it was.
fn assert_no_prefix_is_an_answer(recording: &Recording, proven: usize) -> usize {
    let (provider, request) = reader(recording);
    let mut stream = provider.chat().unwrap().stream(&request);
    let mut fold = ChatFold::streaming();
    let mut begin = 0;
    let mut tried = 0;
    for length in event_lengths(&recording.body) {
        let block = &recording.body[begin..begin + length];
        let mut is_applied = false;
        let last = length.min(proven.saturating_sub(begin));
        for at in (0..last).filter(|at| (begin + at) % 10 == 0) {
            if !is_applied {
                let mut decoder = SseDecoder::new(16 << 20);
                let mut sink = |event: byok_core::sse::SseEvent<'_>| {
                    is_applied = true;
                    stream.event(&event, &mut fold)
                };
                let outcome = decoder.push(&block[..at], &mut sink);
                let outcome = outcome.and_then(|()| decoder.finish(&mut sink));
                if outcome.is_err() {
                    is_applied = false;
                    tried += 1;
                    continue;
                }
            }
            let path = &recording.path;
            assert!(
                stream.end(&mut fold).is_err(),
                "{path} cut off at {} is an answer",
                begin + at
            );
            tried += 1;
        }
        if begin + length > proven {
            break;
        }
        if !is_applied {
            let mut decoder = SseDecoder::new(16 << 20);
            if decoder
                .push(block, |event| stream.event(&event, &mut fold))
                .is_err()
            {
                break; // the provider's own error: nothing after it is read
            }
        }
        begin += length;
    }
    tried
}

/// The lengths of the events of a body, each with the empty line that ends it.
fn event_lengths(body: &[u8]) -> Vec<usize> {
    let mut all = vec![0];
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        *all.last_mut().unwrap() += line.len();
        if line.trim_ascii().is_empty() {
            all.push(0);
        }
    }
    all
}

#[test]
fn every_stream_that_is_cut_off_is_an_error() {
    let wanted = |r: &Recording| is_ours(r) && r.kind == Kind::Sse && r.status == 200;
    let Some(recordings) = load(wanted) else {
        return;
    };
    let mut tried = 0;
    for recording in &recordings {
        let length = recording.body.len();
        let has_no_end = is_error_stream(recording) || recording.path.contains(NOT_JSON);
        let proven = if has_no_end {
            length
        } else {
            proven_at(recording)
        };
        tried += assert_no_prefix_is_an_answer(recording, proven);
        // The same from the first byte on, at some of the places.
        for at in (0..proven).step_by((proven / 12).max(10)) {
            let outcome = streamed(recording, &[&recording.body[..at]]);
            assert!(
                outcome.is_err(),
                "{} cut off at {at} of {length} is an answer",
                recording.path
            );
        }
    }
    assert!(tried > 100_000, "only {tried}");
    println!("{tried} cut-off streams");
}
