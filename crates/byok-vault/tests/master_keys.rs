//! Master keys: every good spelling gives the same ring, every bad one its own message, and a
//! rotation moves records without losing any.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use byok_vault::{
    KeyRing, MasterKey, MemoryProtection, VaultError, VaultErrorKind, generate_master_key,
    kid_in_prefix, kid_of,
};
use support::{context, key, payload, ring, ring_of};

fn bytes() -> Vec<u8> {
    (0..32)
        .map(|index: u8| index.wrapping_mul(37) ^ 0xfb)
        .collect()
}

#[test]
fn every_spelling_of_a_master_key_is_the_same_key() {
    let hex: String = bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let spellings = [
        hex.to_uppercase(),
        format!("{hex}\n"),
        STANDARD.encode(bytes()),
        STANDARD_NO_PAD.encode(bytes()),
        URL_SAFE.encode(bytes()),
        URL_SAFE_NO_PAD.encode(bytes()),
        format!("  {}\r\n", STANDARD.encode(bytes())),
    ];
    let from_bytes = KeyRing::new(MasterKey::from_bytes(&mut bytes()).unwrap(), vec![]).unwrap();
    for spelling in [hex].iter().chain(&spellings) {
        let ring = KeyRing::new(MasterKey::parse(spelling).unwrap(), vec![]).unwrap();
        assert_eq!(ring.kids(), from_bytes.kids(), "{spelling}");
    }
}

#[test]
fn raw_bytes_are_wiped_also_when_they_are_refused() {
    for mut bytes in [
        bytes(),
        vec![7; 32],
        vec![b'x'; 31],
        b"0123456789abcdef".repeat(2),
    ] {
        let _ = MasterKey::from_bytes(&mut bytes);
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn each_bad_master_key_has_a_message_of_its_own_that_says_how_to_make_a_good_one() {
    let text = "0123456789abcdef0123456789ABCDEF";
    let refusals = [
        ("empty bytes", from_bytes(&[]), "is 0 bytes long and not 32"),
        (
            "short bytes",
            from_bytes(&bytes()[1..]),
            "is 31 bytes long and not 32",
        ),
        (
            "long bytes",
            from_bytes(&[bytes(), vec![1]].concat()),
            "is 33 bytes long and not 32",
        ),
        (
            "zero bytes",
            from_bytes(&[0; 32]),
            "All bytes of the master key are equal",
        ),
        (
            "equal bytes",
            from_bytes(&[0xab; 32]),
            "All bytes of the master key are equal",
        ),
        (
            "hex text as bytes",
            from_bytes(text.as_bytes()),
            "are printable text",
        ),
        ("empty string", parse(""), "is an empty string"),
        ("white space", parse(" \n"), "is an empty string"),
        ("long hex", parse(&"ab".repeat(33)), "is 66 hex digits long"),
        ("odd hex", parse(&"a".repeat(65)), "is 65 hex digits long"),
        (
            "16 bytes of hex",
            parse(&"0a".repeat(16)),
            "is 24 bytes long and not 32",
        ),
        (
            "passphrase",
            parse("correct horse battery staple"),
            "neither 64 hex digits nor base64",
        ),
        (
            "base64 of 31",
            parse(&STANDARD.encode(&bytes()[1..])),
            "is 31 bytes long and not 32",
        ),
        (
            "base64 of text",
            parse(&STANDARD.encode(text)),
            "are printable text",
        ),
        (
            "hex zeros",
            parse(&"00".repeat(32)),
            "All bytes of the master key are equal",
        ),
        (
            "base64 zeros",
            parse(&STANDARD.encode([0; 32])),
            "All bytes of the master key are equal",
        ),
        (
            "not ASCII",
            parse(&"é".repeat(32)),
            "neither 64 hex digits nor base64",
        ),
        (
            "two alphabets",
            parse(&format!("+_{}", "A".repeat(41))),
            "neither 64 hex digits nor",
        ),
    ];
    for (name, error, expected) in refusals {
        assert_eq!(error.kind(), &VaultErrorKind::InvalidMasterKey, "{name}");
        assert!(error.message().contains(expected), "{name}: {error}");
        assert!(
            error.message().contains("npx byok-ai keygen"),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_master_key_with_leftover_bits_in_base64_is_refused() {
    let mut spelling = STANDARD_NO_PAD.encode(bytes());
    let last = spelling.pop().unwrap();
    spelling.push(char::from(last as u8 + 1));
    assert!(MasterKey::parse(&spelling).is_err());
}

#[test]
fn a_key_given_twice_is_refused_by_its_id() {
    let twice = |current: u8, previous: &[u8]| {
        let parse = |number: &u8| MasterKey::parse(&key(*number)).unwrap();
        KeyRing::new(parse(&current), previous.iter().map(parse).collect())
            .err()
            .unwrap()
    };
    for error in [twice(1, &[1]), twice(1, &[2, 3, 2])] {
        assert_eq!(error.kind(), &VaultErrorKind::InvalidMasterKey);
        assert!(error.message().contains("given twice"), "{error}");
    }
    assert!(twice(1, &[1]).message().contains(&ring(1).kids()[0]));
}

#[test]
fn generated_keys_are_good_and_differ() {
    let (first, second) = (
        generate_master_key().unwrap(),
        generate_master_key().unwrap(),
    );
    assert_ne!(first, second);
    for key in [first, second] {
        assert_eq!(STANDARD.decode(&key).unwrap().len(), 32);
        assert!(MasterKey::parse(&key).is_ok());
    }
}

#[test]
fn an_unknown_master_key_is_named() {
    let sealed = ring(1).seal(&context(), &payload("sk-test")).unwrap();
    let kid = ring(1).kids()[0].clone();
    assert_eq!(kid_of(&sealed).unwrap(), kid);

    let other = ring_of(2, &[3]);
    let opened = other.open(&context(), &sealed).err().unwrap();
    let resealed = other.reseal(&context(), &sealed).unwrap_err();
    for error in [opened, resealed] {
        assert_eq!(
            error.kind(),
            &VaultErrorKind::UnknownMasterKey { kid: kid.clone() }
        );
        assert!(error.message().contains(&kid));
    }
}

#[test]
fn a_rotation_moves_every_record_to_the_current_key() {
    let old = ring(1);
    let mut payload = payload("sk-test");
    payload.origin = Some("https://llm.example.com".into());
    payload.created_at = Some(1_767_225_600_000);
    let sealed = old.seal(&context(), &payload).unwrap();

    let accepting = ring_of(1, &[2]);
    assert!(accepting.reseal(&context(), &sealed).unwrap().is_none());

    let both = ring_of(2, &[1]);
    assert_eq!(
        both.open(&context(), &sealed).unwrap().api_key.expose(),
        b"sk-test"
    );
    assert!(!sealed.starts_with(both.current_prefix()));
    let moved = both
        .reseal(&context(), &sealed)
        .unwrap()
        .expect("was under the previous key");
    assert_eq!(moved.fingerprint, ring(2).fingerprint(b"sk-test"));
    let moved = moved.sealed;
    assert!(moved.starts_with(both.current_prefix()));
    assert_eq!(moved.len(), sealed.len());
    assert_ne!(moved[22..54], sealed[22..54], "the salt is fresh");
    assert!(both.reseal(&context(), &moved).unwrap().is_none());

    let new = ring(2);
    let opened = new.open(&context(), &moved).unwrap();
    assert_eq!(opened.api_key.expose(), b"sk-test");
    assert_eq!(opened.origin.as_deref(), Some("https://llm.example.com"));
    assert_eq!(opened.created_at, Some(1_767_225_600_000));
    assert!(new.open(&context(), &sealed).is_err());
}

#[test]
fn reseal_refuses_a_record_of_another_tuple_and_a_changed_one() {
    let sealed = ring(1).seal(&context(), &payload("sk-test")).unwrap();
    let both = ring_of(2, &[1]);
    let other = byok_vault::Context::new("default", "user_43", "openai", "main").unwrap();
    let error = both.reseal(&other, &sealed).unwrap_err();
    assert_eq!(error.kind(), &VaultErrorKind::DecryptFailed);

    let mut changed = sealed.into_bytes();
    changed[120] = if changed[120] == b'A' { b'B' } else { b'A' };
    let error = both
        .reseal(&context(), std::str::from_utf8(&changed).unwrap())
        .unwrap_err();
    assert_eq!(error.kind(), &VaultErrorKind::DecryptFailed);
}

#[test]
fn a_resealer_gives_every_record_a_salt_of_its_own() {
    let both = ring_of(2, &[1]);
    let mut resealer = both.resealer();
    let mut salts = std::collections::HashSet::new();
    for number in 0..300 {
        let key = format!("sk-{number}");
        let sealed = ring(1).seal(&context(), &payload(&key)).unwrap();
        let moved = resealer.reseal(&context(), &sealed).unwrap().unwrap();
        assert!(salts.insert(moved.sealed[22..54].to_owned()));
        let opened = ring(2).open(&context(), &moved.sealed).unwrap();
        assert_eq!(opened.api_key.expose(), key.as_bytes());
        assert!(
            resealer
                .reseal(&context(), &moved.sealed)
                .unwrap()
                .is_none()
        );
    }
}

#[test]
fn a_record_that_was_cut_short_still_names_its_master_key() {
    let sealed = ring(1).seal(&context(), &payload("sk-test")).unwrap();
    let kid = &ring(1).kids()[0].clone();
    for length in 22..sealed.len() {
        assert_eq!(kid_in_prefix(&sealed[..length]).as_ref(), Some(kid));
    }
    for length in 0..22 {
        assert_eq!(kid_in_prefix(&sealed[..length]), None);
    }
    let newer = sealed.replacen("byok1.AQEA", "byok1.AgEA", 1);
    assert_eq!(kid_in_prefix(&newer), None);
    assert_eq!(kid_in_prefix("byok1.ÄÄÄÄÄÄÄÄÄÄ"), None);
}

#[test]
fn the_prefix_of_22_characters_tells_keys_apart() {
    let rings: Vec<KeyRing> = (1..=40).map(ring).collect();
    for (index, one) in rings.iter().enumerate() {
        assert_eq!(one.current_prefix().len(), 22);
        let sealed = one.seal(&context(), &payload("sk-test")).unwrap();
        for (other_index, other) in rings.iter().enumerate() {
            assert_eq!(
                sealed.starts_with(other.current_prefix()),
                index == other_index
            );
        }
    }
}

#[test]
fn kids_list_the_current_key_first() {
    let ring = ring_of(3, &[1, 2]);
    let alone: Vec<String> = [3, 1, 2]
        .map(|number| support::ring(number).kids()[0].clone())
        .into();
    assert_eq!(ring.kids(), alone);
}

#[test]
fn fingerprints_are_stable_per_master_key_and_hide_the_key() {
    let fingerprint = ring(1).fingerprint(b"sk-test");
    assert_eq!(fingerprint, ring_of(1, &[2]).fingerprint(b"sk-test"));
    assert_ne!(fingerprint, ring(1).fingerprint(b"sk-tesu"));
    assert_ne!(fingerprint, ring(2).fingerprint(b"sk-test"));
    assert_eq!(fingerprint.len(), 32);
    assert!(fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn the_memory_level_is_reported() {
    let level = ring(1).memory_protection();
    assert!(["memfd_secret", "locked", "heap"].contains(&level.as_str()));
    assert!(!cfg!(windows) || level != MemoryProtection::MemfdSecret);
}

fn parse(text: &str) -> VaultError {
    MasterKey::parse(text).err().expect("must be refused")
}

fn from_bytes(bytes: &[u8]) -> VaultError {
    MasterKey::from_bytes(&mut bytes.to_vec())
        .err()
        .expect("must be refused")
}
