//! freeDiameter over SCTP, from two addresses to two.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    child::tail,
    free_diameter::{FreeDiameter, NAME, complaints, received, sent},
    icf::{HOST, MME, Settings},
    network::Cable,
    osmo, ports,
    python::Mme,
};
use serde_json::json;

use crate::rig::{PLMN, Rig};

fn settings() -> Settings {
    // TLS for its certificate, which freeDiameter wants to have whatever it does with it.
    Settings { peers: vec![NAME.into(), MME.into()], tls: true, watchdog: "6s", ..Settings::default() }
}

#[test]
fn stays_connected_over_sctp_through_watchdogs_and_the_loss_of_a_path_and_says_good_bye() -> Result<()> {
    let mut rig = Rig::new(&settings())?;
    let folder = tempfile::tempdir()?;
    let files = rig.icf.authority.take().context("TLS is on")?.identity(NAME)?;
    let here = rig.icf.network()?.mme();
    let mut peer = FreeDiameter::over_sctp(folder.path(), &files, &here, &rig.icf.sctp, None)?;
    peer.wait_connected(HOST)?;
    peer.wait_watchdogs(1)?;
    rig.icf.network()?.lose(Cable::First)?;
    peer.wait_watchdogs(3)?;
    let log = peer.stop()?;
    ensure!(sent(&log, "Capabilities-Exchange-Request") == 1, "it had to connect again:\n{}", tail(&log));
    ensure!(received(&log, "Capabilities-Exchange-Answer") == 1, "{}", tail(&log));
    ensure!(received(&log, "Disconnect-Peer-Answer") == 1, "no DPA:\n{}", tail(&log));
    let complaints = complaints(&log);
    ensure!(complaints.is_empty(), "freeDiameter complains:\n{}", complaints.join("\n"));
    let peers = rig.wait_for("the peer is down", 1, Duration::from_secs(5))?;
    ensure!(peers.contains("\"transport\":\"sctp\""), "{peers}");
    Ok(())
}

#[test]
fn an_air_through_a_relay_over_sctp_is_answered() -> Result<()> {
    let mut rig = Rig::new(&settings())?;
    let folder = tempfile::tempdir()?;
    let files = rig.icf.authority.take().context("TLS is on")?.identity(NAME)?;
    let port = ports::free()?;
    let mut mme = Mme::behind(folder.path(), port, NAME)?;
    let here = rig.icf.network()?.mme();
    let mut relay = FreeDiameter::over_sctp(folder.path(), &files, &here, &rig.icf.sctp, Some(port))?;
    relay.wait_connected(HOST)?;
    relay.wait_connected(MME)?;
    mme.wait_ready()?;
    let imsi = rig.subscriber.imsi.as_str();
    let answer = mme.ask(&json!({"do": "air", "imsi": imsi, "plmn": hex::encode(PLMN)}))?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    osmo::verify(&rig.subscriber, &answer.vector()?, PLMN)?;
    let answer = mme.ask(&json!({"do": "ulr", "imsi": imsi, "plmn": hex::encode(PLMN)}))?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    mme.stop()?;
    let log = relay.stop()?;
    ensure!(complaints(&log).is_empty(), "freeDiameter complains:\n{}", complaints(&log).join("\n"));
    Ok(())
}
