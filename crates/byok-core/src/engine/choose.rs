//! Which stored key serves a request first, and what to say when none can.

use std::sync::Arc;

use super::Engine;
use super::registry::Registered;
use super::request::Routing;
use super::route::Candidate;
use crate::capability::Capability;
use crate::error::{Code, Error, Result};
use crate::store::{KeyId, KeyRecord};

impl Engine {
    /// # Errors
    /// `KEY_NOT_FOUND`, `UNKNOWN_PROVIDER`, `CAPABILITY_UNSUPPORTED`, and those of the store.
    pub(super) async fn first_candidate(
        &self,
        routing: &Routing,
        capability: Capability,
    ) -> Result<[Candidate; 1]> {
        let (registered, record) = match &routing.provider {
            Some(provider) => self.named(routing, provider, capability).await?,
            None => self.preferred(routing, capability).await?,
        };
        Ok([Candidate { registered, record }])
    }

    /// Those of `records` whose provider serves the capability.
    pub(super) fn able(
        &self,
        records: Vec<KeyRecord>,
        capability: Capability,
    ) -> impl Iterator<Item = Candidate> {
        records.into_iter().filter_map(move |record| {
            let registered = self.registry.find(&record.id.provider)?.clone();
            registered
                .provider
                .supports(capability)
                .then_some(Candidate { registered, record })
        })
    }

    async fn named(
        &self,
        routing: &Routing,
        provider: &str,
        capability: Capability,
    ) -> Result<(Arc<Registered>, KeyRecord)> {
        let registered = self.registry.get(provider)?.clone();
        if !registered.provider.supports(capability) {
            return Err(self.unsupported(routing, &registered, capability).await);
        }
        let label = routing.label.as_deref();
        let record = self.record_of(&routing.user_id, provider, label).await?;
        Ok((registered, record))
    }

    /// The user's key at a provider: with this label; without one the default, else the newest.
    ///
    /// # Errors
    /// `KEY_NOT_FOUND`, and those of the store.
    pub(super) async fn record_of(
        &self,
        user_id: &str,
        provider: &str,
        label: Option<&str>,
    ) -> Result<KeyRecord> {
        let id = self.key_id(user_id, provider, label)?;
        if let Some(record) = self.get_record(&id).await? {
            return Ok(record);
        }
        if label.is_none() {
            let records = self.user_records(user_id).await?;
            let newest = records
                .into_iter()
                .filter(|record| record.id.provider == provider)
                .max_by(|a, b| a.created_at.cmp(&b.created_at));
            if let Some(record) = newest {
                return Ok(record);
            }
        }
        Err(not_found(&id, label.is_some()))
    }

    async fn preferred(
        &self,
        routing: &Routing,
        capability: Capability,
    ) -> Result<(Arc<Registered>, KeyRecord)> {
        let mut records = self.user_records(&routing.user_id).await?;
        if let Some(label) = &routing.label {
            records.retain(|record| record.id.label == *label);
        }
        let has_any = !records.is_empty();
        let rank = |id: &KeyId| {
            self.prefer
                .iter()
                .position(|name| *name == id.provider)
                .unwrap_or(usize::MAX)
        };
        let best = self.able(records, capability).min_by(
            |Candidate { record: a, .. }, Candidate { record: b, .. }| {
                // A key that is known not to work serves only when there is no other.
                let (a_fails, b_fails) = (self.guards.is_invalid(a), self.guards.is_invalid(b));
                a_fails
                    .cmp(&b_fails)
                    .then_with(|| rank(&a.id).cmp(&rank(&b.id)))
                    .then_with(|| b.created_at.cmp(&a.created_at))
            },
        );
        best.map(|Candidate { registered, record }| (registered, record))
            .ok_or_else(|| self.none_serves(capability, has_any, routing.label.as_deref()))
    }

    /// A record by its id. One that a store returns under another id is read as if it were asked for:
    /// the vault then refuses it, since it is bound to its own.
    pub(super) async fn get_record(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let record = self.store.get(id).await?;
        Ok(record.map(|record| KeyRecord {
            id: id.clone(),
            ..record
        }))
    }

    /// The user's records in this namespace; what else a store returns is not the user's.
    pub(super) async fn user_records(&self, user_id: &str) -> Result<Vec<KeyRecord>> {
        self.key_id(user_id, "any", None)?;
        let mut records = self.store.list(&self.namespace, user_id).await?;
        records
            .retain(|record| record.id.user_id == user_id && record.id.namespace == self.namespace);
        Ok(records)
    }

    fn none_serves(&self, capability: Capability, has_any: bool, label: Option<&str>) -> Error {
        let capability = capability.as_str();
        let with_label = label
            .map(|label| format!(" with label {label:?}"))
            .unwrap_or_default();
        if has_any {
            return Error::new(
                Code::CapabilityUnsupported,
                format!(
                    "None of this user's keys{with_label} can do {capability}. Providers that can: {}. Store a key of one of them with byok.registerKey({{ userId, provider, apiKey }}).",
                    self.providers_of(capability)
                ),
            );
        }
        Error::new(
            Code::KeyNotFound,
            format!(
                "This user has no stored key{with_label}. Store one with byok.registerKey({{ userId, provider, apiKey }}); for {capability} the provider can be: {}.",
                self.providers_of(capability)
            ),
        )
    }

    fn providers_of(&self, capability: &str) -> String {
        let ids: Vec<&str> = self
            .registry
            .iter()
            .filter(|registered| {
                registered
                    .capabilities()
                    .iter()
                    .any(|known| known.as_str() == capability)
            })
            .map(|registered| registered.id())
            .collect();
        ids.join(", ")
    }

    async fn unsupported(
        &self,
        routing: &Routing,
        registered: &Registered,
        capability: Capability,
    ) -> Error {
        let records = self
            .user_records(&routing.user_id)
            .await
            .unwrap_or_default();
        let mut able: Vec<&str> = records
            .iter()
            .filter_map(|record| self.registry.find(&record.id.provider))
            .filter(|other| other.provider.supports(capability))
            .map(|other| other.id())
            .collect();
        able.dedup();
        let to_do = if able.is_empty() {
            format!(
                "Providers that can: {}.",
                self.providers_of(capability.as_str())
            )
        } else {
            format!("This user's keys that can: {}.", able.join(", "))
        };
        Error::new(
            Code::CapabilityUnsupported,
            format!(
                "{} can't do {}. {to_do}",
                registered.name(),
                capability.as_str()
            ),
        )
        .with_provider(registered.id())
    }
}

pub(super) fn not_found(id: &KeyId, has_label: bool) -> Error {
    let KeyId {
        provider, label, ..
    } = id;
    let with_label = if has_label {
        format!(" with label {label:?}")
    } else {
        String::new()
    };
    Error::new(
        Code::KeyNotFound,
        format!(
            "This user has no {provider} key{with_label}. Store one with byok.registerKey({{ userId, provider: \"{provider}\", apiKey }}); byok.listKeys({{ userId }}) shows what there is."
        ),
    )
    .with_provider(provider)
}
