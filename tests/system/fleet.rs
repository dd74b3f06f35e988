//! Many devices at once in non-3GPP access: none is lost, and none is there twice.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{callhome, child::Child, ports, programs};
use serde_json::Value;

/// Of them; enough that they meet each other in every role.
const DEVICES: usize = 50;

/// The lab's places: others run at the same time.
fn places() -> Result<Vec<String>> {
    let address = || -> Result<String> { Ok(format!("127.0.0.1:{}", ports::free()?)) };
    let all = [
        "--diameter".to_owned(),
        address()?,
        "--rest".to_owned(),
        address()?,
        "--base-port".to_owned(),
        ports::free_row(9)?.to_string(),
        "--coap-port".to_owned(),
        ports::free()?.to_string(),
    ];
    Ok(all.to_vec())
}

fn counted(data: &Path, prefix: &str) -> Result<Value> {
    let script = programs::workspace().join("tests/python/fleet_count.py");
    let output = Command::new(programs::python()?).arg(script).arg(data).arg(prefix).output()?;
    ensure!(output.status.success(), "fleet_count.py: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A column of rows.
fn column(rows: &Value, at: usize) -> Vec<&str> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row[at].as_str()).collect()
}

/// How many different ones.
fn different(of: &[&str]) -> usize {
    of.iter().collect::<BTreeSet<_>>().len()
}

fn all(of: &[&str], wanted: &str) -> Result<()> {
    let count = of.iter().filter(|one| **one == wanted).count();
    ensure!((count, of.len()) == (DEVICES, DEVICES), "{count} of {} are {wanted}: {of:?}", of.len());
    Ok(())
}

/// The databases have each device once, as the SHO's subscriber with an IMSI that nobody else has.
fn judge(data: &Path, prefix: &str) -> Result<()> {
    let found = counted(data, prefix)?;
    let sessions = &found["sessions"];
    ensure!(different(&column(sessions, 0)) == DEVICES, "a PCID has two sessions, or none: {sessions}");
    all(&column(sessions, 1), "closed")?;
    all(&column(sessions, 2), "installed")?;
    let subscriptions = &found["subscriptions"];
    all(&column(subscriptions, 2), "active")?;
    let imsis = column(subscriptions, 1);
    ensure!(
        different(&column(subscriptions, 0)) == DEVICES,
        "a device has two subscriptions: {subscriptions}"
    );
    ensure!(different(&imsis) == DEVICES, "two devices have one IMSI: {subscriptions}");
    let hss: BTreeSet<&str> =
        found["hss"].as_array().context("no list")?.iter().filter_map(Value::as_str).collect();
    ensure!(imsis.iter().all(|imsi| hss.contains(imsi)), "the SHO's HSS does not know all of {imsis:?}");
    Ok(())
}

#[test]
fn a_fleet_in_a_running_lab_is_provisioned_each_device_once_and_a_second_one_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("lab");
    let places = places()?;
    let mut command = Command::new(callhome::binary()?);
    command.arg("lab").arg("--data").arg(&data).args(&places).args(["--access", "non-3gpp"]);
    let mut lab = Child::start("callhome lab", command, &folder.path().join("lab.log"))?;
    lab.wait_for("running lab", Duration::from_secs(120), |log| log.contains("The lab stays up"))?;

    let count = DEVICES.to_string();
    let data_text = data.display().to_string();
    for number in 0..2 {
        let mut arguments = vec!["fleet", "--data", &data_text, "--devices", &count, "--concurrency", "25"];
        arguments.push("--json");
        arguments.extend(places.iter().map(String::as_str));
        let report: Value = serde_json::from_str(&callhome::run(&arguments)?)?;
        ensure!(report["clean"] == true && report["provisioned"] == DEVICES, "{report}");
        let steps = report["steps"].as_array().context("no steps")?;
        for step in ["drf_asked", "session_opened", "evidence_sent", "installed", "reported"] {
            let found = steps.iter().find(|found| found["step"] == step);
            ensure!(found.is_some_and(|found| found["took"]["count"] == DEVICES), "{step}: {steps:?}");
        }
        judge(&data, &format!("fleet-{number}-"))?;
    }
    revoked(&data)?;
    lab.signal("TERM")?;
    ensure!(lab.wait(Duration::from_secs(30))?.success(), "the lab does not end well");
    Ok(())
}

/// The provisional credentials did their work: the DRF has each of them withdrawn at the ICF, from its outbox.
fn revoked(data: &Path) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let found = counted(data, "fleet-0-")?;
        let states = column(&found["icf"], 1);
        ensure!(states.len() == DEVICES, "the ICF has {} credentials of the batch", states.len());
        if states.iter().all(|state| *state != "active") {
            return Ok(());
        }
        ensure!(Instant::now() < until, "provisional credentials stay in use: {states:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_fleet_with_roles_of_its_own_leaves_nothing_behind_and_says_where_the_time_goes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let places = places()?;
    let mut command = Command::new(callhome::binary()?);
    command.args(["fleet", "--with-lab", "--devices", "20", "--concurrency", "10"]).args(&places);
    let output = command.env("TMPDIR", folder.path()).env_remove("CALLHOME_DATA").output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for part in ["20 of 20 devices provisioned", "p50", "20 different IMSIs", "every device once"] {
        ensure!(said.contains(part), "no {part:?} in:\n{said}");
    }
    let left = std::fs::read_dir(folder.path())?.count();
    ensure!(left == 0, "{left} folders stay");
    Ok(())
}

#[test]
fn a_fleet_without_a_lab_says_what_to_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("none");
    let ask = |data: &Path| {
        let mut command = Command::new(callhome::binary()?);
        command.arg("fleet").arg("--data").arg(data).args(places()?);
        let output = command.output()?;
        anyhow::Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let (code, said) = ask(&data)?;
    ensure!(code == Some(2) && said.contains("callhome lab"), "{code:?}: {said}");
    ensure!(!data.exists(), "a data folder was made");
    // One that has been there, and does not run.
    let mut command =
        vec!["lab".to_owned(), "--write-only".into(), "--data".into(), data.display().to_string()];
    command.extend(places()?);
    callhome::run(&command.iter().map(String::as_str).collect::<Vec<_>>())?;
    let (code, said) = ask(&data)?;
    ensure!(code == Some(3) && said.contains("--with-lab"), "{code:?}: {said}");
    Ok(())
}
