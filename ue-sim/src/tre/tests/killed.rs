//! A process that is killed in the middle of an installation, for real: this test runs itself as a child that ends itself
//! without any clean-up at a given write.

use std::process::{Command, Stdio};

use super::*;

const FOLDER: &str = "CALLHOME_TEST_TRE_FOLDER";
const AT: &str = "CALLHOME_TEST_TRE_KILL_AT";

/// The child's side; without a folder, it is an installation that nobody kills.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        let base = tempfile::tempdir().unwrap();
        let (old, signed) = prepared(base.path(), &World::new());
        assert_ne!(install(&Tre::open(base.path()).unwrap(), &signed).unwrap().rncp, old);
        return;
    };
    let folder = Path::new(&folder);
    let at = std::env::var(AT).unwrap().parse().unwrap();
    let signed = fs::read(folder.with_extension("manifest")).unwrap();
    let tre = Tre::open_on(Arc::new(Faulty::after(at, Fault::Killed)), folder).unwrap();
    install(&tre, &signed).unwrap();
}

#[test]
fn a_device_whose_process_is_killed_at_any_write_has_the_old_rncp_or_the_new() {
    let world = World::new();
    let base = tempfile::tempdir().unwrap();
    let (old, signed) = prepared(&base.path().join("device"), &world);
    let mut seen = [0, 0];
    for at in 0.. {
        let folder = base.path().join(at.to_string());
        copy(&base.path().join("device"), &folder);
        fs::write(folder.with_extension("manifest"), &signed).unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tre::tests::killed::child"])
            .env(FOLDER, &folder)
            .env(AT, at.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let has = old_or_new(&folder, old);
        if status.success() {
            assert_ne!(has, old);
            assert!(seen[0] > 5 && seen[1] > 0, "{seen:?}");
            return;
        }
        seen[usize::from(has != old)] += 1;
    }
}
