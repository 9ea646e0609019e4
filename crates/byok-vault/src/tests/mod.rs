//! White-box tests: the published vectors and the worked examples, driven through the functions
//! that seal.

mod locked_pages;
mod payload;
mod worked_examples;
mod wycheproof_aead;
mod wycheproof_cobblestone;
mod wycheproof_hmac;

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let mut bytes = vec![0; digits.len() / 2];
    assert!(
        crate::hex::decode_into(digits.as_bytes(), &mut bytes),
        "not hex: {digits}"
    );
    bytes
}
