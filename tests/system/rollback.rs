//! A database that was put back to an older state hands out no sequence number again, and USIMs take the next one as it is
//! (TS 33.102 §C.1.1, §C.2).

use std::{collections::HashSet, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use harness::{
    aka::{self, Subscriber, Vector},
    callhome,
    icf::{Icf, MME, Settings},
    peer::Peer,
};
use schemas::identity::Plmn;
use ue_sim::usim::{Authentication, Usim};

use crate::PLMN;

const DATABASE: [&str; 3] = ["icf.db", "icf.db-wal", "icf.db-shm"];

/// Copies the files of a database that nobody has open.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in DATABASE {
        let (from, to) = (from.join(file), to.join(file));
        if to.exists() {
            std::fs::remove_file(&to)?;
        }
        if from.exists() {
            std::fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// An ICF, and the devices that it has given vectors to.
struct Devices {
    subscribers: Vec<Subscriber>,
    usims: Vec<Usim>,
    seen: HashSet<(usize, u64)>,
}

impl Devices {
    fn new(count: u64) -> Result<Self> {
        let subscribers: Vec<_> = (1..=count).map(Subscriber::random).collect::<Result<_>>()?;
        let usims = subscribers.iter().map(Subscriber::usim).collect();
        Ok(Self { subscribers, usims, seen: HashSet::new() })
    }

    /// `count` vectors for a device, of which its USIM accepts the last at once.
    fn ask(&mut self, peer: &mut Peer, which: usize, count: usize) -> Result<u64> {
        let subscriber = &self.subscribers[which];
        let mut last: Option<Vector> = None;
        let mut asked = 0;
        while asked < count {
            let answer = peer.air(&subscriber.imsi, PLMN, 5, None)?;
            for vector in aka::vectors(&answer)? {
                let sqn = subscriber.sqn(&vector)?;
                ensure!(
                    self.seen.insert((which, sqn >> 5)),
                    "SQN {sqn:012x} of {} came twice",
                    subscriber.imsi
                );
                last = Some(vector);
                asked += 1;
            }
        }
        let Some(last) = last else { bail!("no vector") };
        match self.usims[which].authenticate(&last.challenge(), Plmn::from_octets(PLMN)?) {
            Authentication::Accepted(_) => subscriber.sqn(&last),
            refused => bail!("the USIM of {} answers {refused:?}", subscriber.imsi),
        }
    }
}

fn settings() -> Settings {
    Settings { max_vectors: 5, ..Settings::default() }
}

#[test]
fn a_restored_backup_repeats_no_sqn_and_usims_take_the_next_vector_as_it_is() -> Result<()> {
    let mut devices = Devices::new(3)?;
    let mut icf = Icf::with(&settings(), &devices.subscribers)?;
    let mut mme = icf.connect(MME)?;
    for which in 0..2 {
        devices.ask(&mut mme, which, 10)?;
    }
    icf.kill()?;
    let backup = tempfile::tempdir()?;
    copy(icf.folder(), backup.path())?;

    // A burst, faster than any clock, for one device; another that the backup has never seen authenticate.
    icf.start()?;
    let mut mme = icf.connect(MME)?;
    devices.ask(&mut mme, 0, 3000)?;
    devices.ask(&mut mme, 2, 20)?;
    icf.kill()?;
    for restore in 0..2 {
        copy(backup.path(), icf.folder())?;
        icf.start()?;
        let mut mme = icf.connect(MME)?;
        for which in 0..3 {
            devices.ask(&mut mme, which, 10)?;
        }
        ensure!(icf.log().contains("older than its high-water mark"), "restore {restore} is not told");
        let audit = icf.rest_ok("GET", "/v1/audit", None)?.body;
        ensure!(audit.contains("numbers.raise"), "{audit}");
        icf.kill()?;
    }
    Ok(())
}

#[test]
fn a_database_that_comes_without_its_mark_raises_all_numbers_and_says_so() -> Result<()> {
    let mut devices = Devices::new(1)?;
    let mut icf = Icf::with(&settings(), &devices.subscribers)?;
    let mark = icf.folder().join("icf.db.mark");
    ensure!(mark.exists(), "there is no mark while it runs");
    let before = devices.ask(&mut icf.connect(MME)?, 0, 5)?;
    icf.stop()?;
    std::fs::remove_file(&mark)?;
    icf.start()?;
    let after = devices.ask(&mut icf.connect(MME)?, 0, 5)?;
    ensure!((after - before) >> 5 >= 1 << 24, "{before:012x} {after:012x}");
    ensure!(icf.log().contains("icf.db.mark of this database is not there"), "{}", icf.log());

    // And by hand, beside the running ICF.
    let config = icf.config().to_string_lossy().into_owned();
    callhome::run(&["credentials", "raise-sqn", "--config", &config])?;
    icf.kill()?;
    icf.start_within(Duration::from_secs(60))?;
    let raised = devices.ask(&mut icf.connect(MME)?, 0, 5)?;
    ensure!((raised - after) >> 5 >= 1 << 24, "{after:012x} {raised:012x}");
    Ok(())
}

#[test]
fn database_restore_puts_a_backup_in_place_while_nothing_runs_and_raises_the_numbers_by_itself() -> Result<()>
{
    let mut devices = Devices::new(2)?;
    let mut icf = Icf::with(&settings(), &devices.subscribers)?;
    let mut mme = icf.connect(MME)?;
    devices.ask(&mut mme, 0, 10)?;
    let config = icf.config().to_string_lossy().into_owned();
    let backup = icf.folder().join("backup.db").to_string_lossy().into_owned();
    callhome::run(&["database", "backup", "--config", &config, "--out", &backup])?;
    devices.ask(&mut mme, 0, 3000)?;
    devices.ask(&mut mme, 1, 20)?;

    let restore = |from: &str| -> Result<(String, Option<i32>)> {
        let mut command = std::process::Command::new(callhome::binary()?);
        let output = command.args(["database", "restore", "--config", &config, "--from", from]).output()?;
        Ok((String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code()))
    };
    let (said, code) = restore(&backup)?;
    ensure!(code == Some(1) && said.contains("works with it"), "beside the running ICF: {said}");
    icf.kill()?;
    let before = std::fs::read(icf.folder().join("icf.db"))?;
    // A backup that was cut short, one of something else, one that is not there.
    let folder = icf.folder().to_owned();
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let whole = std::fs::read(&backup)?;
    std::fs::write(path("cut.db"), &whole[..whole.len() / 2])?;
    std::fs::write(path("other.db"), b"not a database at all, but long enough to be looked into")?;
    for (name, part) in
        [("cut.db", "cut.db"), ("other.db", "not a SQLite database"), ("none.db", "there is no such file")]
    {
        let (said, code) = restore(&path(name))?;
        ensure!(code == Some(1) && said.contains(part), "{name}: {said}");
        ensure!(std::fs::read(icf.folder().join("icf.db"))? == before, "{name} was put in place");
    }
    let (said, code) = restore(&backup)?;
    for part in ["sealed with one at-rest key", "icf.db.replaced-20", "older than its high-water mark"] {
        ensure!(code == Some(0) && said.contains(part), "{part}: {said}");
    }
    ensure!(std::fs::metadata(&backup)?.len() == whole.len() as u64, "the backup stays");
    icf.start()?;
    let mut mme = icf.connect(MME)?;
    for which in 0..2 {
        devices.ask(&mut mme, which, 10)?;
    }
    ensure!(icf.rest_ok("GET", "/v1/audit", None)?.body.contains("database.restore"));
    // What was there can be put back in the same way.
    icf.kill()?;
    let replaced = std::fs::read_dir(icf.folder())?.filter_map(|entry| Some(entry.ok()?.path()));
    let replaced = replaced.into_iter().find(|path| path.to_string_lossy().contains("icf.db.replaced-"));
    let replaced = replaced.context("it is not kept")?.to_string_lossy().into_owned();
    let (said, code) = restore(&replaced)?;
    ensure!(code == Some(0), "{said}");
    icf.start()?;
    devices.ask(&mut icf.connect(MME)?, 0, 10)?;
    Ok(())
}
