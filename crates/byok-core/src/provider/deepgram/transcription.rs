//! `POST /v1/listen` with the audio itself as the body. Deepgram's bare defaults are English without
//! punctuation; unless `providerOptions` say otherwise we ask for `smart_format` and, without a language,
//! for its detection.

use serde::Deserialize;

use super::Deepgram;
use super::query::Query;
use crate::capability::Warning;
use crate::capability::transcription::{
    Segment, Timestamps, Transcript, TranscriptionRequest, TranscriptionUsage, Word,
};
use crate::error::Result;
use crate::provider::{TranscriptionProvider, WireBody, WireRequest, not_json};

impl TranscriptionProvider for Deepgram {
    fn request(&self, request: &TranscriptionRequest, model: &str) -> Result<WireRequest> {
        let mut warnings = Vec::new();
        let mut query = Query::new(model);
        query.set("smart_format", true);
        match &request.language {
            Some(language) => query.set("language", language.as_str()),
            None => query.set("detect_language", true),
        }
        if let Some(diarize) = request.diarize {
            query.set("diarize", diarize);
        }
        if request.diarize == Some(true) || request.timestamps == Some(Timestamps::Segment) {
            query.set("utterances", true);
        }
        if request.prompt.is_some() {
            warnings.push(Warning::new(
                "prompt",
                "Deepgram takes no prompt. providerOptions.keyterm takes a list of words.",
            ));
        }
        if request.temperature.is_some() {
            warnings.push(Warning::new(
                "temperature",
                "Deepgram has no temperature; it was left out.",
            ));
        }
        query.merge(&request.provider_options);
        let mut wire = WireRequest::new("/v1/listen", WireBody::Audio);
        query.add_to(&mut wire);
        Ok(wire.with_warnings(warnings))
    }

    fn response(&self, request: &TranscriptionRequest, body: &[u8]) -> Result<Transcript> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|error| not_json("Deepgram's transcript", &error))?;
        let metadata = answer.metadata.unwrap_or_default();
        let channels = answer.results.channels;
        let has_channels = channels.len() > 1;
        let mut transcript = Transcript {
            language: channels
                .first()
                .and_then(|channel| channel.detected_language.clone())
                .or_else(|| request.language.clone()),
            duration_seconds: metadata.duration,
            usage: TranscriptionUsage {
                audio_seconds: metadata.duration,
                ..TranscriptionUsage::default()
            },
            id: metadata.request_id,
            ..Transcript::default()
        };
        let mut texts = Vec::new();
        let mut sentences = Vec::new();
        for (index, channel) in channels.into_iter().enumerate() {
            let Some(best) = channel.alternatives.into_iter().next() else {
                continue;
            };
            let name = |speaker: Option<u64>| match speaker {
                Some(speaker) => Some(format!("speaker_{speaker}")),
                None => has_channels.then(|| format!("channel_{index}")),
            };
            let words = best.words.into_iter().map(|word| Word {
                text: word.punctuated_word.unwrap_or(word.word),
                start_seconds: word.start,
                end_seconds: word.end,
                speaker: name(word.speaker),
            });
            transcript.words.extend(words);
            let paragraphs = best.paragraphs.unwrap_or_default().paragraphs;
            for paragraph in paragraphs {
                let speaker = name(paragraph.speaker);
                sentences.extend(paragraph.sentences.into_iter().map(|sentence| Segment {
                    text: sentence.text,
                    start_seconds: sentence.start,
                    end_seconds: sentence.end,
                    speaker: speaker.clone(),
                }));
            }
            texts.push(best.transcript);
        }
        transcript.text = texts.join("\n");
        transcript.segments = match answer.results.utterances {
            Some(utterances) => utterances
                .into_iter()
                .map(Utterance::into_segment)
                .collect(),
            None => sentences,
        };
        Ok(transcript)
    }
}

#[derive(Deserialize)]
struct Answer {
    metadata: Option<Metadata>,
    results: Results,
}

#[derive(Default, Deserialize)]
struct Metadata {
    duration: Option<f64>,
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct Results {
    channels: Vec<Channel>,
    utterances: Option<Vec<Utterance>>,
}

#[derive(Deserialize)]
struct Channel {
    #[serde(default)]
    alternatives: Vec<Alternative>,
    detected_language: Option<String>,
}

#[derive(Deserialize)]
struct Alternative {
    #[serde(default)]
    transcript: String,
    #[serde(default)]
    words: Vec<WireWord>,
    paragraphs: Option<Paragraphs>,
}

#[derive(Deserialize)]
struct WireWord {
    #[serde(default)]
    word: String,
    punctuated_word: Option<String>,
    start: f64,
    end: f64,
    speaker: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Paragraphs {
    #[serde(default)]
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    #[serde(default)]
    sentences: Vec<Sentence>,
    speaker: Option<u64>,
}

#[derive(Deserialize)]
struct Sentence {
    #[serde(default)]
    text: String,
    start: f64,
    end: f64,
}

#[derive(Deserialize)]
struct Utterance {
    #[serde(default)]
    transcript: String,
    start: f64,
    end: f64,
    speaker: Option<u64>,
}

impl Utterance {
    fn into_segment(self) -> Segment {
        Segment {
            text: self.transcript,
            start_seconds: self.start,
            end_seconds: self.end,
            speaker: self.speaker.map(|speaker| format!("speaker_{speaker}")),
        }
    }
}
