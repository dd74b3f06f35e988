//! The whole story: a device begins with a provisional IMSI and ends as its operator's subscriber.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use harness::{
    callhome,
    child::{Child, tail},
    roles::{self, Access, Role, Roles},
};
use serde_json::Value;

/// What is told of each device, by its first line.
fn chapters(story: &[Value]) -> Vec<&[Value]> {
    let begins = |line: &Value| line["device"].is_string();
    let first = story.iter().position(begins).unwrap_or(story.len());
    story[first..].chunk_by(|_, next| !begins(next)).collect()
}

/// Steps in full, and the attach at the end: authenticated by the operator's HSS, not as the PCID. Gives the new IMSI.
fn whole(chapter: &[Value], access: Access) -> Result<String> {
    let told = roles::steps(chapter);
    let first = if access == Access::Eps { 1 } else { 6 };
    ensure!(told == (first..=19).collect::<Vec<u64>>(), "by {access:?}, steps {told:?} are told");
    let last = chapter.iter().rfind(|line| line["attached"].is_string()).context("nobody is attached")?;
    ensure!(last["authenticated_by"] == "the SHO's HSS", "{last}");
    ensure!(last["attached"] != chapter[0]["pcid"], "it is attached as what it was");
    let cancelled = chapter.iter().any(|line| {
        line["event"]["step"] == "location_cancelled" && line["event"]["imsi"] == chapter[0]["pcid"]
    });
    // Without a visited network nobody is there to be told.
    ensure!(cancelled == (access == Access::Eps), "CLR for the PCID: {cancelled}");
    Ok(last["attached"].as_str().context("no IMSI")?.to_owned())
}

#[test]
fn the_lab_goes_all_nineteen_steps_and_a_second_time_with_further_devices() -> Result<()> {
    let lab = Roles::new()?;
    let mut devices = Vec::new();
    let mut subscribers = Vec::new();
    for _ in 0..2 {
        let mut arguments = vec!["lab", "--once", "--json"];
        arguments.extend(lab.places().iter().map(String::as_str));
        let story = roles::told(&callhome::run(&arguments)?);
        let chapters = chapters(&story);
        ensure!(chapters.len() == 2, "{} devices are told of", chapters.len());
        for (chapter, access) in chapters.iter().zip([Access::Eps, Access::Ip]) {
            subscribers.push(whole(chapter, access)?);
            devices.push(chapter[0]["pcid"].to_string());
        }
    }
    for all in [&mut devices, &mut subscribers] {
        all.sort_unstable();
        all.dedup();
        ensure!(all.len() == 4, "of four devices, these are different: {all:?}");
    }
    Ok(())
}

#[test]
fn roles_that_are_processes_of_their_own_go_all_nineteen_steps() -> Result<()> {
    let roles = Roles::started()?;
    for (access, log) in [(Access::Eps, "eps.log"), (Access::Ip, "ip.log")] {
        let mut device = roles.device(access, log)?;
        let end = device.wait(Duration::from_secs(120))?;
        ensure!(end.success(), "the device ends with {end}:\n{}", tail(&device.log()));
        let story = roles::told(&device.log());
        let chapters = chapters(&story);
        let chapter = chapters.first().context("no device is told of")?;
        let imsi = whole(chapter, access)?;
        let pcid = chapter[0]["pcid"].as_str().context("no PCID")?;

        // By what the HSSs know, the ICF had nothing to do with the new IMSI, and the operator's not with the PCID.
        let known = |role: Role, imsi: &str| -> Result<u16> {
            Ok(roles.request(role, "GET", &format!("/v1/credentials/{imsi}"), None)?.status)
        };
        ensure!(known(Role::Icf, &imsi)? == 404 && known(Role::Hss, &imsi)? == 200, "who knows {imsi}?");
        ensure!(known(Role::Icf, pcid)? == 200 && known(Role::Hss, pcid)? == 404, "who knows {pcid}?");
        let heard = |role: Role, imsi: &str| -> Result<bool> {
            let events = roles.items(role, "/v1/events?limit=500")?;
            Ok(events.iter().any(|event| event["imsi"] == imsi))
        };
        ensure!(!heard(Role::Icf, &imsi)?, "the ICF has heard of {imsi}");
        ensure!(heard(Role::Hss, &imsi)?, "the operator's HSS has not heard of {imsi}");
        let serving = roles.items(Role::Hss, "/v1/registrations?limit=500")?;
        ensure!(serving.iter().any(|entry| entry["imsi"] == imsi.as_str()), "{imsi} is registered nowhere");

        roles::wait("the provisional credential to be withdrawn", || {
            let credential = roles.get(Role::Icf, &format!("/v1/credentials/{pcid}"))?;
            Ok(credential["state"] != "active")
        })?;
        let left = roles.items(Role::Icf, "/v1/registrations?limit=500")?;
        ensure!(!left.iter().any(|entry| entry["imsi"] == pcid), "{pcid} is registered still");
    }
    Ok(())
}

#[test]
fn what_a_lab_that_stays_up_says_to_try_works() -> Result<()> {
    let lab = Roles::new()?;
    let mut command = Command::new(callhome::binary()?);
    command.arg("lab").args(lab.places());
    let mut child = Child::start("callhome lab", command, &lab.folder().join("lab.log"))?;
    child.wait_for("running lab", Duration::from_secs(120), |log| log.contains("(HSS of the SHO)\n"))?;
    let log = child.log();
    let (_, to_try) = log.split_once("Try:\n").context("nothing to try")?;
    let commands: Vec<Vec<&str>> = to_try
        .lines()
        .filter(|line| !line.trim_start().starts_with("http"))
        .map(|line| line.split_whitespace().skip(1).collect())
        .collect();
    let names: Vec<&str> = commands.iter().filter_map(|words| words.first().copied()).collect();
    ensure!(names == ["credentials", "load"], "{names:?}");
    for mut words in commands {
        if words[0] == "load" {
            words.extend(["--seconds", "1", "--quiet"]);
        }
        callhome::run(&words)?;
    }
    child.signal("INT")?;
    ensure!(child.wait(Duration::from_secs(30))?.success(), "a lab that was through has not ended well");
    Ok(())
}

#[test]
fn the_operators_credential_is_handed_out_to_another_simulator_that_asks_for_it() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let roles = Roles::started()?;
    let file = roles.folder().join("subscriber.ndjson");
    let subscriber = file.display().to_string();
    let mut arguments = vec!["lab", "--external", "--once", "--json", "--access", "non-3gpp"];
    arguments.extend(["--subscriber", &subscriber]);
    arguments.extend(roles.places().iter().map(String::as_str));
    let said = callhome::run(&arguments)?;
    let imsi = whole(chapters(&roles::told(&said)).first().context("no device is told of")?, Access::Ip)?;
    let text = std::fs::read_to_string(&file)?;
    let line: Value = serde_json::from_str(text.trim_end())?;
    ensure!(line["imsi"] == imsi, "the file is of {}", line["imsi"]);
    let mode = file.metadata()?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "others may read it: {mode:o}");
    for key in ["k", "opc"] {
        let key = line[key].as_str().context("no key")?;
        ensure!(key.len() == 32 && !said.contains(key), "a key is told, or is none");
    }
    // They are the ones that the operator's HSS has: a USIM with them takes its vectors.
    let hss = format!("127.0.0.1:{}", roles.hss_diameter);
    let mut arguments =
        vec!["load", "--credentials", &subscriber, "--connect", &hss, "--count", "3", "--json"];
    arguments.extend(["--realm", "epc.mnc001.mcc999.3gppnetwork.org", "--plmn", "999-01"]);
    arguments.extend(["--origin-host", "mme.epc.mnc001.mcc999.3gppnetwork.org"]);
    arguments.extend(["--origin-realm", "epc.mnc001.mcc999.3gppnetwork.org"]);
    let report: Value = serde_json::from_str(&callhome::run(&arguments)?)?;
    ensure!(report["verify"]["accepted"] == 3, "{report}");
    Ok(())
}

/// Its roles stop at once, and the story does not go on without them: it is no success, and says so.
#[test]
fn a_lab_that_is_interrupted_ends_and_is_no_success() -> Result<()> {
    let lab = Roles::new()?;
    let mut command = Command::new(callhome::binary()?);
    command.args(["lab", "--once", "--json", "--devices", "50"]).args(lab.places());
    let mut child = Child::start("callhome lab", command, &lab.folder().join("lab.log"))?;
    child.wait_for("the first device", Duration::from_secs(60), |log| log.contains("\"device\""))?;
    child.signal("INT")?;
    let end = child.wait(Duration::from_secs(20))?;
    ensure!(end.code() == Some(1), "it ends with {end}:\n{}", tail(&child.log()));
    ensure!(child.log().contains("interrupted; the devices so far are in"), "{}", tail(&child.log()));
    Ok(())
}
