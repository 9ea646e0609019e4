//! Proves the record format against another implementation, record by record: `records seal N`
//! writes N records of random content with that content beside them, as NDJSON; `records open`
//! reads such lines and fails unless every record opens to exactly what stands beside it.
//!
//! A line: `{master, namespace, userId, provider, label, apiKey, origin?, fields?, createdAt?,
//! fingerprint, sealed}`, with the master key and the fields' values in hex.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufWriter, Write, stdin, stdout};

use byok_vault::{Context, KeyRing, MasterKey, Payload, Secret};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    master: String,
    namespace: String,
    user_id: String,
    provider: String,
    label: String,
    api_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<u64>,
    fingerprint: String,
    sealed: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["seal", count] => seal(count.parse()?),
        ["open"] => open(),
        _ => Err("usage: records seal <count> | records open".into()),
    }
}

fn seal(count: usize) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(stdout().lock());
    for _ in 0..count {
        let mut line = random_line()?;
        let ring = line.ring()?;
        line.sealed = ring.seal(&line.context()?, &line.payload()?)?;
        line.fingerprint = ring.fingerprint(line.api_key.as_bytes());
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn open() -> Result<(), Box<dyn Error>> {
    let mut count = 0;
    for (index, text) in stdin().lock().lines().enumerate() {
        let number = index + 1;
        let line: Line = serde_json::from_str(&text?)?;
        line.check()
            .map_err(|problem| format!("line {number}: {problem}"))?;
        count = number;
    }
    if count == 0 {
        return Err("no record was read".into());
    }
    Ok(writeln!(stdout(), "{count}")?)
}

impl Line {
    fn check(&self) -> Result<(), Box<dyn Error>> {
        let ring = self.ring()?;
        let opened = ring.open(&self.context()?, &self.sealed)?;
        let fields: BTreeMap<String, String> = opened
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), hex(value.expose())))
            .collect();
        let same = opened.api_key.expose() == self.api_key.as_bytes()
            && opened.origin == self.origin
            && fields == self.fields
            && opened.created_at == self.created_at
            && ring.fingerprint(self.api_key.as_bytes()) == self.fingerprint;
        if same {
            Ok(())
        } else {
            Err("the record opens to something else".into())
        }
    }

    fn ring(&self) -> Result<KeyRing, Box<dyn Error>> {
        Ok(KeyRing::new(MasterKey::parse(&self.master)?, Vec::new())?)
    }

    fn context(&self) -> Result<Context<'_>, Box<dyn Error>> {
        Ok(Context::new(
            &self.namespace,
            &self.user_id,
            &self.provider,
            &self.label,
        )?)
    }

    fn payload(&self) -> Result<Payload, Box<dyn Error>> {
        let mut payload = Payload::new(Secret::copy_from(self.api_key.as_bytes()))?;
        payload.origin = self.origin.clone();
        payload.created_at = self.created_at;
        for (name, value) in &self.fields {
            payload
                .fields
                .push((name.clone(), Secret::from(unhex(value)?)));
        }
        Ok(payload)
    }
}

fn random_line() -> Result<Line, Box<dyn Error>> {
    let visible: Vec<char> = ('!'..='~').collect();
    let provider: Vec<char> = ('a'..='z').chain('0'..='9').collect();
    let name: Vec<char> = ('a'..='z')
        .chain('A'..='Z')
        .chain("0123456789._-".chars())
        .collect();
    // All lengths of UTF-8, both sides of the surrogates, combining marks and controls.
    let any: Vec<char> = "aZ9 \u{0}\u{7f}\u{80}é\u{301}ß\u{7ff}\u{800}用户\u{d7ff}\u{e000}\u{feff}\
                          \u{fffd}\u{ffff}\u{10000}\u{1f600}\u{10ffff}"
        .chars()
        .collect();

    let mut fields = BTreeMap::new();
    for _ in 0..below(4)? {
        let value = bytes(1 + below(100)?)?;
        fields.insert(text(&name, 1 + below(64)?)?, hex(&value));
    }
    // Mostly keys of a usual size, now and then one of any size.
    let api_key_bytes = if below(20)? == 0 {
        1 + below(8_192)?
    } else {
        20 + below(160)?
    };
    Ok(Line {
        master: hex(&bytes(32)?),
        namespace: text(&any, 1 + below(64)?)?,
        user_id: text(&any, 1 + below(128)?)?,
        provider: text(&provider, 1 + below(64)?)?,
        label: text(&any, 1 + below(64)?)?,
        api_key: text(&visible, api_key_bytes)?,
        origin: if below(3)? == 0 {
            Some(text(&visible, 1 + below(300)?)?)
        } else {
            None
        },
        fields,
        created_at: if below(2)? == 0 {
            Some(random()? >> 11)
        } else {
            None
        },
        fingerprint: String::new(),
        sealed: String::new(),
    })
}

fn text(alphabet: &[char], length: usize) -> Result<String, getrandom::Error> {
    (0..length)
        .map(|_| Ok(alphabet[below(alphabet.len())?]))
        .collect()
}

fn bytes(length: usize) -> Result<Vec<u8>, getrandom::Error> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn below(limit: usize) -> Result<usize, getrandom::Error> {
    Ok((random()? % limit as u64) as usize)
}

fn random() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err("not hex".into());
    }
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16);
    Ok((0..text.len())
        .step_by(2)
        .map(digits)
        .collect::<Result<_, _>>()?)
}
