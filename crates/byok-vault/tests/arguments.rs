//! Contexts, payloads and secrets: what is accepted, what is refused and in which words, and that
//! whatever is accepted comes back the same.

mod support;

use std::fmt::{Debug, Display};

use byok_vault::{Context, KeyRing, MasterKey, Payload, Secret, VaultError, VaultErrorKind};
use proptest::prelude::*;
use support::{context, payload, ring};

#[test]
fn contexts_within_their_limits_are_accepted() {
    let (long_namespace, long_user, long_label) =
        ("n".repeat(256), "u".repeat(512), "l".repeat(256));
    let long_provider = "p".repeat(64);
    assert!(Context::new(&long_namespace, &long_user, &long_provider, &long_label).is_ok());
    for provider in ["a", "0", "openai", "azure-openai", "x_1.2-3"] {
        assert!(Context::new("n", "u", provider, "l").is_ok(), "{provider}");
    }
    assert!(Context::new(" ", "用户\u{1f600}\u{0}", "p", "\n").is_ok());
}

#[test]
fn contexts_outside_their_limits_are_refused_by_the_fields_name() {
    let long = "é".repeat(300);
    for (context, field) in [
        (Context::new("", "u", "p", "l"), "`namespace`"),
        (Context::new(&long, "u", "p", "l"), "`namespace`"),
        (Context::new("n", "", "p", "l"), "`userId`"),
        (Context::new("n", &long, "p", "l"), "`userId`"),
        (Context::new("n", "u", "p", ""), "`label`"),
        (Context::new("n", "u", "p", &long), "`label`"),
    ] {
        refused(context.map(drop), field);
    }
    let long_provider = "p".repeat(65);
    for provider in [
        "",
        "OpenAI",
        ".a",
        "-a",
        "_a",
        "a b",
        "é",
        "a/b",
        "a\n",
        &long_provider,
    ] {
        refused(
            Context::new("n", "u", provider, "l").map(drop),
            "`provider`",
        );
    }
}

#[test]
fn api_keys_are_visible_ascii_of_1_to_8192_bytes() {
    for good in [
        "k".to_owned(),
        (0x21..=0x7e_u8).map(char::from).collect(),
        "k".repeat(8_192),
    ] {
        assert!(Payload::new(Secret::from(good.into_bytes())).is_ok());
    }
    refused(Payload::new(Secret::copy_from(b"")).map(drop), "empty");
    refused(
        Payload::new(Secret::from(vec![b'k'; 8_193])).map(drop),
        "8,192",
    );
    for byte in (0..=0x20).chain(0x7f..=0xff) {
        let key = Secret::from(vec![b's', byte, b'k']);
        refused(Payload::new(key).map(drop), "visible ASCII");
    }
}

#[test]
fn what_is_set_on_a_payload_is_checked_when_it_is_sealed() {
    let long = "x".repeat(2_049);
    for origin in [
        "",
        "https://a b",
        "https://é.example",
        "https://a\r\n",
        &long,
    ] {
        let mut payload = payload("sk-test");
        payload.origin = Some(origin.to_owned());
        refused(ring(1).seal(&context(), &payload).map(drop), "base URL");
    }
    for (name, value, words) in [
        ("", "v", "name"),
        ("a b", "v", "name"),
        ("é", "v", "name"),
        (&"n".repeat(65), "v", "name"),
        ("n", "", "value"),
        ("n", &"v".repeat(8_193), "value"),
    ] {
        let mut payload = payload("sk-test");
        payload
            .fields
            .push((name.to_owned(), Secret::copy_from(value.as_bytes())));
        refused(ring(1).seal(&context(), &payload).map(drop), words);
    }
    let mut twice = payload("sk-test");
    twice.fields = ["a", "b", "a"]
        .map(|name| (name.to_owned(), Secret::copy_from(b"v")))
        .into();
    refused(ring(1).seal(&context(), &twice).map(drop), "twice");

    let mut late = payload("sk-test");
    late.created_at = Some(1 << 53);
    refused(ring(1).seal(&context(), &late).map(drop), "2^53");

    let mut emptied = payload("sk-test");
    emptied.api_key = Secret::copy_from(b"");
    refused(ring(1).seal(&context(), &emptied).map(drop), "empty");
}

#[test]
fn a_secret_takes_a_vector_with_spare_capacity_over_exactly() {
    let mut roomy = Vec::with_capacity(4_096);
    roomy.extend_from_slice(b"sk-test");
    let secret = Secret::from(roomy);
    assert_eq!((secret.expose(), secret.len()), (&b"sk-test"[..], 7));
    assert!(!secret.is_empty() && Secret::from(Vec::new()).is_empty());
}

/// Whether a type has a trait: an inherent constant, where its bound holds, hides the trait's.
macro_rules! has {
    ($type:ty: $bound:path) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T> Otherwise for Probe<T> {}
        #[allow(dead_code)]
        impl<T: $bound> Probe<T> {
            const HAS: bool = true;
        }
        Probe::<$type>::HAS
    }};
}

#[test]
fn nothing_that_holds_a_key_can_be_cloned_printed_or_serialised() {
    assert!(has!(String: Clone) && has!(String: Debug) && has!(String: Display));
    assert!(has!(String: serde::Serialize) && has!(u8: Copy));

    assert!(!has!(Secret: Clone) && !has!(Secret: Debug) && !has!(Secret: Display));
    assert!(!has!(Secret: serde::Serialize) && !has!(Secret: PartialEq));
    assert!(!has!(Payload: Clone) && !has!(Payload: Debug) && !has!(Payload: Display));
    assert!(!has!(Payload: serde::Serialize));
    assert!(!has!(MasterKey: Clone) && !has!(MasterKey: Debug) && !has!(MasterKey: Display));
    assert!(!has!(MasterKey: serde::Serialize));
    assert!(!has!(KeyRing: Clone) && !has!(KeyRing: Debug) && !has!(KeyRing: Display));
    assert!(!has!(KeyRing: serde::Serialize));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_sealed_opens_to_the_same(
        namespace in "\\PC{1,40}",
        user_id in "\\PC{1,100}",
        provider in "[a-z0-9][a-z0-9._-]{0,63}",
        label in "\\PC{1,40}",
        api_key in "[!-~]{1,300}",
        origin in proptest::option::of("[!-~]{1,200}"),
        fields in proptest::collection::btree_map(
            "[A-Za-z0-9._-]{1,64}", proptest::collection::vec(any::<u8>(), 1..200), 0..6),
        created_at in proptest::option::of(0..1_u64 << 53),
    ) {
        let context = Context::new(&namespace, &user_id, &provider, &label).unwrap();
        let mut payload = payload(&api_key);
        payload.origin = origin.clone();
        payload.created_at = created_at;
        for (name, value) in fields.iter().rev() {
            payload.fields.push((name.clone(), Secret::copy_from(value)));
        }

        let ring = ring(1);
        let sealed = ring.seal(&context, &payload).unwrap();
        let opened = ring.open(&context, &sealed).unwrap();
        prop_assert_eq!(opened.api_key.expose(), api_key.as_bytes());
        prop_assert_eq!(opened.origin, origin);
        prop_assert_eq!(opened.created_at, created_at);
        let opened_fields: Vec<_> =
            opened.fields.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        let expected: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        prop_assert_eq!(opened_fields, expected);
    }

    #[test]
    fn no_text_makes_opening_panic(text in "(byok1\\.)?[A-Za-z0-9_=-]{0,400}", any in "\\PC*") {
        prop_assert!(ring(1).open(&context(), &text).is_err());
        prop_assert!(ring(1).open(&context(), &any).is_err());
    }
}

fn refused(result: Result<(), VaultError>, words: &str) {
    let error = result.expect_err(words);
    assert_eq!(error.kind(), &VaultErrorKind::InvalidArgument);
    assert!(error.message().contains(words), "{words}: {error}");
}
