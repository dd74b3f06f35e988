//! Platforms that are not to be trusted, or not now: steps 9 to 13, and before 16.

use anyhow::{Context, Result, bail, ensure};
use harness::roles::Role;
use serde_json::{Value, json};

use super::rig::{Device, Rig, field, session_of, status};

/// Evidence that the PVA is to refuse: the device is told why in a word, DPF, SHO and PVA put it down, and nothing
/// was prepared.
fn refused(how: Value, code: &str, verdict: &str, why: &str) -> Result<()> {
    let mut rig = Rig::start()?;
    let (device, other) = (rig.device()?, rig.device()?);
    let mut how = how;
    if how["signer"] == "another" {
        how["signer"] = other.id.into();
    }
    let session = rig.begins(&device, how)?;
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "refused" && decided["problem"]["code"] == code, "{decided}");
    ensure!(field(&decided["problem"], "detail")?.contains(why), "{decided}");
    rig.audited(Role::Dpf, "sessions.refused", &session, code)?;
    rig.audited(Role::Sho, "provisioning.refuse", &session, code)?;
    rig.audited(Role::Pva, "validations.judge", &session, &format!("refused ({verdict})"))?;
    let manifest = rig.does(&device, "manifest", json!({}))?;
    ensure!(status(&manifest) == 409, "a refused device gets a manifest: {manifest}");
    rig.nothing_done()
}

#[test]
fn evidence_of_an_hour_ago_is_refused() -> Result<()> {
    refused(json!({ "later": -3600 }), "evidence-stale", "stale", "300 s are allowed")
}

#[test]
fn evidence_of_the_future_is_refused() -> Result<()> {
    refused(json!({ "later": 3600 }), "evidence-stale", "stale", "set the device's clock")
}

#[test]
fn evidence_by_another_key_is_refused() -> Result<()> {
    let code = "evidence-wrong-signature";
    refused(
        json!({ "signer": "another" }),
        code,
        "wrong-signature",
        "not signed by the enrolled platform key",
    )
}

#[test]
fn a_state_that_nobody_accepts_is_refused() -> Result<()> {
    let digest = "5a".repeat(32);
    refused(json!({ "boot": digest }), "state-not-accepted", "state-not-accepted", &digest)
}

#[test]
fn a_platform_that_can_be_debugged_is_refused() -> Result<()> {
    refused(json!({ "debugging": 0 }), "platform-not-secure", "not-secure", "debugging is enabled")
}

#[test]
fn a_boot_that_was_not_verified_is_refused() -> Result<()> {
    refused(json!({ "verified": false }), "platform-not-secure", "not-secure", "not a verified one")
}

/// A session that nobody has: whoever is let in gets 404.
const NO_SESSION: &str = "00000000-0000-4000-8000-000000000003";

/// The PVA's process says by OCSP that a platform is revoked: neither DRF nor DPF lets it in, whatever TLS says.
#[test]
fn a_revoked_platform_is_let_in_nowhere() -> Result<()> {
    let mut rig = Rig::start()?;
    let (device, thief) = (rig.device()?, rig.device()?);
    let nowhere = json!({ "session": NO_SESSION, "wait": 0 });
    ensure!(status(&rig.does(&device, "hello", json!({}))?) == 200);
    ensure!(status(&rig.does(&device, "poll", nowhere.clone())?) == 404, "good ones are let in");
    revoke(&rig, &thief.tre())?;
    let hello = rig.does(&thief, "hello", json!({}))?;
    ensure!(status(&hello) == 403 && hello["json"]["type"] == "/problems/platform-revoked", "{hello}");
    let poll = rig.does(&thief, "poll", nowhere)?;
    ensure!(status(&poll) == 403 && poll["json"]["type"] == "/problems/platform-revoked", "{poll}");
    rig.audited(Role::Drf, "device.hello", &thief.pcid, "revoked")?;
    rig.audited(Role::Dpf, "device.admit", &thief.tre(), "revoked")?;
    rig.nothing_done()
}

/// Revoked after DRF and DPF have last asked: the PVA's verdict is of now.
#[test]
fn a_platform_revoked_in_its_session_is_refused() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    rig.does(&device, "hello", json!({}))?;
    let session = session_of(&rig.does(&device, "start", json!({}))?)?;
    revoke(&rig, &device.tre())?;
    let taken = rig.does(&device, "evidence", json!({}))?;
    ensure!(status(&taken) == 200, "{taken}");
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "refused" && decided["problem"]["code"] == "platform-revoked", "{decided}");
    ensure!(field(&decided["problem"], "detail")?.contains("keyCompromise"), "{decided}");
    rig.audited(Role::Pva, "validations.judge", &session, "refused (revoked)")?;
    rig.audited(Role::Sho, "provisioning.refuse", &session, "platform-revoked")?;
    rig.audited(Role::Dpf, "sessions.refused", &session, "platform-revoked")?;
    rig.nothing_done()
}

#[test]
fn a_platform_revoked_before_the_download_gets_no_part() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let session = rig.authorised(&device)?;
    let manifest = rig.does(&device, "manifest", json!({}))?;
    ensure!(status(&manifest) == 200, "{manifest}");
    revoke(&rig, &device.tre())?;
    let agreed = rig.does(&device, "agree", json!({}))?;
    ensure!(status(&agreed) == 409 && agreed["json"]["type"] == "/problems/platform-revoked", "{agreed}");
    for part in manifest["parts"].as_array().into_iter().flatten() {
        let answer = rig.does(&device, "part", json!({ "digest": part["digest"] }))?;
        ensure!(status(&answer) == 409, "{answer}");
    }
    rig.audited(Role::Pva, "validations.judge", &session, "refused (revoked)")?;
    rig.audited(Role::Dpf, "sessions.refused", &session, "platform-revoked")?;
    // The operator is told, and takes back what it had prepared.
    rig.audited(Role::Sho, "provisioning.withdraw", &session, "done")?;
    rig.taken_back()
}

fn revoke(rig: &Rig, tre: &str) -> Result<()> {
    let why = json!({ "reason": "keyCompromise" });
    let answer = rig.roles.request(Role::Pva, "POST", &format!("/v1/platforms/{tre}/revoke"), Some(&why))?;
    ensure!(answer.status == 200, "{}", answer.body);
    Ok(())
}

/// A certificate of the platform CA, by somebody who has got at its key: TLS takes it, the PVA does not know it.
#[test]
fn a_platform_that_nobody_enrolled_is_refused() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.made("sho-a", json!({ "unenrolled": true }))?;
    let hello = rig.does(&device, "hello", json!({}))?;
    ensure!(status(&hello) == 403 && hello["json"]["type"] == "/problems/platform-unknown", "{hello}");
    let poll = rig.does(&device, "poll", json!({ "session": NO_SESSION, "wait": 0 }))?;
    ensure!(status(&poll) == 403 && poll["json"]["type"] == "/problems/platform-unknown", "{poll}");
    rig.audited(Role::Dpf, "device.admit", &device.tre(), "not known")?;
    rig.nothing_done()
}

#[test]
fn a_certificate_of_nobodys_authority_ends_in_tls() -> Result<()> {
    let mut rig = Rig::start()?;
    let (good, stranger) = (rig.device()?, rig.made("sho-a", json!({ "stranger": true }))?);
    ends_in_tls(&mut rig, &stranger, "hello", &json!({})).context("DRF")?;
    // It has heard of a session; the DPF lets it in no more than the DRF.
    let session = rig.authorised(&good)?;
    ends_in_tls(&mut rig, &stranger, "poll", &json!({ "session": session, "wait": 0 })).context("DPF")
}

/// No request gets through, and the alert says why. In TLS 1.3 the device has sent its request before the alert comes, and
/// the end of the connection may overtake the alert: then it asks again.
fn ends_in_tls(rig: &mut Rig, device: &Device, what: &str, order: &Value) -> Result<()> {
    for _ in 0..10 {
        let answer = rig.does(device, what, order.clone())?;
        ensure!(status(&answer) == 0, "{answer}");
        if field(&answer, "refused")?.contains("UNKNOWN_CA") {
            return Ok(());
        }
    }
    bail!("the alert unknown_ca was never seen")
}
