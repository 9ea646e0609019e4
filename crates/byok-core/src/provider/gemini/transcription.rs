//! Transcripts through `generateContent`: the audio is a part, and what to do with it is said in words.
//! Where times or speakers are wanted, the answer is JSON of a schema; the times are the model's own
//! estimate. Language is the model's word, too.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Gemini;
use super::failure;
use super::outcome::finish_reason;
use super::request::{generate, path, unwritable};
use super::wire::Answer;
use crate::capability::Warning;
use crate::capability::chat::FinishReason;
use crate::capability::transcription::{
    Segment, Timestamps, Transcript, TranscriptionRequest, TranscriptionUsage,
};
use crate::error::{Code, Error, Result};
use crate::provider::{TranscriptionProvider, WireBody, WireRequest, merge, not_json};

/// Stands for the audio until the body is cut in two there.
const AUDIO: &str = "<audio>";

impl TranscriptionProvider for Gemini {
    fn request(&self, request: &TranscriptionRequest, model: &str) -> Result<WireRequest> {
        if request.provider_options.contains_key("contents") {
            return Err(Error::invalid_argument(
                "providerOptions.contents: the audio is there already. Use prompt for words of your own.",
            ));
        }
        let mut warnings = Vec::new();
        let path = path(model, generate(false))?;
        let mut config = Map::new();
        if let Some(temperature) = request.temperature {
            config.insert("temperature".into(), temperature.into());
        }
        if wants_segments(request) {
            config.insert("responseMimeType".into(), "application/json".into());
            config.insert("responseJsonSchema".into(), schema(request));
        }
        if request.timestamps == Some(Timestamps::Word) {
            warnings.push(Warning::new(
                "timestamps",
                "Gemini's chat models give no times of words; segments have times.",
            ));
        }
        let mut rest = Map::new();
        if !config.is_empty() {
            rest.insert("generationConfig".into(), config.into());
        }
        merge(&mut rest, &request.provider_options);
        let audio = json!({ "inlineData": { "mimeType": request.media_type, "data": AUDIO } });
        let contents = json!([{ "parts": [audio, { "text": words(request) }], "role": "user" }]);
        let contents = serde_json::to_string(&contents).map_err(|error| unwritable(&error))?;
        let rest = serde_json::to_string(&rest).map_err(|error| unwritable(&error))?;
        // The audio comes first, so nothing that a caller wrote can be taken for it.
        let (before, after) = contents.split_once(AUDIO).unwrap_or_default();
        let rest = rest.trim_start_matches('{');
        let comma = if rest == "}" { "" } else { "," };
        let body = WireBody::JsonAroundAudio {
            before: format!("{{\"contents\":{before}").into_bytes(),
            after: format!("{after}{comma}{rest}").into_bytes(),
        };
        Ok(WireRequest::new(path, body).with_warnings(warnings))
    }

    fn response(&self, request: &TranscriptionRequest, body: &[u8]) -> Result<Transcript> {
        let answer: Answer<'_> = serde_json::from_slice(body)
            .map_err(|error| not_json("Gemini's transcript", &error))?;
        if let Some(error) = answer.error {
            return Err(failure::read_error(error.get()).into_error());
        }
        let candidate = answer.candidates.as_deref().unwrap_or_default().first();
        let raw = candidate.and_then(|candidate| candidate.finish_reason.as_deref());
        let blocked = answer.prompt_feedback.as_ref();
        let blocked = blocked.and_then(|feedback| feedback.block_reason.as_deref());
        let meaning = raw.map(|raw| finish_reason(raw, false));
        let filtered = raw.filter(|_| meaning == Some(FinishReason::ContentFilter));
        if let Some(reason) = blocked.or(filtered) {
            return Err(Error::new(
                Code::ContentFiltered,
                format!("Gemini's filter let no transcript through ({reason})."),
            ));
        }
        let parts = candidate.and_then(|candidate| candidate.content.as_ref()?.parts.as_deref());
        let text: String = parts
            .unwrap_or_default()
            .iter()
            .filter(|part| part.thought != Some(true))
            .filter_map(|part| part.text.as_deref())
            .collect();
        if meaning == Some(FinishReason::Length) {
            return Err(Error::bad_response(
                "Gemini reached its limit of tokens before the end of the audio, so the transcript is incomplete. Split the audio, or raise providerOptions.generationConfig.maxOutputTokens.",
            ));
        }
        if meaning.is_none() || text.is_empty() && meaning != Some(FinishReason::Stop) {
            return Err(Error::bad_response(
                "Gemini answered without a transcript. Send the request again.",
            )
            .with_retryable(true));
        }
        let usage = answer.usage_metadata.as_ref();
        let mut transcript = Transcript {
            usage: TranscriptionUsage {
                input_tokens: usage.and_then(|usage| usage.prompt_token_count),
                output_tokens: usage.map(|usage| {
                    let thoughts = usage.thoughts_token_count.unwrap_or(0);
                    usage.candidates_token_count.unwrap_or(0) + thoughts
                }),
                ..TranscriptionUsage::default()
            },
            id: answer.response_id.map(|id| id.to_string()),
            model: answer.model_version.map(|model| model.to_string()),
            language: request.language.clone(),
            ..Transcript::default()
        };
        if wants_segments(request) {
            let told: Told = serde_json::from_str(&text).map_err(|_| {
                Error::bad_response(
                    "Gemini's transcript is not the JSON that was asked for. Send the request again.",
                )
                .with_retryable(true)
            })?;
            transcript.language = told.language.or(transcript.language);
            transcript.segments = told
                .segments
                .into_iter()
                .map(ToldSegment::into_segment)
                .collect::<Result<_>>()?;
            let texts = transcript
                .segments
                .iter()
                .map(|segment| segment.text.as_str());
            transcript.text = texts.collect::<Vec<_>>().join(" ");
        } else {
            transcript.text = text.trim().to_owned();
        }
        Ok(transcript)
    }
}

fn wants_segments(request: &TranscriptionRequest) -> bool {
    request.diarize == Some(true)
        || matches!(
            request.timestamps,
            Some(Timestamps::Segment | Timestamps::Word)
        )
}

fn words(request: &TranscriptionRequest) -> String {
    let mut words = String::from("Write down the speech in this audio word for word.");
    if let Some(language) = &request.language {
        words.push_str(&format!(" It is in the language {language}."));
    }
    if wants_segments(request) {
        words.push_str(" Begin a segment with each sentence and each change of speaker; give its times from the beginning of the audio as MM:SS.mmm.");
        if request.diarize == Some(true) {
            words.push_str(" Name the speakers speaker_0, speaker_1 and so on.");
        }
    } else {
        words.push_str(
            " Answer with the transcript and nothing else; with nothing where there is no speech.",
        );
    }
    if let Some(prompt) = &request.prompt {
        words.push_str(&format!(" These words and names may occur: {prompt}"));
    }
    words
}

fn schema(request: &TranscriptionRequest) -> Value {
    let mut properties = json!({
        "start": { "type": "string" },
        "end": { "type": "string" },
        "text": { "type": "string" }
    });
    let mut required = vec!["start", "end", "text"];
    if request.diarize == Some(true) {
        properties["speaker"] = json!({ "type": "string" });
        required.push("speaker");
    }
    json!({
        "type": "object",
        "properties": {
            "language": { "type": "string", "description": "ISO 639-1" },
            "segments": {
                "type": "array",
                "items": { "type": "object", "properties": properties, "required": required }
            }
        },
        "required": ["language", "segments"]
    })
}

#[derive(Deserialize)]
struct Told {
    language: Option<String>,
    segments: Vec<ToldSegment>,
}

#[derive(Deserialize)]
struct ToldSegment {
    start: String,
    end: String,
    text: String,
    speaker: Option<String>,
}

impl ToldSegment {
    fn into_segment(self) -> Result<Segment> {
        let time = |text: &str| {
            seconds(text).ok_or_else(|| {
                Error::bad_response(
                    "Gemini's transcript has times that are none. Send the request again.",
                )
                .with_retryable(true)
            })
        };
        Ok(Segment {
            start_seconds: time(&self.start)?,
            end_seconds: time(&self.end)?,
            text: self.text,
            speaker: self.speaker,
        })
    }
}

/// `MM:SS`, `HH:MM:SS` or plain seconds, each with an optional fraction.
fn seconds(text: &str) -> Option<f64> {
    let text = text.trim().trim_end_matches('s');
    let mut total = 0.0;
    for part in text.split(':') {
        let part: f64 = part.parse().ok()?;
        if !part.is_finite() || part < 0.0 {
            return None;
        }
        total = total * 60.0 + part;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_read_in_every_form_that_models_write() {
        assert_eq!(seconds("01:02.5"), Some(62.5));
        assert_eq!(seconds("1:00:01"), Some(3601.0));
        assert_eq!(seconds("7.25s"), Some(7.25));
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("-1"), None);
    }
}
