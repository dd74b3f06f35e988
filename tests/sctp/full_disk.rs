//! A disk that is really full: a file system of 4 MiB, which only root may mount, and here everybody is root.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{
    aka::Subscriber,
    icf::{Icf, MME, Settings},
    wire::{Outcome, SUCCESS},
};

const PLMN: [u8; 3] = [0x99, 0xf9, 0x07];

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let done = Command::new(program).args(arguments).output()?;
    ensure!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// Takes all room that there is.
fn fill(file: &Path) -> Result<()> {
    let mut filler: File = OpenOptions::new().append(true).create(true).open(file)?;
    for size in [4096, 1] {
        while filler.write_all(&vec![0; size]).is_ok() {}
    }
    Ok(())
}

#[test]
fn with_room_again_an_icf_on_a_full_disk_writes_again_without_a_restart() -> Result<()> {
    let disk = tempfile::tempdir()?;
    let place = disk.path().to_string_lossy().into_owned();
    run("mount", &["-t", "tmpfs", "-o", "size=4M,mode=700", "tmpfs", &place])?;
    let subscribers: Vec<Subscriber> = (1..=3).map(Subscriber::random).collect::<Result<_>>()?;
    let mut icf = Icf::new(&Settings::default())?;
    let config = std::fs::read_to_string(icf.config())?;
    let here = format!("sqlite://{}/icf.db", icf.folder().display());
    ensure!(config.contains(&here));
    std::fs::write(icf.config(), config.replace(&here, &format!("sqlite://{place}/icf.db")))?;
    icf.start()?;
    icf.provision(&subscribers)?;
    let mut peer = icf.connect(MME)?;
    let filler = disk.path().join("filler");
    for subscriber in &subscribers {
        fill(&filler)?;
        let refused = peer.ulr(&subscriber.imsi, PLMN)?.result()?;
        ensure!(refused == Outcome::Experimental(4181), "on a full disk: {refused:?}");
        let ready = icf.rest("GET", "/readyz", None)?;
        ensure!(ready.status == 503 && ready.body.contains("os error 28"), "{}", ready.body);
        std::fs::remove_file(&filler)?;
        let until = Instant::now() + Duration::from_secs(1);
        while peer.ulr(&subscriber.imsi, PLMN)?.result()? != SUCCESS {
            ensure!(Instant::now() < until, "there is room again, and it writes no more:\n{}", icf.log());
        }
        icf.rest_ok("GET", "/readyz", None)?;
    }
    icf.kill()?;
    icf.start()?;
    for subscriber in &subscribers {
        icf.rest_ok("GET", &format!("/v1/registrations/{}", subscriber.imsi), None)?;
    }
    ensure!(icf.stop()?.success());
    let log = disk.path().join("icf.db-wal");
    ensure!(!log.exists(), "a clean stop leaves {} octets of log", log.metadata()?.len());
    run("umount", &[&place])
}
