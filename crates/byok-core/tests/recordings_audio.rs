//! Every recorded piece of speech and every recorded transcript of Gemini, ElevenLabs and Deepgram,
//! compared with EXPECTED.json and with a second, plain reader.

mod support;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byok_core::capability::speech::SpeechRequest;
use byok_core::capability::transcription::{Timestamps, TranscriptionRequest};
use byok_core::error::{Code, Result};
use byok_core::provider::{Provider, builtin};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::recordings::{self, Recording};

fn provider(id: &str) -> Arc<dyn Provider> {
    let mut all = builtin().into_iter();
    all.find(|provider| provider.id() == id).unwrap()
}

fn one(part_of_path: &str) -> Option<Recording> {
    let all = recordings::load(|recording| recording.path.contains(part_of_path))?;
    assert_eq!(all.len(), 1, "{part_of_path}");
    all.into_iter().next()
}

fn speech(format: Option<&str>) -> SpeechRequest {
    SpeechRequest {
        text: "Ruby is a programming language designed for developer happiness.".to_owned(),
        format: format.map(str::to_owned),
        ..SpeechRequest::default()
    }
}

fn headers(recording: &Recording) -> HeaderMap {
    let pairs = recording.headers.iter().map(|(name, value)| {
        (
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    pairs.collect()
}

struct Heard {
    audio: Vec<u8>,
    content_type: String,
    usage: Value,
}

fn hear(
    id: &str,
    request: &SpeechRequest,
    headers: &HeaderMap,
    chunks: &[&[u8]],
    stream: bool,
) -> Result<Heard> {
    let provider = provider(id);
    let mut decoder = provider
        .speech()
        .unwrap()
        .decoder(request, headers, stream)?;
    let mut audio = Vec::new();
    for chunk in chunks {
        decoder.push(chunk, &mut audio)?;
    }
    decoder.finish(&mut audio, !stream)?;
    Ok(Heard {
        audio,
        content_type: decoder.content_type().to_owned(),
        usage: serde_json::to_value(decoder.usage()).unwrap(),
    })
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn recorded_bytes_of_audio_come_out_as_they_are() {
    for (id, path, content_type, usage) in [
        (
            "elevenlabs",
            "elevenlabs/text-to-speech-basic-1",
            "audio/mpeg",
            json!({}),
        ),
        (
            "elevenlabs",
            "elevenlabs/text-to-speech-wav-1",
            "audio/mpeg",
            json!({}),
        ),
        (
            "deepgram",
            "speech_basic_functionality_deepgram",
            "audio/mpeg",
            json!({ "characters": 64 }),
        ),
    ] {
        let Some(recording) = one(path) else {
            return;
        };
        let expected = recording.expected.as_ref().unwrap();
        for stream in [false, true] {
            for chunks in recordings::cuts(&recording.body) {
                let heard = hear(id, &speech(None), &headers(&recording), &chunks, stream).unwrap();
                assert_eq!(json!(heard.audio.len()), expected["bytes"], "{path}");
                assert_eq!(json!(hash(&heard.audio)), expected["sha256_16"], "{path}");
                assert_eq!(heard.content_type, content_type, "{path}");
                assert_eq!(heard.usage, usage, "{path}");
            }
        }
    }
}

#[test]
fn what_ruby_sent_deepgram_is_what_we_send() {
    let Some(recording) = one("speech_basic_functionality_deepgram") else {
        return;
    };
    let deepgram = provider("deepgram");
    let wire = deepgram
        .speech()
        .unwrap()
        .request(&speech(None), "aura-2-thalia-en", false)
        .unwrap();
    let parameters = |path: &str| {
        let (path, query) = path.split_once('?').unwrap();
        let mut all: Vec<String> = query.split('&').map(str::to_owned).collect();
        all.sort();
        (path.to_owned(), all)
    };
    let recorded = recording.url_path.unwrap();
    assert_eq!(parameters(&wire.path), parameters(&recorded));
    let body: Value = serde_json::from_slice(wire.json_body()).unwrap();
    assert_eq!(body, recording.request.unwrap());
}

/// The samples in a recorded answer.
fn samples(body: &[u8]) -> Vec<u8> {
    let answer: Value = serde_json::from_slice(body).unwrap();
    let data = &answer["candidates"][0]["content"]["parts"][0]["inlineData"]["data"];
    STANDARD.decode(data.as_str().unwrap()).unwrap()
}

#[test]
fn recorded_gemini_speech_is_a_wav_file_by_default_and_samples_on_request() {
    let Some(recording) = one("speech_basic_functionality_gemini") else {
        return;
    };
    let samples = samples(&recording.body);
    let expected = recording.expected.as_ref().unwrap();
    let base64_length = expected["inline"][0]["b64_len"].as_u64().unwrap();
    assert_eq!(samples.len() as u64 / 3, base64_length / 4 - 1);
    for chunks in recordings::cuts(&recording.body)
        .into_iter()
        .filter(|cut| cut.len() < 5000)
    {
        let none = HeaderMap::new();
        let wav = hear("gemini", &speech(None), &none, &chunks, false).unwrap();
        assert_eq!(wav.content_type, "audio/wav");
        assert_eq!(&wav.audio[..4], b"RIFF");
        assert_eq!(wav.audio[4..8], (samples.len() as u32 + 36).to_le_bytes());
        assert_eq!(wav.audio[24..28], 24_000u32.to_le_bytes());
        assert_eq!(wav.audio[40..44], (samples.len() as u32).to_le_bytes());
        assert!(wav.audio[44..] == samples);
        assert_eq!(wav.usage, json!({ "inputTokens": 11, "outputTokens": 111 }));

        let pcm = hear("gemini", &speech(Some("pcm")), &none, &chunks, false).unwrap();
        assert_eq!(
            pcm.content_type,
            "audio/pcm;rate=24000;encoding=s16le;channels=1"
        );
        assert!(pcm.audio == samples);
    }
}

#[test]
fn what_ruby_sent_gemini_is_what_we_send() {
    let Some(recording) = one("speech_basic_functionality_gemini") else {
        return;
    };
    let model = "gemini-2.5-flash-preview-tts";
    let gemini = provider("gemini");
    let wire = gemini
        .speech()
        .unwrap()
        .request(&speech(None), model, false)
        .unwrap();
    assert!(recording.url_path.unwrap().ends_with(&wire.path));
    let mut body: Value = serde_json::from_slice(wire.json_body()).unwrap();
    body["model"] = model.into();
    assert_eq!(body, recording.request.unwrap());
}

/// The recorded answer as events, the first 48,000 bytes of its samples in pieces of `bytes`, as
/// `streamGenerateContent` sends them.
fn as_stream(body: &[u8], bytes: usize) -> Vec<u8> {
    let answer: Value = serde_json::from_slice(body).unwrap();
    let samples = samples(body);
    let pieces: Vec<&[u8]> = samples[..48_000].chunks(bytes).collect();
    let mut events = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut event = answer.clone();
        let candidate = &mut event["candidates"][0];
        candidate["content"]["parts"][0]["inlineData"]["data"] = STANDARD.encode(piece).into();
        if index + 1 < pieces.len() {
            candidate.as_object_mut().unwrap().remove("finishReason");
        }
        events.push_str(&format!("data: {event}\r\n\r\n"));
    }
    events.into_bytes()
}

#[test]
fn streamed_gemini_speech_is_the_same_audio_however_it_is_cut() {
    let Some(recording) = one("speech_basic_functionality_gemini") else {
        return;
    };
    let samples = &samples(&recording.body)[..48_000];
    let body = as_stream(&recording.body, 4800);
    for chunks in recordings::cuts(&body) {
        let heard = hear("gemini", &speech(None), &HeaderMap::new(), &chunks, true).unwrap();
        assert_eq!(heard.content_type, "audio/wav");
        assert_eq!(
            heard.audio[4..8],
            [0xFF; 4],
            "the length is not known beforehand"
        );
        assert!(heard.audio[44..] == *samples);
        let pcm = hear(
            "gemini",
            &speech(Some("pcm")),
            &HeaderMap::new(),
            &chunks,
            true,
        )
        .unwrap();
        assert!(pcm.audio == samples);
    }
}

#[test]
fn the_first_event_of_streamed_speech_is_handed_on_before_the_second_comes() {
    let Some(recording) = one("speech_basic_functionality_gemini") else {
        return;
    };
    let body = as_stream(&recording.body, 4800);
    let first = body
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let gemini = provider("gemini");
    let request = speech(Some("pcm"));
    let mut decoder = gemini
        .speech()
        .unwrap()
        .decoder(&request, &HeaderMap::new(), true)
        .unwrap();
    let mut audio = Vec::new();
    decoder.push(&body[..first], &mut audio).unwrap();
    assert_eq!(audio.len(), 4800);
}

#[test]
fn gemini_speech_that_is_cut_off_is_an_error() {
    let Some(recording) = one("speech_basic_functionality_gemini") else {
        return;
    };
    let body = as_stream(&recording.body, 16_000);
    let complete = body.trim_ascii_end().len();
    for length in (0..complete).step_by(complete / 100).chain([complete - 1]) {
        let chunks = [&body[..length]];
        let error = hear("gemini", &speech(None), &HeaderMap::new(), &chunks, true).err();
        let code = error.map(|error| error.code());
        assert!(
            matches!(code, Some(Code::StreamInterrupted | Code::BadResponse)),
            "cut at {length} of {complete}: {code:?}"
        );
    }
    let body = recording.body.trim_ascii_end();
    for length in (0..body.len())
        .step_by(body.len() / 100)
        .chain([body.len() - 1])
    {
        let chunks = [&body[..length]];
        let error = hear("gemini", &speech(None), &HeaderMap::new(), &chunks, false).err();
        assert_eq!(error.map(|error| error.code()), Some(Code::BadResponse));
    }
}

fn transcription(timestamps: Option<Timestamps>, diarize: bool) -> TranscriptionRequest {
    let mut request: TranscriptionRequest =
        serde_json::from_value(json!({ "audio": { "$bytes": 0 }, "diarize": diarize })).unwrap();
    request.timestamps = timestamps;
    request
}

#[test]
fn recorded_elevenlabs_transcripts_read_as_expected() {
    let all = recordings::load(|recording| {
        let path = &recording.path;
        path.contains("elevenlabs/")
            && (path.contains("speech-to-text") || path.contains("transcription"))
    });
    let Some(all) = all else {
        return;
    };
    assert!(all.len() >= 4, "{}", all.len());
    let elevenlabs = provider("elevenlabs");
    for recording in &all {
        let path = &recording.path;
        let read = |request| {
            elevenlabs
                .transcription()
                .unwrap()
                .response(&request, &recording.body)
        };
        let body: Value = serde_json::from_slice(&recording.body).unwrap();
        let plain = read(transcription(None, false)).unwrap();
        assert!(plain.segments.is_empty(), "{path}");
        let items = body["words"].as_array().unwrap();
        let spoken: Vec<&Value> = items
            .iter()
            .filter(|item| item["type"] != "spacing")
            .collect();
        assert_eq!(plain.words.len(), spoken.len(), "{path}");
        for (word, item) in plain.words.iter().zip(&spoken) {
            assert_eq!(json!(word.text), item["text"], "{path}");
            assert_eq!(json!(word.start_seconds), item["start"], "{path}");
            assert_eq!(json!(word.end_seconds), item["end"], "{path}");
            assert_eq!(
                json!(word.speaker),
                item.get("speaker_id").cloned().unwrap_or_default(),
                "{path}"
            );
        }
        if let Some(expected) = &recording.expected {
            assert_eq!(
                expected["text_sha256_16"],
                recordings::text_hash(&plain.text),
                "{path}"
            );
            assert_eq!(json!(plain.language), expected["language"], "{path}");
            assert_eq!(json!(items.len()), expected["words"], "{path}");
        }

        let with_segments = read(transcription(Some(Timestamps::Segment), false)).unwrap();
        let segments = &with_segments.segments;
        assert!(!segments.is_empty(), "{path}");
        let joined: String = segments.iter().map(|all| all.text.as_str()).collect();
        assert_eq!(without_space(&joined), without_space(&plain.text), "{path}");
        let first = plain.words.first().unwrap();
        let last = plain.words.last().unwrap();
        assert_eq!(segments[0].start_seconds, first.start_seconds, "{path}");
        assert_eq!(
            segments.last().unwrap().end_seconds,
            last.end_seconds,
            "{path}"
        );
        assert!(
            segments
                .iter()
                .all(|all| all.text.trim() == all.text && all.start_seconds <= all.end_seconds),
            "{path}"
        );
        let by_speaker = read(transcription(None, true)).unwrap().segments;
        let changes = plain
            .words
            .windows(2)
            .filter(|two| two[0].speaker != two[1].speaker);
        assert_eq!(by_speaker.len(), changes.count() + 1, "{path}");
    }
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn every_recorded_transcript_that_is_cut_off_is_an_error() {
    let Some(recording) = one("bodies-vercel-ai/elevenlabs/elevenlabs-transcription") else {
        return;
    };
    let elevenlabs = provider("elevenlabs");
    let body = recording.body.trim_ascii_end();
    for length in (0..body.len()).step_by(10).chain([body.len() - 1]) {
        let request = transcription(None, false);
        let error = elevenlabs
            .transcription()
            .unwrap()
            .response(&request, &body[..length])
            .err();
        assert_eq!(error.map(|error| error.code()), Some(Code::BadResponse));
    }
}
