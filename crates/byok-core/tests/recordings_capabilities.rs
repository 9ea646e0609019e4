//! Replays the recorded embeddings, images, transcripts and speech of OpenAI and of those who speak like
//! it through our readers, and holds the outcome against EXPECTED.json.
#![allow(clippy::print_stdout)]

mod support;

use std::sync::{Arc, LazyLock};

use byok_core::capability::image::ImageRequest;
use byok_core::capability::speech::{SpeechRequest, SpeechUsage};
use byok_core::capability::transcription::{Transcript, TranscriptionRequest};
use byok_core::error::{Code, Result};
use byok_core::provider::{GeneratedImages, ImageSource, Provider, builtin};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::recordings::{Api, Recording, cuts, load, text_hash};

const OURS: &[&str] = &["openai", "mistral", "openrouter", "xai", "groq"];

fn provider(recording: &Recording) -> Arc<dyn Provider> {
    builtin()
        .into_iter()
        .find(|provider| provider.id() == recording.provider)
        .unwrap()
}

/// Everything of our providers that is no chat, read once for all tests.
fn all() -> Option<&'static [Recording]> {
    static ALL: LazyLock<Option<Vec<Recording>>> = LazyLock::new(|| {
        load(|recording| OURS.contains(&recording.provider.as_str()) && recording.api == Api::Other)
    });
    ALL.as_deref()
}

/// Those whose kind in EXPECTED.json begins like this.
fn load_kind(kind: &str) -> Option<Vec<&'static Recording>> {
    let is_of_kind = |recording: &&Recording| {
        let expected = recording.expected.as_ref();
        let found = expected.and_then(|expected| expected["kind"].as_str());
        recording.status == 200 && found.is_some_and(|found| found.starts_with(kind))
    };
    Some(all()?.iter().filter(is_of_kind).collect())
}

fn headers(recording: &Recording) -> HeaderMap {
    recording
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((
                HeaderName::from_bytes(name.as_bytes()).ok()?,
                HeaderValue::from_str(value).ok()?,
            ))
        })
        .collect()
}

#[test]
fn every_recorded_embedding_is_read_as_expected() {
    let is_embedding = |recording: &&Recording| {
        recording.status == 200
            && (recording
                .url_path
                .as_deref()
                .is_some_and(|path| path.ends_with("/embeddings"))
                || recording.path.contains("openai-embedding"))
    };
    let Some(all) = all() else {
        return;
    };
    let recordings: Vec<&Recording> = all.iter().filter(is_embedding).collect();
    for recording in &recordings {
        let path = &recording.path;
        let provider = provider(recording);
        let batch = provider.embed().unwrap().response(&recording.body).unwrap();
        let raw: Value = serde_json::from_slice(&recording.body).unwrap();
        let data = raw["data"].as_array().unwrap();
        assert_eq!(batch.vectors.len(), data.len(), "{path}");
        for (vector, item) in batch.vectors.iter().zip(data) {
            if let Some(numbers) = item["embedding"].as_array() {
                let same = numbers
                    .iter()
                    .zip(vector)
                    .all(|(raw, ours)| raw.as_f64().is_some_and(|raw| raw as f32 == *ours));
                assert!(same && numbers.len() == vector.len(), "{path}");
            }
        }
        assert_eq!(batch.input_tokens, raw["usage"]["prompt_tokens"].as_u64());
        assert_eq!(batch.model.as_deref(), raw["model"].as_str(), "{path}");
        let Some(expected) = &recording.expected else {
            continue;
        };
        let ours = json!([batch.vectors.len(), batch.vectors[0].len()]);
        assert_eq!(ours, json!([expected["n"], expected["dims"]]), "{path}");
        for (index, number) in expected["first"].as_array().unwrap().iter().enumerate() {
            assert_eq!(batch.vectors[0][index], number.as_f64().unwrap() as f32);
        }
    }
    let with_request = recordings.iter().filter(|r| r.request.is_some()).count();
    assert!(recordings.len() >= 7, "only {}", recordings.len());
    assert!(with_request >= 5, "only {with_request} with a request");
}

/// The same vectors come out of base64, which is what we ask OpenAI for.
#[test]
fn base64_and_numbers_are_the_same_vectors() {
    let Some(recordings) = load_kind("embeddings") else {
        return;
    };
    let openai = recordings
        .iter()
        .find(|recording| {
            recording
                .path
                .contains("openai_text-embedding-3-small_can_handle_mult")
        })
        .unwrap();
    let embed = provider(openai);
    let embed = embed.embed().unwrap();
    let numbers = embed.response(&openai.body).unwrap();
    let mut body: Value = serde_json::from_slice(&openai.body).unwrap();
    for (item, vector) in body["data"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(&numbers.vectors)
    {
        let bytes: Vec<u8> = vector.iter().flat_map(|n| n.to_le_bytes()).collect();
        use base64::Engine as _;
        item["embedding"] = base64::engine::general_purpose::STANDARD
            .encode(bytes)
            .into();
    }
    // Out of order, as servers may answer.
    body["data"].as_array_mut().unwrap().reverse();
    let base64 = embed.response(body.to_string().as_bytes()).unwrap();
    assert_eq!(base64.vectors, numbers.vectors);
    assert_eq!(numbers.vectors.len(), 3);
}

fn transcribe(recording: &Recording) -> Result<Transcript> {
    let mut request: TranscriptionRequest =
        serde_json::from_value(json!({ "audio": { "$bytes": 0 } })).unwrap();
    let mut body = recording.body.clone();
    if recording.path.contains("groq-transcription-text") {
        let options = &mut request.provider_options;
        options.insert("response_format".into(), "text".into());
        let wrapped: Value = serde_json::from_slice(&body).unwrap();
        body = wrapped["body"].as_str().unwrap().as_bytes().to_vec();
    }
    let provider = provider(recording);
    provider.transcription().unwrap().response(&request, &body)
}

#[test]
fn every_recorded_transcript_is_read_as_expected() {
    let Some(recordings) = load_kind("stt") else {
        return;
    };
    for recording in &recordings {
        let path = &recording.path;
        let expected = recording.expected.as_ref().unwrap();
        let transcript = transcribe(recording).unwrap_or_else(|error| panic!("{path}: {error}"));
        let hash = text_hash(&transcript.text);
        assert_eq!(hash, expected["text_sha256_16"].as_str().unwrap(), "{path}");
        if let Some(count) = expected["segments"].as_u64() {
            assert_eq!(transcript.segments.len() as u64, count, "{path}");
            assert!(
                transcript
                    .segments
                    .iter()
                    .all(|segment| segment.speaker.is_some())
            );
            assert!(
                transcript
                    .segments
                    .iter()
                    .all(|s| s.end_seconds > s.start_seconds)
            );
        }
        if let Some(count) = expected["words"].as_u64() {
            assert_eq!(transcript.words.len() as u64, count, "{path}");
            assert_eq!(transcript.words[0].text, "Galileo");
        }
        assert_eq!(
            transcript.language.as_deref(),
            expected["language"].as_str()
        );
        let usage = &expected["usage"];
        if usage.is_null() {
            continue; // not looked at
        }
        let number = |names: [&str; 2]| names.iter().find_map(|name| usage[*name].as_f64());
        let ours = &transcript.usage;
        assert_eq!(
            ours.audio_seconds,
            number(["seconds", "prompt_audio_seconds"]),
            "{path}"
        );
        let tokens = |count: Option<u64>| count.map(|count| count as f64);
        assert_eq!(
            tokens(ours.input_tokens),
            number(["input_tokens", "prompt_tokens"])
        );
        assert_eq!(
            tokens(ours.output_tokens),
            number(["output_tokens", "completion_tokens"])
        );
    }
    assert!(recordings.len() >= 8, "only {}", recordings.len());
    let verbose = recordings
        .iter()
        .find(|r| r.path.contains("openai-transcription.json"));
    let verbose = transcribe(verbose.unwrap()).unwrap();
    assert_eq!(verbose.duration_seconds, Some(36.709_999_084_472_656));
    assert_eq!(verbose.words[2].start_seconds, 0.899_999_976_158_142_1);
}

#[test]
fn a_recorded_event_stream_of_a_transcript_that_is_cut_off_is_an_error() {
    let Some(recordings) = load_kind("stt-sse") else {
        return;
    };
    let recording = &recordings[0];
    let last = recording.body.len() - b"\n\ndata: [DONE]\n\n".len();
    for at in (1..last).step_by(7) {
        let mut cut = (*recording).clone();
        cut.body.truncate(at);
        let error = transcribe(&cut).unwrap_err();
        assert!(
            matches!(error.code(), Code::StreamInterrupted | Code::BadResponse),
            "{at}: {error}"
        );
    }
}

fn speak(recording: &Recording, chunks: &[&[u8]]) -> Result<(Vec<u8>, String, SpeechUsage)> {
    let request = SpeechRequest::default();
    let provider = provider(recording);
    let speech = provider.speech().unwrap();
    let mut decoder = speech.decoder(&request, &headers(recording), false)?;
    let mut audio = Vec::new();
    for chunk in chunks {
        decoder.push(chunk, &mut audio)?;
    }
    decoder.finish(&mut audio, true)?;
    Ok((audio, decoder.content_type().to_owned(), decoder.usage()))
}

#[test]
fn every_recorded_speech_is_the_expected_audio_however_it_is_cut() {
    let Some(mut recordings) = load_kind("audio") else {
        return;
    };
    recordings.extend(load_kind("tts-json").unwrap());
    for recording in &recordings {
        let path = &recording.path;
        let expected = recording.expected.as_ref().unwrap();
        for chunks in cuts(&recording.body) {
            let (audio, content_type, _) = speak(recording, &chunks).unwrap();
            let length = expected["bytes"]
                .as_u64()
                .or(expected["audio_bytes"].as_u64());
            assert_eq!(Some(audio.len() as u64), length, "{path}");
            if let Some(hash) = expected["sha256_16"].as_str() {
                let digest: String = Sha256::digest(&audio)[..8]
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                assert_eq!(digest, hash, "{path}");
            }
            assert!(
                audio.starts_with(b"ID3") || audio.starts_with(b"\xFF\xF3"),
                "{path}"
            );
            assert_eq!(content_type, "audio/mpeg", "{path}");
        }
    }
    let providers: Vec<&str> = recordings.iter().map(|r| r.provider.as_str()).collect();
    for id in ["openai", "openrouter", "xai", "mistral"] {
        assert!(providers.contains(&id), "{id}");
    }
}

#[test]
fn recorded_speech_in_json_that_is_cut_off_is_an_error() {
    let Some(recordings) = load_kind("tts-json") else {
        return;
    };
    let recording = &recordings[0];
    for at in (0..recording.body.len()).step_by(997) {
        let error = speak(recording, &[&recording.body[..at]]).unwrap_err();
        assert_eq!(error.code(), Code::BadResponse, "{at}");
    }
}

fn paint(recording: &Recording) -> Result<GeneratedImages> {
    let provider = provider(recording);
    let image = provider.image().unwrap();
    image.response(&ImageRequest::default(), &recording.body)
}

#[test]
fn every_recorded_image_is_read_as_expected() {
    let Some(recordings) = load_kind("images") else {
        return;
    };
    for recording in &recordings {
        let path = &recording.path;
        let expected = recording.expected.as_ref().unwrap();
        let made = paint(recording).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(
            made.images.len() as u64,
            expected["n"].as_u64().unwrap(),
            "{path}"
        );
        for (image, base64) in made
            .images
            .iter()
            .zip(expected["b64_len"].as_array().unwrap())
        {
            match image {
                ImageSource::Bytes { data, .. } => {
                    let length = base64.as_u64().unwrap() as usize;
                    assert_eq!(data.len().div_ceil(3), length / 4, "{path}");
                    assert!(data.starts_with(b"\x89PNG") || data.starts_with(b"\xFF\xD8\xFF"));
                }
                ImageSource::Url { url, .. } => {
                    assert_eq!(expected["url"], true);
                    assert!(url.starts_with("https://imgen.x.ai/") && url.ends_with(".jpeg"));
                }
            }
        }
        let usage = &expected["usage"];
        let count = |names: [&str; 2]| names.iter().find_map(|name| usage[*name].as_u64());
        assert_eq!(
            made.usage.input_tokens,
            count(["input_tokens", "prompt_tokens"]),
            "{path}"
        );
        assert_eq!(
            made.usage.output_tokens,
            count(["output_tokens", "completion_tokens"])
        );
        assert_eq!(made.usage.total_tokens, usage["total_tokens"].as_u64());
    }
    let media_type = |part: &str| {
        let recording = recordings.iter().find(|r| r.path.contains(part)).unwrap();
        match paint(recording).unwrap().images.remove(0) {
            ImageSource::Bytes { media_type, .. } => media_type,
            ImageSource::Url { .. } => None,
        }
    };
    assert_eq!(media_type("local_files").as_deref(), Some("image/png"));
    let Some(ImageSource::Bytes { revised_prompt, .. }) = recordings
        .iter()
        .find(|r| r.path.contains("openai-image.json"))
        .map(|r| paint(r).unwrap().images.remove(0))
    else {
        panic!("no bytes");
    };
    assert!(revised_prompt.unwrap().starts_with("A small and adorable"));
    assert!(recordings.len() >= 4, "only {}", recordings.len());
}

#[test]
fn recorded_failures_of_these_apis_have_a_meaning() {
    let is_failure = |recording: &&Recording| {
        recording.status >= 400
            && recording
                .url_path
                .as_deref()
                .is_some_and(|path| path.ends_with("/embeddings") || path.contains("/images/"))
    };
    let Some(all) = all() else {
        return;
    };
    let recordings: Vec<&Recording> = all.iter().filter(is_failure).collect();
    for recording in &recordings {
        let status = StatusCode::from_u16(recording.status).unwrap();
        let failure = provider(recording).failure(status, &HeaderMap::new(), &recording.body);
        let code = if recording.status == 404 {
            Code::ModelNotFound
        } else {
            Code::ProviderError
        };
        assert_eq!(failure.code, code, "{}: {failure:?}", recording.path);
        assert!(failure.message.is_some() && !failure.retryable);
    }
    assert!(recordings.len() >= 2, "only {}", recordings.len());
}
