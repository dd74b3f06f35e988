//! Roles that are away, slow, or out of their minds.

use anyhow::{Result, ensure};
use harness::roles::{Role, wait};
use serde_json::json;

use super::rig::{Device, Rig, field, session_of, status};

/// The operator is away: the session waits, says so to whoever looks, and goes on.
#[test]
fn an_operator_that_is_away_is_waited_for() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    rig.roles.kill(Role::Sho)?;
    let session = rig.begins(&device, json!({}))?;
    waits(&rig, &session)?;
    let early = rig.does(&device, "manifest", json!({}))?;
    ensure!(status(&early) == 409, "{early}");
    rig.roles.start(Role::Sho)?;
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "authorised", "{decided}");
    rig.fetches(&device)?;
    once(&rig)
}

/// The operator takes longer than the DPF's time-out: it is asked again, and uses one number.
#[test]
fn an_operator_that_is_slow_is_asked_again() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    rig.roles.freeze(Role::Sho)?;
    let session = rig.begins(&device, json!({}))?;
    waits(&rig, &session)?;
    rig.roles.thaw(Role::Sho)?;
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "authorised", "{decided}");
    rig.fetches(&device)?;
    once(&rig)
}

/// Waits until the session's history says that somebody is asked again later.
fn waits(rig: &Rig, session: &str) -> Result<()> {
    wait("the session's history to tell of the operator", || {
        let shown = rig.roles.get(Role::Dpf, &format!("/v1/sessions/{session}"))?;
        ensure!(shown["state"] == "relaying", "{shown}");
        Ok(shown["history"].as_array().is_some_and(|steps| {
            steps
                .iter()
                .any(|step| step.to_string().contains("sho-a") || step.to_string().contains("127.0.0.1"))
        }))
    })
}

/// One number, one subscription.
fn once(rig: &Rig) -> Result<()> {
    let ranges = rig.roles.items(Role::Sho, "/v1/number-ranges")?;
    ensure!(ranges[0]["used"] == 1, "{ranges:?}");
    ensure!(rig.roles.items(Role::Sho, "/v1/subscriptions")?.len() == 1);
    ensure!(rig.roles.items(Role::Hss, "/v1/credentials")?.len() == 1);
    Ok(())
}

/// Whatever is wrong with an operator's answer: the session fails with a word for it, the DPF puts it down, and nothing
/// of the RNCP reaches the device.
fn answered(how: &str, code: &str, why: &str) -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    rig.roles.kill(Role::Sho)?;
    let placed = rig.ask(&json!({ "do": "stand_in", "role": "sho-a", "port": rig.base + 4, "how": how }))?;
    ensure!(placed["error"].is_null(), "{placed}");
    let session = rig.begins(&device, json!({}))?;
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "failed" && decided["problem"]["code"] == code, "{decided}");
    ensure!(field(&decided["problem"], "detail")?.contains(why), "{decided}");
    ensure!(field(&decided["problem"], "detail")?.contains("operator sho-a"), "{decided}");
    for what in ["manifest", "agree"] {
        let answer = rig.does(&device, what, json!({}))?;
        ensure!(status(&answer) == 409, "{what}: {answer}");
    }
    let part = rig.does(&device, "part", json!({ "digest": "00".repeat(32) }))?;
    ensure!(status(&part) == 409, "{part}");
    rig.audited(Role::Dpf, "sessions.failed", &session, code)
}

#[test]
fn a_part_with_another_digest_than_was_signed_never_reaches_the_device() -> Result<()> {
    answered("wrong-digest", "package-invalid", "SHA-256 differs")
}

#[test]
fn an_rncp_for_another_device_never_reaches_the_device() -> Result<()> {
    answered("other-device", "package-invalid", "another device")
}

#[test]
fn an_rncp_signed_for_another_purpose_never_reaches_the_device() -> Result<()> {
    answered("other-signer", "package-invalid", "not signed as an RNCP's has to be")
}

#[test]
fn a_web_page_is_no_answer_of_an_operator() -> Result<()> {
    answered("page", "operator-nonsense", "makes no sense")
}

#[test]
fn an_unknown_decision_is_no_answer_of_an_operator() -> Result<()> {
    answered("word", "operator-nonsense", "makes no sense")
}

/// Without the PVA no session is opened, as there is no nonce; one that is open waits for it, twice.
#[test]
fn without_the_pva_nothing_is_provisioned_and_nothing_lost() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let hello = rig.does(&device, "hello", json!({}))?;
    ensure!(status(&hello) == 200, "{hello}");
    rig.roles.kill(Role::Pva)?;
    let opened = rig.does(&device, "start", json!({}))?;
    ensure!(status(&opened) == 503, "{opened}");
    ensure!(rig.roles.items(Role::Dpf, "/v1/sessions")?.is_empty());
    rig.roles.start(Role::Pva)?;
    // A failure of OCSP is remembered for a second.
    let mut opened = rig.does(&device, "start", json!({}))?;
    for _ in 0..20 {
        if status(&opened) != 503 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        opened = rig.does(&device, "start", json!({}))?;
    }
    let session = session_of(&opened)?;

    rig.roles.kill(Role::Pva)?;
    ensure!(status(&rig.does(&device, "evidence", json!({}))?) == 200);
    wait("the operator to have the session", || {
        Ok(rig.roles.request(Role::Sho, "GET", &format!("/v1/provisioning/{session}"), None)?.status == 200)
    })?;
    rig.nothing_done()?;
    rig.roles.start(Role::Pva)?;
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "authorised", "{decided}");

    rig.roles.kill(Role::Pva)?;
    let agreed = rig.does(&device, "agree", json!({}))?;
    ensure!(status(&agreed) == 503, "parts without the PVA's word: {agreed}");
    rig.roles.start(Role::Pva)?;
    rig.fetches(&device)?;
    once(&rig)
}

/// The PVA takes longer than the operator's time-out: it is asked again, and nothing is prepared meanwhile.
#[test]
fn a_pva_that_is_slow_is_asked_again() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    rig.does(&device, "hello", json!({}))?;
    let session = session_of(&rig.does(&device, "start", json!({}))?)?;
    rig.roles.freeze(Role::Pva)?;
    ensure!(status(&rig.does(&device, "evidence", json!({}))?) == 200);
    waits(&rig, &session)?;
    rig.nothing_done()?;
    rig.roles.thaw(Role::Pva)?;
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "authorised", "{decided}");
    rig.fetches(&device)?;
    once(&rig)
}

/// Somebody else answers where the PVA is, once there is evidence. Gives the session.
fn somebody_is_the_pva(rig: &mut Rig, device: &Device, how: &str) -> Result<String> {
    rig.does(device, "hello", json!({}))?;
    let session = session_of(&rig.does(device, "start", json!({}))?)?;
    rig.roles.kill(Role::Pva)?;
    let placed = rig.ask(&json!({ "do": "stand_in", "role": "pva", "port": rig.base + 5, "how": how }))?;
    ensure!(placed["error"].is_null(), "{placed}");
    ensure!(status(&rig.does(device, "evidence", json!({}))?) == 200);
    Ok(session)
}

/// What is no answer at all is waited out: the PVA's own counts when it is there again.
#[test]
fn a_web_page_is_no_verdict() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let session = somebody_is_the_pva(&mut rig, &device, "page")?;
    wait("the operator to say that it has no verdict", || {
        let log = rig.roles.log(Role::Sho);
        Ok(log.lines().any(|line| line.contains("no verdict yet") && line.contains(&session)))
    })?;
    ensure!(rig.roles.get(Role::Sho, &format!("/v1/provisioning/{session}"))?["state"] == "received");
    rig.nothing_done()?;
    let left = rig.ask(&json!({ "do": "stand_down" }))?;
    ensure!(left["error"].is_null(), "{left}");
    rig.roles.start(Role::Pva)?;
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "authorised", "{decided}");
    rig.fetches(&device)?;
    once(&rig)
}

/// A verdict that the PVA has not signed is refused, and not asked for again: somebody means it.
#[test]
fn a_word_that_nobody_signed_is_no_verdict() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let session = somebody_is_the_pva(&mut rig, &device, "word")?;
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "refused" && decided["problem"]["code"] == "verdict-not-valid", "{decided}");
    rig.audited(Role::Dpf, "sessions.refused", &session, "verdict-not-valid")?;
    rig.audited(Role::Sho, "provisioning.refuse", &session, "verdict-not-valid")?;
    ensure!(status(&rig.does(&device, "manifest", json!({}))?) == 409);
    rig.nothing_done()
}
