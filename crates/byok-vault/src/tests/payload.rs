//! The payload's strict parse: there is one encoding, and each way to deviate from it is refused.

use crate::payload::PayloadView;

/// A payload of these bytes, padded to 64 with zeros.
fn padded(items: &[u8]) -> Vec<u8> {
    let mut bytes = items.to_vec();
    bytes.resize(items.len().next_multiple_of(64), 0);
    bytes
}

fn parses(items: &[u8]) -> bool {
    PayloadView::parse(&padded(items)).is_some()
}

const KEY: &[u8] = b"\x01\0\x02sk";
const ORIGIN: &[u8] = b"\x02\0\x09https://a";
const FIELD_A: &[u8] = b"\x03\0\x03\x01ax";
const FIELD_B: &[u8] = b"\x03\0\x03\x01by";
const CREATED: &[u8] = b"\x04\0\x08\0\0\x01\x9b\x76\xda\xf8\0";

#[test]
fn items_in_order_parse() {
    assert!(parses(KEY));
    assert!(parses(&[KEY, ORIGIN, FIELD_A, FIELD_B, CREATED].concat()));
    assert!(parses(&[KEY, FIELD_B, CREATED].concat()));
}

#[test]
fn a_missing_api_key_is_refused() {
    assert!(!parses(b""));
    assert!(!parses(&[ORIGIN, CREATED].concat()));
}

#[test]
fn items_out_of_order_or_repeated_are_refused() {
    assert!(!parses(&[ORIGIN, KEY].concat()));
    assert!(!parses(&[KEY, CREATED, FIELD_A].concat()));
    assert!(!parses(&[KEY, KEY].concat()));
    assert!(!parses(&[KEY, ORIGIN, ORIGIN].concat()));
    assert!(!parses(&[KEY, CREATED, CREATED].concat()));
    assert!(!parses(&[KEY, FIELD_A, FIELD_A].concat()));
    assert!(!parses(&[KEY, FIELD_B, FIELD_A].concat()));
}

#[test]
fn an_unknown_tag_is_refused() {
    for tag in 5..=255 {
        assert!(!parses(&[KEY, &[tag, 0, 1, b'x']].concat()), "tag {tag}");
    }
}

#[test]
fn lengths_past_the_end_are_refused() {
    assert!(PayloadView::parse(b"\x01\xff\xffsk").is_none());
    assert!(PayloadView::parse(b"\x01\0").is_none());
    assert!(PayloadView::parse(b"\x01").is_none());
    assert!(
        !parses(&[KEY, b"\x03\0\x03\x03ax"].concat()),
        "name longer than the item"
    );
    assert!(
        !parses(&[KEY, b"\x03\0\0"].concat()),
        "field without a name length"
    );
}

#[test]
fn values_outside_their_limits_are_refused() {
    assert!(!parses(b"\x01\0\0"), "empty key");
    assert!(!parses(b"\x01\0\x02s "), "space in the key");
    assert!(!parses(b"\x01\0\x02s\x7f"), "DEL in the key");
    assert!(!parses(&[KEY, b"\x02\0\0"].concat()), "empty origin");
    assert!(
        !parses(&[KEY, b"\x02\0\x02\xc3\xa9"].concat()),
        "origin that is not ASCII"
    );
    assert!(!parses(&[KEY, b"\x03\0\x03\0ax"].concat()), "empty name");
    assert!(
        !parses(&[KEY, b"\x03\0\x03\x01 x"].concat()),
        "space in a name"
    );
    assert!(!parses(&[KEY, b"\x03\0\x02\x01a"].concat()), "empty value");
    assert!(
        !parses(&[KEY, b"\x04\0\x07\0\0\x01\x9b\x76\xda\xf8"].concat()),
        "seven-byte time"
    );
    assert!(
        !parses(&[KEY, b"\x04\0\x08\0\x20\0\0\0\0\0\0"].concat()),
        "time of 2^53"
    );
}

#[test]
fn padding_must_be_zero_and_minimal() {
    let good = padded(KEY);
    assert!(PayloadView::parse(&good).is_some());
    for at in KEY.len() + 1..good.len() {
        let mut bad = good.clone();
        bad[at] = 1;
        assert!(PayloadView::parse(&bad).is_none(), "byte {at}");
    }
    assert!(PayloadView::parse(&[good.as_slice(), &[0; 64]].concat()).is_none());
    let key = [b"\x01\0\x3d", [b'k'; 61].as_slice()].concat();
    assert!(PayloadView::parse(&key).is_none(), "no end mark");
}

#[test]
fn every_single_byte_change_parses_to_something_else_or_not_at_all() {
    let good = padded(&[KEY, ORIGIN, FIELD_A, FIELD_B, CREATED].concat());
    for at in 0..good.len() {
        for value in 0..=255 {
            let mut changed = good.clone();
            changed[at] = value;
            let Some(view) = PayloadView::parse(&changed) else {
                continue;
            };
            let mut again = vec![0; view.padded_len()];
            view.encode_into(&mut again);
            assert_eq!(again, changed, "two encodings of one payload");
        }
    }
}
