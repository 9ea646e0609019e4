//! A walk over all records of a store, page by page, with some pages being worked on at once. Memory
//! is bounded by the pages under way; the next page is asked for while they are.

use std::future::Future;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::error::{Code, Error, Result};
use crate::store::{KeyRecord, KeyStore, ScanOptions, ScanPage};

pub(super) const DEFAULT_BATCH_SIZE: u32 = 500;
pub(super) const MAX_BATCH_SIZE: u32 = 10_000;
pub(super) const DEFAULT_CONCURRENCY: u32 = 4;
pub(super) const MAX_CONCURRENCY: u32 = 64;
/// How often a store that answers `STORE_TIMEOUT` is asked again: another process may be busy with a
/// batch of its own.
const TRIES: u32 = 4;

pub(super) struct Walk {
    pub batch_size: u32,
    pub concurrency: usize,
    /// Records that begin with it are left out.
    pub not_prefix: Option<String>,
}

impl Walk {
    /// # Errors
    /// `INVALID_ARGUMENT` for numbers out of range.
    pub(super) fn new(batch_size: Option<u32>, concurrency: Option<u32>) -> Result<Self> {
        let batch_size = batch_size.unwrap_or(DEFAULT_BATCH_SIZE);
        let concurrency = concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        within("batchSize", batch_size, MAX_BATCH_SIZE)?;
        within("concurrency", concurrency, MAX_CONCURRENCY)?;
        Ok(Walk {
            batch_size,
            concurrency: concurrency as usize,
            not_prefix: None,
        })
    }

    /// Hands every page to `work` and what comes of it to `absorb`. Ends with the first error.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the store can't scan; what the store and `work` fail with.
    pub(super) async fn run<T, F: Future<Output = Result<T>>>(
        &self,
        store: &dyn KeyStore,
        work: impl Fn(Vec<KeyRecord>) -> F,
        mut absorb: impl FnMut(T),
    ) -> Result<()> {
        let mut under_way = FuturesUnordered::new();
        let mut next = Some(None);
        loop {
            if let Some(cursor) = &next
                && under_way.len() < self.concurrency
            {
                let scan = self.page(store, cursor.clone());
                tokio::pin!(scan);
                let page = loop {
                    tokio::select! {
                        page = &mut scan => break page?,
                        Some(done) = under_way.next() => absorb(done?),
                    }
                };
                if page.cursor.is_some() && page.cursor == *cursor && page.records.is_empty() {
                    return Err(stuck());
                }
                if !page.records.is_empty() {
                    under_way.push(work(page.records));
                }
                next = page.cursor.map(Some);
                continue;
            }
            match under_way.next().await {
                Some(done) => absorb(done?),
                None => return Ok(()),
            }
        }
    }

    async fn page(&self, store: &dyn KeyStore, cursor: Option<String>) -> Result<ScanPage> {
        let options = ScanOptions {
            cursor,
            limit: self.batch_size,
            not_prefix: self.not_prefix.clone(),
        };
        patiently(|| store.scan(&options))
            .await?
            .ok_or_else(cannot_scan)
    }
}

/// Asks a store again while it says that it is busy.
pub(super) async fn patiently<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> Result<T> {
    let mut tries = 1;
    loop {
        match ask().await {
            Err(error) if error.code() == Code::StoreTimeout && tries < TRIES => tries += 1,
            answer => return answer,
        }
    }
}

fn within(option: &str, value: u32, most: u32) -> Result<()> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "{option} must be a whole number from 1 to {most}."
    )))
}

fn cannot_scan() -> Error {
    Error::invalid_argument(
        "This key store has no scan(), so its records can't be walked. Add scan() to it, or use one of the stores of byok-ai.",
    )
}

fn stuck() -> Error {
    Error::new(
        Code::StoreError,
        "The key store's scan() does not go on: it returned an empty page with the cursor that it was given.",
    )
}
