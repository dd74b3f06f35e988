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
