//! A database that was put back to an older state: no number and no vector out of a pool comes twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "store/fixture.rs"]
mod fixture;

use std::{ops::Range, path::Path};

use fixture::*;
use icf_auc::{
    auc::clock::{MAX_AHEAD, YEAR},
    store::{
        Done, Op, Page, Store, StoreError,
        sqlite::{OpenOptions, SequenceClock, SqliteStore},
    },
};

/// A start of an ICF on the database in `folder`.
async fn start(folder: &Path, tick: u64) -> Result<SqliteStore, StoreError> {
    let options = OpenOptions {
        mark: Some(folder.join("icf.db.mark")),
        clock: SequenceClock::fixed(tick),
        ..OpenOptions::default()
    };
    let store = SqliteStore::open(&url(folder), keyring(KEY_1), options).await?;
    store.take_instance("icf", "tcp://127.0.0.1:3868").await?;
    Ok(store)
}

/// As kill -9 does: nothing is given back.
async fn stop(store: SqliteStore) {
    store.close().await;
}

fn copy(from: &Path, to: &Path) {
    for file in ["icf.db", "icf.db-wal", "icf.db-shm"] {
        let _ = std::fs::remove_file(to.join(file));
    }
    std::fs::copy(from.join("icf.db"), to.join("icf.db")).unwrap();
}

async fn given(store: &SqliteStore, n: u64, count: u32) -> Range<u64> {
    leased(store, lease(n, count)).await
}

#[tokio::test]
async fn after_a_restore_every_imsi_goes_on_above_the_highest_number_of_any() {
    let (folder, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(credentials(0..3)).await.unwrap();
    assert_eq!(given(&store, 0, 4).await, 101..105, "the floor is the clock's tick");
    stop(store).await;
    copy(folder.path(), backup.path());

    let store = start(folder.path(), 100).await.unwrap();
    let mut last = 0;
    for _ in 0..5 {
        last = last.max(given(&store, 0, 1024).await.end);
    }
    let other = given(&store, 1, 4).await;
    stop(store).await;
    copy(backup.path(), folder.path());

    // Also with a clock that was set back.
    let store = start(folder.path(), 0).await.unwrap();
    let again = given(&store, 0, 4).await;
    assert!(again.start >= last && again.start < last + 10_000, "{again:?} after {last}");
    assert!(given(&store, 1, 4).await.start >= other.end);
    let audit = store.audit_log(&Page { after: None, limit: 9 }).await.unwrap();
    let told = audit.iter().find(|entry| entry.action == "numbers.raise").expect("it is in the audit log");
    assert!(told.outcome.contains("older than its high-water mark"), "{told:?}");
}

/// A lease above the SEQ_MS that an AUTS told.
fn resynchronised(n: u64, seq_ms: u64) -> Op {
    Op::Lease { imsi: imsi(n), count: 4, above: Some(seq_ms) }
}

#[tokio::test]
async fn a_backup_from_before_a_resynchronisation_goes_on_above_what_was_given_after_it() {
    let (folder, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(credentials(0..1)).await.unwrap();
    given(&store, 0, 4).await;
    stop(store).await;
    copy(folder.path(), backup.path());

    // The USIM is a little ahead (TS 33.102 §C.1.1.3), and a burst follows: by the time alone these would come again.
    let store = start(folder.path(), 100).await.unwrap();
    let mut last = leased(&store, resynchronised(0, 5000)).await.end;
    for _ in 0..9 {
        last = last.max(given(&store, 0, 1024).await.end);
    }
    assert!(last > 14_000);
    stop(store).await;
    copy(backup.path(), folder.path());

    let store = start(folder.path(), 100).await.unwrap();
    let again = given(&store, 0, 4).await;
    assert!(again.start >= last, "{again:?} after {last}");
    stop(store).await;

    // Nor where the backup is of a time before the credential, which is imported once more.
    for file in ["icf.db", "icf.db-wal", "icf.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file));
    }
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(credentials(0..1)).await.unwrap();
    assert!(given(&store, 0, 4).await.start >= again.end);
}

#[tokio::test]
async fn without_offsets_that_can_be_written_no_usim_is_led_and_everything_else_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(credentials(0..2)).await.unwrap();
    given(&store, 1, 4).await;
    let offsets = folder.path().join("icf.db.mark.offsets");
    std::fs::create_dir(&offsets).unwrap();
    let results = store.commit(&[resynchronised(0, 5000), register(1, "mme")]).await.unwrap();
    let error = results[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("icf.db.mark.offsets cannot be written"), "{error}");
    assert!(matches!(results[1], Ok(Done::Registered { .. })));
    std::fs::remove_dir(&offsets).unwrap();
    assert_eq!(leased(&store, resynchronised(0, 5000)).await, 5001..5005);
    assert_eq!(std::fs::read_to_string(&offsets).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn a_kill_between_two_leases_costs_few_numbers_and_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(credentials(0..1)).await.unwrap();
    let mut last = given(&store, 0, 4).await.end;
    stop(store).await;
    for _ in 0..5 {
        let store = start(folder.path(), 100).await.unwrap();
        let next = given(&store, 0, 4).await;
        assert!(next.start >= last && next.start < last + 300, "{next:?} after {last}");
        last = next.end;
        assert!(store.audit_log(&Page { after: None, limit: 9 }).await.unwrap().is_empty());
        stop(store).await;
    }
}

#[tokio::test]
async fn without_its_mark_a_used_database_raises_all_numbers_and_holds_its_vectors_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(vec![credential(0), pool_credential(1)]).await.unwrap();
    store.add_vectors(imsi(1), (1..=3).map(vector).collect()).await.unwrap();
    given(&store, 0, 4).await;
    stop(store).await;
    std::fs::remove_file(folder.path().join("icf.db.mark")).unwrap();

    let store = start(folder.path(), 100).await.unwrap();
    assert!(given(&store, 0, 4).await.start > MAX_AHEAD);
    let take = || Op::TakeVectors { imsi: imsi(1), count: 1 };
    assert_eq!(one(&store, take()).await.unwrap(), Done::Vectors(Vec::new()), "they may have been given out");
    store.add_vectors(imsi(1), vec![vector(9)]).await.unwrap();
    assert_eq!(one(&store, take()).await.unwrap(), Done::Vectors(vec![vector(9)]), "a new one has not");
    let audit = store.audit_log(&Page { after: None, limit: 9 }).await.unwrap();
    assert!(audit[0].outcome.contains("icf.db.mark of this database is not there"), "{audit:?}");
    store.raise_numbers(false, true).await.unwrap();
    assert_eq!(one(&store, take()).await.unwrap(), Done::Vectors(vec![vector(1)]));
    assert!(given(&store, 0, 4).await.start > 2 * MAX_AHEAD, "raised at once, without another start");
    stop(store).await;
    let store = start(folder.path(), 100).await.unwrap();
    assert!(given(&store, 0, 4).await.start < 3 * MAX_AHEAD, "once is enough");
}

#[tokio::test]
async fn vectors_of_pools_do_not_come_twice_after_a_restore() {
    let (folder, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(vec![pool_credential(0), pool_credential(1)]).await.unwrap();
    for n in 0..2 {
        store.add_vectors(imsi(n), (1..=5).map(vector).collect()).await.unwrap();
    }
    stop(store).await;
    copy(folder.path(), backup.path());
    let take = |n, count| Op::TakeVectors { imsi: imsi(n), count };
    let store = start(folder.path(), 100).await.unwrap();
    assert_eq!(one(&store, take(0, 2)).await.unwrap(), Done::Vectors(vec![vector(1), vector(2)]));
    stop(store).await;
    copy(backup.path(), folder.path());
    let store = start(folder.path(), 100).await.unwrap();
    for n in 0..2 {
        assert_eq!(one(&store, take(n, 1)).await.unwrap(), Done::Vectors(vec![vector(3)]), "pool {n}");
    }
}

#[tokio::test]
async fn a_database_that_was_made_anew_goes_on_above_the_mark_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(credentials(0..1)).await.unwrap();
    let last = given(&store, 0, 65_536).await.end;
    stop(store).await;
    for file in ["icf.db", "icf.db-wal", "icf.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file));
    }
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(credentials(0..1)).await.unwrap();
    assert!(given(&store, 0, 4).await.start >= last);
}

#[tokio::test]
async fn a_clock_that_is_far_ahead_is_refused_until_somebody_says_that_it_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 100).await.unwrap();
    store.insert(credentials(0..1)).await.unwrap();
    let last = given(&store, 0, 4).await.end;
    stop(store).await;
    let ahead = 3 * YEAR;
    let error = start(folder.path(), ahead).await.unwrap_err().to_string();
    assert!(error.contains("the clock says 2029-") && error.contains("2026-11-01"), "{error}");
    assert!(error.contains("Set the clock") && error.contains("--clock-is-right"), "{error}");
    let store = start(folder.path(), 100).await.unwrap();
    assert!(given(&store, 0, 4).await.start < last + 300, "nothing was moved");
    stop(store).await;

    let options = OpenOptions {
        mark: Some(folder.path().join("icf.db.mark")),
        clock: SequenceClock::fixed(ahead),
        ..OpenOptions::default()
    };
    let store = SqliteStore::open(&url(folder.path()), keyring(KEY_1), options).await.unwrap();
    store.raise_numbers(true, false).await.unwrap();
    store.close().await;
    let store = start(folder.path(), ahead).await.unwrap();
    assert_eq!(given(&store, 0, 4).await.start, ahead + 1);
}

#[tokio::test]
async fn without_a_mark_that_can_be_written_no_number_leaves_and_everything_else_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("mark");
    std::fs::create_dir(&place).unwrap();
    let options = OpenOptions {
        mark: Some(place.join("icf.mark")),
        clock: SequenceClock::fixed(100),
        ..OpenOptions::default()
    };
    let store = SqliteStore::open(&url(folder.path()), keyring(KEY_1), options).await.unwrap();
    store.take_instance("icf", "").await.unwrap();
    store.insert(credentials(0..1)).await.unwrap();
    std::fs::remove_dir_all(&place).unwrap();
    let results = store.commit(&[lease(0, 4), register(0, "mme")]).await.unwrap();
    let error = results[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("icf.mark cannot be written"), "{error}");
    assert!(matches!(results[1], Ok(Done::Registered { .. })));
    std::fs::create_dir(&place).unwrap();
    assert_eq!(given(&store, 0, 4).await, 101..105);
}
