//! The master keys in use: seals under the current one, opens under that or a previous one, and
//! moves records from a previous one to the current one without showing what they hold. Derived
//! keys live in locked memory; a record names its key, and no other key is ever tried.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::cobblestone::Message;
use crate::context::Context;
use crate::error::VaultError;
use crate::hex;
use crate::hkdf;
use crate::input_key::InputKey;
use crate::locked_pages::{LockedPages, MemoryProtection};
use crate::master_key::MasterKey;
use crate::payload::{Payload, PayloadView};
use crate::record::{KID_BYTES, Record, text_prefix};
use crate::resealer::Resealer;

const CONTEXT_LABEL: &[u8] = b"byok-ai/record@v1\0";
const ENC_INFO: &[u8] = b"byok-ai/v1/enc";
const KID_INFO: &[u8] = b"byok-ai/v1/kid";
const FINGERPRINT_INFO: &[u8] = b"byok-ai/v1/fp";
const FINGERPRINT_BYTES: usize = 16;
const ONLY_CHUNK: u64 = 0;

/// One current master key and any number of previous ones.
///
/// ```
/// use byok_vault::{Context, KeyRing, MasterKey, Payload, Secret, generate_master_key};
///
/// # fn main() -> Result<(), byok_vault::VaultError> {
/// let (old, new) = (generate_master_key()?, generate_master_key()?);
/// let context = Context::new("default", "user_42", "openai", "main")?;
/// let before = KeyRing::new(MasterKey::parse(&old)?, vec![])?;
/// let sealed = before.seal(&context, &Payload::new(Secret::copy_from(b"sk-test"))?)?;
///
/// let after = KeyRing::new(MasterKey::parse(&new)?, vec![MasterKey::parse(&old)?])?;
/// let moved = after.reseal(&context, &sealed)?.expect("sealed under the previous key");
/// assert!(moved.sealed.starts_with(after.current_prefix()));
/// assert!(after.reseal(&context, &moved.sealed)?.is_none());
/// # Ok(())
/// # }
/// ```
pub struct KeyRing {
    /// The current key's slot first.
    slots: LockedPages<Slot>,
    kids: Vec<String>,
    current_prefix: String,
}

/// A record that was moved to the current master key.
#[derive(Debug)]
pub struct Resealed {
    /// The record's text.
    pub sealed: String,
    /// [`KeyRing::fingerprint`] of its API key under the current master key.
    pub fingerprint: String,
}

/// What is derived from one master key, each as the HMAC states that it sets up.
struct Slot {
    kid: [u8; KID_BYTES],
    enc: InputKey,
    fingerprint: Hmac<Sha256>,
}

impl KeyRing {
    /// Derives all keys into locked memory and wipes the master keys.
    ///
    /// # Errors
    /// `InvalidMasterKey` when two of the keys are the same.
    pub fn new(current: MasterKey, previous: Vec<MasterKey>) -> Result<Self, VaultError> {
        let masters: Vec<MasterKey> = std::iter::once(current).chain(previous).collect();
        let slots = LockedPages::new(masters.len(), |index| Slot::derive(&masters[index]));
        drop(masters);
        scrub_stack();

        let kids: Vec<String> = slots.iter().map(|slot| hex::encode(&slot.kid)).collect();
        for (index, kid) in kids.iter().enumerate() {
            if kids[..index].contains(kid) {
                return Err(VaultError::invalid_master_key(format_args!(
                    "Master key {kid} is given twice: each previous key must differ from the \
                     current one and from the others."
                )));
            }
        }
        let current_prefix = text_prefix(&slots[0].kid);
        Ok(Self {
            slots,
            kids,
            current_prefix,
        })
    }

    /// Seals `payload` for `context` under the current key, with a fresh salt.
    ///
    /// # Errors
    /// `InvalidArgument` when a part of the payload is outside its limits; `Random`.
    pub fn seal(&self, context: &Context<'_>, payload: &Payload) -> Result<String, VaultError> {
        let view = payload.view()?;
        let mut record = Record::new(&self.slots[0].kid, view.padded_len());
        view.encode_into(record.body_mut());
        random_salt(record.salt_mut())?;
        self.encrypt(&context.encode_fields(), &mut record)?;
        Ok(record.to_text())
    }

    /// Opens a record that was sealed for `context` under any key of the ring.
    ///
    /// # Errors
    /// `BadRecord` when it is not a record; `UnknownMasterKey` when its key is not in the ring;
    /// `DecryptFailed` when it was changed or belongs to another tuple.
    pub fn open(&self, context: &Context<'_>, sealed: &str) -> Result<Payload, VaultError> {
        let mut record = Record::parse(sealed)?;
        let view = self.decrypt(&context.encode_fields(), &mut record)?;
        Ok(view.to_payload())
    }

    /// Moves a record to the current key; `None` when it is under that key already (which is
    /// read from its header, without opening it).
    ///
    /// # Errors
    /// As for [`KeyRing::open`], and `Random`.
    pub fn reseal(
        &self,
        context: &Context<'_>,
        sealed: &str,
    ) -> Result<Option<Resealed>, VaultError> {
        self.reseal_with(context, sealed, random_salt)
    }

    /// The same for many records in a row, faster.
    pub fn resealer(&self) -> Resealer<'_> {
        Resealer::new(self)
    }

    pub(crate) fn reseal_with(
        &self,
        context: &Context<'_>,
        sealed: &str,
        fill_salt: impl FnOnce(&mut [u8]) -> Result<(), VaultError>,
    ) -> Result<Option<Resealed>, VaultError> {
        let mut record = Record::parse(sealed)?;
        let current = &self.slots[0];
        if record.kid() == &current.kid {
            return Ok(None);
        }
        let fields = context.encode_fields();
        let payload = self.decrypt(&fields, &mut record)?;
        let fingerprint = self.fingerprint(payload.api_key);
        record.set_kid(&current.kid);
        fill_salt(record.salt_mut())?;
        self.encrypt(&fields, &mut record)?;
        Ok(Some(Resealed {
            sealed: record.to_text(),
            fingerprint,
        }))
    }

    /// The 22 characters that records under the current key, and no others, begin with: what a
    /// store scans for to find the ones that need [`KeyRing::reseal`]. Compare bytewise.
    pub fn current_prefix(&self) -> &str {
        &self.current_prefix
    }

    /// The public ids of the keys, the current one first, as 16 lower-case hex digits each.
    pub fn kids(&self) -> &[String] {
        &self.kids
    }

    /// A keyed fingerprint of an API key: 32 lower-case hex digits of HMAC-SHA-256 under the
    /// current master key. Equal keys have equal fingerprints until the master key is rotated;
    /// without the master key it can't be computed or searched for.
    pub fn fingerprint(&self, api_key: &[u8]) -> String {
        let mut mac = self.slots[0].fingerprint.clone();
        mac.update(api_key);
        hex::encode(&mac.finalize().as_bytes()[..FINGERPRINT_BYTES])
    }

    /// How well the derived keys are kept from swap and core dumps on this machine.
    pub fn memory_protection(&self) -> MemoryProtection {
        self.slots.protection()
    }

    /// Turns a record's body from padded payload into ciphertext, under its current salt.
    pub(crate) fn encrypt(&self, fields: &[u8], record: &mut Record) -> Result<(), VaultError> {
        let context = [CONTEXT_LABEL, record.header(), fields];
        let message = Message::derive(&self.slots[0].enc, record.salt(), context);
        record.set_commitment(message.commitment());
        let tag = message
            .seal_chunk(ONLY_CHUNK, record.body_mut())
            .map_err(|_| VaultError::invalid_argument("The payload is too long to be sealed."))?;
        record.set_tag(&tag);
        Ok(())
    }

    fn decrypt<'r>(
        &self,
        fields: &[u8],
        record: &'r mut Record,
    ) -> Result<PayloadView<'r>, VaultError> {
        let slot = self
            .slots
            .iter()
            .find(|slot| &slot.kid == record.kid())
            .ok_or_else(|| VaultError::unknown_master_key(hex::encode(record.kid())))?;
        let context = [CONTEXT_LABEL, record.header(), fields];
        let message = Message::derive(&slot.enc, record.salt(), context);
        if !message.commits_to(record.commitment()) {
            return Err(VaultError::decrypt_failed());
        }
        let tag = *record.tag();
        message
            .open_chunk(ONLY_CHUNK, record.body_mut(), &tag)
            .map_err(|_| VaultError::decrypt_failed())?;
        PayloadView::parse(record.body()).ok_or_else(VaultError::decrypt_failed)
    }
}

impl Slot {
    fn derive(master: &MasterKey) -> Self {
        let master = keyed_hmac(master.expose());
        let mut kid = [0; KID_BYTES];
        hkdf::expand(&master, &[KID_INFO], &mut kid);
        let enc = InputKey::new(&derive_key(&master, ENC_INFO));
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(derive_key(&master, FINGERPRINT_INFO).as_slice());
        let fingerprint = Hmac::<Sha256>::new((&*block).into());
        Self {
            kid,
            enc,
            fingerprint,
        }
    }
}

pub(crate) fn keyed_hmac(key: &[u8; 32]) -> Hmac<Sha512> {
    // HMAC pads a short key with zeros to a block (RFC 2104), so this is HMAC under `key`.
    let mut block = hmac::digest::Key::<Hmac<Sha512>>::default();
    block[..key.len()].copy_from_slice(key);
    let state = Hmac::<Sha512>::new(&block);
    block.as_mut_slice().zeroize();
    state
}

fn derive_key(master: &Hmac<Sha512>, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::expand(master, &[info], key.as_mut_slice());
    key
}

fn random_salt(salt: &mut [u8]) -> Result<(), VaultError> {
    getrandom::fill(salt).map_err(VaultError::random)
}

/// Overwrites the stack below the caller, where deriving has left copies of key states that were
/// moved into their page.
#[inline(never)]
fn scrub_stack() {
    let mut stack = [0_u8; 16_384];
    stack.zeroize();
    std::hint::black_box(&stack);
}
