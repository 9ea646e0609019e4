//! Rows of a database swapped by an attacker: no record opens for any other user, provider or
//! label than its own. All 3,238,200 ordered pairs are tried, through the public `open`.

mod support;

use std::thread;

use byok_vault::{Context, VaultErrorKind};
use support::{payload, ring};

const USERS: usize = 50;
const PROVIDERS: usize = 12;
const LABELS: usize = 3;

#[test]
fn no_record_opens_for_any_other_tuple() {
    let ring = ring(1);
    let mut tuples = Vec::new();
    for user in 0..USERS {
        for provider in 0..PROVIDERS {
            for label in 0..LABELS {
                let names = [
                    format!("user_{user}"),
                    format!("p{provider}"),
                    format!("l{label}"),
                ];
                tuples.push(names);
            }
        }
    }
    let contexts: Vec<Context> = tuples
        .iter()
        .map(|[user, provider, label]| Context::new("default", user, provider, label).unwrap())
        .collect();
    let sealed: Vec<String> = contexts
        .iter()
        .map(|context| ring.seal(context, &payload("sk-test")).unwrap())
        .collect();

    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (mut refused, mut opened) = (0, 0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let (ring, contexts, sealed) = (&ring, &contexts, &sealed);
                scope.spawn(move || {
                    let (mut refused, mut opened) = (0, 0);
                    for row in (worker..sealed.len()).step_by(threads) {
                        for (column, context) in contexts.iter().enumerate() {
                            match ring.open(context, &sealed[row]) {
                                Ok(_) => {
                                    assert_eq!(row, column, "a record opened for another tuple");
                                    opened += 1;
                                }
                                Err(error) => {
                                    assert_eq!(error.kind(), &VaultErrorKind::DecryptFailed);
                                    refused += 1;
                                }
                            }
                        }
                    }
                    (refused, opened)
                })
            })
            .collect();
        for worker in workers {
            let (part_refused, part_opened) = worker.join().unwrap();
            refused += part_refused;
            opened += part_opened;
        }
    });

    let records = USERS * PROVIDERS * LABELS;
    assert_eq!(opened, records, "each opens for its own tuple");
    assert_eq!(refused, records * (records - 1));
}
