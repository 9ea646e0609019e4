//! The SQLite store's file in the hands of several processes, and of one that is killed. The other
//! processes are this test program itself, told by its environment to run one test and which file
//! to use.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use byok_core::store::{KeyStore, SqliteStore};

use super::race::increment;
use super::sample::{Folder, record, user};

const FILE: &str = "BYOK_TEST_DATABASE";
const NAME: &str = "BYOK_TEST_CHILD";
const INCREMENTS: usize = 40;

fn child(test: &str, file: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(FILE, file)
        .env(NAME, name)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn parents_wish() -> (PathBuf, String) {
    (
        std::env::var_os(FILE).unwrap().into(),
        std::env::var(NAME).unwrap(),
    )
}

#[tokio::test]
#[ignore = "the child process of several_processes_share_the_file_and_lose_no_update"]
async fn child_that_increments() {
    let (file, name) = parents_wish();
    let store = SqliteStore::open(&file).unwrap();
    for number in 0..INCREMENTS {
        increment(&store, "counter").await;
        store
            .set(&record(user(&format!("{name} {number}")), "byok1.own"))
            .await
            .unwrap();
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn several_processes_share_the_file_and_lose_no_update() {
    const CHILDREN: usize = 4;
    let folder = Folder::new();
    let store = SqliteStore::open(&folder.file()).unwrap();
    store
        .set(&record(user("counter"), "byok1.0"))
        .await
        .unwrap();

    let children: Vec<Child> = (0..CHILDREN)
        .map(|number| {
            child(
                "crash::child_that_increments",
                &folder.file(),
                &number.to_string(),
            )
        })
        .collect();
    for _ in 0..INCREMENTS {
        increment(&store, "counter").await;
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("1 passed"),
            "no test ran"
        );
    }

    let counter = store.get(&user("counter")).await.unwrap().unwrap().sealed;
    assert_eq!(counter, format!("byok1.{}", (CHILDREN + 1) * INCREMENTS));
    for child in 0..CHILDREN {
        for number in 0..INCREMENTS {
            assert!(
                store
                    .get(&user(&format!("{child} {number}")))
                    .await
                    .unwrap()
                    .is_some()
            );
        }
    }
}

#[tokio::test]
async fn processes_that_create_the_file_at_the_same_time_agree_on_it() {
    for _ in 0..3 {
        let folder = Folder::new();
        let children: Vec<Child> = (0..4)
            .map(|number| {
                child(
                    "crash::child_that_opens",
                    &folder.file(),
                    &number.to_string(),
                )
            })
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let store = SqliteStore::open(&folder.file()).unwrap();
        for number in 0..4 {
            assert!(
                store
                    .get(&user(&number.to_string()))
                    .await
                    .unwrap()
                    .is_some()
            );
        }
    }
}

#[tokio::test]
#[ignore = "the child process of processes_that_create_the_file_at_the_same_time_agree_on_it"]
async fn child_that_opens() {
    let (file, name) = parents_wish();
    let store = SqliteStore::open(&file).unwrap();
    store.set(&record(user(&name), "byok1.x")).await.unwrap();
}

#[tokio::test]
#[ignore = "the child process of a_killed_process_loses_no_acknowledged_write"]
async fn child_that_writes_until_it_is_killed() {
    let (file, name) = parents_wish();
    let store = SqliteStore::open(&file).unwrap();
    for number in 0.. {
        store
            .set(&record(user(&format!("{name} {number}")), "byok1.x"))
            .await
            .unwrap();
        acknowledge(number);
    }
}

/// One line on standard output, written through at once; the parent counts them.
fn acknowledge(number: usize) {
    use std::io::Write;
    let mut output = std::io::stdout().lock();
    writeln!(output, "\nacknowledged {number}").unwrap();
    output.flush().unwrap();
}

#[tokio::test]
async fn a_killed_process_loses_no_acknowledged_write() {
    let folder = Folder::new();
    for (name, kill_after) in [("first", 1), ("second", 37), ("third", 150)] {
        let mut child = child(
            "crash::child_that_writes_until_it_is_killed",
            &folder.file(),
            name,
        );
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.lines().map(Result::unwrap);
        let acknowledgement = |line: &String| {
            line.strip_prefix("acknowledged ")
                .map(|n| n.parse::<usize>().unwrap())
        };
        let mut last = lines
            .by_ref()
            .filter_map(|line| acknowledgement(&line))
            .nth(kill_after);
        child.kill().unwrap();
        child.wait().unwrap();
        last = lines
            .filter_map(|line| acknowledgement(&line))
            .last()
            .or(last);

        let store = SqliteStore::open(&folder.file()).unwrap();
        for number in 0..=last.expect("the child wrote nothing") {
            let id = user(&format!("{name} {number}"));
            assert!(
                store.get(&id).await.unwrap().is_some(),
                "write {number} of {name} is lost"
            );
        }
    }
}
