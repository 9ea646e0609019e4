//! Recorded traffic of real providers, read from `../shared/recordings` beside the repository: every
//! file format there becomes a list of [`Recording`]s. Where the folder is absent, [`load`] says so
//! and gives `None`, and a test must report itself as skipped.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byok_core::error::{Code, Result};
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One response, as it would come over the wire.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The file, relative to the folder, with `#n` for the n-th interaction of a cassette.
    pub path: String,
    /// `openai`, `anthropic`, `gemini`, `groq`, ...: EXPECTED.json's word, or the folder's.
    pub provider: String,
    pub api: Api,
    pub status: u16,
    pub kind: Kind,
    pub body: Vec<u8>,
    /// Names in lower case; empty where only bodies were recorded.
    pub headers: Vec<(String, String)>,
    /// The request's URL path, where it was recorded: it has the model for Gemini.
    pub url_path: Option<String>,
    /// The request's JSON body, where it was recorded.
    pub request: Option<Value>,
    /// The `expect` object of EXPECTED.json, where it has this interaction.
    pub expected: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// `/chat/completions` of OpenAI and those who speak like it.
    ChatCompletions,
    Responses,
    /// Anthropic's `/messages`.
    Messages,
    /// Gemini's `:generateContent` and `:streamGenerateContent`.
    GenerateContent,
    /// Anything that is not a chat: embeddings, speech, images, model lists, other protocols.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Json,
    Sse,
    Other,
}

/// Where the recordings are, when they are.
pub fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    folder.is_dir().then_some(folder)
}

/// All recordings for which `wanted` holds, or `None` (with a printed line) without the folder. They are
/// read once.
pub fn load(wanted: impl Fn(&Recording) -> bool) -> Option<Vec<Recording>> {
    static ALL: LazyLock<Option<Vec<Recording>>> = LazyLock::new(read_all);
    let all = ALL.as_deref()?.iter();
    Some(all.filter(|recording| wanted(recording)).cloned().collect())
}

fn read_all() -> Option<Vec<Recording>> {
    let Some(folder) = folder() else {
        #[allow(clippy::print_stdout)]
        {
            println!("skipped: ../shared/recordings is not present");
        }
        return None;
    };
    let expected: HashMap<String, Value> =
        serde_json::from_slice(&fs::read(folder.join("EXPECTED.json")).unwrap()).unwrap();
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let path = file
            .strip_prefix(&folder)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let Some((top, _)) = path.split_once('/') else {
            continue;
        };
        let mut found = match top {
            "exchanges" => vec![exchange(&path, &file)],
            "LICENSES" => continue,
            _ if top.starts_with("http-") => cassette(&path, &file),
            _ => vec![bare_body(&path, &file)],
        };
        let file_expected = expected.get(&path).map(|entry| &entry["interactions"]);
        for (index, recording) in found.iter_mut().enumerate() {
            let Some(expected) = file_expected.and_then(|all| all.get(index)) else {
                continue;
            };
            if let Some(provider) = expected["provider"].as_str() {
                recording.provider = provider.to_owned();
            }
            recording.expected = Some(expected["expect"].clone());
        }
        all.extend(found);
    }
    Some(all)
}

/// EXPECTED.json's hash of a text: the first 16 hex digits of its SHA-256.
pub fn text_hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The ways to cut a body into chunks: whole, 1 byte, 7 bytes and four times at pseudo-random places
/// (the same ones in every run).
pub fn cuts(body: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut all = vec![
        vec![body],
        body.chunks(1).collect(),
        body.chunks(7).collect(),
    ];
    for seed in 1..=4u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ body.len() as u64;
        let mut rest = body;
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let (chunk, tail) = rest.split_at((1 + state as usize % 400).min(rest.len()));
            chunks.push(chunk);
            rest = tail;
        }
        all.push(chunks);
    }
    all
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// `exchanges/<provider>/<name>-<n>.json`: request and response in one file.
fn exchange(path: &str, file: &Path) -> Recording {
    let mut exchange: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let response = exchange["response"].take();
    let body = match (&response["kind"], &response["body"]) {
        (Value::String(kind), body) if kind == "json" => serde_json::to_vec(body).unwrap(),
        (_, Value::String(text)) => text.clone().into_bytes(),
        (_, body) => STANDARD.decode(body["base64"].as_str().unwrap()).unwrap(),
    };
    let headers = response["headers"].as_object().into_iter().flatten();
    recording(
        path.to_owned(),
        path.split('/').nth(1).unwrap(),
        exchange["request"]["path"].as_str().map(str::to_owned),
        response["status"].as_u64().unwrap() as u16,
        headers
            .map(|(name, value)| (name.to_lowercase(), first_text(value)))
            .collect(),
        Some(exchange["request"]["body"].take()).filter(Value::is_object),
        body,
    )
}

/// `ai-sdk-fixtures/<package>/...` and `bodies-*/<package>/...`: a body and nothing else.
fn bare_body(path: &str, file: &Path) -> Recording {
    let mut body = fs::read(file).unwrap();
    if path.ends_with(".chunks.txt") {
        body = framed(&String::from_utf8(body).unwrap());
    }
    let package = path.split('/').nth(1).unwrap();
    let provider = if package == "google" {
        "gemini"
    } else {
        package
    };
    recording(path.to_owned(), provider, None, 200, Vec::new(), None, body)
}

/// Puts back what the recorders took off a stream: `data: `, Anthropic's event names, and the end
/// mark of Chat Completions.
fn framed(payloads: &str) -> Vec<u8> {
    let mut body = String::new();
    let mut is_chat = false;
    for payload in payloads.lines().filter(|line| !line.trim().is_empty()) {
        let parsed = serde_json::from_str::<Value>(payload).unwrap_or_default();
        if let Some(name) = parsed["type"].as_str() {
            body.push_str(&format!("event: {name}\n"));
        }
        is_chat |= parsed["object"] == "chat.completion.chunk" || parsed["choices"].is_array();
        body.push_str(&format!("data: {payload}\n\n"));
    }
    if is_chat && !body.contains("data: [DONE]") {
        body.push_str("data: [DONE]\n\n");
    }
    body.into_bytes()
}

/// `http-*`: VCR cassettes in YAML, of the Ruby kind (`http_interactions`) or the Python kind.
fn cassette(path: &str, file: &Path) -> Vec<Recording> {
    use serde_yaml_ng::Value as Yaml;
    let cassette: Yaml = serde_yaml_ng::from_slice(&fs::read(file).unwrap()).unwrap();
    let interactions = cassette
        .get("http_interactions")
        .or_else(|| cassette.get("interactions"));
    let interactions = interactions.and_then(Yaml::as_sequence).unwrap();
    let mut all = Vec::new();
    for (index, interaction) in interactions.iter().enumerate() {
        let (request, response) = (&interaction["request"], &interaction["response"]);
        // Not the url crate: recorders put `<HOST>` in place of names they keep to themselves.
        let uri = request["uri"].as_str().unwrap();
        let uri = uri.split_once("://").map_or(uri, |(_, rest)| rest);
        let (host, url_path) = uri.split_once('/').unwrap_or((uri, ""));
        let status = response["status"]["code"]
            .as_u64()
            .or_else(|| response["status_code"].as_u64())
            .or_else(|| response["http_status"].as_u64());
        let headers = response["headers"].as_mapping().into_iter().flatten();
        let headers = headers
            .map(|(name, value)| {
                let value = value
                    .as_sequence()
                    .and_then(|all| all.first())
                    .unwrap_or(value);
                (
                    name.as_str().unwrap_or_default().to_lowercase(),
                    value.as_str().unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let body = response.get("content").unwrap_or(&response["body"]);
        all.push(recording(
            format!("{path}#{index}"),
            host,
            Some(format!("/{url_path}")),
            status.unwrap_or(200) as u16,
            headers,
            serde_json::from_slice(&yaml_bytes(&request["body"])).ok(),
            yaml_bytes(body),
        ));
    }
    all
}

/// The bytes of a text, of a `!binary` text, or of either under `string`. The Python kind keeps
/// compressed bodies as they came; their tag is lost in reading, but gzip in base64 has a known start.
fn yaml_bytes(value: &serde_yaml_ng::Value) -> Vec<u8> {
    match value {
        serde_yaml_ng::Value::String(text) if text.starts_with("H4sI") => {
            let mut plain = Vec::new();
            GzDecoder::new(&from_base64(text)[..])
                .read_to_end(&mut plain)
                .unwrap();
            plain
        }
        serde_yaml_ng::Value::String(text) => text.clone().into_bytes(),
        serde_yaml_ng::Value::Tagged(tagged) => from_base64(tagged.value.as_str().unwrap()),
        serde_yaml_ng::Value::Mapping(map) => map.get("string").map(yaml_bytes).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let packed: String = text.split_whitespace().collect();
    STANDARD.decode(packed).unwrap()
}

fn recording(
    path: String,
    provider: &str,
    url_path: Option<String>,
    status: u16,
    headers: Vec<(String, String)>,
    request: Option<Value>,
    body: Vec<u8>,
) -> Recording {
    let start = body.trim_ascii_start();
    let kind = if [&b"data:"[..], b"event:", b":"]
        .iter()
        .any(|mark| start.starts_with(mark))
    {
        Kind::Sse
    } else if start.starts_with(b"{") || start.starts_with(b"[") {
        Kind::Json
    } else {
        Kind::Other
    };
    let api = url_path
        .as_deref()
        .map_or_else(|| api_of_body(&body, kind), api_of_path);
    Recording {
        path,
        provider: provider.to_owned(),
        api,
        status,
        kind,
        body,
        headers,
        url_path,
        request,
        expected: None,
    }
}

fn api_of_path(path: &str) -> Api {
    let path = path.split('?').next().unwrap();
    if path.ends_with("/chat/completions") {
        Api::ChatCompletions
    } else if path.ends_with("/responses") {
        Api::Responses
    } else if path.ends_with("/messages") {
        Api::Messages
    } else if path.to_lowercase().ends_with("generatecontent") {
        Api::GenerateContent
    } else {
        Api::Other
    }
}

fn api_of_body(body: &[u8], kind: Kind) -> Api {
    let first: Value = match kind {
        Kind::Json => serde_json::from_slice(body).unwrap_or_default(),
        Kind::Sse => String::from_utf8_lossy(body)
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .find_map(|data| serde_json::from_str(data).ok())
            .unwrap_or_default(),
        Kind::Other => Value::Null,
    };
    let kind_of = first["type"].as_str().unwrap_or_default();
    if first["choices"].is_array() && !first["choices"][0]["text"].is_string() {
        Api::ChatCompletions
    } else if kind_of.starts_with("response.") || first["object"] == "response" {
        Api::Responses
    } else if kind_of == "message_start" || kind_of == "message" {
        Api::Messages
    } else if first["candidates"].is_array() || first["promptFeedback"].is_object() {
        Api::GenerateContent
    } else {
        Api::Other
    }
}

fn first_text(value: &Value) -> String {
    let value = value.get(0).unwrap_or(value);
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads each whole answer and compares it; how many of them `EXPECTED.json` speaks of.
pub fn compare_all<T>(
    all: &[Recording],
    read: impl Fn(&[u8]) -> Result<T>,
    compare: impl Fn(&Recording, &T),
) -> usize {
    for recording in all {
        let result = read(&recording.body);
        let result = result.unwrap_or_else(|error| panic!("{}: {error}", recording.path));
        compare(recording, &result);
    }
    all.iter()
        .filter(|recording| recording.expected.is_some())
        .count()
}

/// Cuts a stream off at every tenth byte before `complete` and at the last one: each must be an error.
/// How many cuts there were.
pub fn assert_no_cut_is_an_answer<T>(
    path: &str,
    body: &[u8],
    complete: usize,
    read: impl Fn(&[&[u8]]) -> Result<T>,
) -> usize {
    let mut cuts = 0;
    for length in (0..complete).step_by(10).chain([complete - 1]) {
        let Err(error) = read(&[&body[..length]]) else {
            panic!("{path} cut at {length} of {complete} is an answer");
        };
        assert!(
            matches!(error.code(), Code::StreamInterrupted | Code::BadResponse),
            "{path}: {error}"
        );
        cuts += 1;
    }
    cuts
}
