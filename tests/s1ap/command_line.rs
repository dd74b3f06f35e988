//! `callhome ue` as its users start it.

use std::process::Command;

use anyhow::{Result, ensure};
use harness::{
    callhome,
    mme::{Core, Mme},
};
use serde_json::{Value, json};

use crate::rig::run;

fn ue(mme: &Mme, file: &std::path::Path, steps: &[&str]) -> Result<(Option<i32>, Vec<Value>, String)> {
    let output = Command::new(callhome::binary()?)
        .args(["ue", "--json", "--plmn", "999-70", "--tac", "1", "--apn", "provisioning"])
        .arg("--mme")
        .arg(mme.at.to_string())
        .arg("--credentials")
        .arg(file)
        .args(steps)
        .output()?;
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
        let (code, _, errors) = ue(&mme, &file, &["try:nothing"])?;
        ensure!(code == Some(2) && errors.contains("try: before one of them"), "{code:?}: {errors}");
        Ok(())
    })
}
