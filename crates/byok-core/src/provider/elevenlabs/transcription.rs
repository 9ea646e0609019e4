//! `POST /v1/speech-to-text`, multipart with the audio last. Words come with times and, between them,
//! the spaces as items of their own; segments are not ElevenLabs' own but put together from words.

use serde::Deserialize;
use serde_json::Value;

use super::ElevenLabs;
use crate::capability::Warning;
use crate::capability::transcription::{
    Segment, Timestamps, Transcript, TranscriptionRequest, TranscriptionUsage, Word,
};
use crate::error::{Error, Result};
use crate::provider::{
    FileContent, FormField, TranscriptionProvider, WireBody, WireRequest, not_json,
};

impl TranscriptionProvider for ElevenLabs {
    fn request(&self, request: &TranscriptionRequest, model: &str) -> Result<WireRequest> {
        let mut warnings = Vec::new();
        let mut fields = vec![FormField::text("model_id", model)];
        if let Some(language) = &request.language {
            fields.push(FormField::text("language_code", language));
        }
        if let Some(timestamps) = request.timestamps {
            let granularity = match timestamps {
                Timestamps::None => "none",
                Timestamps::Segment | Timestamps::Word => "word",
            };
            fields.push(FormField::text("timestamps_granularity", granularity));
        }
        if let Some(diarize) = request.diarize {
            fields.push(FormField::text("diarize", diarize.to_string()));
        }
        if let Some(temperature) = request.temperature {
            fields.push(FormField::text("temperature", temperature.to_string()));
        }
        if request.prompt.is_some() {
            warnings.push(Warning::new(
                "prompt",
                "ElevenLabs takes no prompt. providerOptions.keyterms takes a list of words, at a price of its own.",
            ));
        }
        for (name, value) in &request.provider_options {
            fields.retain(|field| field.name != name.as_str());
            match value {
                Value::Null => {}
                Value::Array(items) => {
                    fields.extend(
                        items
                            .iter()
                            .map(|item| FormField::text(name.clone(), text(item))),
                    );
                }
                value => fields.push(FormField::text(name.clone(), text(value))),
            }
        }
        fields.push(FormField::file(
            "file",
            &request.filename,
            &request.media_type,
            FileContent::Audio,
        ));
        let wire = WireRequest::new("/v1/speech-to-text", WireBody::Form(fields));
        Ok(wire.with_warnings(warnings))
    }

    fn response(&self, request: &TranscriptionRequest, body: &[u8]) -> Result<Transcript> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|error| not_json("ElevenLabs' transcript", &error))?;
        let id = answer.transcription_id;
        let channels = match (answer.transcripts, answer.channel) {
            (Some(channels), _) => channels,
            (None, channel) if channel.text.is_some() => vec![channel],
            _ => {
                return Err(Error::bad_response(
                    "ElevenLabs answered without a transcript. With providerOptions.webhook it sends it elsewhere.",
                ));
            }
        };
        let has_channels = channels.len() > 1;
        let mut transcript = Transcript {
            language: channels
                .first()
                .and_then(|channel| channel.language_code.clone()),
            duration_seconds: answer.audio_duration_secs,
            usage: TranscriptionUsage {
                audio_seconds: answer.audio_duration_secs,
                ..TranscriptionUsage::default()
            },
            id,
            ..Transcript::default()
        };
        let mut texts = Vec::new();
        for (index, channel) in channels.into_iter().enumerate() {
            let items = channel.words.unwrap_or_default();
            let speaker = has_channels
                .then(|| format!("channel_{}", channel.channel_index.unwrap_or(index as u64)));
            if request.timestamps == Some(Timestamps::Segment) || request.diarize == Some(true) {
                let by_sentence = request.timestamps == Some(Timestamps::Segment);
                transcript
                    .segments
                    .extend(segments(&items, by_sentence, speaker.as_deref()));
            }
            transcript.words.extend(
                items
                    .iter()
                    .filter_map(|item| item.word(speaker.as_deref())),
            );
            texts.extend(channel.text);
        }
        transcript.text = texts.join("\n");
        Ok(transcript)
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    channel: Channel,
    /// One for each channel, where `use_multi_channel` was asked for.
    transcripts: Option<Vec<Channel>>,
    transcription_id: Option<String>,
    audio_duration_secs: Option<f64>,
}

#[derive(Deserialize)]
struct Channel {
    text: Option<String>,
    language_code: Option<String>,
    words: Option<Vec<Item>>,
    channel_index: Option<u64>,
}

/// A word, an `audio_event` such as `(laughter)`, or the `spacing` between them.
#[derive(Deserialize)]
struct Item {
    text: String,
    #[serde(rename = "type", default)]
    kind: String,
    start: Option<f64>,
    end: Option<f64>,
    speaker_id: Option<String>,
}

impl Item {
    /// `None` for a space, and for words without times.
    fn word(&self, speaker: Option<&str>) -> Option<Word> {
        if self.kind == "spacing" {
            return None;
        }
        Some(Word {
            text: self.text.clone(),
            start_seconds: self.start?,
            end_seconds: self.end?,
            speaker: speaker.or(self.speaker_id.as_deref()).map(str::to_owned),
        })
    }

    fn ends_sentence(&self) -> bool {
        self.kind != "spacing" && self.text.ends_with(['.', '?', '!', '…', '。', '？', '！'])
    }
}

/// A segment ends where the speaker changes, and with `by_sentence` also after a full stop.
fn segments(items: &[Item], by_sentence: bool, channel: Option<&str>) -> Vec<Segment> {
    let mut all: Vec<Segment> = Vec::new();
    let mut is_open = false;
    for item in items {
        let speaker = channel.or(item.speaker_id.as_deref());
        let (Some(start), Some(end)) = (item.start, item.end) else {
            continue;
        };
        let changes = all
            .last()
            .is_some_and(|last| last.speaker.as_deref() != speaker);
        match all.last_mut() {
            Some(last) if is_open && !changes => {
                last.text.push_str(&item.text);
                if item.kind != "spacing" {
                    last.end_seconds = end;
                }
            }
            _ if item.kind == "spacing" => continue,
            _ => all.push(Segment {
                text: item.text.clone(),
                start_seconds: start,
                end_seconds: end,
                speaker: speaker.map(str::to_owned),
            }),
        }
        is_open = !(by_sentence && item.ends_sentence());
    }
    for segment in &mut all {
        segment.text.truncate(segment.text.trim_end().len());
    }
    all
}

/// Texts as they are; everything else as JSON.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
