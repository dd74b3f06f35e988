//! A disk that fails at any write or fsync, once or for a while: each role answers "not now", says what fails, and works
//! again by itself when the disk does. What was acknowledged is there after kill -9.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use harness::{
    aka::{self, Subscriber},
    faults::{Call, EIO, ENOSPC, Fault},
    http::Response,
    icf::{Icf, MME, Settings},
    roles::{Role, Roles},
    wire::{Outcome, SUCCESS},
};
use serde_json::{Value, json};

use crate::PLMN;

/// From the end of the fault until a write has to work again: on a machine that does nothing else, it is milliseconds.
const AGAIN: Duration = Duration::from_secs(1);
/// Calls that one write makes at most, its entry in the audit log included.
const MOST_CALLS: u32 = 200;

/// What fails, in turn: all calls until the end of the fault, and one call that has written half.
const FAULTS: [Fault; 2] = [
    Fault { call: Call::Any, error: ENOSPC, after: 0, lasting: true, partial: false },
    Fault { call: Call::Any, error: EIO, after: 0, lasting: false, partial: true },
];

/// Path and body of a write that creates something of its own for each `number`.
fn creation(role: Role, number: u32) -> (String, Value) {
    match role {
        Role::Icf | Role::Hss => {
            let rate = json!({ "uplink": 1_000_000, "downlink": 1_000_000 });
            let profile = json!({ "apns": [{ "name": "internet", "ambr": rate }], "ambr": rate });
            (format!("/v1/profiles/p{number}"), profile)
        }
        Role::Drf => (format!("/v1/operators/o{number}"), json!({ "name": "An operator" })),
        Role::Dpf => {
            let imsi = format!("99901{number:010}");
            let rule =
                json!({ "first_imsi": imsi, "last_imsi": imsi, "home_plmn": "999-01", "apn": "internet" });
            (format!("/v1/operators/sho-a/rules/r{number}"), rule)
        }
        Role::Sho => {
            // The octets of a part are whatever they are.
            (format!("/v1/parts/p{number}?kind=data"), json!({ "a": "part" }))
        }
        Role::Pva => (format!("/v1/suppliers/s{number}"), json!({ "name": "A supplier" })),
    }
}

/// A role, and what it has acknowledged.
struct Subject {
    roles: Roles,
    role: Role,
    next: u32,
    acknowledged: Vec<u32>,
}

impl Subject {
    fn start(role: Role) -> Result<Self> {
        let mut roles = Roles::new()?;
        roles.on_a_failing_disk()?;
        roles.start(role)?;
        Ok(Self { roles, role, next: 0, acknowledged: Vec::new() })
    }

    fn write(&mut self) -> Result<Response> {
        self.next += 1;
        let (path, body) = creation(self.role, self.next);
        let answer = self.roles.request(self.role, "PUT", &path, Some(&body))?;
        if answer.status / 100 == 2 {
            self.acknowledged.push(self.next);
        }
        Ok(answer)
    }

    fn ready(&self) -> Result<Response> {
        self.roles.request(self.role, "GET", "/readyz", None)
    }

    /// One write with this fault, and one after it. Whether the fault was met.
    fn meet(&mut self, fault: Fault) -> Result<bool> {
        self.roles.faults()?.begin(fault)?;
        let answer = self.write()?;
        let hits = self.roles.faults()?.hits()?;
        if answer.status / 100 != 2 {
            let headers = answer.headers.to_ascii_lowercase();
            ensure!(
                answer.status == 503 && headers.contains("retry-after: 1"),
                "{}: {}",
                answer.status,
                answer.body
            );
            ensure!(answer.body.contains("disk"), "what fails: {}", answer.body);
        }
        if fault.lasting && hits > 0 {
            let ready = self.ready()?;
            let file = format!("{}.db", self.role.name());
            ensure!(ready.status == 503, "ready, while every write fails: {}", ready.body);
            ensure!(ready.body.contains(&file) && ready.body.contains("os error 28"), "{}", ready.body);
            let alive = self.roles.request(self.role, "GET", "/healthz", None)?;
            ensure!(alive.status == 200, "/healthz is about the process: {}", alive.status);
        }
        self.roles.faults()?.end()?;
        let until = Instant::now() + AGAIN;
        loop {
            let (again, ready) = (self.write()?, self.ready()?);
            if again.status / 100 == 2 && ready.status == 200 {
                break;
            }
            ensure!(Instant::now() < until, "{}: {}\n{}", again.status, again.body, ready.body);
        }
        Ok(hits > 0)
    }
}

fn survives(role: Role) -> Result<()> {
    let mut subject = Subject::start(role)?;
    let first = subject.write()?;
    ensure!(first.status / 100 == 2, "without a fault: {}: {}", first.status, first.body);
    let mut met = 0;
    for fault in FAULTS {
        for after in 0.. {
            ensure!(after < MOST_CALLS, "a write has no end");
            let fault = Fault { after, ..fault };
            if !subject.meet(fault).with_context(|| format!("{}: {fault:?}", role.name()))? {
                break;
            }
            met += 1;
        }
    }
    ensure!(met > 8, "{met} faults only: they do not reach the database");
    // It stops in good order also while nothing can be moved from the log into the file.
    let fault = Fault { call: Call::Any, error: EIO, after: 0, lasting: true, partial: false };
    subject.roles.faults()?.begin(fault)?;
    let process = subject.roles.process(role)?;
    process.signal("TERM")?;
    let ended = process.wait(Duration::from_secs(40))?;
    ensure!(ended.success() && subject.roles.faults()?.hits()? > 0, "stopped on a failing disk: {ended}");
    subject.roles.faults()?.end()?;
    subject.roles.restart(role)?;
    let again = subject.write()?;
    ensure!(again.status / 100 == 2, "after the stop: {}: {}", again.status, again.body);
    // What an acknowledged write says is there after a crash, whatever failed around it.
    subject.roles.restart(role)?;
    for number in &subject.acknowledged {
        let (path, _) = creation(role, *number);
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let found = subject.roles.request(role, "GET", &path, None)?;
        ensure!(found.status == 200, "{path} was acknowledged, and is answered {}", found.status);
    }
    println!("{}: {met} faults, {} writes acknowledged, none lost", role.name(), subject.acknowledged.len());
    Ok(())
}

#[test]
fn the_icfs_administration_goes_on_after_every_failed_write_and_fsync() -> Result<()> {
    survives(Role::Icf)
}

#[test]
fn the_drf_goes_on_after_every_failed_write_and_fsync() -> Result<()> {
    survives(Role::Drf)
}

#[test]
fn the_dpf_goes_on_after_every_failed_write_and_fsync() -> Result<()> {
    survives(Role::Dpf)
}

#[test]
fn the_sho_goes_on_after_every_failed_write_and_fsync() -> Result<()> {
    survives(Role::Sho)
}

#[test]
fn the_pva_goes_on_after_every_failed_write_and_fsync() -> Result<()> {
    survives(Role::Pva)
}

/// The request path: a transaction for many requests. Each subscriber's first AIR needs a lease, each ULR is written.
#[test]
fn attaches_get_a_temporary_error_while_the_disk_fails_and_no_sequence_number_comes_twice() -> Result<()> {
    let subscribers: Vec<Subscriber> = (1..=60).map(Subscriber::random).collect::<Result<_>>()?;
    let mut icf = Icf::new(&Settings { log: "error", ..Settings::default() })?;
    icf.faults = Some(harness::faults::Faults::below(icf.folder())?);
    icf.start()?;
    icf.provision(&subscribers)?;
    let mut peer = icf.connect(MME)?;
    let (mut seqs, mut registered) = (Vec::new(), Vec::new());
    let mut left = subscribers.iter();
    for fault in FAULTS {
        for after in 0.. {
            let subscriber = left.next().context("more faults than subscribers")?;
            let faults = icf.faults.as_ref().context("no faults")?;
            faults.begin(Fault { after, ..fault })?;
            let answers = [peer.air(&subscriber.imsi, PLMN, 1, None)?, peer.ulr(&subscriber.imsi, PLMN)?];
            let hits = faults.hits()?;
            faults.end()?;
            for answer in &answers {
                match answer.result()? {
                    SUCCESS => {}
                    Outcome::Experimental(4181) if hits > 0 => {}
                    other => bail!("{other:?} after {after} calls of {fault:?}"),
                }
            }
            let until = Instant::now() + AGAIN;
            loop {
                let again = peer.air(&subscriber.imsi, PLMN, 1, None)?;
                let located = peer.ulr(&subscriber.imsi, PLMN)?;
                if again.result()? == SUCCESS {
                    seqs.push((&subscriber.imsi, subscriber.sqn(&aka::vector(&again)?)? >> 5));
                }
                if again.result()? == SUCCESS && located.result()? == SUCCESS {
                    break;
                }
                ensure!(
                    Instant::now() < until,
                    "{:?} {:?} after {after} calls of {fault:?}:\n{}",
                    again.result()?,
                    located.result()?,
                    icf.log()
                );
                thread::sleep(Duration::from_millis(20));
            }
            if answers[0].result()? == SUCCESS {
                seqs.push((&subscriber.imsi, subscriber.sqn(&aka::vector(&answers[0])?)? >> 5));
            }
            registered.push(&subscriber.imsi);
            if hits == 0 {
                break;
            }
        }
    }
    ensure!(registered.len() > 8, "{} faults only", registered.len());
    icf.kill()?;
    icf.start()?;
    for imsi in registered {
        icf.rest_ok("GET", &format!("/v1/registrations/{imsi}"), None)?;
    }
    let mut peer = icf.connect(MME)?;
    for subscriber in &subscribers {
        let answer = peer.air(&subscriber.imsi, PLMN, 1, None)?;
        seqs.push((&subscriber.imsi, subscriber.sqn(&aka::vector(&answer)?)? >> 5));
    }
    let count = seqs.len();
    seqs.sort_unstable();
    seqs.dedup();
    ensure!(seqs.len() == count, "{} sequence numbers came twice", count - seqs.len());
    Ok(())
}

/// A key file with half a line cannot be read, nor the database that it is for.
#[test]
fn a_key_that_cannot_be_written_leaves_the_key_file_as_it_was() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let faults = harness::faults::Faults::below(folder.path())?;
    let file = folder.path().join("at-rest.key");
    let run = |add: bool| -> Result<bool> {
        let mut command = std::process::Command::new(harness::callhome::binary()?);
        command.args(["keys", "generate", "--out"]).arg(&file).args(add.then_some("--add"));
        faults.environment(&mut command);
        Ok(command.output()?.status.success())
    };
    for call in [Call::Write, Call::Sync] {
        let fault = Fault { call, error: ENOSPC, after: 0, lasting: true, partial: true };
        faults.begin(fault)?;
        ensure!(!run(false)? && !file.exists(), "half a new key file is left, by {call:?}");
    }
    faults.end()?;
    ensure!(run(false)?);
    let before = std::fs::read(&file)?;
    for call in [Call::Write, Call::Sync] {
        faults.begin(Fault { call, error: ENOSPC, after: 0, lasting: true, partial: true })?;
        ensure!(!run(true)? && std::fs::read(&file)? == before, "half a key is left, by {call:?}");
    }
    faults.end()?;
    ensure!(run(true)?);
    Ok(())
}

/// What is handed out only once is whole under its name, or not there; and nothing is handed out for a folder that is not.
#[test]
fn vectors_and_batches_are_whole_under_their_name_or_not_there() -> Result<()> {
    const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let (icf, subscriber) = Icf::with_one()?;
    let folder = tempfile::tempdir()?;
    let faults = harness::faults::Faults::below(folder.path())?;
    let url = format!("http://127.0.0.1:{}", icf.rest);
    let commands: [&[&str]; 2] = [
        &["av-pools", "generate", &subscriber.imsi, "--visited-plmn", "999-71", "--count", "3"],
        &["batches", "issue", "lot", "--first", "999719990000001", "--count", "3", "--recipient", RECIPIENT],
    ];
    for (n, command) in commands.iter().enumerate() {
        let run = |out: &std::path::Path| -> Result<std::process::Output> {
            let mut process = std::process::Command::new(harness::callhome::binary()?);
            process.args(*command).arg("--out").arg(out).args(["--url", &url]);
            process.env("CALLHOME_TOKEN", &icf.token);
            faults.environment(&mut process);
            Ok(process.output()?)
        };
        let nowhere = run(&folder.path().join("nowhere/out"))?;
        let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
        ensure!(nowhere.status.code() == Some(2) && said.contains("nothing was"), "{said}");
        let out = folder.path().join(format!("out-{n}"));
        for call in [Call::Write, Call::Sync, Call::Rename] {
            faults.begin(Fault { call, error: ENOSPC, after: 0, lasting: true, partial: true })?;
            let failed = run(&out)?;
            ensure!(faults.hits()? > 0, "{command:?} was not hindered by {call:?}");
            faults.end()?;
            let said = String::from_utf8_lossy(&failed.stderr).into_owned();
            ensure!(!failed.status.success() && said.contains("cannot be written"), "{call:?}: {said}");
            ensure!(std::fs::read_dir(folder.path())?.count() == n, "{call:?} has left something: {said}");
        }
        // A file that a killed command left behind is not taken over with its mode.
        std::fs::write(out.with_extension("part"), "left behind")?;
        let done = run(&out)?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&out)?.permissions());
        ensure!(mode & 0o777 == 0o600, "mode {mode:o}");
        ensure!(std::fs::read_dir(folder.path())?.count() == n + 1);
        // Nothing is written in the place of what is there.
        let before = std::fs::read(&out)?;
        ensure!(run(&out)?.status.code() == Some(2) && std::fs::read(&out)? == before);
    }
    Ok(())
}

/// Keys and certificates of a PKI: whole under their names, or not there.
#[test]
fn what_commands_write_is_whole_or_not_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let faults = harness::faults::Faults::below(folder.path())?;
    let names = |root: &std::path::Path| -> Result<Vec<String>> {
        let entries =
            std::fs::read_dir(root)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        entries.collect()
    };
    let (mut met, mut after) = (0, 0);
    loop {
        ensure!(after < MOST_CALLS, "a PKI has no end");
        let root = folder.path().join(format!("pki-{after}"));
        std::fs::create_dir(&root)?;
        faults.begin(Fault { call: Call::Write, error: ENOSPC, after, lasting: true, partial: true })?;
        let mut command = std::process::Command::new(harness::callhome::binary()?);
        command.args(["pki", "init", "--out"]).arg(&root);
        faults.environment(&mut command);
        let output = command.output()?;
        let hits = faults.hits()?;
        faults.end()?;
        for name in names(&root)? {
            ensure!(!name.ends_with(".part"), "{name} is left after {after} writes");
            let text = std::fs::read_to_string(root.join(&name))?;
            ensure!(text.trim_end().ends_with("-----"), "half of {name} is left after {after} writes");
        }
        if hits == 0 {
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            break;
        }
        ensure!(!output.status.success(), "a write has failed, and nobody said so");
        // The same command goes on where it stopped.
        let again = std::process::Command::new(harness::callhome::binary()?)
            .args(["pki", "init", "--out"])
            .arg(&root)
            .output()?;
        ensure!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        (met, after) = (met + 1, after + 1);
    }
    ensure!(met > 4, "{met} faults only");
    Ok(())
}
