//! `callhome crowd` as its users start it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::{
    callhome,
    mme::{Core, Mme},
};
use serde_json::{Value, json};

use crate::rig::run;

fn crowd(mme: &Mme, file: &std::path::Path, words: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = Command::new(callhome::binary()?)
        .args(["crowd", "--plmn", "999-70", "--tac", "1", "--apn", "provisioning", "--mme"])
        .arg(mme.at.to_string())
        .arg("--credentials")
        .arg(file)
        .args(words)
        .output()?;
    let text = |octets| String::from_utf8_lossy(octets).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn a_crowd_does_everything_of_its_mix_and_its_report_says_how_long_it_took() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let mme = Mme::listen(&core, json!({})).await?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("devices.ndjson");
        let lines = (0..4).map(|_| Ok(core.subscriber()?.line() + "\n")).collect::<Result<String>>()?;
        std::fs::write(&file, &lines)?;
        let state = folder.path().join("usims");
        let state = state.display().to_string();
        let words = [
            "--rate",
            "4",
            "--ramp",
            "0.5",
            "--hold",
            "4",
            "--every",
            "0.5",
            "--mix",
            "service=2,tau=1,periodic=1,anew=1",
            "--usim-state",
            &state,
            "--json",
            "--quiet",
        ];
        for _ in 0..2 {
            // The second time, the cards remember what they have accepted.
            let (code, said, errors) = crowd(&mme, &file, &words)?;
            ensure!(code == Some(0), "{code:?}: {errors}\n{said}");
            let report: Value = serde_json::from_str(&said)?;
            ensure!(report["ues"] == 4 && report["resynchronised"] == 0, "{report}");
            ensure!(report["traffic"].is_null() && report["broken"] == json!({}), "{report}");
            let procedures = report["procedures"].as_array().context("no procedures")?;
            let of =
                |name: &str| procedures.iter().find(|one| one["procedure"] == name).context(name.to_owned());
            for name in ["attach", "service", "tracking_area_update", "detach"] {
                let one = of(name)?;
                let done = one["done"].as_u64().context("no count")?;
                ensure!(done > 0 && one["begun"] == done && one["took"]["count"] == done, "{one}");
                let time = |name: &str| one["took"][name].as_f64().context(name.to_owned());
                ensure!(
                    time("p50")? <= time("p99")? && time("p99")? <= time("max")? && time("p50")? > 0.0,
                    "{one}"
                );
            }
            // Each has attached once, and once more for each time that it has left in the middle.
            ensure!(of("attach")?["done"] == of("detach")?["done"], "{report}");
            ensure!(report["attached_at_once"].as_u64() <= Some(4), "{report}");
        }
        Ok(())
    })
}

#[test]
fn what_does_not_come_to_its_end_is_counted_and_is_the_exit_code() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let mme = Mme::listen(&core, json!({})).await?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("devices.ndjson");
        let lines = core.subscriber()?.line() + "\n" + &core.stranger()?.line() + "\n";
        std::fs::write(&file, lines)?;
        let (code, said, errors) = crowd(&mme, &file, &["--quiet"])?;
        ensure!(code == Some(1), "{code:?}: {errors}");
        ensure!(said.contains("1 of attach: EMM cause #17, "), "{said}");
        let table = said.lines().find(|line| line.starts_with("attach")).context("no row")?;
        ensure!(
            table.split_whitespace().skip(1).take(2).eq(["2", "1"]),
            "two have begun, one has come: {table}"
        );

        // Nobody is behind the tunnel: that is told too, and the UE lives on.
        let words = ["--count", "1", "--s1u", "127.0.0.78", "--ping", "10.45.0.1", "--json", "--quiet"];
        let (code, said, errors) = crowd(&mme, &file, &words)?;
        ensure!(code == Some(1), "{code:?}: {errors}");
        let report: Value = serde_json::from_str(&said)?;
        ensure!(report["traffic"]["otherwise"]["the echo did not come"] == 1, "{report}");
        ensure!(
            report["procedures"].as_array().is_some_and(|all| all.len() == 2),
            "attach and detach: {report}"
        );

        for (wrong, remedy) in [
            (vec!["--mix", "ping"], "needs --s1u and --ping"),
            (vec!["--mix", "dance=1"], "service, tau, periodic, anew or ping"),
            (vec!["--rate", "0"], "--rate: more than 0"),
            (vec!["--count", "9"], "has 2 devices, not 9"),
        ] {
            let (code, _, errors) = crowd(&mme, &file, &wrong)?;
            ensure!(code == Some(2) && errors.contains(remedy), "{wrong:?}: {code:?}, {errors}");
        }
        Ok(())
    })
}

#[test]
fn a_file_that_is_not_there_is_wrong_usage_and_said_once() -> Result<()> {
    for program in ["ue", "crowd", "load"] {
        let output = Command::new(callhome::binary()?)
            .args([program, "--credentials", "nowhere.ndjson"])
            .args(if program == "load" { ["--realm", "nowhere"] } else { ["--mme", "127.0.0.1"] })
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(2), "{program}: {:?}: {said}", output.status.code());
        ensure!(
            said.contains("nowhere.ndjson") && said.matches("No such file").count() == 1,
            "{program}: {said}"
        );
    }
    Ok(())
}
