//! freeDiameter, the stack under Open5GS's MME: RFC 6733 §5 over TCP and over TLS, and as a relay (§6.1).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    aka::Subscriber,
    child::tail,
    free_diameter::{FreeDiameter, NAME, Security, complaints, received, sent},
    icf::{HOST, Icf, MME, Settings},
    osmo,
    pki::Authority,
    ports,
    python::Mme,
};
use serde_json::json;

use crate::PLMN;

fn settings() -> Settings {
    Settings { peers: vec![NAME.into(), MME.into()], tls: true, watchdog: "6s", ..Settings::default() }
}

/// Connects, lives through three watchdogs, says good-bye; whatever displeases freeDiameter fails the test.
fn stays_connected(security: Security) -> Result<()> {
    let mut icf = Icf::with(&settings(), &[])?;
    let folder = tempfile::tempdir()?;
    let authority = icf.authority.take().context("TLS is on")?;
    let port = match security {
        Security::Tcp => icf.diameter,
        Security::Tls => icf.tls.context("TLS is on")?,
    };
    let mut peer = FreeDiameter::start(folder.path(), &authority.identity(NAME)?, security, port, None)?;
    peer.wait_connected(HOST)?;
    peer.wait_watchdogs(3)?;
    let log = peer.stop()?;
    ensure!(sent(&log, "Capabilities-Exchange-Request") == 1, "it had to connect again:\n{}", tail(&log));
    ensure!(received(&log, "Capabilities-Exchange-Answer") == 1, "{}", tail(&log));
    ensure!(sent(&log, "Disconnect-Peer-Request") == 1, "{}", tail(&log));
    ensure!(received(&log, "Disconnect-Peer-Answer") == 1, "no DPA:\n{}", tail(&log));
    ensure!(
        log.contains("'STATE_OPEN'\t-> 'STATE_CLOSING_GRACE'"),
        "it was not open at the end:\n{}",
        tail(&log)
    );
    let complaints = complaints(&log);
    ensure!(complaints.is_empty(), "freeDiameter complains:\n{}", complaints.join("\n"));
    icf.process()?.running()?;
    Ok(())
}

#[test]
fn stays_connected_over_tcp_through_watchdogs_and_says_good_bye() -> Result<()> {
    stays_connected(Security::Tcp)
}

#[test]
fn stays_connected_over_tls_through_watchdogs_and_says_good_bye() -> Result<()> {
    stays_connected(Security::Tls)
}

#[test]
fn is_sent_dpr_when_the_icf_stops_and_answers_it() -> Result<()> {
    let mut icf = Icf::with(&settings(), &[])?;
    let folder = tempfile::tempdir()?;
    let files = Authority::new(folder.path())?.identity(NAME)?;
    let mut peer = FreeDiameter::start(folder.path(), &files, Security::Tcp, icf.diameter, None)?;
    peer.wait_connected(HOST)?;
    let status = icf.stop()?;
    ensure!(status.success(), "callhome icf ends with {status}:\n{}", tail(&icf.log()));
    let log = peer.wait_for("'Disconnect-Peer-Answer'", Duration::from_secs(10))?;
    ensure!(received(&log, "Disconnect-Peer-Request") == 1, "no DPR:\n{}", tail(&log));
    ensure!(sent(&log, "Disconnect-Peer-Answer") == 1, "{}", tail(&log));
    Ok(())
}

#[test]
fn with_a_certificate_of_another_authority_is_refused() -> Result<()> {
    let icf = Icf::with(&settings(), &[])?;
    let folder = tempfile::tempdir()?;
    let mut files = Authority::new(folder.path())?.identity(NAME)?;
    // It trusts the ICF; the ICF has no reason to trust it.
    let both = std::fs::read_to_string(&files.ca)? + &std::fs::read_to_string(icf.folder().join("ca.pem"))?;
    files.ca = folder.path().join("both.pem");
    std::fs::write(&files.ca, both)?;
    let port = icf.tls.context("TLS is on")?;
    let mut peer = FreeDiameter::start(folder.path(), &files, Security::Tls, port, None)?;
    let log = peer.wait_for("TLS ERROR", Duration::from_secs(20))?;
    std::thread::sleep(Duration::from_secs(1));
    peer.running()?;
    ensure!(!peer.log().contains("CONNECTED TO"), "it was let in:\n{}", tail(&log));
    ensure!(received(&peer.log(), "Capabilities-Exchange-Answer") == 0, "it got a CEA:\n{}", tail(&log));
    Ok(())
}

#[test]
fn an_air_through_a_relay_over_tls_is_answered() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let mut icf = Icf::with(&settings(), std::slice::from_ref(&subscriber))?;
    let folder = tempfile::tempdir()?;
    let files = icf.authority.take().context("TLS is on")?.identity(NAME)?;
    let port = ports::free()?;
    let mut mme = Mme::behind(folder.path(), port, NAME)?;
    let tls = icf.tls.context("TLS is on")?;
    let mut relay = FreeDiameter::start(folder.path(), &files, Security::Tls, tls, Some(port))?;
    relay.wait_connected(HOST)?;
    relay.wait_connected(MME)?;
    mme.wait_ready()?;
    let answer = mme.ask(&json!({"do": "air", "imsi": subscriber.imsi, "plmn": hex::encode(PLMN)}))?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    osmo::verify(&subscriber, &answer.vector()?, PLMN)?;
    let answer = mme.ask(&json!({"do": "ulr", "imsi": subscriber.imsi, "plmn": hex::encode(PLMN)}))?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    mme.stop()?;
    let log = relay.stop()?;
    ensure!(complaints(&log).is_empty(), "freeDiameter complains:\n{}", complaints(&log).join("\n"));
    Ok(())
}
