//! What a record promises, through the public API: it opens for its tuple under its key as it
//! was sealed, and every other try is refused without a panic.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use byok_vault::{Context, KeyRing, MasterKey, Payload, Secret, VaultErrorKind, kid_of};
use support::{context, key, payload, ring};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[test]
fn every_flipped_bit_of_a_record_is_refused() {
    let ring = ring(1);
    let record = decode(&ring.seal(&context(), &payload("sk-test")).unwrap());
    assert_eq!(record.len(), 148);
    for bit in 0..record.len() * 8 {
        let mut changed = record.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0..4 => "BadRecord",
            4..12 => "UnknownMasterKey",
            _ => "DecryptFailed",
        };
        assert_eq!(refusal(&ring, &encode(&changed)), expected, "bit {bit}");
    }
}

#[test]
fn every_changed_character_of_the_text_form_is_refused() {
    let ring = ring(1);
    let sealed = ring.seal(&context(), &payload("sk-test")).unwrap();
    for at in 0..sealed.len() {
        for replacement in 0..128 {
            if sealed.as_bytes()[at] == replacement {
                continue;
            }
            let mut changed = sealed.clone().into_bytes();
            changed[at] = replacement;
            refusal(&ring, std::str::from_utf8(&changed).unwrap());
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let ring = ring(1);
    let sealed = ring.seal(&context(), &payload("sk-test")).unwrap();
    let record = decode(&sealed);
    for length in 0..record.len() {
        assert_eq!(
            refusal(&ring, &encode(&record[..length])),
            "BadRecord",
            "{length} bytes"
        );
        assert_eq!(
            refusal(&ring, &encode(&record[record.len() - length..])),
            "BadRecord"
        );
    }
    for length in 0..sealed.len() {
        assert_eq!(
            refusal(&ring, &sealed[..length]),
            "BadRecord",
            "{length} characters"
        );
    }
    // A whole padding block less is a valid length, so it is the cipher that refuses.
    let long = decode(&ring.seal(&context(), &payload(&"k".repeat(100))).unwrap());
    assert_eq!(
        refusal(&ring, &encode(&long[..long.len() - 64])),
        "DecryptFailed"
    );
}

#[test]
fn every_one_byte_extension_is_refused() {
    let ring = ring(1);
    let sealed = ring.seal(&context(), &payload("sk-test")).unwrap();
    let record = decode(&sealed);
    for byte in 0..=255 {
        for at in [0, 12, 36, 68, record.len() - 16, record.len()] {
            let mut longer = record.clone();
            longer.insert(at, byte);
            assert_eq!(refusal(&ring, &encode(&longer)), "BadRecord");
        }
    }
    for byte in 0..128 {
        assert_eq!(
            refusal(&ring, &format!("{sealed}{}", char::from(byte))),
            "BadRecord"
        );
        assert_eq!(
            refusal(&ring, &format!("{}{sealed}", char::from(byte))),
            "BadRecord"
        );
    }
    let block_longer = [record.as_slice(), &[0; 64]].concat();
    assert_eq!(refusal(&ring, &encode(&block_longer)), "DecryptFailed");
}

#[test]
fn leftover_bits_of_the_last_character_are_refused() {
    let ring = ring(1);
    let sealed = ring.seal(&context(), &payload("sk-test")).unwrap();
    // 148 bytes are 197 characters and a last one of which only 2 bits count.
    let (body, last) = sealed.split_at(sealed.len() - 1);
    let value = ALPHABET
        .iter()
        .position(|symbol| *symbol == last.as_bytes()[0])
        .unwrap();
    for leftover in 1..16 {
        let spelling = format!("{body}{}", char::from(ALPHABET[value | leftover]));
        assert_eq!(refusal(&ring, &spelling), "BadRecord");
        assert!(matches!(
            kid_of(&spelling).unwrap_err().kind(),
            VaultErrorKind::BadRecord
        ));
    }
    assert_eq!(refusal(&ring, &format!("{sealed}==")), "BadRecord");
}

#[test]
fn other_formats_suites_and_flags_are_bad_records_that_say_to_upgrade() {
    let ring = ring(1);
    let record = decode(&ring.seal(&context(), &payload("sk-test")).unwrap());
    for (at, value) in [(0, 2), (1, 2), (1, 0xf0), (2, 1), (3, 0x80)] {
        let mut newer = record.clone();
        newer[at] = value;
        let error = ring.open(&context(), &encode(&newer)).err().unwrap();
        assert_eq!(error.kind(), &VaultErrorKind::BadRecord);
        assert!(error.message().contains("upgrade"), "{error}");
    }
}

#[test]
fn foreign_text_is_a_bad_record() {
    let ring = ring(1);
    let huge = format!("byok1.{}", "A".repeat(1_000_000));
    for text in [
        "",
        "byok1",
        "byok1.",
        "byok2.AQEA",
        "BYOK1.AQEA",
        "sk-plain",
        "byok1.é",
        &huge,
    ] {
        assert_eq!(refusal(&ring, text), "BadRecord");
        assert!(matches!(
            kid_of(text).unwrap_err().kind(),
            VaultErrorKind::BadRecord
        ));
    }
}

#[test]
fn a_record_opens_for_exactly_its_tuple() {
    let ring = ring(1);
    let tuple = ["default", "user_42", "openai", "main"];
    let sealed = ring.seal(&context(), &payload("sk-test")).unwrap();
    let near_misses = [
        ["Default", "user_42", "openai", "main"],
        ["default", "User_42", "openai", "main"],
        ["default", "user_42 ", "openai", "main"],
        ["default", " user_42", "openai", "main"],
        ["default", "user_42\0", "openai", "main"],
        ["default", "user_4", "openai", "main"],
        ["default", "user_42o", "penai", "main"],
        ["default", "main", "openai", "user_42"],
        ["user_42", "default", "openai", "main"],
        ["default", "user_42", "openai2", "main"],
        ["default", "user_42", "openai", "main2"],
    ];
    for other in near_misses {
        assert_ne!(other, tuple);
        let [namespace, user_id, provider, label] = other;
        let context = Context::new(namespace, user_id, provider, label).unwrap();
        let error = ring.open(&context, &sealed).err().expect("must not open");
        assert_eq!(error.kind(), &VaultErrorKind::DecryptFailed, "{other:?}");
    }

    // Two spellings of one visible name are two users: é as one code point, and as two.
    let composed = Context::new("default", "ren\u{e9}", "openai", "main").unwrap();
    let decomposed = Context::new("default", "rene\u{301}", "openai", "main").unwrap();
    let sealed = ring.seal(&composed, &payload("sk-test")).unwrap();
    assert!(ring.open(&composed, &sealed).is_ok());
    assert!(ring.open(&decomposed, &sealed).is_err());
}

#[test]
fn decrypt_failed_says_the_same_for_every_cause() {
    let ring = ring(1);
    let record = decode(&ring.seal(&context(), &payload("sk-test")).unwrap());
    let messages: Vec<String> = [12, 36, 68, record.len() - 1]
        .map(|at| {
            let mut changed = record.clone();
            changed[at] ^= 1;
            ring.open(&context(), &encode(&changed))
                .err()
                .unwrap()
                .to_string()
        })
        .into();
    assert!(messages.iter().all(|message| *message == messages[0]));
}

#[test]
fn records_reveal_only_64_byte_length_buckets() {
    let ring = ring(1);
    for (key_bytes, padded) in [
        (1, 64),
        (60, 64),
        (61, 128),
        (124, 128),
        (125, 192),
        (8192, 8256),
    ] {
        let sealed = ring
            .seal(&context(), &payload(&"k".repeat(key_bytes)))
            .unwrap();
        assert_eq!(decode(&sealed).len(), 84 + padded, "{key_bytes}-byte key");
    }
}

#[test]
fn the_largest_payload_seals_and_opens_and_one_byte_more_is_refused() {
    let ring = ring(1);
    // 8,192 + 3 for the key; 16,320 - 8,195 - 1 for the end mark leaves one field of 8,124.
    let mut largest = payload(&"k".repeat(8_192));
    largest
        .fields
        .push(("f".into(), Secret::from(vec![7; 8_124 - 3 - 2])));
    let sealed = ring.seal(&context(), &largest).unwrap();
    assert_eq!(decode(&sealed).len(), 84 + 16_320);
    assert_eq!(
        ring.open(&context(), &sealed).unwrap().fields[0].1.len(),
        8_119
    );

    let mut larger = payload(&"k".repeat(8_192));
    larger
        .fields
        .push(("f".into(), Secret::from(vec![7; 8_120])));
    let error = ring.seal(&context(), &larger).unwrap_err();
    assert_eq!(error.kind(), &VaultErrorKind::InvalidArgument);
    assert!(error.message().contains("16,320"));
}

#[test]
fn two_sealings_of_one_payload_share_nothing_but_the_header() {
    let ring = ring(1);
    let first = decode(&ring.seal(&context(), &payload("sk-test")).unwrap());
    let second = decode(&ring.seal(&context(), &payload("sk-test")).unwrap());
    assert_eq!(first[..12], second[..12]);
    for part in [12..36, 36..68, 68..132, 132..148] {
        assert_ne!(first[part.clone()], second[part]);
    }
}

#[test]
fn no_wrong_master_key_with_a_forged_header_opens_a_record() {
    let (ours, other) = (ring(1), ring(2));
    let mut record = decode(&ours.seal(&context(), &payload("sk-test")).unwrap());
    let theirs = decode(&other.seal(&context(), &payload("sk-test")).unwrap());
    record[..12].copy_from_slice(&theirs[..12]);
    assert_eq!(refusal(&other, &encode(&record)), "DecryptFailed");
}

#[test]
fn a_ring_is_usable_from_many_threads() {
    fn shared<T: Send + Sync>(value: T) -> T {
        value
    }
    let ring = shared(KeyRing::new(MasterKey::parse(&key(1)).unwrap(), Vec::new()).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ring = &ring;
            scope.spawn(move || {
                let text = format!("sk-{thread}");
                let sealed = ring.seal(&context(), &payload(&text)).unwrap();
                let opened: Payload = ring.open(&context(), &sealed).unwrap();
                assert_eq!(opened.api_key.expose(), text.as_bytes());
            });
        }
    });
}

/// The kind of the refusal; a record that opens, or reseals, fails the test.
fn refusal(ring: &KeyRing, sealed: &str) -> &'static str {
    let error = ring.open(&context(), sealed).err().expect("must not open");
    match error.kind() {
        VaultErrorKind::BadRecord => "BadRecord",
        VaultErrorKind::UnknownMasterKey { .. } => "UnknownMasterKey",
        VaultErrorKind::DecryptFailed => "DecryptFailed",
        other => panic!("{other:?}"),
    }
}

fn decode(sealed: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(sealed.strip_prefix("byok1.").unwrap())
        .unwrap()
}

fn encode(record: &[u8]) -> String {
    format!("byok1.{}", URL_SAFE_NO_PAD.encode(record))
}
