//! What comes later in a device's life: an installation that fails, an update of its software, of its certificate, of its
//! RNCP; and formats of a later version than is known.

use anyhow::{Result, ensure};
use harness::roles::{Role, Roles, wait};
use serde_json::{Value, json};

use super::rig::{Device, Rig, field, session_of, status};

/// To the report that it is installed. Gives what is installed.
fn provisioned(rig: &mut Rig, device: &Device) -> Result<Value> {
    rig.authorised(device)?;
    let installed = rig.fetches(device)?;
    ensure!(status(&rig.does(device, "report", json!({}))?) == 204);
    wait("the subscription to be active", || {
        let found = rig.roles.get(Role::Sho, &format!("/v1/subscriptions/{}", field(&installed, "imsi")?))?;
        Ok(found["state"] == "active")
    })?;
    Ok(installed)
}

/// What was refused or has failed needs another RNCT: the operator has one sent.
fn trigger(rig: &Rig, device: &Device) -> Result<()> {
    let wanted = json!({
        "id": "00000000-0000-4000-8000-000000000009", "pcid": device.pcid, "kind": "initial",
    });
    let answer = rig.roles.request(Role::Drf, "POST", "/v1/triggers", Some(&wanted))?;
    ensure!(answer.status / 100 == 2, "{} {}", answer.status, answer.body);
    Ok(())
}

/// Step 17 fails: DPF, SHO and HSS take back what they had prepared, and put down why; the report is as good twice.
#[test]
fn a_device_whose_disk_is_full_leaves_nothing_behind_at_the_operator() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let session = rig.authorised(&device)?;
    rig.fetches(&device)?;
    let full = json!({ "result": "failed", "reason": "storage-full" });
    ensure!(status(&rig.does(&device, "report", full)?) == 204);
    ensure!(status(&rig.does(&device, "report", json!({ "again": true }))?) == 204);
    rig.taken_back()?;
    wait("the session to be closed", || {
        let shown = rig.roles.get(Role::Dpf, &format!("/v1/sessions/{session}"))?;
        Ok(shown["state"] == "closed"
            && shown["result"] == "failed"
            && shown.to_string().contains("storage-full"))
    })?;
    rig.audited(Role::Sho, "provisioning.report", &session, "reported: failed")?;
    ensure!(rig.roles.items(Role::Sho, "/v1/subscriptions?state=active")?.is_empty());
    let credential = rig.roles.get(Role::Drf, &format!("/v1/devices/{}", device.pcid))?;
    ensure!(credential["current_operator"].is_null(), "the registry has it provisioned: {credential}");

    // With room on its disk it begins again, when it is triggered again.
    trigger(&rig, &device)?;
    provisioned(&mut rig, &device)?;
    Ok(())
}

#[test]
fn evidence_and_reports_of_a_later_version_are_told_so() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    rig.does(&device, "hello", json!({}))?;
    let session = session_of(&rig.does(&device, "start", json!({}))?)?;
    let answer = rig.does(&device, "evidence", json!({ "version": 2 }))?;
    ensure!(status(&answer) == 422 && answer["json"]["type"] == "/problems/unsupported-version", "{answer}");
    ensure!(field(&answer["json"], "detail")?.contains("version 1 is known"), "{answer}");
    rig.audited(Role::Dpf, "device.evidence", &session, "version")?;
    // It was no evidence: the session waits on.
    ensure!(status(&rig.does(&device, "evidence", json!({}))?) == 200);
    ensure!(rig.decided(&device)?["state"] == "authorised");
    rig.fetches(&device)?;
    let answer = rig.does(&device, "report", json!({ "version": 2 }))?;
    ensure!(status(&answer) == 422, "{answer}");
    ensure!(field(&answer["json"], "detail")?.contains("version 1 is known"), "{answer}");
    rig.audited(Role::Dpf, "device.report", &session, "version")?;
    ensure!(rig.roles.items(Role::Sho, "/v1/subscriptions?state=active")?.is_empty());
    ensure!(status(&rig.does(&device, "report", json!({}))?) == 204);
    Ok(())
}

/// "Obtaining new Platform Credentials when required, e.g. after a remote update" (seed, section 2.6).
#[test]
fn after_an_update_of_its_software_a_device_gets_a_new_certificate_and_is_accepted_in_its_new_state()
-> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let digest = "5a".repeat(32);
    let updated = || json!({ "boot": "5a".repeat(32) });
    rig.begins(&device, updated())?;
    ensure!(rig.decided(&device)?["problem"]["code"] == "state-not-accepted");
    let state = json!({ "boot_digest": digest, "software": "sensor-firmware", "software_version": "1.0" });
    rig.put(Role::Pva, "/v1/reference-values/acme/sensor/updated", state)?;

    // A key that nobody enrolled gets nothing: the DPF may not have one certified.
    let refused = rig.does(&device, "renew", json!({ "rekey": true }))?;
    ensure!(status(&refused) == 403, "{refused}");
    let renewed = rig.does(&device, "renew", json!({}))?;
    ensure!(status(&renewed) == 200, "{renewed}");

    trigger(&rig, &device)?;
    rig.begins(&device, updated())?;
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "authorised", "{decided}");
    rig.fetches(&device)?;
    ensure!(status(&rig.does(&device, "report", json!({}))?) == 204);
    Ok(())
}

/// "Update previously downloaded RNCP applications or credentials" (seed, section 4.3), at the operator's request.
#[test]
fn an_rncp_that_is_there_is_updated_and_imsi_and_keys_stay() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let before = provisioned(&mut rig, &device)?;
    let old = rig.does(&device, "manifest", json!({}))?;
    let path = format!("/v1/subscriptions/{}/update", field(&before, "imsi")?);
    let asked = rig.roles.request(Role::Sho, "POST", &path, Some(&json!({})))?;
    ensure!(asked.status == 202, "{} {}", asked.status, asked.body);
    let of_device = format!("/v1/triggers?pcid={}", device.pcid);
    wait("a trigger for the update", || {
        Ok(rig.roles.items(Role::Drf, &of_device)?.iter().any(|one| one["kind"] == "update"))
    })?;
    let hello = rig.does(&device, "hello", json!({}))?;
    ensure!(hello["rnct"]["kind"] == "update", "{hello}");
    session_of(&rig.does(&device, "start", json!({}))?)?;
    ensure!(status(&rig.does(&device, "evidence", json!({}))?) == 200);
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "authorised", "{decided}");
    let after = rig.fetches(&device)?;
    for same in ["imsi", "k", "opc"] {
        ensure!(after[same] == before[same], "another {same}");
    }
    let new = rig.does(&device, "manifest", json!({}))?;
    ensure!(new["rncp"] != old["rncp"], "the same RNCP again: {new}");
    ensure!(status(&rig.does(&device, "report", json!({}))?) == 204);
    wait("the operator to have the new one", || {
        let found = rig.roles.items(Role::Sho, "/v1/subscriptions")?;
        Ok(found.len() == 1 && found[0]["state"] == "active" && found[0]["rncp"] == new["rncp"])
    })?;
    let ranges = rig.roles.items(Role::Sho, "/v1/number-ranges")?;
    ensure!(ranges[0]["used"] == 1, "an update uses a number: {ranges:?}");
    Ok(())
}

/// A device that never answers is triggered until the RNCT has expired, and no longer; when it asks it gets another one.
#[test]
fn an_rnct_that_nobody_takes_expires_and_whoever_asks_gets_another_one() -> Result<()> {
    let mut roles = Roles::new()?;
    roles.rewrite(Role::Drf, &[("rnct_lifetime = \"1h\"", "rnct_lifetime = \"3s\"")])?;
    roles.start_all()?;
    let mut rig = Rig::with(roles)?;
    let device = rig.device()?;
    // In the lab's pool, and nobody listens there.
    let notice = json!({
        "id": "00000000-0000-4000-8000-000000000007", "pcid": device.pcid, "address": "127.45.255.1",
        "visited_plmn": "999-70", "serving_node": "mme.localdomain", "at": "2026-01-01T00:00:00Z",
    });
    let taken = rig.roles.request(Role::Drf, "POST", "/v1/notices", Some(&notice))?;
    ensure!(taken.status == 202, "{} {}", taken.status, taken.body);
    let of_device = format!("/v1/triggers?pcid={}", device.pcid);
    let triggers = rig.roles.items(Role::Drf, &of_device)?;
    ensure!(triggers.len() == 1 && triggers[0]["state"] == "pending", "{triggers:?}");
    wait("the RNCT to expire", || Ok(rig.roles.items(Role::Drf, &of_device)?[0]["state"] == "expired"))?;
    let tried = &rig.roles.items(Role::Drf, &of_device)?[0];
    ensure!(tried["attempts"].as_u64() > Some(0), "it was never sent: {tried}");

    let hello = rig.does(&device, "hello", json!({}))?;
    ensure!(status(&hello) == 200 && hello["rnct"]["trigger"] != triggers[0]["id"], "{hello}");
    let states: Vec<Value> =
        rig.roles.items(Role::Drf, &of_device)?.iter().map(|one| one["state"].clone()).collect();
    ensure!(states.contains(&json!("expired")) && states.len() == 2, "{states:?}");
    Ok(())
}
