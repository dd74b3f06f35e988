//! Who calls: certificates and call-home triples, and what is another device's.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::{
    callhome, programs,
    roles::{Role, wait},
};
use serde_json::{Value, json};

use super::rig::{Rig, field, session_of, status};

#[test]
fn a_session_manifest_or_part_of_another_device_is_not_there() -> Result<()> {
    let mut rig = Rig::start()?;
    let (mine, other) = (rig.device()?, rig.device()?);
    let session = rig.authorised(&mine)?;
    let own = rig.authorised(&other)?;
    ensure!(status(&rig.does(&mine, "agree", json!({}))?) == 200);
    ensure!(status(&rig.does(&other, "agree", json!({}))?) == 200);
    let manifest = rig.does(&mine, "manifest", json!({}))?;
    let digest = manifest["parts"][0]["digest"].clone();
    ensure!(manifest["parts"][0]["kind"] == "credentials", "{manifest}");

    for what in ["poll", "manifest", "agree", "part", "evidence"] {
        let there = json!({ "session": session, "digest": digest, "wait": 0 });
        let answer = rig.does(&other, what, there)?;
        ensure!(
            status(&answer) == 404 && answer["json"]["type"] == "/problems/session-unknown",
            "{what}: {answer}"
        );
    }
    rig.audited(Role::Dpf, "device.session", &session, "another device's")?;
    rig.audited(Role::Dpf, "device.session", &other.tre(), "another device's")?;
    // Nor by way of a session of its own.
    let answer = rig.does(&other, "part", json!({ "digest": digest }))?;
    ensure!(status(&answer) == 404 && answer["json"]["type"] == "/problems/part-unknown", "{answer}");
    rig.audited(Role::Dpf, "device.part", &own, "not a part of the session's RNCP")?;
    // And what it had from elsewhere, it cannot open: the content key is wrapped for another platform key.
    ensure!(status(&rig.does(&mine, "part", json!({ "digest": digest }))?) == 200);
    let opened = rig.tries(&mine, "install", json!({ "opener": other.id }))?;
    ensure!(field(&opened, "error")?.contains("Unwrap"), "another device opens the credentials: {opened}");
    rig.does(&mine, "install", json!({}))?;
    Ok(())
}

#[test]
fn a_report_by_another_key_is_refused() -> Result<()> {
    let mut rig = Rig::start()?;
    let (device, other) = (rig.device()?, rig.device()?);
    let session = rig.authorised(&device)?;
    rig.fetches(&device)?;
    let forged = rig.does(&device, "report", json!({ "signer": other.id }))?;
    ensure!(
        status(&forged) == 403 && forged["json"]["type"] == "/problems/report-wrong-signature",
        "{forged}"
    );
    rig.audited(Role::Dpf, "device.report", &session, "Signed by another key")?;
    // It was no report: nobody is a subscriber, and the device's own one still counts.
    ensure!(rig.roles.items(Role::Sho, "/v1/subscriptions?state=active")?.is_empty());
    ensure!(status(&rig.does(&device, "report", json!({}))?) == 204);
    wait("the subscription to be active", || {
        Ok(rig.roles.items(Role::Sho, "/v1/subscriptions?state=active")?.len() == 1)
    })
}

#[test]
fn a_device_speaks_for_itself_alone() -> Result<()> {
    let mut rig = Rig::start()?;
    let (device, other) = (rig.device()?, rig.device()?);
    for (what, how, why) in [
        ("hello", json!({ "pcid": other.pcid }), "another device is registered"),
        (
            "hello",
            json!({ "pcid": other.pcid, "device_id": other.id }),
            "the certificate is of another device",
        ),
        ("get_rnct", json!({ "pcid": other.pcid }), "the certificate is of another device"),
        ("get_rnct", json!({ "pcid": "999719999999999" }), "not registered"),
    ] {
        let about = field(&how, "pcid")?;
        let answer = rig.does(&device, what, how)?;
        ensure!(status(&answer) == 403, "{what}: {answer}");
        rig.audited(Role::Drf, &format!("device.{}", what.trim_start_matches("get_")), &about, why)?;
    }
    ensure!(rig.roles.items(Role::Drf, &format!("/v1/triggers?pcid={}", other.pcid))?.is_empty());
    rig.does(&device, "hello", json!({}))?;
    let named = json!({ "body": { "device_id": other.id, "tre_id": other.tre() } });
    let answer = rig.does(&device, "start", named)?;
    ensure!(status(&answer) == 403 && answer["json"]["type"] == "/problems/identity-mismatch", "{answer}");
    rig.audited(Role::Dpf, "device.open", &other.tre(), "in another device's name")?;
    ensure!(rig.roles.items(Role::Dpf, "/v1/sessions")?.is_empty());
    rig.nothing_done()
}

#[test]
fn nobody_gets_in_without_certificate_or_triple_or_by_tls_1_2() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let hello = rig.does(&device, "hello", json!({ "how": false }))?;
    ensure!(status(&hello) == 401 && hello["headers"]["www-authenticate"].is_string(), "{hello}");
    rig.audited(Role::Drf, "device.hello", &device.pcid, "neither platform certificate nor triple")?;
    rig.does(&device, "hello", json!({}))?;
    for how in [json!(false), json!([device.pcid, "guessed"])] {
        let answer = rig.does(&device, "start", json!({ "how": how }))?;
        ensure!(status(&answer) == 401 && answer["headers"]["www-authenticate"].is_string(), "{answer}");
    }
    ensure!(rig.roles.items(Role::Dpf, "/v1/sessions")?.is_empty());
    for (role, offset) in [(Role::Drf, 1), (Role::Dpf, 3)] {
        let (old, new) = (s_client(rig.base + offset, "-tls1_2")?, s_client(rig.base + offset, "-tls1_3")?);
        ensure!(old.contains("protocol version"), "{} speaks TLS 1.2:\n{old}", role.name());
        ensure!(new.contains("TLSv1.3") && new.contains("Acceptable client certificate CA names"), "{new}");
    }
    rig.nothing_done()
}

fn s_client(port: u16, version: &str) -> Result<String> {
    let output = Command::new(programs::find("openssl")?)
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), version])
        .stdin(std::process::Stdio::null())
        .output()?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// R1: a device whose certificate is not there yet shows its call-home triple; a wrong password is refused and put down.
#[test]
fn a_call_home_triple_does_instead_of_a_certificate() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let password = issued(&rig, &device.pcid)?;
    let wrong = json!({ "how": [device.pcid, "guessed"] });
    let answer = rig.does(&device, "hello", wrong.clone())?;
    ensure!(status(&answer) == 403, "{answer}");
    rig.audited(Role::Drf, "device.hello", &device.pcid, "triple is not known")?;
    let triple = json!([device.pcid, password]);
    let hello = rig.does(&device, "hello", json!({ "how": triple }))?;
    ensure!(status(&hello) == 200, "{hello}");
    let answer = rig.does(&device, "start", wrong)?;
    ensure!(status(&answer) == 401, "{answer}");
    rig.audited(Role::Icf, "chtif", &device.pcid, "")?;
    ensure!(rig.roles.items(Role::Dpf, "/v1/sessions")?.is_empty());
    let session = session_of(&rig.does(&device, "start", json!({ "how": triple }))?)?;
    // Whoever else's triple it is: not for this one.
    let other = rig.device()?;
    let password = issued(&rig, &other.pcid)?;
    let answer = rig.does(&device, "evidence", json!({ "how": [other.pcid, password] }))?;
    ensure!(status(&answer) == 404, "{answer}");
    rig.audited(Role::Dpf, "device.session", &session, "another device's")?;
    let taken = rig.does(&device, "evidence", json!({ "how": triple }))?;
    ensure!(status(&taken) == 200, "{taken}");
    let decided = rig.decided(&device)?;
    ensure!(decided["state"] == "authorised", "{decided}");
    Ok(())
}

/// Has the ICF issue one credential with a triple, encrypted to a supplier; gives its password.
fn issued(rig: &Rig, pcid: &str) -> Result<String> {
    let path = |name: &str| rig.roles.folder().join(format!("{name}-{pcid}")).to_string_lossy().into_owned();
    let (key, sealed) = (path("age.key"), path("batch.age"));
    let made = Command::new(programs::find("age-keygen")?).args(["-o", &key]).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = std::fs::read_to_string(&key)?;
    let recipient =
        file.lines().find_map(|line| line.strip_prefix("# public key: ")).context("age-keygen")?;
    let token = rig.roles.folder().join("token").to_string_lossy().into_owned();
    let rest =
        rig.roles.places().iter().skip_while(|place| *place != "--rest").nth(1).context("no --rest")?;
    let (url, triple) = (format!("http://{rest}"), format!("https://127.0.0.1:{}", rig.base + 1));
    callhome::run(&[
        "batches",
        "issue",
        pcid,
        "--url",
        &url,
        "--token-file",
        &token,
        "--first",
        pcid,
        "--count",
        "1",
        "--triple-url",
        &triple,
        "--recipient",
        recipient,
        "--out",
        &sealed,
    ])?;
    let opened = Command::new(programs::find("age")?).args(["--decrypt", "-i", &key, &sealed]).output()?;
    ensure!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    let line = String::from_utf8(opened.stdout)?;
    let credential: Value = serde_json::from_str(line.lines().next().context("an empty batch")?)?;
    ensure!(credential["triple"]["user"] == pcid, "another user name");
    field(&credential["triple"], "password")
}
