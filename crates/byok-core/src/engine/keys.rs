//! Key management: a key goes in trimmed, checked, tried, sealed and stored, in that order; nothing
//! is stored when a step fails.

use std::time::Duration;

use byok_vault::Payload;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::choose::not_found;
use super::config::check_base_url;
use super::credential::{self, Credential};
use super::exchange::OpenKey;
use super::hint::hint;
use super::request::{Routing, parse};
use super::{Engine, context, from_vault};
use crate::capability::Capability;
use crate::error::{Code, Error, Result};
use crate::notice::Notice;
use crate::provider::{WireBody, WireRequest};
use crate::store::{KeyId, KeyRecord, KeyStatus, KeyStore};

/// A live check that takes longer is given up, unless the caller or the provider's own `timeoutMs` says
/// so earlier.
const LIVE_CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// What `registerKey` takes beside the key itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RegisterKey {
    user_id: String,
    provider: String,
    label: Option<String>,
    #[serde(rename = "baseURL")]
    base_url: Option<String>,
    #[serde(default)]
    validate: Validate,
    metadata: Option<Map<String, Value>>,
    timeout_ms: Option<u64>,
    /// The secret is a JSON object of fields and not the key alone.
    #[serde(default)]
    has_fields: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Validate {
    #[default]
    Live,
    Format,
    Never,
}

/// `"live"`, `"format"` or `false`.
impl<'de> Deserialize<'de> for Validate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(false) => Ok(Validate::Never),
            Value::Bool(true) => Ok(Validate::Live),
            Value::String(text) if text == "live" => Ok(Validate::Live),
            Value::String(text) if text == "format" => Ok(Validate::Format),
            _ => Err(serde::de::Error::custom(
                "must be \"live\", \"format\" or false",
            )),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyName {
    user_id: String,
    provider: String,
    label: Option<String>,
    timeout_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserName {
    user_id: String,
}

/// What callers see of a stored key: everything but the secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    pub user_id: String,
    pub provider: String,
    pub label: String,
    pub status: KeyStatus,
    pub hint: String,
    pub fingerprint: String,
    /// Empty when the provider is not configured in this engine.
    pub capabilities: Vec<Capability>,
    pub created_at: String,
    pub updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

impl Engine {
    /// Stores a key. `key` is wiped, whatever happens.
    ///
    /// # Errors
    /// `KEY_REJECTED` when the provider refuses it; `PERMISSION_DENIED`, `QUOTA_EXCEEDED`,
    /// `PROVIDER_RATE_LIMITED` and `PROVIDER_UNAVAILABLE` when it could not be tried to the end.
    pub async fn register_key(&self, json: &str, key: Zeroizing<Vec<u8>>) -> Result<KeyInfo> {
        let request: RegisterKey = parse(json)?;
        let ring = self.ring()?;
        let registered = self.registry.get(&request.provider)?.clone();
        let id = self.key_id(
            &request.user_id,
            &request.provider,
            request.label.as_deref(),
        )?;
        let now = Timestamp::now();

        let provider = &*registered.provider;
        let Credential { key, fields } = if request.has_fields {
            credential::from_fields(&key, provider)?
        } else {
            credential::from_key(&key, provider)?
        };
        let key_hint = hint(std::str::from_utf8(key.expose()).unwrap_or_default());
        let fingerprint = ring.fingerprint(key.expose());
        let mut payload = Payload::new(key).map_err(from_vault)?;
        payload.fields = fields;
        payload.created_at = u64::try_from(now.as_millisecond()).ok();
        if let Some(base_url) = &request.base_url {
            if !registered.allow_user_base_url {
                return Err(Error::invalid_argument(format!(
                    "baseURL: users can't bring their own endpoint for {0}. Allow it with new BYOK({{ providers: {{ {0}: {{ allowUserBaseURL: true }} }} }}).",
                    request.provider
                )));
            }
            let allow_http = registered.allow_private_network;
            payload.origin = Some(check_base_url(base_url, allow_http, "baseURL")?);
        }

        let open = OpenKey::new(registered, payload)?;
        let is_live = request.validate == Validate::Live;
        if is_live {
            self.try_key(&open, request.timeout_ms)
                .await
                .map_err(|error| rejected(self, &open, error))?;
        }
        let sealed = ring
            .seal(&context(&id)?, &open.payload)
            .map_err(from_vault)?;
        let now = timestamp(now);
        let record = KeyRecord {
            id,
            sealed,
            status: if is_live {
                KeyStatus::Active
            } else {
                KeyStatus::Unverified
            },
            hint: key_hint,
            fingerprint,
            verified_at: is_live.then(|| now.clone()),
            created_at: now.clone(),
            updated_at: now,
            metadata: request.metadata,
        };
        self.ring()?; // closed in the meantime: nothing may be stored any more
        self.store.set(&record).await?;
        if self.guards.keys.forget(&record.id) {
            self.recovered(&record.id);
        }
        Ok(self.info(record))
    }

    /// Whether there is a record; says nothing of whether it works.
    pub async fn has_key(&self, json: &str) -> Result<bool> {
        let name: KeyName = parse(json)?;
        self.ring()?;
        let id = self.known_id(&name)?;
        Ok(self.get_record(&id).await?.is_some())
    }

    pub async fn list_keys(&self, json: &str) -> Result<Vec<KeyInfo>> {
        let name: UserName = parse(json)?;
        self.ring()?;
        let records = self.user_records(&name.user_id).await?;
        Ok(records
            .into_iter()
            .map(|record| self.info(record))
            .collect())
    }

    /// Tries a stored key again and stores what came out.
    ///
    /// # Errors
    /// `KEY_NOT_FOUND`, `KEY_INVALID` when the provider refuses it now (its status is then `invalid`), and
    /// the rest of the live check.
    pub async fn verify_key(&self, json: &str) -> Result<KeyInfo> {
        let name: KeyName = parse(json)?;
        let ring = self.ring()?;
        let registered = self.registry.get(&name.provider)?.clone();
        let id = self.known_id(&name)?;
        let record = self
            .get_record(&id)
            .await?
            .ok_or_else(|| not_found(&id, name.label.is_some()))?;
        let payload = ring
            .open(&context(&id)?, &record.sealed)
            .map_err(from_vault)?;
        let open = OpenKey::new(registered, payload)?;
        let outcome = self.try_key(&open, name.timeout_ms).await;
        let was_invalid = self.guards.is_invalid(&record);
        let status = match &outcome {
            Ok(()) => KeyStatus::Active,
            Err(error) if error.code() == Code::KeyInvalid => KeyStatus::Invalid,
            Err(_) => return Err(outcome.err().unwrap_or_else(|| not_found(&id, true))),
        };
        let now = timestamp(Timestamp::now());
        let verified_at = if outcome.is_ok() {
            Some(now.clone())
        } else {
            record.verified_at.clone()
        };
        let updated = KeyRecord {
            status,
            verified_at,
            updated_at: now,
            ..record
        };
        update(&*self.store, &updated).await?;
        self.judged(&updated, was_invalid);
        outcome.map(|()| self.info(updated))
    }

    /// True when there was a key to delete.
    pub async fn delete_key(&self, json: &str) -> Result<bool> {
        let name: KeyName = parse(json)?;
        self.ring()?;
        let id = self.known_id(&name)?;
        self.store.delete(&id).await
    }

    /// Deletes all keys of a user; how many there were.
    pub async fn delete_user(&self, json: &str) -> Result<u64> {
        let name: UserName = parse(json)?;
        self.ring()?;
        let mut deleted = 0;
        for record in self.user_records(&name.user_id).await? {
            deleted += u64::from(self.store.delete(&record.id).await?);
        }
        Ok(deleted)
    }

    /// What this user's keys can do, in a fixed order.
    pub async fn capabilities(&self, json: &str) -> Result<Vec<Capability>> {
        let name: UserName = parse(json)?;
        self.ring()?;
        let records = self.user_records(&name.user_id).await?;
        let able = |capability: &Capability| {
            records.iter().any(|record| {
                self.registry
                    .find(&record.id.provider)
                    .is_some_and(|registered| registered.provider.supports(*capability))
            })
        };
        Ok(Capability::ALL.iter().copied().filter(able).collect())
    }

    /// What a check has shown holds from now on.
    fn judged(&self, record: &KeyRecord, was_invalid: bool) {
        match record.status {
            KeyStatus::Invalid => {
                self.guards.keys.found_invalid(record);
                if !was_invalid {
                    self.guards.notify(Notice::KeyInvalid {
                        key: record.id.clone(),
                    });
                }
            }
            _ => {
                self.guards.keys.accepted(record);
                if was_invalid {
                    self.recovered(&record.id);
                }
            }
        }
    }

    fn recovered(&self, id: &KeyId) {
        self.guards.notify(Notice::KeyRecovered { key: id.clone() });
    }

    /// The provider's cheapest authenticated request.
    async fn try_key(&self, open: &OpenKey, timeout_ms: Option<u64>) -> Result<()> {
        let verify = open.registered.provider.verify();
        let limit = open.registered.timeout.min(LIVE_CHECK_TIMEOUT);
        let routing = Routing {
            timeout_ms: timeout_ms.or(u64::try_from(limit.as_millis()).ok()),
            ..Routing::default()
        };
        let body = match verify.body {
            Some(json) => WireBody::Json(json.as_bytes().to_vec()),
            None => WireBody::Empty,
        };
        let first = self
            .answers(open, WireRequest::new(verify.path, body), &routing)
            .await;
        match (first, verify.otherwise) {
            (Err(error), Some(path)) if error.code() == Code::PermissionDenied => {
                self.answers(open, WireRequest::new(path, WireBody::Empty), &routing)
                    .await
            }
            (first, _) => first,
        }
    }

    /// The key is judged by the status alone; the body is not needed.
    async fn answers(&self, open: &OpenKey, wire: WireRequest, routing: &Routing) -> Result<()> {
        let failure = open.failure();
        let call = open.call(wire, None, routing, &failure)?;
        self.http
            .send(call)
            .await
            .map_err(|error| open.blame(error))?;
        Ok(())
    }

    fn known_id(&self, name: &KeyName) -> Result<KeyId> {
        self.registry.get(&name.provider)?;
        self.key_id(&name.user_id, &name.provider, name.label.as_deref())
    }

    fn info(&self, record: KeyRecord) -> KeyInfo {
        let capabilities = self
            .registry
            .find(&record.id.provider)
            .map(|registered| registered.capabilities())
            .unwrap_or_default();
        KeyInfo {
            user_id: record.id.user_id,
            provider: record.id.provider,
            label: record.id.label,
            status: record.status,
            hint: record.hint,
            fingerprint: record.fingerprint,
            capabilities,
            created_at: record.created_at,
            updated_at: record.updated_at,
            verified_at: record.verified_at,
            metadata: record.metadata,
        }
    }
}

/// At registration a refused key is `KEY_REJECTED`, with the provider whose key it looks like; in all
/// other cases the key may be fine, and the message says how to store it all the same.
fn rejected(engine: &Engine, open: &OpenKey, error: Error) -> Error {
    let name = open.registered.name();
    if error.code() != Code::KeyInvalid {
        let is_genuine = matches!(
            error.code(),
            Code::PermissionDenied | Code::QuotaExceeded | Code::ProviderRateLimited
        );
        let verdict = if is_genuine {
            format!("{name} knows the key, but it could not be tried to the end")
        } else {
            "The key could not be tried".to_owned()
        };
        return error.map_message(|message| {
            Some(format!(
                "{message} {verdict}, so nothing was stored; validate: \"format\" stores it without the live check."
            ))
        });
    }
    let looks_like = engine
        .registry
        .iter()
        .filter(|other| other.id() != open.registered.id())
        .find(|other| open.looks_like(&*other.provider))
        .filter(|_| !open.looks_like(&*open.registered.provider))
        .map(|other| {
            format!(
                " It looks like a key of {}: register it with provider: \"{}\".",
                other.name(),
                other.id()
            )
        })
        .unwrap_or_default();
    let message = format!("{}{looks_like} Nothing was stored.", error.message());
    error.recoded(Code::KeyRejected, message)
}

pub(super) fn timestamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Writes what was learned of a record, unless it has been replaced or deleted meanwhile.
pub(super) async fn update(store: &dyn KeyStore, record: &KeyRecord) -> Result<()> {
    if store.replace(record, &record.sealed).await?.is_some() {
        return Ok(());
    }
    let current = store.get(&record.id).await?;
    if current.is_some_and(|current| current.sealed == record.sealed) {
        store.set(record).await?;
    }
    Ok(())
}

/// The record of a key that its provider refused now.
pub(super) fn marked_invalid(record: KeyRecord) -> KeyRecord {
    KeyRecord {
        status: KeyStatus::Invalid,
        updated_at: timestamp(Timestamp::now()),
        ..record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_milliseconds_and_sort_as_text() {
        let at = Timestamp::from_millisecond(1_767_225_600_005).unwrap();
        assert_eq!(timestamp(at), "2026-01-01T00:00:00.005Z");
    }
}
