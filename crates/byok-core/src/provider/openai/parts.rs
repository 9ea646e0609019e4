//! What both of OpenAI's APIs do the same way with parts of messages: file names, audio formats, tool
//! results, whose reasoning may return, and the errors for parts that have no place.

use serde_json::{Value, json};

use crate::capability::Warning;
use crate::capability::chat::{Part, Signature};
use crate::capability::media::Media;
use crate::error::Error;

/// The error for a part that its message's role can't hold.
pub fn not_here(path: &str, part: &Part, role: &str) -> Error {
    let kind = match part {
        Part::Text { .. } => "text",
        Part::Image { .. } => "image",
        Part::File { .. } => "file",
        Part::Audio { .. } => "audio",
        Part::ToolCall { .. } => "tool-call",
        Part::ToolResult { .. } => "tool-result",
        Part::Reasoning { .. } => "reasoning",
    };
    Error::invalid_argument(format!(
        "{path}: a {role} message can't hold a {kind} part here."
    ))
}

/// The error for content that this provider can't be sent. Leaving it out would change the question,
/// so it is no warning.
pub fn no_place(path: &str, what: &str, name: &str) -> Error {
    Error::invalid_argument(format!("{path}: {name} takes no {what}."))
}

/// The caller's name, or one made from the media type; OpenAI needs one for inline files.
pub fn filename(name: Option<&str>, media: &Media) -> String {
    if let Some(name) = name {
        return name.to_owned();
    }
    let extension = match media.media_type() {
        Some("application/pdf") | None => "pdf",
        Some("text/plain") => "txt",
        Some("text/markdown") => "md",
        Some("text/html") => "html",
        Some(other) => other.rsplit(['/', '+', '.']).next().unwrap_or("bin"),
    };
    format!("file.{extension}")
}

/// `wav` or `mp3` at OpenAI; other types give their own name, which some compatible servers take.
pub fn audio_format(media_type: &str) -> &str {
    match media_type {
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/mpeg" | "audio/mp3" => "mp3",
        other => other.strip_prefix("audio/").unwrap_or(other),
    }
}

/// The arguments of a call as text, exactly as the model wrote them if that was not JSON.
pub fn raw_or_json(arguments: &Value, raw: &Option<String>) -> String {
    raw.clone().unwrap_or_else(|| arguments.to_string())
}

/// A result as text: JSON for what is not one. There is no field that marks an error, so an error is
/// wrapped: `{"error": ...}`.
pub fn tool_output(result: &Value, is_error: Option<bool>) -> String {
    match result {
        _ if is_error == Some(true) => json!({ "error": result }).to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The signature of reasoning that this provider made; a warning and `None` for other reasoning.
pub fn reasoning_of<'a>(
    id: &str,
    signature: &'a Option<Signature>,
    path: &str,
    warnings: &mut Vec<Warning>,
) -> Option<&'a Signature> {
    match signature {
        Some(signature) if signature.provider == id => Some(signature),
        Some(signature) => {
            let other = &signature.provider;
            warnings.push(Warning::new(
                path,
                format!("Reasoning of {other} was left out: only {other} can read it."),
            ));
            None
        }
        None => {
            warnings.push(Warning::new(
                path,
                "Reasoning without a signature was left out: no provider takes it back.",
            ));
            None
        }
    }
}
