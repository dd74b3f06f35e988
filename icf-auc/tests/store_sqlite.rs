//! SQLite: opening what can and cannot be opened, old schemas, at-rest keys, a full disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "store/fixture.rs"]
mod fixture;

use std::path::Path;

use fixture::*;
use icf_auc::{
    model::{AuthMaterial, Profile, Timestamp},
    store::{
        CredentialFilter, Op, Page, Store, StoreError, TakeOver,
        sqlite::{OpenOptions, SequenceClock, SqliteStore, schema_version},
    },
};
use schemas::subscription::NetworkAccessMode;
use sqlx::{Connection, Executor, SqliteConnection};

async fn raw(folder: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("{}?mode=rwc", url(folder))).await.unwrap()
}

async fn refused(folder: &Path, keys: &str) -> String {
    open(folder, keys).await.expect_err("it is to be refused").to_string()
}

#[tokio::test]
async fn a_new_database_has_the_default_profile_with_its_pool() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    assert_eq!(store.profiles().await.unwrap().len(), 1);
    assert_eq!(store.profile("default").await.unwrap().unwrap().address_pool, Some(POOL.parse().unwrap()));
    store.delete_profile("default", None).await.unwrap();
    store.close().await;
    let store = open(folder.path(), KEY_1).await.unwrap();
    assert!(store.profiles().await.unwrap().is_empty(), "only a new one gets it");
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    store.insert(credentials(0..1)).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_which_file_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&folder.path().join("missing"), KEY_1).await;
    assert!(error.contains("missing") && error.contains("does not exist"), "{error}");
    std::fs::create_dir(folder.path().join("icf.db")).unwrap();
    let error = refused(folder.path(), KEY_1).await;
    assert!(error.contains("icf.db") && error.contains("folder"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("icf.db"), "this is a text, and not a database\n".repeat(300)).unwrap();
    let error = refused(folder.path(), KEY_1).await;
    assert!(error.contains("icf.db") && error.contains("not a SQLite database"), "{error}");

    let options = OpenOptions::default;
    for url in ["sqlite::memory:", "postgres://localhost/icf"] {
        let error = SqliteStore::open(url, keyring(KEY_1), options()).await.unwrap_err().to_string();
        assert!(error.contains("database.url"), "{error}");
    }
}

/// Also root cannot write in /proc.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_without_write_permission_is_a_clear_error() {
    let error = refused(Path::new("/proc"), KEY_1).await;
    assert!(error.contains("/proc/icf.db") && error.contains("permission"), "{error}");
}

#[tokio::test]
async fn a_database_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    raw(folder.path()).await.execute("CREATE TABLE songs (title TEXT)").await.unwrap();
    let before = std::fs::read(folder.path().join("icf.db")).unwrap();
    let error = refused(folder.path(), KEY_1).await;
    assert!(error.contains("icf.db") && error.contains("not one of callhome's"), "{error}");
    let tables: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_schema")
        .fetch_all(&mut raw(folder.path()).await)
        .await
        .unwrap();
    assert_eq!(tables, [("songs".to_owned(),)]);
    assert!(!before.is_empty());
}

#[tokio::test]
async fn a_database_of_a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), KEY_1).await.unwrap().close().await;
    let newer = schema_version() + 1;
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?1, 'later', 1, x'00', 0)")
        .bind(newer)
        .execute(&mut raw(folder.path()).await)
        .await
        .unwrap();
    let error = refused(folder.path(), KEY_1).await;
    assert!(error.contains("icf.db") && error.contains(&format!("schema version {newer}")), "{error}");
    assert!(error.contains("run the newer callhome"), "{error}");
}

#[tokio::test]
async fn a_database_of_schema_1_is_brought_up_to_date_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    {
        // As a callhome with migration 1 alone has left it: what the sealed columns hold comes from today's.
        let store = open(folder.path(), KEY_1).await.unwrap();
        store.insert(credentials(0..3)).await.unwrap();
        one(&store, register(1, "mme")).await.unwrap();
        assert_eq!(leased(&store, lease(1, 7)).await, 1..8);
        store.close().await;
    }
    let old = tempfile::tempdir().unwrap();
    let mut conn = raw(old.path()).await;
    conn.execute(sqlx::raw_sql(include_str!("../../schemas/migrations/sqlite/0001_request_path.sql")))
        .await
        .unwrap();
    conn.execute(sqlx::AssertSqlSafe(format!("ATTACH '{}' AS new", folder.path().join("icf.db").display())))
        .await
        .unwrap();
    for table in ["at_rest_key", "profile", "credential", "sequence", "registration", "address_pool"] {
        let columns = format!("SELECT group_concat(name) FROM pragma_table_info('{table}', 'main')");
        let (columns,): (String,) =
            sqlx::query_as(sqlx::AssertSqlSafe(columns)).fetch_one(&mut conn).await.unwrap();
        let copy = format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}");
        conn.execute(sqlx::AssertSqlSafe(copy)).await.unwrap();
    }
    conn.execute(
        "CREATE TABLE main._sqlx_migrations AS SELECT * FROM new._sqlx_migrations WHERE version = 1",
    )
    .await
    .unwrap();
    conn.close().await.unwrap();

    let store = open(old.path(), KEY_1).await.unwrap();
    for n in 0..3 {
        let stored = store.credential(imsi(n)).await.unwrap().unwrap();
        assert_eq!(stored.auth, credential(n).credential.auth);
    }
    assert_eq!(store.registration(imsi(1)).await.unwrap()[0].node.host, "mme");
    assert_eq!(leased(&store, lease(1, 1)).await, 8..9);
    store.audit("a", "b", "c", "done").await.unwrap();
    assert_eq!(store.audit_log(&Page { after: None, limit: 9 }).await.unwrap().len(), 1);
}

/// What an older callhome has stored says nothing of the mode, and sent ONLY_PACKET always.
#[tokio::test]
async fn a_stored_profile_of_ordinary_subscribers_becomes_packet_and_circuit_and_a_provisional_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    let endless = Profile { attach_budget: None, ..Profile::provisioning("endless", None) };
    let expiring = Profile { lifetime: Some(600), ..Profile { name: "expiring".into(), ..endless.clone() } };
    for profile in [endless, expiring] {
        store.put_profile(profile, Some(0), Vec::new()).await.unwrap();
    }
    store.close().await;
    let mut conn = raw(folder.path()).await;
    conn.execute("UPDATE profile SET body = json_remove(body, '$.network_access_mode')").await.unwrap();
    let migration = include_str!("../../schemas/migrations/sqlite/0004_network_access_mode.sql");
    conn.execute(sqlx::raw_sql(migration)).await.unwrap();
    conn.close().await.unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    let modes: Vec<_> =
        store.profiles().await.unwrap().into_iter().map(|it| (it.name, it.network_access_mode)).collect();
    let (both, packet) = (NetworkAccessMode::PacketAndCircuit, NetworkAccessMode::OnlyPacket);
    let wanted = [("default", packet), ("endless", both), ("expiring", packet)];
    assert_eq!(modes, wanted.map(|(name, mode)| (name.to_owned(), mode)));
}

#[tokio::test]
async fn a_wrong_or_missing_at_rest_key_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), KEY_1).await.unwrap().close().await;
    let other = KEY_2.replace("2:", "1:");
    let error = refused(folder.path(), &other).await;
    assert!(error.contains("icf.db") && error.contains("another key under that id"), "{error}");
    let error = refused(folder.path(), KEY_2).await;
    assert!(error.contains("at-rest key 1") && error.contains("put that key's line back"), "{error}");
    open(folder.path(), KEY_1).await.unwrap();
}

#[tokio::test]
async fn rotation_seals_all_anew_and_then_the_old_key_can_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    store.insert(credentials(0..25)).await.unwrap();
    store.insert(vec![pool_credential(100)]).await.unwrap();
    store.add_vectors(imsi(100), (1..=3).map(vector).collect()).await.unwrap();
    assert_eq!(store.rotate(10).await.unwrap(), 0);
    store.close().await;

    let both = format!("{KEY_1}{KEY_2}");
    let store = open(folder.path(), &both).await.unwrap();
    store.insert(credentials(200..201)).await.unwrap();
    store.close().await;
    let error = refused(folder.path(), KEY_2).await;
    assert!(error.contains("at-rest key 1"), "not before it is rotated: {error}");
    let store = open(folder.path(), &both).await.unwrap();
    let mut steps = Vec::new();
    loop {
        match store.rotate(10).await.unwrap() {
            0 => break,
            done => steps.push(done),
        }
    }
    assert_eq!(steps.iter().sum::<u64>(), 28, "{steps:?}");
    assert!(steps.iter().all(|s| *s <= 10));
    store.close().await;

    let store = open(folder.path(), KEY_2).await.unwrap();
    for n in (0..25).chain([200]) {
        let stored = store.credential(imsi(n)).await.unwrap().unwrap();
        assert_eq!(stored.auth, credential(n).credential.auth);
    }
    let taken = one(&store, Op::TakeVectors { imsi: imsi(100), count: 1 }).await.unwrap();
    assert_eq!(taken, icf_auc::store::Done::Vectors(vec![vector(1)]));
}

#[tokio::test]
async fn a_credential_that_does_not_open_stops_no_rotation_and_keeps_the_old_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    store.insert(credentials(0..40)).await.unwrap();
    store.close().await;
    // The first eleven are damaged: more than a step takes.
    let file = sqlx::SqlitePool::connect(&url(folder.path())).await.unwrap();
    let damage = "UPDATE credential SET sealed = CAST(substr(sealed, 1, 20) || x'0000' || substr(sealed, 23) AS BLOB) \
                  WHERE imsi IN (SELECT imsi FROM credential ORDER BY imsi LIMIT 11)";
    sqlx::query(damage).execute(&file).await.unwrap();
    file.close().await;
    let both = format!("{KEY_1}{KEY_2}");
    let store = open(folder.path(), &both).await.unwrap();
    let mut total = 0;
    loop {
        match store.rotate(10).await.unwrap() {
            0 => break,
            done => total += done,
        }
    }
    assert_eq!(total, 29);
    let (left, first) = store.left_by_rotation().await.unwrap().unwrap();
    assert!(left == 11 && first.contains(&imsi(0).to_string()), "{left} {first}");
    for n in 0..11 {
        store.delete(imsi(n), None, Vec::new()).await.unwrap();
    }
    assert_eq!(store.rotate(10).await.unwrap(), 0);
    assert_eq!(store.left_by_rotation().await.unwrap(), None);
    let missing = store.delete(imsi(0), None, Vec::new()).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound(_)), "{missing}");
    store.close().await;
    open(folder.path(), KEY_2).await.unwrap();
}

#[tokio::test]
async fn keys_are_nowhere_in_the_file_and_do_not_open_in_another_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    store.insert(credentials(1..3)).await.unwrap();
    let AuthMaterial::Keys { k, opc } = credential(1).credential.auth else { panic!() };
    store.close().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [k.expose(), opc.expose()] {
            assert!(!octets.windows(16).any(|w| w == secret));
        }
    }
    sqlx::query("UPDATE credential SET sealed = (SELECT max(sealed) FROM credential)")
        .execute(&mut raw(folder.path()).await)
        .await
        .unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    let opened = [store.credential(imsi(1)).await, store.credential(imsi(2)).await];
    let refused: Vec<_> = opened.into_iter().filter_map(Result::err).collect();
    assert!(
        matches!(&refused[..], [StoreError::Sealed(what)] if what.contains("credential/sealed/")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_full_disk_is_a_clear_error_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        OpenOptions { max_bytes: Some(512 << 10), clock: SequenceClock::fixed(0), ..OpenOptions::default() };
    let store = SqliteStore::open(&url(folder.path()), keyring(KEY_1), options).await.unwrap();
    let mut stored = 0;
    let error = loop {
        match store.insert(credentials(stored..stored + 500)).await {
            Ok(()) => stored += 500,
            Err(error) => break error.to_string(),
        }
        assert!(stored < 1_000_000, "the limit has no effect");
    };
    assert!(error.contains("the disk is full"), "{error}");
    assert!(stored >= 500);
    assert_eq!(store.count(&Default::default()).await.unwrap(), stored, "all or none");
    assert_eq!(leased(&store, lease(0, 4)).await, 1..5, "what needs no room goes on");
}

/// As the database has an IMSI.
fn code(n: u64) -> String {
    format!("CAST('1' || '{}' AS INTEGER)", imsi(n))
}

async fn damage(folder: &Path, statement: String) {
    let done = raw(folder).await.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

#[tokio::test]
async fn one_credential_that_does_not_open_fails_alone_among_sixty() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    store.insert(credentials(0..60)).await.unwrap();
    damage(
        folder.path(),
        format!("UPDATE credential SET sealed = zeroblob(length(sealed)) WHERE imsi = {}", code(17)),
    )
    .await;
    let all: Vec<_> = (0..60).map(imsi).collect();
    let read = store.each_snapshot(&all).await.unwrap();
    let failed: Vec<_> = read.iter().filter_map(|one| one.as_ref().err()).collect();
    assert_eq!(read.len(), 60);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].imsi, imsi(17));
    assert!(matches!(failed[0].error, StoreError::Sealed(_)), "{}", failed[0]);
    // Listed, page by page, are those that can be read.
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: 7 };
        let found = store.credentials(&CredentialFilter::default(), &page).await.unwrap();
        let Some(last) = found.last() else { break };
        after = Some(last.imsi.to_string());
        listed.extend(found.iter().map(|credential| credential.imsi));
    }
    assert_eq!(listed, all.iter().copied().filter(|one| *one != imsi(17)).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_damaged_row_fails_alone_in_a_transaction_of_many() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    store.insert(credentials(0..60)).await.unwrap();
    store.insert(vec![pool_credential(60)]).await.unwrap();
    store.add_vectors(imsi(60), vec![vector(1)]).await.unwrap();
    damage(folder.path(), format!("UPDATE credential SET address = x'01' WHERE imsi = {}", code(3))).await;
    damage(folder.path(), "UPDATE vector SET sealed = x'00'".into()).await;
    let mut ops: Vec<Op> = (0..60).map(|n| register(n, "mme")).collect();
    ops.push(Op::TakeVectors { imsi: imsi(60), count: 1 });
    let done = store.commit(&ops).await.unwrap();
    let failed: Vec<usize> = (0..done.len()).filter(|n| done[*n].is_err()).collect();
    assert_eq!(failed, [3, 60]);
}

#[tokio::test]
async fn one_damaged_message_or_registration_is_not_in_the_way_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    store.insert(credentials(0..3)).await.unwrap();
    let now = Timestamp::now();
    for n in 0..3 {
        let mut lapsed = registration(n, "mme");
        lapsed.expires_at = now.plus(-1);
        let op = Op::Register {
            registration: Box::new(lapsed),
            count_attach: false,
            pool: None,
            take_over: TakeOver::default(),
            notify: false,
        };
        one(&store, op).await.unwrap();
    }
    damage(folder.path(), format!("UPDATE registration SET visited_plmn = x'01' WHERE imsi = {}", code(0)))
        .await;
    let lapsed = store.lapsed(now, 10).await.unwrap();
    assert_eq!(lapsed.iter().map(|it| it.imsi).collect::<Vec<_>>(), [imsi(1), imsi(2)]);
    for n in 0..3 {
        store.cancel(imsi(n), vec![cancel_of(n, "mme")]).await.unwrap();
    }
    damage(folder.path(), format!("UPDATE outgoing SET message = '?' WHERE imsi = {}", code(1))).await;
    let due = store.due(Timestamp::now(), 10).await.unwrap();
    assert_eq!(due.iter().map(|it| it.outgoing.imsi).collect::<Vec<_>>(), [imsi(0), imsi(2)]);
    damage(folder.path(), "UPDATE event SET detail = '?' WHERE id = 1".into()).await;
    assert_eq!(store.events(0, 100).await.unwrap()[0].id, 1);
}
