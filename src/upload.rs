//! `NativeUpload`: JavaScript's end of an upload. `write` tells when there is room for more; being
//! collected before `end` breaks the upload off.

use std::sync::{Arc, Mutex, PoisonError};

use byok_core::error::{Code, Error};
use byok_core::http::{Offer, UploadWriter, Uploads};
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw, Uint8Array};
use napi_derive::napi;

use crate::{envelope, promise};

#[napi]
pub struct NativeUpload {
    id: u32,
    uploads: Arc<Uploads>,
    /// Gone once it has ended.
    writer: Mutex<Option<UploadWriter>>,
}

#[napi]
impl NativeUpload {
    pub(crate) fn open(uploads: &Arc<Uploads>, length: Option<f64>) -> Self {
        // Whole numbers of bytes that JavaScript can count.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let length = length
            .filter(|length| (0.0..=9_007_199_254_740_991.0).contains(length))
            .map(|length| length as u64);
        let (id, writer) = uploads.open(length);
        NativeUpload {
            id,
            uploads: uploads.clone(),
            writer: Mutex::new(Some(writer)),
        }
    }

    /// What a request's JSON names it by.
    #[napi(getter, catch_unwind)]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Copies a piece. True when it was taken, false when nobody reads any more; a promise of an
    /// envelope with one of both when there is no room yet. One call at a time.
    #[napi(catch_unwind)]
    pub fn write<'env>(
        &self,
        env: &'env Env,
        piece: Uint8Array,
    ) -> napi::Result<Either<bool, PromiseRaw<'env, String>>> {
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(writer) = writer else {
            return Ok(Either::A(false));
        };
        match writer.offer(|| piece.to_vec().into()) {
            Offer::Taken => Ok(Either::A(true)),
            Offer::Unwanted => Ok(Either::A(false)),
            Offer::Full => {
                let piece = piece.to_vec();
                let writing = async move { envelope::ok(&writer.write(piece.into()).await) };
                promise::spawn(env, writing).map(Either::B)
            }
        }
    }

    /// Everything is written.
    #[napi(catch_unwind)]
    pub fn end(&self) {
        if let Some(writer) = self.take_writer() {
            writer.end();
        }
    }

    /// The rest can't be had: ends the request that reads it, with this message.
    #[napi(catch_unwind)]
    pub fn fail(&self, message: String) {
        self.uploads.forget(self.id);
        if let Some(writer) = self.take_writer() {
            writer.fail(Error::new(Code::Aborted, message));
        }
    }

    fn take_writer(&self) -> Option<UploadWriter> {
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for NativeUpload {
    fn drop(&mut self) {
        self.uploads.forget(self.id);
    }
}
