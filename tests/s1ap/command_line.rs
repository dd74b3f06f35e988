//! `callhome ue` as its users start it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use harness::{
    callhome,
    child::Child,
    mme::{Core, Mme},
};
use serde_json::{Value, json};

use crate::{gateway::ip, rig::run};

fn command(mme: &Mme, file: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(callhome::binary()?);
    command
        .args(["ue", "--json", "--plmn", "999-70", "--tac", "1", "--apn", "provisioning"])
        .arg("--mme")
        .arg(mme.at.to_string())
        .arg("--credentials")
        .arg(file)
        .args(arguments);
    Ok(command)
}

/// Exit code, lines of JSON, standard error.
fn ue(mme: &Mme, file: &Path, arguments: &[&str]) -> Result<(Option<i32>, Vec<Value>, String)> {
    let output = command(mme, file, arguments)?.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Ok((output.status.code(), lines, String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn every_step_of_callhome_ue_comes_to_what_was_asked_for() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let mut mme = Mme::listen(&core, json!({})).await?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("devices.ndjson");
        let subscriber = core.subscriber()?;
        std::fs::write(&file, subscriber.line() + "\n")?;
        let steps = [
            "attach", "idle", "service", "idle", "tau", "periodic", "idle", "service", "detach", "attach",
            "off",
        ];
        let (code, lines, errors) = ue(&mme, &file, &steps)?;
        ensure!(code == Some(0), "{code:?}: {errors}");
        let reports: Vec<&Value> = lines.iter().filter(|line| line["procedure"].is_string()).collect();
        let said: Vec<_> = reports.iter().filter_map(|line| line["procedure"].as_str()).collect();
        ensure!(
            said == [
                "attach",
                "service",
                "tracking_area_update",
                "tracking_area_update",
                "service",
                "detach",
                "attach",
                "detach"
            ],
            "{said:?}"
        );
        // No key and no RES is in what is told.
        let all = lines.iter().map(Value::to_string).collect::<String>();
        ensure!(!all.contains(&hex::encode(subscriber.k)) && !all.contains(&hex::encode(subscriber.opc)));
        mme.nas("EMMServiceRequest").await?;

        let stranger = core.stranger()?;
        std::fs::write(&file, stranger.line() + "\n")?;
        let (code, lines, errors) = ue(&mme, &file, &["attach"])?;
        ensure!(code == Some(1), "{code:?}: {errors}");
        ensure!(lines.iter().any(|line| line["end"] == "refused" && line["emm_cause"] == 17), "{lines:?}");
        // Tried, it is no failure, and the next step has its turn.
        let (code, lines, errors) = ue(&mme, &file, &["try:attach", "wait:0"])?;
        ensure!(code == Some(0), "{code:?}: {errors}");
        ensure!(lines.iter().any(|line| line["end"] == "refused"), "{lines:?}");
        ensure!(errors.is_empty(), "{errors}");
        let (_, _, errors) = ue(&mme, &file, &["attach"])?;
        let words = ["attach of", "the network refuses with EMM cause #17", "tries again"];
        ensure!(words.iter().all(|word| errors.contains(word)) && !errors.contains('{'), "{errors}");

        // A reject without protection after security must not be heard, but people may know of it.
        std::fs::write(&file, core.subscriber()?.line() + "\n")?;
        mme.policy(json!({ "attach": { "message": "attach_reject", "cause": 19, "protect": 0 } })).await?;
        let (code, lines, errors) = ue(&mme, &file, &["attach"])?;
        ensure!(code == Some(1), "{code:?}: {errors}");
        let words = ["has released the connection", "AttachReject", "#19", "integrity protection"];
        ensure!(words.iter().all(|word| errors.contains(word)), "{errors}");
        let told = lines.iter().find(|line| line["end"] == "released").context("no report")?;
        ensure!(told["discarded"].as_str().is_some_and(|what| what.contains("#19")), "{told}");
        mme.policy(json!({})).await?;

        let (code, _, errors) = ue(&mme, &file, &["try:nothing"])?;
        ensure!(code == Some(2) && errors.contains("try: before one of them"), "{code:?}: {errors}");
        Ok(())
    })
}

/// The process is killed as soon as its UE is attached: what the USIM has accepted is in its file (TS 33.102 annex
/// C.2.2), so that it is never accepted again, and the next attach needs no resynchronisation.
#[test]
fn a_usim_remembers_what_it_has_answered_although_callhome_ue_is_killed() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let mut mme = Mme::listen(&core, json!({ "reuse": false })).await?;
        let folder = tempfile::tempdir()?;
        let (file, kept) = (folder.path().join("devices.ndjson"), folder.path().join("usim.ndjson"));
        let subscriber = core.subscriber()?;
        std::fs::write(&file, subscriber.line() + "\n")?;
        let kept = kept.to_string_lossy().into_owned();
        let killed = |mme: &Mme| -> Result<()> {
            let steps = ["--usim-state", &kept, "attach", "wait:60"];
            let log = folder.path().join("ue.log");
            let (mut child, output) = Child::start_piped("callhome ue", command(mme, &file, &steps)?, &log)?;
            let mut lines = BufReader::new(output).lines();
            let attached = lines.any(|line| line.is_ok_and(|line| line.contains("\"end\":\"attached\"")));
            ensure!(attached, "{}", child.log());
            child.kill()
        };
        let resynchronised = |lines: &[Value]| {
            lines.iter().find(|line| line["procedure"] == "attach").map(|line| line["resynchronised"] == true)
        };
        let again = ["--usim-state", &kept, "attach", "detach"];

        killed(&mme)?;
        let (code, lines, errors) = ue(&mme, &file, &again)?;
        ensure!(code == Some(0) && resynchronised(&lines) == Some(false), "{code:?}: {errors} {lines:?}");

        // A vector that somebody has recorded, and sends again after the UE was killed.
        let vector = json!({ "k": hex::encode(subscriber.k), "opc": hex::encode(subscriber.opc),
            "sqn": "000000100000", "amf": "8000" });
        mme.policy(json!({ "vector": vector })).await?;
        killed(&mme)?;
        mme.forget_events();
        let (code, lines, errors) = ue(&mme, &file, &again)?;
        ensure!(mme.nas("EMMAuthenticationFailure").await?["cause"] == 21);
        ensure!(code == Some(0) && resynchronised(&lines) == Some(true), "{code:?}: {errors} {lines:?}");
        Ok(())
    })
}

/// A number that cannot be remembered is not answered.
#[test]
fn a_usim_whose_state_cannot_be_kept_does_not_answer() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let mut mme = Mme::listen(&core, json!({})).await?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("devices.ndjson");
        std::fs::write(&file, core.subscriber()?.line() + "\n")?;
        let nowhere = folder.path().join("no folder/usim.ndjson").to_string_lossy().into_owned();
        let (code, _, errors) = ue(&mme, &file, &["--usim-state", &nowhere, "attach"])?;
        ensure!(
            code == Some(1) && errors.contains("cannot be kept") && errors.contains("no folder"),
            "{errors}"
        );
        mme.nas("EMMAttachRequest").await?;
        ensure!(mme.left("nas", |event| event["name"] == "EMMAuthenticationResponse") == 0);
        Ok(())
    })
}

/// A network that has refused the device for good is in the file of the USIM (EF FPLMN): the next run does not ask it,
/// says why and what to do, and `--manual` does it (TS 23.122 §3.1, §4.4.3.1.2).
#[test]
fn a_forbidden_network_is_remembered_until_it_is_chosen_by_hand() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let reject = json!({ "message": "attach_reject", "cause": 11, "at": "accept" });
        let mut mme = Mme::listen(&core, json!({ "attach": reject })).await?;
        let folder = tempfile::tempdir()?;
        let (file, kept) = (folder.path().join("devices.ndjson"), folder.path().join("usim.ndjson"));
        std::fs::write(&file, core.subscriber()?.line() + "\n")?;
        let state = kept.to_string_lossy().into_owned();

        let (code, lines, errors) = ue(&mme, &file, &["--usim-state", &state, "attach"])?;
        ensure!(code == Some(1) && lines.iter().any(|line| line["emm_cause"] == 11), "{code:?}: {errors}");
        ensure!(std::fs::read_to_string(&kept)?.contains("\"forbidden_plmns\":[\"999-70\"]"));

        mme.policy(json!({ "attach": null })).await?;
        mme.forget_events();
        let (code, _, errors) = ue(&mme, &file, &["--usim-state", &state, "off", "attach"])?;
        ensure!(code == Some(1), "{code:?}: {errors}");
        for words in ["999-70 is in the list \"forbidden PLMNs\"", "in the USIM", "--manual"] {
            ensure!(errors.contains(words), "no {words} in: {errors}");
        }
        ensure!(mme.left("s1ap", |event| event["name"] == "InitialUEMessage") == 0);

        let by_hand = ["--usim-state", &state, "--manual", "attach", "detach"];
        let (code, _, errors) = ue(&mme, &file, &by_hand)?;
        ensure!(code == Some(0), "{code:?}: {errors}");
        ensure!(!std::fs::read_to_string(&kept)?.contains("forbidden_plmns"));
        let (code, _, errors) = ue(&mme, &file, &["--usim-state", &state, "attach", "detach"])?;
        ensure!(code == Some(0), "{code:?}: {errors}");
        Ok(())
    })
}

/// Stopped in the middle, it takes down what it has put up, and does not say that all was well.
#[test]
fn an_interruption_leaves_nothing_behind_and_is_no_success() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let mme = Mme::listen(&core, json!({})).await?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("devices.ndjson");
        std::fs::write(&file, core.subscriber()?.line() + "\n")?;
        ip(&["netns", "add", "interrupted"])?;
        let rules = || -> Result<String> {
            let output = Command::new("ip").args(["-n", "interrupted", "rule", "show"]).output()?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let steps = ["--s1u", "127.0.0.79", "--tun", "ue0", "--netns", "interrupted", "attach", "wait:600"];
        let start = |name: &str| -> Result<Child> {
            let log = folder.path().join(name);
            let (child, output) = Child::start_piped("callhome ue", command(&mme, &file, &steps)?, &log)?;
            let mut lines = BufReader::new(output).lines();
            let attached = lines.any(|line| line.is_ok_and(|line| line.contains("\"end\":\"attached\"")));
            ensure!(attached, "{}", child.log());
            // The device is made right after that.
            for _ in 0..100 {
                if rules()?.contains("9971") {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            ensure!(rules()?.contains("9971"), "{}", child.log());
            // Whoever reads what it says is not gone before it.
            std::thread::spawn(move || lines.for_each(drop));
            Ok(child)
        };

        let mut child = start("interrupted.log")?;
        child.signal_now("INT")?;
        let status = child.wait(Duration::from_secs(10))?;
        ensure!(status.code() == Some(1), "{status}: {}", child.log());
        ensure!(child.log().contains("interrupted"), "{}", child.log());
        ensure!(!rules()?.contains("9971"), "{}", rules()?);

        // Killed it cannot; the next says what to do.
        start("killed.log")?.kill()?;
        ensure!(
            rules()?.contains("9971"),
            "the rule goes with the process by now: no word about it is needed"
        );
        let (code, _, errors) = ue(&mme, &file, &steps)?;
        let remedy = "ip -n interrupted rule del priority 9971";
        ensure!(code == Some(1) && errors.contains(remedy), "{code:?}: {errors}");
        ip(&remedy.split(' ').skip(1).collect::<Vec<_>>())?;
        start("again.log")?.kill()?;
        ip(&["netns", "del", "interrupted"])
    })
}
