//! Speech to text as OpenAI speaks it and most others do: a form for `POST /audio/transcriptions`. Source:
//! the `openai` 7 types (`TranscriptionCreateParams`), and the providers' API descriptions for what differs.

use super::form::{Arrays, Form};
use super::speech::left_out;
use crate::capability::Warning;
use crate::capability::transcription::{Timestamps, TranscriptionRequest};
use crate::error::Result;
use crate::provider::{FileContent, FormField, WireBody, WireRequest};

/// One server's way of speaking speech to text.
#[derive(Debug, Clone, Copy)]
pub struct TranscriptionDialect {
    pub answer: Answer,
    pub diarize: Diarize,
    pub prompt: bool,
}

/// Which answer is asked for, since only `verbose_json` has times, language and duration, and some
/// models refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// By OpenAI's names of models: Whisper alone gives `verbose_json`, the diarizing one `diarized_json`.
    ByModel,
    /// As [`Answer::ByModel`], but for names that say nothing (deployments): what the caller asks for.
    ByModelOrRequest,
    /// `verbose_json` unless the caller wants no times.
    Verbose,
    /// `verbose_json` only for a caller who wants times.
    ByRequest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diarize {
    /// A model of its own (OpenAI).
    Model,
    /// The field `diarize`.
    Field,
    None,
}

pub const OPENAI: TranscriptionDialect = TranscriptionDialect {
    answer: Answer::ByModel,
    diarize: Diarize::Model,
    prompt: true,
};

/// What is assumed of a server of which nothing is known.
pub const COMPATIBLE: TranscriptionDialect = TranscriptionDialect {
    answer: Answer::ByRequest,
    diarize: Diarize::None,
    prompt: true,
};

/// Makes the form; the engine puts the audio in. `name` is the provider's, for warnings.
pub fn request(
    request: &TranscriptionRequest,
    model: &str,
    name: &str,
    dialect: &TranscriptionDialect,
) -> Result<WireRequest> {
    let mut warnings = Vec::new();
    let mut form = Form::new(Arrays::Brackets);
    form.text("model", model);
    let format = dialect.answer.of(request, model);
    if format != "json" {
        form.text("response_format", format);
    }
    if format == "diarized_json" {
        // Required for audio of more than 30 seconds.
        form.text("chunking_strategy", "auto");
    }
    times(request, model, format, &mut form, &mut warnings);
    if let Some(language) = &request.language {
        if model.starts_with("gpt-transcribe") {
            form.list("languages", [language.clone()]);
        } else {
            form.text("language", language.as_str());
        }
    }
    match &request.prompt {
        Some(_) if !dialect.prompt => warnings.push(left_out("prompt", name, "takes none")),
        Some(_) if format == "diarized_json" => {
            warnings.push(left_out("prompt", model, "takes none"));
        }
        Some(prompt) => form.text("prompt", prompt.as_str()),
        None => {}
    }
    form.number("temperature", request.temperature);
    if request.diarize == Some(true) {
        match dialect.diarize {
            Diarize::Field => form.text("diarize", "true"),
            Diarize::Model if format == "diarized_json" => {}
            Diarize::Model => warnings.push(Warning::new(
                "diarize",
                format!("{model} does not tell speakers apart; gpt-4o-transcribe-diarize does."),
            )),
            Diarize::None => warnings.push(Warning::new(
                "diarize",
                format!("{name} does not tell speakers apart."),
            )),
        }
    }
    form.merge(&request.provider_options);
    Ok(form_request("/audio/transcriptions", form, request).with_warnings(warnings))
}

fn times(
    request: &TranscriptionRequest,
    model: &str,
    format: &str,
    form: &mut Form,
    warnings: &mut Vec<Warning>,
) {
    let wanted = match request.timestamps {
        Some(Timestamps::Word) => "word",
        Some(Timestamps::Segment) => "segment",
        Some(Timestamps::None) | None => return,
    };
    match format {
        // Words alone would cost the segments, which come unasked otherwise.
        "verbose_json" if wanted == "word" => {
            let both = ["segment".to_owned(), "word".to_owned()];
            form.list("timestamp_granularities", both);
        }
        "verbose_json" => form.list("timestamp_granularities", [wanted.to_owned()]),
        "diarized_json" if wanted == "segment" => {}
        _ => warnings.push(Warning::new(
            "timestamps",
            format!("{model} gives no times of a {wanted}; they were not asked for."),
        )),
    }
}

/// The form as a request, with the audio as its last field: some servers read nothing after it (xAI).
pub fn form_request(path: &'static str, form: Form, request: &TranscriptionRequest) -> WireRequest {
    let file = FormField::file(
        "file",
        request.filename.as_str(),
        request.media_type.as_str(),
        FileContent::Audio,
    );
    WireRequest::new(path, WireBody::Form(form.with_files([file])))
}

impl Answer {
    fn of(self, request: &TranscriptionRequest, model: &str) -> &'static str {
        let wants = request.timestamps.map(|wanted| wanted != Timestamps::None);
        let by_request = if wants == Some(true) {
            "verbose_json"
        } else {
            "json"
        };
        let verbose = if wants == Some(false) {
            "json"
        } else {
            "verbose_json"
        };
        match self {
            Answer::Verbose => verbose,
            Answer::ByRequest => by_request,
            Answer::ByModel | Answer::ByModelOrRequest if model.contains("diarize") => {
                "diarized_json"
            }
            Answer::ByModel | Answer::ByModelOrRequest if model.contains("whisper") => verbose,
            Answer::ByModel => "json",
            Answer::ByModelOrRequest if model.contains("transcribe") => "json",
            Answer::ByModelOrRequest => by_request,
        }
    }
}
