use std::path::Path;

use super::*;

pub(crate) const SCHEMA: Schema = Schema {
    application_id: 0x4361_6cf0,
    migrations: &[
        ("first", concat!("PRAGMA application_id = 0x43616cf0;", include_str!("at_rest_key.sql"))),
        ("outbox", crate::outbox::MIGRATION),
        ("audit", crate::api::AUDIT_MIGRATION),
    ],
    example: "sqlite:///var/lib/callhome/test.db",
};

pub(crate) fn url(folder: &Path) -> String {
    format!("sqlite://{}/test.db", folder.display())
}

pub(crate) async fn open(folder: &Path) -> Database {
    Database::open(&url(folder), &SCHEMA).await.unwrap()
}

async fn refused(url: &str, schema: &Schema) -> String {
    Database::open(url, schema).await.expect_err("it is to be refused").to_string()
}

async fn number(pool: &SqlitePool, statement: &'static str) -> i64 {
    let (value,): (i64,) = sqlx::query_as(statement).fetch_one(pool).await.unwrap();
    value
}

#[tokio::test]
async fn commits_are_on_disk_before_they_return_and_readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    for pool in [&db.writer, &db.readers] {
        let (mode,): (String,) = sqlx::query_as("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
        assert_eq!(mode, "wal");
        // 2 is FULL: the WAL is synchronised with every commit (https://www.sqlite.org/pragma.html#pragma_synchronous).
        assert_eq!(number(pool, "PRAGMA synchronous").await, 2);
        assert_eq!(number(pool, "PRAGMA foreign_keys").await, 1);
    }
    assert_eq!(number(&db.writer, "PRAGMA application_id").await, SCHEMA.application_id);
    let error = sqlx::query("DELETE FROM audit").execute(&db.readers).await.unwrap_err();
    assert!(explain(&error).contains("may not be written"), "{error}");
}

#[tokio::test]
async fn what_was_committed_is_there_again_and_what_was_not_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    assert!(db.is_new());
    const ADD: &str = "INSERT INTO audit (at, who, action, target, outcome) VALUES (0, '', '', '', '')";
    let mut tx = db.write().await.unwrap();
    sqlx::query(ADD).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = db.write().await.unwrap();
    sqlx::query(ADD).execute(&mut *tx).await.unwrap();
    drop(tx);
    db.close().await;
    let db = open(folder.path()).await;
    assert!(!db.is_new());
    assert_eq!(number(&db.readers, "SELECT count(*) FROM audit").await, 1);
    db.ping().await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let older = Schema { migrations: &SCHEMA.migrations[..1], ..SCHEMA };
    let error = refused(&url(folder.path()), &older).await;
    assert!(error.contains("test.db") && error.contains("schema version 3"), "{error}");
    assert!(error.contains("knows up to 1") && error.contains("run the newer callhome"), "{error}");
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let older = Schema { migrations: &SCHEMA.migrations[..1], ..SCHEMA };
    let db = Database::open(&url(folder.path()), &older).await.unwrap();
    assert_eq!(number(&db.readers, "SELECT count(*) FROM sqlite_schema WHERE name = 'audit'").await, 0);
    db.close().await;
    let db = open(folder.path()).await;
    assert_eq!(number(&db.readers, "SELECT count(*) FROM sqlite_schema WHERE name = 'audit'").await, 1);
}

#[tokio::test]
async fn files_of_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let sibling = Schema { application_id: 0x4361_6cf1, ..SCHEMA };
    let error = refused(&url(folder.path()), &sibling).await;
    assert!(error.contains("another of callhome's roles"), "{error}");

    let foreign = format!("sqlite://{}/foreign.db", folder.path().display());
    let other = Schema {
        application_id: 0x1234_5678,
        migrations: &[("first", "PRAGMA application_id = 0x12345678; CREATE TABLE t (x) ")],
        ..SCHEMA
    };
    Database::open(&foreign, &other).await.unwrap().close().await;
    let error = refused(&foreign, &SCHEMA).await;
    assert!(error.contains("foreign.db") && error.contains("not one of callhome's"), "{error}");

    std::fs::write(
        folder.path().join("text.db"),
        "not a database, and long enough to be looked at".repeat(9),
    )
    .unwrap();
    let error = refused(&format!("sqlite://{}/text.db", folder.path().display()), &SCHEMA).await;
    assert!(error.contains("text.db") && error.contains("not a SQLite database"), "{error}");
}

#[tokio::test]
async fn a_url_that_cannot_be_is_refused_with_one_that_can() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in ["postgres://localhost/x", "/var/lib/x.db", "sqlite:///x?mode=never"] {
        let error = refused(wrong, &SCHEMA).await;
        assert!(error.contains("database.url") && error.contains(SCHEMA.example), "{error}");
    }
    for memory in ["sqlite::memory:", "sqlite:x?mode=memory", "sqlite://"] {
        let error = refused(memory, &SCHEMA).await;
        assert!(error.contains("nothing lasts in memory"), "{memory}: {error}");
    }
    let error = refused(&format!("sqlite://{}/no/x.db", folder.path().display()), &SCHEMA).await;
    assert!(error.contains("does not exist; create it"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_the_file_and_its_journal() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    db.ping().await.unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() > 1, "there is a journal while it is open");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_full_disk_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open_limited(&url(folder.path()), &SCHEMA, Some(128 << 10)).await.unwrap();
    let big = "x".repeat(64 << 10);
    let mut stored = 0;
    let error = loop {
        let done =
            sqlx::query("INSERT INTO audit (at, who, action, target, outcome) VALUES (0, ?1, '', '', '')")
                .bind(&big)
                .execute(&db.writer)
                .await;
        match done {
            Ok(_) => stored += 1,
            Err(error) => break DatabaseError::from(error).to_string(),
        }
        assert!(stored < 10, "the limit has no effect");
    };
    assert!(error.contains("the disk is full"), "{error}");
    assert_eq!(number(&db.readers, "SELECT count(*) FROM audit").await, stored);
}

#[tokio::test]
async fn another_at_rest_key_under_the_same_id_is_noticed_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let ring = |ids: &[u32]| {
        let lines: String = ids.iter().map(|id| Keyring::generate_line(*id).unwrap().to_string()).collect();
        Keyring::parse(&lines).unwrap()
    };
    let first = ring(&[1]);
    let db = open(folder.path()).await;
    db.check_keys(&first).await.unwrap();
    db.check_keys(&first).await.unwrap();
    let error = db.check_keys(&ring(&[1])).await.unwrap_err().to_string();
    assert!(error.contains("test.db") && error.contains("another key under that id"), "{error}");
    let error = db.check_keys(&ring(&[2])).await.unwrap_err().to_string();
    assert!(error.contains("at-rest key 1") && error.contains("put that key's line back"), "{error}");
}

const ADD: &str = "INSERT INTO audit (at, who, action, target, outcome) VALUES (0, ?1, '', '', '')";

/// Adds entries until the file has no room for one more; gives how many there are then.
async fn fill(db: &Database) -> i64 {
    let big = "x".repeat(16 << 10);
    for stored in 0..20 {
        let mut tx = db.write().await.unwrap();
        let added = sqlx::query(ADD).bind(&big).execute(&mut *tx).await;
        if added.is_err() || tx.commit().await.is_err() {
            return stored;
        }
    }
    panic!("the limit has no effect");
}

#[tokio::test]
async fn after_a_transaction_that_sqlite_took_back_the_next_write_works() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open_limited(&url(folder.path()), &SCHEMA, Some(128 << 10)).await.unwrap();
    let stored = fill(&db).await;
    // The same again, for every way to write.
    assert_eq!(fill(&db).await, 0);
    let big = "x".repeat(16 << 10);
    let done = db.transact(async move |tx| sqlx::query(ADD).bind(big).execute(tx).await.map(drop)).await;
    assert!(is_temporary(&done.unwrap_err()));
    assert_eq!(number(&db.readers, "SELECT count(*) FROM audit").await, stored);
    // There is room again: for a transaction of one, and for one of many.
    let mut tx = db.write().await.unwrap();
    sqlx::query("DELETE FROM audit").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    db.transact(async |tx| sqlx::query(ADD).bind("who").execute(tx).await.map(drop)).await.unwrap();
    db.check_writable().await.unwrap();
    assert_eq!(number(&db.readers, "SELECT count(*) FROM audit").await, 1);
}

#[tokio::test]
async fn a_failed_write_is_a_503_that_says_what_fails_and_a_wrong_statement_is_a_500() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let full = sqlx::query("DELETE FROM audit").execute(&db.readers).await.unwrap_err();
    let problem = problem(&DatabaseError::from(full));
    assert_eq!(problem.status, 503);
    assert!(problem.detail.unwrap().contains("may not be written"));
    let wrong = sqlx::query("SELECT nothing").execute(&db.readers).await.unwrap_err();
    assert_eq!(super::problem(&wrong).status, 500);
}

#[tokio::test]
async fn an_empty_or_cut_file_is_no_new_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    std::fs::write(&file, "").unwrap();
    let error = refused(&url(folder.path()), &SCHEMA).await;
    assert!(error.contains("test.db") && error.contains("restore a backup, or remove the file"), "{error}");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
    std::fs::remove_file(&file).unwrap();
    open(folder.path()).await.close().await;
    let whole = std::fs::read(&file).unwrap();
    for left in [1, 99, 100, 512, 4095, 4096, 4097, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        std::fs::write(&file, &whole[..left]).unwrap();
        let error = refused(&url(folder.path()), &SCHEMA).await;
        assert!(
            error.contains("restore a backup") || error.contains("not a SQLite database"),
            "{left}: {error}"
        );
    }
    // What was written last is in the journal of a file that is gone.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(folder.path().join("test.db-wal"), "something").unwrap();
    let error = refused(&url(folder.path()), &SCHEMA).await;
    assert!(error.contains("test.db-wal") && error.contains("put the file back"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_open_a_new_database_at_once_and_all_find_the_same() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let mut opening = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let url = url(folder.path());
            opening.spawn(async move { Database::open(&url, &SCHEMA).await.unwrap() });
        }
        let opened = opening.join_all().await;
        assert_eq!(opened.iter().filter(|db| db.is_new()).count(), 1);
        for db in &opened {
            db.ping().await.unwrap();
        }
        assert!(!folder.path().join("test.db.new").exists());
    }
}

#[tokio::test]
async fn what_a_killed_process_left_of_a_new_database_is_not_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test.db.new"), "half").unwrap();
    std::fs::write(folder.path().join("test.db.new-wal"), "half").unwrap();
    let db = open(folder.path()).await;
    assert!(db.is_new());
    db.ping().await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_in_the_log_of_a_database_that_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (db, other) = (open(folder.path()).await, open(folder.path()).await);
    db.transact(async |tx| sqlx::query(ADD).bind("who").execute(tx).await.map(drop)).await.unwrap();
    let log = folder.path().join("test.db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    // Another process has it open still.
    db.close().await;
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
    other.close().await;
    assert!(!log.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_backup_is_its_owners_only_whole_and_never_in_the_place_of_another_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let ring = Keyring::parse(&Keyring::generate_line(1).unwrap()).unwrap();
    db.check_keys(&ring).await.unwrap();
    db.transact(async |tx| sqlx::query(ADD).bind("who").execute(tx).await.map(drop)).await.unwrap();
    let out = folder.path().join("backup.db");
    let report = backup(&url(folder.path()), &out, Some(&ring)).await.unwrap();
    let metadata = std::fs::metadata(&out).unwrap();
    assert_eq!((report.octets, report.keys), (metadata.len(), 1));
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let error = backup(&url(folder.path()), &out, None).await.unwrap_err().to_string();
    assert!(error.contains("backup.db") && error.contains("exists already"), "{error}");
    // It is a database of its own, without log.
    let restored = tempfile::tempdir().unwrap();
    std::fs::rename(&out, restored.path().join("test.db")).unwrap();
    let copy = open(restored.path()).await;
    assert_eq!(number(&copy.readers, "SELECT count(*) FROM audit").await, 1);

    let other = Keyring::parse(&Keyring::generate_line(1).unwrap()).unwrap();
    let error = backup(&url(folder.path()), &out, Some(&other)).await.unwrap_err().to_string();
    assert!(error.contains("another key under that id"), "{error}");
    assert!(!out.exists() && !folder.path().join("backup.db.partial").exists(), "nothing is left of it");
    let nowhere = folder.path().join("no/backup.db");
    let error = backup(&url(folder.path()), &nowhere, None).await.unwrap_err().to_string();
    assert!(error.contains("cannot be written"), "{error}");
}

#[tokio::test]
async fn a_backup_is_restored_whole_or_nothing_is_changed() {
    const ADD: &str = "INSERT INTO audit (at, who, action, target, outcome) VALUES (0, ?1, '', '', '')";
    const COUNT: &str = "SELECT count(*) FROM audit";
    let folder = tempfile::tempdir().unwrap();
    let ring = Keyring::parse(&Keyring::generate_line(1).unwrap()).unwrap();
    let out = folder.path().join("backup.db");
    let db = open(folder.path()).await;
    db.check_keys(&ring).await.unwrap();
    db.transact(async |tx| sqlx::query(ADD).bind("before").execute(tx).await.map(drop)).await.unwrap();
    backup(&url(folder.path()), &out, Some(&ring)).await.unwrap();
    db.transact(async |tx| sqlx::query(ADD).bind("after").execute(tx).await.map(drop)).await.unwrap();
    let lock = Alone::take(&url(folder.path()), &SCHEMA).unwrap();
    let error = restore(&url(folder.path()), &SCHEMA, &out, Some(&ring)).await.unwrap_err().to_string();
    assert!(error.contains("works with it"), "{error}");
    drop(lock);
    // As after kill -9: what was written last is in the log.
    let crashed = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("test.db{suffix}");
        std::fs::copy(folder.path().join(&name), crashed.path().join(&name)).unwrap();
    }
    db.close().await;
    let place = url(crashed.path());

    let other_ring = Keyring::parse(&Keyring::generate_line(1).unwrap()).unwrap();
    let error = restore(&place, &SCHEMA, &out, Some(&other_ring)).await.unwrap_err().to_string();
    assert!(error.contains("backup.db") && error.contains("another key under that id"), "{error}");
    let sibling = Schema { application_id: 0x4361_6cf1, ..SCHEMA };
    let error = restore(&place, &sibling, &out, None).await.unwrap_err().to_string();
    assert!(error.contains("backup.db") && error.contains("not a database of this role"), "{error}");
    let older = Schema { migrations: &SCHEMA.migrations[..2], ..SCHEMA };
    let error = restore(&place, &older, &out, None).await.unwrap_err().to_string();
    assert!(error.contains("schema version 3"), "{error}");
    let damaged = folder.path().join("damaged.db");
    let mut octets = std::fs::read(&out).unwrap();
    let half = octets.len() / 2;
    octets[4096..half].fill(0xa5);
    std::fs::write(&damaged, octets).unwrap();
    let error = restore(&place, &SCHEMA, &damaged, None).await.unwrap_err().to_string();
    assert!(error.contains("damaged.db"), "{error}");
    let left: Vec<_> =
        std::fs::read_dir(crashed.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("replaced")), "{left:?}");
    assert!(!left.iter().any(|name| name == "test.db.new"), "{left:?}");

    let restored = restore(&place, &SCHEMA, &out, Some(&ring)).await.unwrap();
    assert_eq!((restored.schema_version, restored.report.keys), (3, 1));
    let db = open(crashed.path()).await;
    assert_eq!(number(&db.readers, COUNT).await, 1, "as of the backup");
    db.close().await;
    // What was there is whole, with what was in its log.
    let restored = restore(&place, &SCHEMA, &restored.replaced.unwrap(), None).await.unwrap();
    let db = open(crashed.path()).await;
    assert_eq!(number(&db.readers, COUNT).await, 2);
    db.close().await;
    // In an empty place, too.
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(restore(&url(empty.path()), &SCHEMA, &out, None).await.unwrap().replaced, None);
    assert!(restored.replaced.is_some());
}

#[tokio::test]
async fn a_page_is_as_long_as_asked_although_rows_are_left_out() {
    use sqlx::Row as _;
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let names = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20) \
                 INSERT INTO audit (at, who, action, target, outcome) \
                 SELECT n, format('%02d', n), '', iif(n % 4 = 0, n, '?'), '' FROM n";
    sqlx::query(names).execute(&db.writer).await.unwrap();
    let number = |row: &sqlx::sqlite::SqliteRow| row.try_get::<String, _>("target").unwrap().parse::<u32>();
    let read = async |after: &str, limit: u32| {
        let mut page = ReadablePage::new("an entry", "who", after.to_owned(), limit);
        let mut rounds = 0;
        while let Some((after, limit)) = page.wanted() {
            let rows = sqlx::query("SELECT * FROM audit WHERE who > ?1 ORDER BY who LIMIT ?2")
                .bind(after)
                .bind(limit)
                .fetch_all(&db.readers)
                .await
                .unwrap();
            page.add(&rows, number, |row| row.try_get("who")).unwrap();
            rounds += 1;
        }
        (page.items(), rounds)
    };
    assert_eq!(read("", 3).await.0, [4, 8, 12]);
    assert_eq!(read("12", 3).await.0, [16, 20]);
    assert_eq!(read("20", 3).await, (vec![], 1));
    assert_eq!(read("", 0).await, (vec![], 0));
}
