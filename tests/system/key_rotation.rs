//! At-rest keys are rotated beside a running ICF or DRF: no request fails, and the old key can go when that is said.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{
    aka::{self, Subscriber},
    callhome, http,
    icf::{Icf, MME, Settings},
    role::Role,
};
use serde_json::{Value, json};

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

/// A request of a test's own, which has to succeed.
fn done(role: &Role, method: &str, path: &str, body: &Value) -> Result<()> {
    let answer = http::request(role.rest, method, path, Some(&role.token), Some(body), &[])?;
    ensure!(answer.status / 100 == 2, "{method} {path}: {} {}", answer.status, answer.body);
    Ok(())
}

/// Waits until the log has this.
fn logged(role: &Role, part: &str) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    while !role.log().contains(part) {
        ensure!(Instant::now() < until, "{part:?} is missing: {}", role.log());
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn a_drf_seals_claim_codes_with_a_key_that_is_added_under_load_without_a_failed_request() -> Result<()> {
    let drf = Role::start("drf")?;
    let key_file = drf.folder().join("at-rest.key");
    let old = std::fs::read_to_string(&key_file)?;
    done(&drf, "PUT", "/v1/operators/sho-a", &json!({ "name": "A", "plmns": ["999-71"] }))?;
    let pcid = |n: usize| format!("99971{n:010}");
    let register = |n: usize| {
        let device = json!({ "device_id": format!("meter-{n}"), "supplier": "acme", "claim_code": format!("code-{n:06}") });
        done(&drf, "PUT", &format!("/v1/devices/{}", pcid(n)), &device)
    };
    // What was sealed before is opened while it is sealed anew.
    let claim = |n: usize| {
        let claim = json!({ "pcid": pcid(n), "claim_code": format!("code-{n:06}"), "operator": "sho-a" });
        done(&drf, "POST", "/v1/claims", &claim)
    };
    (0..50).try_for_each(register)?;
    let (stop, registered) = (AtomicBool::new(false), AtomicUsize::new(50));
    thread::scope(|scope| -> Result<()> {
        let load = scope.spawn(|| -> Result<()> {
            while !stop.load(Ordering::SeqCst) {
                let n = registered.load(Ordering::SeqCst);
                register(n)?;
                registered.store(n + 1, Ordering::SeqCst);
                claim(n - 50)?;
            }
            Ok(())
        });
        let rotation = || -> Result<()> {
            callhome::run(&["keys", "generate", "--out", &key_file.to_string_lossy(), "--add"])?;
            logged(
                &drf,
                "a newer at-rest key seals from now on; the log says when older ones may be removed",
            )?;
            logged(&drf, "sealed anew with the newest at-rest key")?;
            let so_far = registered.load(Ordering::SeqCst);
            while registered.load(Ordering::SeqCst) < so_far + 20 && !load.is_finished() {
                thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        };
        let rotated = rotation();
        stop.store(true, Ordering::SeqCst);
        load.join().ok().context("the load has panicked")??;
        rotated
    })?;
    // Something may still be under way for a minute: it is not said too early.
    ensure!(!drf.log().contains("older ones may be removed from the key file, once"), "{}", drf.log());
    for part in ["cannot be sealed", "do not open"] {
        ensure!(!drf.log().contains(part), "{}", drf.log());
    }
    // Every code opens, whichever key it was sealed with at first.
    (0..registered.load(Ordering::SeqCst)).try_for_each(claim)?;
    let new = std::fs::read_to_string(&key_file)?;
    ensure!(
        new.strip_prefix(&old).is_some_and(|line| !line.is_empty()),
        "the new key is a line after the old one"
    );
    Ok(())
}
