//! Where a scan goes on: the id of the next record to look at, as opaque text (base64url of a JSON
//! array of the four ids). A record that is deleted meanwhile leaves its place in the order behind,
//! so a cursor never becomes invalid by itself.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::KeyId;
use crate::error::{Error, Result};

pub(super) fn encode(next: &KeyId) -> Result<String> {
    let ids = [&next.namespace, &next.user_id, &next.provider, &next.label];
    let json = serde_json::to_vec(&ids)
        .map_err(|error| Error::invalid_argument(format!("The scan's cursor: {error}.")))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}

pub(super) fn decode(cursor: &str) -> Result<KeyId> {
    let json = BASE64_URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| foreign())?;
    let [namespace, user_id, provider, label]: [String; 4] =
        serde_json::from_slice(&json).map_err(|_| foreign())?;
    Ok(KeyId {
        namespace,
        user_id,
        provider,
        label,
    })
}

fn foreign() -> Error {
    Error::invalid_argument(
        "`cursor` is not one that this store's scan returned. Leave it out to begin a new scan.",
    )
}
