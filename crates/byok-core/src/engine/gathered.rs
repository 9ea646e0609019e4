//! What the requests of one call say beside their own answers (batches of embeddings, images by the
//! few), and how that becomes what the call's result says.

use serde_json::Value;

use super::route::{Attempt, Route};
use crate::capability::Warning;
use crate::capability::meta::Meta;
use crate::error::Result;
use crate::http::Head;

/// One request's.
pub(super) struct Said {
    pub model: Option<String>,
    pub id: Option<String>,
    pub request_id: Option<String>,
    pub warnings: Vec<Warning>,
    pub raw: Option<Value>,
    pub retries: u32,
}

impl Said {
    pub fn new(
        attempt: &Attempt,
        head: &Head,
        body: &[u8],
        request_id: Option<String>,
        warnings: Vec<Warning>,
    ) -> Self {
        Said {
            model: None,
            id: None,
            request_id,
            warnings,
            raw: attempt
                .routing
                .include_raw
                .then(|| serde_json::from_slice(body).unwrap_or_default()),
            retries: head.retries,
        }
    }
}

/// The first model and ids that were said, each warning once, and all of `raw`. The attempt is told
/// that it was answered.
///
/// # Errors
/// `INVALID_ARGUMENT` when there is no model at all.
pub(super) fn gather(route: &mut Route, attempt: &mut Attempt, all: Vec<Said>) -> Result<Meta> {
    let model = match all.iter().find_map(|said| said.model.clone()) {
        Some(model) => model,
        None => attempt.model()?,
    };
    let mut meta = Meta {
        id: all.iter().find_map(|said| said.id.clone()),
        request_id: all.iter().find_map(|said| said.request_id.clone()),
        ..route.meta(attempt, model)
    };
    let mut raw = Vec::new();
    let mut retries = 0;
    for said in all {
        for warning in said.warnings {
            if !meta.warnings.contains(&warning) {
                meta.warnings.push(warning);
            }
        }
        raw.extend(said.raw);
        retries += said.retries;
    }
    meta.raw = attempt.routing.include_raw.then(|| {
        if raw.len() == 1 {
            raw.remove(0)
        } else {
            raw.into()
        }
    });
    let observation = &mut attempt.observation;
    observation.answered(retries, meta.request_id.as_deref());
    observation.model(&meta.model);
    Ok(meta)
}
