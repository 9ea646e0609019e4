//! The worked examples of `docs/reference/record-format.md`, byte for byte, read from the page
//! itself: so the page can't say one thing and the code do another.

use std::collections::HashMap;

use super::unhex;
use crate::record::Record;
use crate::{Context, KeyRing, MasterKey, Payload, Secret, hex};

const PAGE: &str = include_str!("../../../../docs/reference/record-format.md");
const API_KEY: &[u8] = b"sk-test-0123456789abcdefghijklmnopqrstuvwxyz";

#[test]
fn an_api_key_alone_seals_to_the_documented_record() {
    let example = example("an API key alone");
    let record = unhex(&example["record"]);
    let payload = Payload::new(Secret::copy_from(API_KEY)).unwrap();

    assert_eq!(seal(&payload), record);
    let sealed: String = example["text"].split_whitespace().collect();
    assert_eq!(
        ring().open(&context(), &sealed).unwrap().api_key.expose(),
        API_KEY
    );
    assert_eq!(ring().kids(), [example["kid"].as_str()]);
    assert_eq!(ring().current_prefix(), &sealed[..22]);

    // The same record as in the format's first draft, written out so that the page can't drift.
    assert_eq!(
        hex::encode(&record),
        "010100007ec50c2e9e0b4309a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b71005956a70167db7\
         d2b1e8ec18b3f1474c73f8fd9d989e2a97eb6d2f243b5ed6d22df7294e59102810f813dae22b7dbb30c03faf\
         a4802334ca8c7966c06a503ade1099a92a9e7a6e327bae5eadf71d835fe42eda2dcc99db456504d5d6c8ec75\
         4cc58803adc4c9e4782b2c86c0802774"
    );
}

#[test]
fn every_item_seals_to_the_documented_record() {
    let mut payload = Payload::new(Secret::copy_from(API_KEY)).unwrap();
    payload.origin = Some("https://llm.example.com".into());
    payload
        .fields
        .push(("project".into(), Secret::copy_from(b"proj-1")));
    payload
        .fields
        .push(("organization".into(), Secret::copy_from(b"org-1")));
    payload.created_at = Some(1_767_225_600_000);

    assert_eq!(seal(&payload), unhex(&example("every item")["record"]));
}

#[test]
fn derived_keys_and_the_context_are_the_documented_ones() {
    let example = example("an API key alone");
    let master: [u8; 32] = unhex(&example["master"]).try_into().unwrap();
    let mut enc = [0; 32];
    crate::hkdf::expand(
        &crate::key_ring::keyed_hmac(&master),
        &[b"byok-ai/v1/enc"],
        &mut enc,
    );
    assert_eq!(hex::encode(&enc), example["K_enc"].trim());

    let kid: [u8; 8] = unhex(&example["kid"]).try_into().unwrap();
    let header = crate::record::header(&kid);
    let built = [
        b"byok-ai/record@v1\0",
        &header[..],
        &context().encode_fields(),
    ]
    .concat();
    assert_eq!(built, unhex(&example["context"]));
}

/// The record of `payload` under the page's master key and salt.
fn seal(payload: &Payload) -> Vec<u8> {
    let view = payload.view().unwrap();
    let kid = unhex(&ring().kids()[0]).try_into().unwrap();
    let mut record = Record::new(&kid, view.padded_len());
    view.encode_into(record.body_mut());
    for (index, byte) in record.salt_mut().iter_mut().enumerate() {
        *byte = 0xa0 + index as u8;
    }
    ring()
        .encrypt(&context().encode_fields(), &mut record)
        .unwrap();
    record.bytes().to_vec()
}

fn ring() -> KeyRing {
    let mut master: Vec<u8> = (0..32).collect();
    KeyRing::new(MasterKey::from_bytes(&mut master).unwrap(), Vec::new()).unwrap()
}

fn context() -> Context<'static> {
    Context::new("default", "user_42", "openai", "main").unwrap()
}

/// The `name   value` lines of one worked example; indented lines continue a value.
fn example(title: &str) -> HashMap<String, String> {
    let heading = format!("## Worked example: {title}\n");
    let (_, section) = PAGE.split_once(&heading).expect("the page has the example");
    let (_, block) = section.split_once("```\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut values: HashMap<String, String> = HashMap::new();
    let mut name = String::new();
    for line in block.lines() {
        let (first, value) = match line.strip_prefix(' ') {
            Some(value) => ("", value),
            None => line.split_once(' ').unwrap(),
        };
        if !first.is_empty() {
            name = first.to_owned();
        }
        let entry = values.entry(name.clone()).or_default();
        entry.push(' ');
        entry.push_str(value.trim());
    }
    values
        .into_iter()
        .map(|(name, value)| (name, value.trim().to_owned()))
        .collect()
}
