use crate::database::{
    Alone,
    tests::{SCHEMA, open, url},
};

#[test]
fn a_second_one_is_refused_with_what_to_do_until_the_first_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let first = Alone::take(&url(folder.path()), &SCHEMA).unwrap();
    let error = Alone::take(&url(folder.path()), &SCHEMA).unwrap_err().to_string();
    assert!(error.contains("test.db") && error.contains("stop that one"), "{error}");
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    drop(first);
    Alone::take(&url(folder.path()), &SCHEMA).unwrap();
}

#[test]
fn another_file_is_another_lock_and_a_missing_folder_says_so() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _first = Alone::take(&url(one.path()), &SCHEMA).unwrap();
    Alone::take(&url(two.path()), &SCHEMA).unwrap();
    let error = Alone::take(&url(&two.path().join("no")), &SCHEMA).unwrap_err().to_string();
    assert!(error.contains("the folder has to exist"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn by_another_name_it_is_the_same_file() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(folder.path()).await.close().await;
    std::os::unix::fs::symlink(folder.path().join("test.db"), other.path().join("test.db")).unwrap();
    let _first = Alone::take(&url(folder.path()), &SCHEMA).unwrap();
    let error = Alone::take(&url(other.path()), &SCHEMA).unwrap_err().to_string();
    assert!(error.contains("another callhome"), "{error}");
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_the_lock() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _first = Alone::take(&url(folder.path()), &SCHEMA).unwrap();
    let lock = std::fs::metadata(folder.path().join("test.db.lock")).unwrap();
    assert_eq!(lock.permissions().mode() & 0o777, 0o600);
}
