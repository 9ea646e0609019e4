//! Answers that no recording has: Gemini's images and transcripts, Deepgram's transcripts, channels of
//! ElevenLabs', what filters and limits do, and how a stream of Cohere's fails.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byok_core::capability::chat::{ChatRequest, FinishReason};
use byok_core::capability::fold::ChatFold;
use byok_core::capability::image::ImageRequest;
use byok_core::capability::speech::SpeechRequest;
use byok_core::capability::transcription::{Transcript, TranscriptionRequest};
use byok_core::error::{Code, Error, Result};
use byok_core::provider::{GeneratedImages, ImageSource, Provider, builtin};
use byok_core::sse::SseDecoder;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

fn provider(id: &str) -> Arc<dyn Provider> {
    let mut all = builtin().into_iter();
    all.find(|provider| provider.id() == id).unwrap()
}

fn draw(answer: &Value) -> Result<GeneratedImages> {
    let gemini = provider("gemini");
    let request = ImageRequest::default();
    gemini
        .image()
        .unwrap()
        .response(&request, answer.to_string().as_bytes())
}

fn transcribe(id: &str, request: Value, answer: &Value) -> Result<Transcript> {
    let mut whole = json!({ "audio": { "$bytes": 0 } });
    whole
        .as_object_mut()
        .unwrap()
        .extend(request.as_object().unwrap().clone());
    let request: TranscriptionRequest = serde_json::from_value(whole).unwrap();
    let provider = provider(id);
    provider
        .transcription()
        .unwrap()
        .response(&request, answer.to_string().as_bytes())
}

fn speak(
    id: &str,
    request: Value,
    headers: &HeaderMap,
    body: &[u8],
    stream: bool,
) -> Result<(String, Vec<u8>, Value)> {
    let request: SpeechRequest = serde_json::from_value(request).unwrap();
    let provider = provider(id);
    let mut decoder = provider
        .speech()
        .unwrap()
        .decoder(&request, headers, stream)?;
    let mut audio = Vec::new();
    decoder.push(body, &mut audio)?;
    decoder.finish(&mut audio, !stream)?;
    let usage = serde_json::to_value(decoder.usage()).unwrap();
    Ok((decoder.content_type().to_owned(), audio, usage))
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> (Code, bool) {
    let error: Error = result.unwrap_err();
    (error.code(), error.retryable())
}

#[test]
fn gemini_images_are_the_inline_data_that_is_no_thought() {
    let draft = STANDARD.encode(b"draft");
    let image = STANDARD.encode(b"\x89PNG");
    let drawn = draw(&json!({
        "candidates": [{ "finishReason": "STOP", "content": { "parts": [
            { "thought": true, "inlineData": { "mimeType": "image/png", "data": draft } },
            { "text": "Here you are." },
            { "inlineData": { "mimeType": "image/png", "data": image }, "thoughtSignature": "x" },
        ] } }],
        "usageMetadata": { "promptTokenCount": 5, "candidatesTokenCount": 1120, "thoughtsTokenCount": 80, "totalTokenCount": 1205 },
        "modelVersion": "gemini-3.1-flash-image", "responseId": "r1",
    }))
    .unwrap();
    assert_eq!(
        drawn.images,
        [ImageSource::Bytes {
            data: b"\x89PNG".to_vec(),
            media_type: Some("image/png".into()),
            revised_prompt: None
        }]
    );
    assert_eq!(
        serde_json::to_value(&drawn.usage).unwrap(),
        json!({ "inputTokens": 5, "outputTokens": 1200, "totalTokens": 1205 })
    );
    assert_eq!(drawn.model.as_deref(), Some("gemini-3.1-flash-image"));
    assert_eq!(drawn.id.as_deref(), Some("r1"));
}

#[test]
fn gemini_answers_without_an_image_say_why() {
    let blocked = json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" } });
    assert_eq!(code(draw(&blocked)), (Code::ContentFiltered, false));
    let safety = json!({ "candidates": [{ "finishReason": "IMAGE_SAFETY" }] });
    assert_eq!(code(draw(&safety)), (Code::ContentFiltered, false));
    let words = json!({ "candidates": [{ "finishReason": "STOP", "content": { "parts": [{ "text": "No." }] } }] });
    assert_eq!(code(draw(&words)), (Code::BadResponse, true));
    let none = json!({ "candidates": [{ "finishReason": "NO_IMAGE" }] });
    assert!(draw(&none).unwrap_err().message().contains("NO_IMAGE"));
    let bad =
        json!({ "candidates": [{ "content": { "parts": [{ "inlineData": { "data": "*" } }] } }] });
    assert_eq!(code(draw(&bad)), (Code::BadResponse, true));
    let error = json!({ "error": { "code": 503, "message": "Busy", "status": "UNAVAILABLE" } });
    assert_eq!(code(draw(&error)), (Code::ProviderUnavailable, true));
}

fn told(text: &str, finish: &str) -> Value {
    json!({
        "candidates": [{ "finishReason": finish, "content": { "parts": [
            { "text": "Hm.", "thought": true }, { "text": text }] } }],
        "usageMetadata": { "promptTokenCount": 40, "candidatesTokenCount": 8, "thoughtsTokenCount": 2, "totalTokenCount": 50 },
        "modelVersion": "gemini-3.7-flash", "responseId": "r2",
    })
}

#[test]
fn a_gemini_transcript_is_the_text_or_segments_with_times() {
    let plain = transcribe(
        "gemini",
        json!({ "language": "en" }),
        &told(" Hello there.\n", "STOP"),
    )
    .unwrap();
    assert_eq!(
        serde_json::to_value(&plain).unwrap(),
        json!({ "text": "Hello there.", "language": "en", "usage": { "inputTokens": 40, "outputTokens": 10 } })
    );
    assert_eq!(plain.model.as_deref(), Some("gemini-3.7-flash"));
    let json = json!({ "language": "de", "segments": [
        { "start": "00:00.5", "end": "00:02", "text": "Hallo.", "speaker": "speaker_0" },
        { "start": "00:02", "end": "01:03.25", "text": "Tag.", "speaker": "speaker_1" },
    ] });
    let spoken = transcribe(
        "gemini",
        json!({ "diarize": true }),
        &told(&json.to_string(), "STOP"),
    )
    .unwrap();
    assert_eq!(spoken.text, "Hallo. Tag.");
    assert_eq!(spoken.language.as_deref(), Some("de"));
    assert_eq!(spoken.segments[1].end_seconds, 63.25);
    assert_eq!(spoken.segments[1].speaker.as_deref(), Some("speaker_1"));
}

#[test]
fn a_gemini_transcript_that_is_not_whole_is_an_error() {
    let transcribe = |request, answer| code(transcribe("gemini", request, &answer));
    assert_eq!(
        transcribe(json!({}), told("Hel", "MAX_TOKENS")),
        (Code::BadResponse, false)
    );
    assert_eq!(
        transcribe(json!({}), told("Hel", "SAFETY")),
        (Code::ContentFiltered, false)
    );
    assert_eq!(
        transcribe(json!({}), json!({ "candidates": [] })),
        (Code::BadResponse, true)
    );
    let segments = json!({ "timestamps": "segment" });
    assert_eq!(
        transcribe(segments.clone(), told("{\"segm", "STOP")),
        (Code::BadResponse, true)
    );
    let times = json!({ "segments": [{ "start": "soon", "end": "1", "text": "x" }] });
    assert_eq!(
        transcribe(segments, told(&times.to_string(), "STOP")),
        (Code::BadResponse, true)
    );
}

#[test]
fn a_recording_without_speech_is_an_empty_transcript() {
    let silent = json!({ "candidates": [{ "finishReason": "STOP" }] });
    assert_eq!(transcribe("gemini", json!({}), &silent).unwrap().text, "");
}

#[test]
fn gemini_speech_that_the_filter_stopped_or_the_limit_cut_is_an_error() {
    let said = |answer: Value, stream: bool| {
        let body = if stream {
            format!("data: {answer}\n\n")
        } else {
            answer.to_string()
        };
        code(speak(
            "gemini",
            json!({ "text": "x" }),
            &HeaderMap::new(),
            body.as_bytes(),
            stream,
        ))
    };
    let data = json!({ "inlineData": { "mimeType": "audio/L16;rate=24000", "data": "AAAA" } });
    let part = |finish: Value| json!({ "candidates": [{ "finishReason": finish, "content": { "parts": [data] } }] });
    for stream in [false, true] {
        assert_eq!(
            said(part("MAX_TOKENS".into()), stream),
            (Code::BadResponse, false)
        );
        assert_eq!(
            said(part("SAFETY".into()), stream),
            (Code::ContentFiltered, false)
        );
        let blocked = json!({ "promptFeedback": { "blockReason": "OTHER" } });
        assert_eq!(said(blocked, stream), (Code::ContentFiltered, false));
        let nothing = json!({ "candidates": [{ "finishReason": "OTHER" }] });
        assert_eq!(said(nothing, stream), (Code::BadResponse, true));
        assert_eq!(said(part(Value::Null), stream).0, Code::StreamInterrupted);
    }
    let error =
        json!({ "error": { "code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED" } });
    assert_eq!(
        said(error.clone(), false),
        (Code::ProviderRateLimited, true)
    );
    assert_eq!(said(error, true).0, Code::ProviderRateLimited);
}

#[test]
fn a_wav_file_that_gemini_made_itself_is_handed_on_as_it_is() {
    let wav = STANDARD.encode(b"RIFF....WAVE");
    let answer = json!({ "candidates": [{ "finishReason": "STOP", "content": { "parts": [
        { "inlineData": { "mimeType": "audio/wav", "data": wav } }] } }] });
    let body = answer.to_string();
    let (kind, audio, _) = speak(
        "gemini",
        json!({ "text": "x" }),
        &HeaderMap::new(),
        body.as_bytes(),
        false,
    )
    .unwrap();
    assert_eq!(
        (kind.as_str(), audio.as_slice()),
        ("audio/wav", &b"RIFF....WAVE"[..])
    );
}

#[test]
fn elevenlabs_samples_are_a_wav_file_when_a_stream_is_to_be_one() {
    let mut headers = HeaderMap::new();
    headers.insert("character-cost", HeaderValue::from_static("12"));
    headers.insert("content-type", HeaderValue::from_static("audio/mpeg"));
    let samples = [1, 2, 3, 4];
    let speak = |format: &str, stream| {
        speak(
            "elevenlabs",
            json!({ "text": "x", "format": format }),
            &headers,
            &samples,
            stream,
        )
        .unwrap()
    };
    let (kind, audio, usage) = speak("wav", true);
    assert_eq!(kind, "audio/wav");
    assert_eq!(audio[..4], *b"RIFF");
    assert_eq!(audio[24..28], 24_000u32.to_le_bytes());
    assert_eq!(audio[44..], samples);
    assert_eq!(usage, json!({ "characters": 12 }));
    let (kind, audio, _) = speak("pcm", true);
    assert_eq!(kind, "audio/pcm;rate=24000;encoding=s16le;channels=1");
    assert_eq!(audio, samples);
    let (kind, audio, _) = speak("mp3", false);
    assert_eq!(
        (kind.as_str(), audio.as_slice()),
        ("audio/mpeg", &samples[..])
    );
    assert_eq!(
        speak("pcm_16000", false).0,
        "audio/pcm;rate=16000;encoding=s16le;channels=1"
    );
}

#[test]
fn speech_without_a_byte_of_audio_is_an_error() {
    for (id, format) in [
        ("elevenlabs", "mp3"),
        ("elevenlabs", "pcm"),
        ("deepgram", "pcm"),
        ("deepgram", "mp3"),
    ] {
        let request = json!({ "text": "x", "format": format });
        let nothing = speak(id, request, &HeaderMap::new(), b"", false);
        assert_eq!(code(nothing), (Code::BadResponse, true), "{id} {format}");
    }
}

#[test]
fn every_deepgram_format_has_its_type() {
    for (format, expected) in [
        ("wav", "audio/wav"),
        ("pcm", "audio/pcm;rate=24000;encoding=s16le;channels=1"),
        ("opus", "audio/ogg"),
        ("flac", "audio/flac"),
        ("aac", "audio/aac"),
        ("mulaw", "audio/basic"),
        ("mp3", "audio/mpeg"),
    ] {
        let request = json!({ "text": "x", "format": format });
        let (kind, audio, _) = speak("deepgram", request, &HeaderMap::new(), b"xyz", true).unwrap();
        assert_eq!((kind.as_str(), audio.as_slice()), (expected, &b"xyz"[..]));
    }
}

#[test]
fn a_deepgram_transcript_has_words_sentences_and_speakers() {
    let answer = json!({
        "metadata": { "request_id": "r", "duration": 4.5, "models": ["m"], "channels": 1 },
        "results": { "channels": [{ "detected_language": "en", "alternatives": [{
            "transcript": "Hello there. Hi.", "confidence": 0.9,
            "words": [
                { "word": "hello", "punctuated_word": "Hello", "start": 0.1, "end": 0.4, "confidence": 1, "speaker": 0 },
                { "word": "there", "punctuated_word": "there.", "start": 0.4, "end": 0.9, "confidence": 1, "speaker": 0 },
                { "word": "hi", "punctuated_word": "Hi.", "start": 2, "end": 2.5, "confidence": 1, "speaker": 1 },
            ],
            "paragraphs": { "transcript": "x", "paragraphs": [
                { "speaker": 0, "num_words": 2, "start": 0.1, "end": 0.9, "sentences": [{ "text": "Hello there.", "start": 0.1, "end": 0.9 }] },
                { "speaker": 1, "num_words": 1, "start": 2, "end": 2.5, "sentences": [{ "text": "Hi.", "start": 2, "end": 2.5 }] },
            ] },
        }] }] },
    });
    let heard = transcribe("deepgram", json!({}), &answer).unwrap();
    assert_eq!(
        serde_json::to_value(&heard).unwrap(),
        json!({
            "text": "Hello there. Hi.", "language": "en", "durationSeconds": 4.5,
            "segments": [
                { "text": "Hello there.", "startSeconds": 0.1, "endSeconds": 0.9, "speaker": "speaker_0" },
                { "text": "Hi.", "startSeconds": 2.0, "endSeconds": 2.5, "speaker": "speaker_1" },
            ],
            "words": [
                { "text": "Hello", "startSeconds": 0.1, "endSeconds": 0.4, "speaker": "speaker_0" },
                { "text": "there.", "startSeconds": 0.4, "endSeconds": 0.9, "speaker": "speaker_0" },
                { "text": "Hi.", "startSeconds": 2.0, "endSeconds": 2.5, "speaker": "speaker_1" },
            ],
            "usage": { "audioSeconds": 4.5 },
        })
    );
    assert_eq!(heard.id.as_deref(), Some("r"));

    let mut with_utterances = answer;
    with_utterances["results"]["utterances"] = json!([{ "transcript": "Hello there.", "start": 0.1, "end": 0.9, "speaker": 3, "channel": 0 }]);
    let heard = transcribe("deepgram", json!({}), &with_utterances).unwrap();
    assert_eq!(heard.segments.len(), 1);
    assert_eq!(heard.segments[0].speaker.as_deref(), Some("speaker_3"));
}

#[test]
fn channels_are_read_one_after_the_other_and_name_the_speakers() {
    let deepgram = json!({ "results": { "channels": [
        { "alternatives": [{ "transcript": "One.", "words": [{ "word": "one", "start": 0, "end": 1 }] }] },
        { "alternatives": [{ "transcript": "Two.", "words": [{ "word": "two", "start": 0, "end": 1 }] }] },
    ] } });
    let word = |text: &str| json!({ "text": text, "type": "word", "start": 0, "end": 1 });
    let elevenlabs = json!({ "transcription_id": "t", "audio_duration_secs": 2.0, "transcripts": [
        { "text": "One.", "language_code": "eng", "channel_index": 0, "words": [word("One.")] },
        { "text": "Two.", "language_code": "eng", "channel_index": 1, "words": [word("Two.")] },
    ] });
    for (id, answer) in [("deepgram", deepgram), ("elevenlabs", elevenlabs)] {
        let heard = transcribe(id, json!({}), &answer).unwrap();
        assert_eq!(heard.text, "One.\nTwo.", "{id}");
        let speakers: Vec<_> = heard
            .words
            .iter()
            .map(|word| word.speaker.as_deref())
            .collect();
        assert_eq!(speakers, [Some("channel_0"), Some("channel_1")], "{id}");
    }
}

#[test]
fn an_elevenlabs_answer_that_only_accepts_the_work_is_no_transcript() {
    let accepted = json!({ "message": "Request accepted", "request_id": "r" });
    let error = transcribe("elevenlabs", json!({}), &accepted).unwrap_err();
    assert_eq!(error.code(), Code::BadResponse);
    assert!(error.message().contains("webhook"));
}

fn chat(events: &[Value]) -> Result<byok_core::capability::chat::ChatResult> {
    let cohere = provider("cohere");
    let mut request: ChatRequest = serde_json::from_value(json!({ "prompt": "hi" })).unwrap();
    request.prepare(&[]).unwrap();
    let mut stream = cohere.chat().unwrap().stream(&request);
    let mut decoder = SseDecoder::new(1 << 20);
    let mut fold = ChatFold::streaming();
    for event in events {
        let text = format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap_or("x")
        );
        decoder.push(text.as_bytes(), |event| stream.event(&event, &mut fold))?;
    }
    decoder.finish(|event| stream.event(&event, &mut fold))?;
    stream.end(&mut fold)?;
    Ok(fold.into_result("cohere", "m", false))
}

#[test]
fn a_cohere_stream_that_gives_up_or_errs_is_an_error() {
    let text = json!({ "type": "content-delta", "index": 0, "delta": { "message": { "content": { "text": "Hel" } } } });
    for reason in ["ERROR", "TIMEOUT"] {
        let end = json!({ "type": "message-end", "delta": { "finish_reason": reason, "error": "Overloaded." } });
        let error = chat(&[text.clone(), end]).unwrap_err();
        assert_eq!(error.code(), Code::ProviderUnavailable);
        assert!(error.message().contains("Overloaded."), "{error}");
        assert!(!error.retryable());
    }
    let error = chat(&[text.clone(), json!({ "message": "internal server error" })]).unwrap_err();
    assert!(error.message().contains("internal server error"), "{error}");
    assert_eq!(code(chat(&[text])).0, Code::StreamInterrupted);
}

#[test]
fn a_cohere_stream_without_indices_keeps_its_calls_apart() {
    let start = |id: &str| json!({ "type": "tool-call-start", "delta": { "message": { "tool_calls": { "id": id, "type": "function", "function": { "name": "f", "arguments": "" } } } } });
    let piece = |text: &str| json!({ "type": "tool-call-delta", "delta": { "message": { "tool_calls": { "function": { "arguments": text } } } } });
    let end = json!({ "type": "tool-call-end" });
    let result = chat(&[
        start("1"),
        piece("{\"a\":"),
        piece("1}"),
        end.clone(),
        start("2"),
        piece("null"),
        end,
        json!({ "type": "message-end", "delta": { "finish_reason": "TOOL_CALL" } }),
    ])
    .unwrap();
    let calls: Vec<(&str, &Value)> = result
        .tool_calls
        .iter()
        .map(|call| (call.id.as_str(), &call.arguments))
        .collect();
    assert_eq!(calls, [("1", &json!({ "a": 1 })), ("2", &json!({}))]);
    assert_eq!(result.finish_reason, FinishReason::ToolCalls);
}

#[test]
fn keys_are_recognised_by_their_shape_and_checked_for_nothing() {
    let hex = |count: usize| {
        "0123456789abcdef"
            .chars()
            .cycle()
            .take(count)
            .collect::<String>()
    };
    let alphanumeric: String = "aZ9kQ".chars().cycle().take(40).collect();
    for (id, key) in [
        ("elevenlabs", format!("sk_{}", hex(48))),
        ("deepgram", hex(40)),
        ("cohere", alphanumeric),
        ("voyage", format!("pa-{}", hex(43))),
    ] {
        let all: Vec<String> = builtin()
            .iter()
            .filter(|provider| provider.recognizes(&key))
            .map(|provider| provider.id().to_owned())
            .collect();
        assert_eq!(all, [id]);
    }
    for (id, path, otherwise) in [
        ("elevenlabs", "/v1/user", Some("/v1/models")),
        ("deepgram", "/v1/projects", Some("/v1/auth/token")),
        ("cohere", "/v1/models?page_size=1", None),
        ("voyage", "/files?limit=1", None),
    ] {
        let provider = provider(id);
        let verify = provider.verify();
        assert_eq!(
            (verify.path, verify.body, verify.otherwise),
            (path, None, otherwise)
        );
    }
    let failure =
        provider("voyage").failure(StatusCode::UNAUTHORIZED, &HeaderMap::new(), b"<html>");
    assert_eq!((failure.code, failure.message), (Code::KeyInvalid, None));
}
