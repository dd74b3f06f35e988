use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::SqliteConnection;
use tokio::{sync::Notify, task::JoinSet, time::timeout};

use crate::database::{
    Database,
    tests::{SCHEMA, open, url},
};

const LONG: Duration = Duration::from_secs(20);

async fn add(tx: &mut SqliteConnection, who: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO audit (at, who, action, target, outcome) VALUES (0, ?1, '', '', '')")
        .bind(who)
        .execute(tx)
        .await
        .map(drop)
}

async fn names(db: &Database) -> Vec<String> {
    sqlx::query_scalar("SELECT who FROM audit ORDER BY who").fetch_all(&db.readers).await.unwrap()
}

/// Transactions in the write-ahead log: the frames that end one say how large the file is then
/// (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
fn transactions(folder: &Path) -> usize {
    let log = std::fs::read(folder.join("test.db-wal")).unwrap();
    let frames = log.get(32..).unwrap_or_default();
    frames.chunks(24 + 4096).filter(|frame| frame[4..8] != [0; 4]).count()
}

#[tokio::test]
async fn what_waits_is_made_durable_once_each_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    // Nobody gets in before all wait.
    let held = db.write().await.unwrap();
    let before = transactions(folder.path());
    let mut callers = JoinSet::new();
    for number in 0..100 {
        let db = db.clone();
        callers.spawn(async move {
            let done = db.transact(async move |tx| {
                add(&mut *tx, &format!("{number:02}")).await?;
                // What it has written is to go again.
                if number % 10 == 7 { Err(sqlx::Error::RowNotFound) } else { Ok(number) }
            });
            (number, done.await)
        });
    }
    tokio::task::yield_now().await;
    drop(held);
    let mut kept = Vec::new();
    while let Some(ended) = callers.join_next().await {
        let (number, done) = ended.unwrap();
        match done {
            Ok(same) => kept.push(format!("{same:02}")),
            Err(sqlx::Error::RowNotFound) => assert_eq!(number % 10, 7),
            Err(error) => panic!("{number}: {error}"),
        }
    }
    kept.sort();
    assert_eq!(kept.len(), 90);
    assert_eq!(names(&db).await, kept);
    let made = transactions(folder.path()) - before;
    assert!(made <= 20, "{made} transactions for 100 writes");
}

#[tokio::test]
async fn nobody_is_answered_before_it_is_durable_neither_who_reads_nor_who_fails() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let held = db.write().await.unwrap();
    let (running, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let writes = db.clone();
    let writer = tokio::spawn(async move { writes.transact(async |tx| add(tx, "first").await).await });
    let reads = db.clone();
    let reader = tokio::spawn(async move {
        let seen = reads.transact(async |tx| -> Result<Option<String>, sqlx::Error> {
            sqlx::query_scalar("SELECT who FROM audit").fetch_optional(tx).await
        });
        seen.await
    });
    let fails = db.clone();
    let failing = tokio::spawn(async move {
        fails.transact(async |tx| add(&mut *tx, "x").await.and(Err::<(), _>(sqlx::Error::RowNotFound))).await
    });
    tokio::task::yield_now().await;
    let (last, told, wait) = (db.clone(), running.clone(), go_on.clone());
    let last = tokio::spawn(async move {
        let done = last.transact(async move |_| {
            told.notify_one();
            wait.notified().await;
            Ok::<(), sqlx::Error>(())
        });
        done.await
    });
    tokio::task::yield_now().await;
    drop(held);
    timeout(LONG, running.notified()).await.unwrap();
    // The first three have run, and are not durable.
    assert!(names(&db).await.is_empty());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!writer.is_finished() && !reader.is_finished() && !failing.is_finished());
    go_on.notify_one();
    writer.await.unwrap().unwrap();
    assert_eq!(reader.await.unwrap().unwrap().as_deref(), Some("first"));
    assert!(matches!(failing.await.unwrap(), Err(sqlx::Error::RowNotFound)));
    last.await.unwrap().unwrap();
    assert_eq!(names(&db).await, ["first"]);
}

#[tokio::test]
async fn one_that_panics_takes_back_itself_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let held = db.write().await.unwrap();
    let (first, second) = (db.clone(), db.clone());
    let panics = tokio::spawn(async move {
        let done = first.transact(async |tx| -> Result<(), sqlx::Error> {
            add(tx, "panics").await?;
            panic!("on purpose")
        });
        done.await
    });
    let other = tokio::spawn(async move { second.transact(async |tx| add(tx, "other").await).await });
    tokio::task::yield_now().await;
    drop(held);
    assert!(matches!(panics.await.unwrap(), Err(sqlx::Error::WorkerCrashed)));
    other.await.unwrap().unwrap();
    db.transact(async |tx| add(tx, "later").await).await.unwrap();
    assert_eq!(names(&db).await, ["later", "other"]);
}

#[tokio::test]
async fn a_caller_that_has_gone_before_its_turn_has_written_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let held = db.write().await.unwrap();
    let ran = Arc::new(AtomicBool::new(false));
    let (gone, runs) = (db.clone(), ran.clone());
    let gone = tokio::spawn(async move {
        let done = gone.transact(async move |tx| {
            runs.store(true, Ordering::SeqCst);
            add(tx, "gone").await
        });
        done.await
    });
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    drop(held);
    db.transact(async |tx| add(tx, "there").await).await.unwrap();
    assert!(!ran.load(Ordering::SeqCst));
    assert_eq!(names(&db).await, ["there"]);
}

#[tokio::test]
async fn on_a_full_disk_what_was_promised_is_there_and_what_was_refused_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open_limited(&url(folder.path()), &SCHEMA, Some(256 << 10)).await.unwrap();
    let big = "x".repeat(20 << 10);
    let mut callers = JoinSet::new();
    for number in 0..40 {
        let (db, name) = (db.clone(), format!("{number:02}{big}"));
        callers.spawn(async move {
            let (kept, stored) = (name.clone(), name);
            db.transact(async move |tx| add(tx, &stored).await).await.map(|()| kept)
        });
    }
    let (mut kept, mut refused) = (Vec::new(), 0);
    while let Some(ended) = callers.join_next().await {
        match ended.unwrap() {
            Ok(name) => kept.push(name),
            Err(error) => {
                let error = crate::database::explain(&error);
                assert!(error.contains("disk is full"), "{error}");
                refused += 1;
            }
        }
    }
    kept.sort();
    assert!(refused > 20, "the limit has no effect");
    assert_eq!(names(&db).await, kept);
    // It goes on as soon as there is room.
    db.transact(async |tx| sqlx::query("DELETE FROM audit").execute(tx).await).await.unwrap();
    db.transact(async |tx| add(tx, "room").await).await.unwrap();
    db.close().await;
    assert_eq!(names(&open(folder.path()).await).await, ["room"]);
}

#[tokio::test]
async fn a_database_that_is_closed_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    db.close().await;
    let error = db.transact(async |tx| add(tx, "late").await).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolClosed), "{error}");
}
