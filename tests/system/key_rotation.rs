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
    roles::{Role, Roles, wait},
};
use serde_json::json;

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

/// Requests of a role's REST that seal and open values, again and again until `done`; gives how many.
fn use_sealed_values(roles: &Roles, role: Role, done: &AtomicBool) -> Result<usize> {
    const CODE: &str = "K7F2-9QXA";
    let ask = |method: &str, path: &str, body: serde_json::Value| -> Result<()> {
        let answer = roles.request(role, method, path, Some(&body))?;
        ensure!(answer.status / 100 == 2, "{method} {path}: {}: {}", answer.status, answer.body);
        Ok(())
    };
    let mut rounds = 0;
    if role == Role::Drf {
        ask("PUT", "/v1/operators/o1", json!({ "name": "An operator" }))?;
    }
    while !done.load(Ordering::SeqCst) {
        let n = rounds % 50;
        match role {
            Role::Drf => {
                let pcid = format!("99971{n:010}");
                let device =
                    json!({ "device_id": format!("meter-{n}"), "supplier": "acme", "claim_code": CODE });
                ask("PUT", &format!("/v1/devices/{pcid}"), device)?;
                ask("POST", "/v1/claims", json!({ "pcid": pcid, "claim_code": CODE, "operator": "o1" }))?;
            }
            // A sensitive part is sealed.
            _ => ask("PUT", &format!("/v1/parts/p{n}?kind=data&sensitive=true"), json!({ "n": n }))?,
        }
        rounds += 1;
    }
    Ok(rounds)
}

#[test]
fn drf_and_sho_rotate_their_keys_under_load_by_themselves_and_say_when_the_old_ones_can_go() -> Result<()> {
    const BOTH: [Role; 2] = [Role::Drf, Role::Sho];
    const MAY_GO: &str = "older ones may be removed from the key file";
    let mut roles = Roles::new()?;
    for role in BOTH {
        roles.rewrite(role, &[("[keys]\n", "[keys]\nsettle = \"1s\"\n")])?;
        roles.start(role)?;
    }
    let folder = roles.folder().to_owned();
    let key_file = |role: Role| folder.join(format!("{}.at-rest.key", role.name()));
    let old = BOTH.map(|role| std::fs::read_to_string(key_file(role)));
    let done = AtomicBool::new(false);
    let rounds = thread::scope(|scope| -> Result<Vec<usize>> {
        let (all, done) = (&roles, &done);
        let loads = BOTH.map(|role| scope.spawn(move || use_sealed_values(all, role, done)));
        let rotation = || -> Result<()> {
            for role in BOTH {
                // What is stored with the old key by then is sealed anew.
                wait("something that is sealed", || {
                    let stored = match role {
                        Role::Drf => roles.items(role, "/v1/devices")?,
                        _ => roles.items(role, "/v1/parts")?,
                    };
                    Ok(!stored.is_empty())
                })?;
                ensure!(!roles.log(role).contains(MAY_GO), "the only key may not go");
                callhome::run(&["keys", "generate", "--out", &key_file(role).to_string_lossy(), "--add"])?;
            }
            for role in BOTH {
                wait("that the old key may go", || Ok(roles.log(role).contains(MAY_GO)))?;
            }
            Ok(())
        };
        let rotated = rotation();
        done.store(true, Ordering::SeqCst);
        let rounds = loads.map(|load| load.join().ok().context("the load has panicked")?);
        rotated?;
        rounds.into_iter().collect()
    })?;
    ensure!(rounds.iter().all(|rounds| *rounds > 0), "there was no load: {rounds:?}");
    for (role, old) in BOTH.into_iter().zip(old) {
        let log = roles.log(role);
        ensure!(log.contains("sealed anew with the newest at-rest key"), "{log}");
        // Without the old key it starts, and opens what was sealed with it.
        let new = std::fs::read_to_string(key_file(role))?;
        let new = new.strip_prefix(&old?).context("the new key is a line after the old one")?.to_owned();
        std::fs::write(key_file(role), new)?;
        roles.restart(role)?;
    }
    let last = json!({ "pcid": "999710000000000", "claim_code": "K7F2-9QXA", "operator": "o1" });
    let claimed = roles.request(Role::Drf, "POST", "/v1/claims", Some(&last))?;
    ensure!(claimed.status == 200, "{}: {}", claimed.status, claimed.body);
    Ok(())
}
