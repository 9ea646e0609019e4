//! The SQLite store's file: whose it is, who may read it, and what becomes of a bad one.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use byok_core::error::{Code, Error};
use byok_core::store::{KeyStore, ScanOptions, SqliteStore};
use rusqlite::Connection;

use super::sample::{Folder, full_record, id, record, user};

fn open_error(path: &Path) -> Error {
    SqliteStore::open(path).err().expect("it was opened")
}

#[tokio::test]
async fn records_are_there_after_closing_and_after_dropping_the_store() {
    let folder = Folder::new();
    for (number, close) in [true, false, true].into_iter().enumerate() {
        let store = SqliteStore::open(&folder.file()).unwrap();
        for earlier in 0..number {
            let id = user(&format!("🔑\0{earlier}"));
            assert_eq!(store.get(&id).await.unwrap(), Some(full_record(id)));
        }
        store
            .set(&full_record(user(&format!("🔑\0{number}"))))
            .await
            .unwrap();
        if close {
            store.close().await.unwrap();
            assert!(!folder.path().join("keys.db-wal").exists());
        }
    }
}

#[tokio::test]
async fn two_stores_of_one_process_see_each_others_writes() {
    let folder = Folder::new();
    let one = SqliteStore::open(&folder.file()).unwrap();
    let other = SqliteStore::open(&folder.file()).unwrap();
    one.set(&record(user("u"), "byok1.one")).await.unwrap();
    assert_eq!(
        other.get(&user("u")).await.unwrap().unwrap().sealed,
        "byok1.one"
    );
    one.close().await.unwrap();
    other.set(&record(user("u"), "byok1.other")).await.unwrap();
    other.close().await.unwrap();
    let again = SqliteStore::open(&folder.file()).unwrap();
    assert_eq!(
        again.get(&user("u")).await.unwrap().unwrap().sealed,
        "byok1.other"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_database_and_its_companions() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let store = SqliteStore::open(&folder.file()).unwrap();
    store.set(&record(user("u"), "byok1.x")).await.unwrap();
    store.get(&user("u")).await.unwrap();

    for name in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[tokio::test]
async fn a_deleted_record_leaves_no_bytes_in_the_file() {
    let folder = Folder::new();
    let store = SqliteStore::open(&folder.file()).unwrap();
    for number in 0..100 {
        let sealed = format!("byok1.{}", format!("remains{number:03}").repeat(40));
        store
            .set(&record(user(&number.to_string()), &sealed))
            .await
            .unwrap();
    }
    for number in (0..100).filter(|number| number % 7 != 0) {
        assert!(store.delete(&user(&number.to_string())).await.unwrap());
    }
    store.close().await.unwrap();

    let bytes = fs::read(folder.file()).unwrap();
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    for number in 0..100 {
        assert_eq!(
            holds(&format!("remains{number:03}")),
            number % 7 == 0,
            "record {number}"
        );
    }
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let setups = [
        "CREATE TABLE byok_keys (anything)",
        "PRAGMA application_id = 252006674",
        "PRAGMA user_version = 7",
    ];
    for setup in setups {
        let _none_yet = fs::remove_file(folder.file());
        Connection::open(folder.file())
            .unwrap()
            .execute_batch(setup)
            .unwrap();
        let before = fs::read(folder.file()).unwrap();

        let error = open_error(&folder.file());

        assert_eq!(error.code(), Code::StoreError);
        assert!(error.message().contains("another program"), "{error}");
        assert!(error.message().contains("keys.db"), "{error}");
        assert_eq!(fs::read(folder.file()).unwrap(), before);
    }
}

#[tokio::test]
async fn a_newer_versions_database_is_refused() {
    let folder = Folder::new();
    SqliteStore::open(&folder.file())
        .unwrap()
        .close()
        .await
        .unwrap();
    Connection::open(folder.file())
        .unwrap()
        .pragma_update(None, "user_version", 2)
        .unwrap();

    let error = open_error(&folder.file());

    assert_eq!(error.code(), Code::StoreError);
    assert!(error.message().contains("newer version"), "{error}");
}

#[tokio::test]
async fn a_path_that_can_not_be_a_database_is_a_clear_error() {
    let folder = Folder::new();
    let error = open_error(&folder.path().join("missing").join("keys.db"));
    assert_eq!(error.code(), Code::StoreError);
    assert!(
        error
            .message()
            .contains("missing does not exist; create it first"),
        "{error}"
    );

    let error = open_error(folder.path());
    assert_eq!(error.code(), Code::StoreError);
    assert!(error.message().contains("is a folder"), "{error}");

    assert_eq!(open_error("".as_ref()).code(), Code::InvalidArgument);
    assert_eq!(open_error("a\0b".as_ref()).code(), Code::StoreError);
}

#[tokio::test]
async fn a_path_that_looks_like_a_uri_is_a_file_of_that_name() {
    let folder = Folder::new();
    let file = folder.path().join("file:keys.db?mode=memory");
    let store = SqliteStore::open(&file).unwrap();
    store.set(&record(user("u"), "byok1.x")).await.unwrap();
    store.close().await.unwrap();
    assert!(file.exists());
}

/// Opens the file and does everything with it; the first error of all that.
async fn use_everything(path: &Path) -> Result<(), Error> {
    let store = SqliteStore::open(path)?;
    let options = ScanOptions {
        limit: 10_000,
        ..ScanOptions::default()
    };
    store.scan(&options).await?;
    for number in 0..500 {
        store.get(&user(&number.to_string())).await?;
        store.list("default", &number.to_string()).await?;
    }
    for number in 0..500 {
        store
            .set(&record(user(&format!("new {number}")), "byok1.new"))
            .await?;
    }
    store.close().await
}

#[tokio::test]
async fn a_file_that_is_no_database_or_is_damaged_is_a_store_error() {
    let folder = Folder::new();
    fs::write(folder.file(), vec![0x5a; 8_192]).unwrap();
    assert_eq!(open_error(&folder.file()).code(), Code::StoreError);
    fs::remove_file(folder.file()).unwrap();

    let store = SqliteStore::open(&folder.file()).unwrap();
    let writes = (0..500).map(|number| {
        let store = &store;
        async move {
            store
                .set(&full_record(user(&number.to_string())))
                .await
                .unwrap()
        }
    });
    futures_util::future::join_all(writes).await;
    store.close().await.unwrap();
    use_everything(&folder.file()).await.unwrap();
    let whole = fs::read(folder.file()).unwrap();

    let mut damages = Vec::new();
    for length in [
        1,
        99,
        511,
        512,
        4_095,
        4_096,
        whole.len() / 2,
        whole.len() - 4_096,
    ] {
        damages.push((format!("cut to {length} bytes"), whole[..length].to_vec()));
    }
    for page in [1, 2, 3, whole.len() / 4_096 / 2] {
        let mut damaged = whole.clone();
        damaged[page * 4_096..][..4_096].fill(0xff);
        damages.push((format!("page {page} overwritten"), damaged));
    }
    for (damage, bytes) in damages {
        for companion in ["keys.db-wal", "keys.db-shm"] {
            let _none = fs::remove_file(folder.path().join(companion));
        }
        fs::write(folder.file(), bytes).unwrap();
        let error = use_everything(&folder.file()).await.expect_err(&damage);
        assert_eq!(error.code(), Code::StoreError, "{damage}: {error}");
    }
}

#[tokio::test]
async fn a_row_that_is_no_record_is_a_store_error_for_that_row_only() {
    let folder = Folder::new();
    let store = SqliteStore::open(&folder.file()).unwrap();
    for user_id in ["good", "status", "metadata", "utf8"] {
        store.set(&record(user(user_id), "byok1.x")).await.unwrap();
    }
    Connection::open(folder.file())
        .unwrap()
        .execute_batch(
            "UPDATE byok_keys SET status = 'weird' WHERE user_id = 'status';
             UPDATE byok_keys SET metadata = '[1' WHERE user_id = 'metadata';
             UPDATE byok_keys SET hint = CAST(x'ff' AS TEXT) WHERE user_id = 'utf8';",
        )
        .unwrap();

    assert!(store.get(&user("good")).await.unwrap().is_some());
    for user_id in ["status", "metadata", "utf8"] {
        let error = store.get(&user(user_id)).await.unwrap_err();
        assert_eq!(error.code(), Code::StoreError, "{user_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_go_on_while_a_foreign_lock_makes_writers_time_out() {
    let folder = Folder::new();
    let store = SqliteStore::open(&folder.file()).unwrap();
    store.set(&record(user("u"), "byok1.x")).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other
        .execute_batch("BEGIN IMMEDIATE; DELETE FROM byok_keys")
        .unwrap();

    let started = Instant::now();
    assert!(store.get(&user("u")).await.unwrap().is_some());
    assert_eq!(store.list("default", "u").await.unwrap().len(), 1);
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "a reader waited"
    );

    let (one, two) = (record(user("u"), "byok1.1"), record(user("v"), "byok1.2"));
    let (one, two) = tokio::join!(store.set(&one), store.set(&two));
    for error in [one.unwrap_err(), two.unwrap_err()] {
        assert_eq!(error.code(), Code::StoreTimeout);
        assert!(error.retryable());
    }

    other.execute_batch("ROLLBACK").unwrap();
    store.set(&record(user("v"), "byok1.2")).await.unwrap();
    assert!(store.get(&user("u")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_caller_went_away_before_it_began_is_not_made() {
    let folder = Folder::new();
    let store = SqliteStore::open(&folder.file()).unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (first, abandoned) = (
        record(user("first"), "byok1.x"),
        record(user("gone"), "byok1.x"),
    );

    let first = store.set(&first);
    tokio::pin!(first);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), &mut first)
            .await
            .is_err()
    );
    let went_away = tokio::time::timeout(Duration::from_millis(50), store.set(&abandoned)).await;
    assert!(went_away.is_err());
    other.execute_batch("ROLLBACK").unwrap();
    first.await.unwrap();
    store
        .set(&record(id("n", "last", "p", "l"), "byok1.x"))
        .await
        .unwrap();

    assert!(store.get(&user("first")).await.unwrap().is_some());
    assert_eq!(store.get(&user("gone")).await.unwrap(), None);
}
