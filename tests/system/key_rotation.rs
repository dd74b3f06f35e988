//! At-rest keys are rotated beside a running ICF: no request fails, and the old key can go when that is said.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result, ensure};
use harness::{
    aka::{self, Subscriber},
    callhome,
    icf::{Icf, MME, Settings},
};

use crate::PLMN;

const SUBSCRIBERS: u64 = 300;

#[test]
fn keys_are_rotated_under_load_without_a_failed_air_and_the_old_key_can_go() -> Result<()> {
    let subscribers: Vec<Subscriber> = (1..=SUBSCRIBERS).map(Subscriber::random).collect::<Result<_>>()?;
    // A small cache, so that keys are read from the database all the time.
    let mut icf = Icf::new(&Settings { icf: "cache = 8", ..Settings::default() })?;
    icf.import(&subscribers)?;
    icf.start()?;
    let (config, key_file) = (icf.config(), icf.folder().join("at-rest.key"));
    let old = std::fs::read_to_string(&key_file)?;
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let rotated = thread::scope(|scope| -> Result<()> {
        let load = scope.spawn(|| -> Result<()> {
            let mut mme = icf.connect(MME)?;
            while !done.load(Ordering::SeqCst) {
                for subscriber in &subscribers {
                    let answer = mme.air(&subscriber.imsi, PLMN, 1, None)?;
                    subscriber.sqn(&aka::vector(&answer).with_context(|| subscriber.imsi.clone())?)?;
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            }
            Ok(())
        });
        let rotation = || -> Result<()> {
            callhome::run(&["keys", "generate", "--out", &key_file.to_string_lossy(), "--add"])?;
            callhome::run(&["keys", "rotate", "--config", &config.to_string_lossy()])?;
            // What the running ICF stores now is sealed with the new key.
            icf.provision(&[Subscriber::random(SUBSCRIBERS + 1)?])
        };
        let rotated = rotation();
        done.store(true, Ordering::SeqCst);
        load.join().ok().context("the load has panicked")??;
        rotated
    });
    rotated?;
    ensure!(answered.load(Ordering::SeqCst) > 0, "there was no load");
    let new = std::fs::read_to_string(&key_file)?;
    let new = new.strip_prefix(&old).context("the new key is a line after the old one")?;
    std::fs::write(&key_file, new)?;
    icf.kill()?;
    icf.start()?;
    let mut mme = icf.connect(MME)?;
    for subscriber in &subscribers {
        aka::vector(&mme.air(&subscriber.imsi, PLMN, 1, None)?)?;
    }
    Ok(())
}

#[test]
fn nothing_is_rotated_while_an_icf_that_runs_lacks_the_new_key() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let icf = Icf::with(&Settings::default(), std::slice::from_ref(&subscriber))?;
    // The same database by a configuration that has a key file of its own.
    let other = Icf::new(&Settings::default())?;
    other.use_database_of(&icf)?;
    let (here, there) = (icf.folder().join("at-rest.key"), other.folder().join("at-rest.key"));
    std::fs::copy(&here, &there)?;
    let config = std::fs::read_to_string(other.config())?;
    let config = config.replace(&here.display().to_string(), &there.display().to_string());
    std::fs::write(other.config(), config)?;
    callhome::run(&["keys", "generate", "--out", &there.to_string_lossy(), "--add"])?;
    let said = callhome::run(&["keys", "rotate", "--config", &other.config().to_string_lossy()]);
    let said = format!("{:#}", said.err().context("it says that old keys may go")?);
    for part in ["nothing is rotated", "seals with at-rest key 1", "Put the new line into the key file"] {
        ensure!(said.contains(part), "{part:?} is missing: {said}");
    }
    aka::vector(&icf.connect(MME)?.air(&subscriber.imsi, PLMN, 1, None)?)?;
    Ok(())
}
