//! The relay between peers over TLS: towards the HSS, towards the MME, and with freeDiameter's TLS in between.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{
    free_diameter::{FreeDiameter, NAME, Security, complaints},
    icf::{HOST, Icf, MME, Settings},
    peer::Peer,
    python::Mme,
    s6a::CLR,
    wire::SUCCESS,
};
use serde_json::json;

use super::{HSS, ORDINARY, SOON, downward, settings, texts};
use crate::PLMN;

/// AIR up and CLR down, each answered by the other side.
fn both_ways(mme: &mut Peer, hss: &mut Peer) -> Result<()> {
    let session = mme.session();
    let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    let hop_by_hop = mme.send(air)?;
    let request = hss.request(SOON)?;
    ensure!(texts(&request, 282) == [MME], "{request:?}");
    hss.answer(&request, 2001)?;
    let answer = mme.answer_to(hop_by_hop)?;
    ensure!(answer.result()? == SUCCESS && texts(&answer, 264) == [HSS], "{answer:?}");
    let clr = downward(hss, CLR, MME);
    let hop_by_hop = hss.send(clr)?;
    let request = mme.request(SOON)?;
    mme.answer(&request, 2001)?;
    let answer = hss.answer_to(hop_by_hop)?;
    ensure!(answer.result()? == SUCCESS && texts(&answer, 264) == [MME], "{answer:?}");
    Ok(())
}

/// A peer that is open is not let in a second time.
fn nobody_is_open(icf: &Icf) -> Result<()> {
    let until = Instant::now() + SOON;
    loop {
        let peers = icf.rest_ok("GET", "/v1/peers", None)?.json()?;
        let peers = peers["items"].as_array().context("no items")?;
        if peers.iter().all(|peer| peer["since"].is_null()) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "still open: {peers:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn over_tls_on_either_side_and_on_both() -> Result<()> {
    let mut icf = Icf::with(&Settings { tls: true, ..settings(HSS, "") }, &[])?;
    let authority = icf.authority.take().context("TLS is on")?;
    let port = icf.tls.context("TLS is on")?;
    let (of_mme, of_hss) = (authority.identity(MME)?, authority.identity(HSS)?);
    for (mme, hss) in [(true, false), (false, true), (true, true)] {
        let connect = |tls: bool, name: &str, files| match tls {
            true => Peer::connect_tls(port, &icf.route(name), files, HOST),
            false => icf.connect(name),
        };
        let (mut mme, mut hss) = (connect(mme, MME, &of_mme)?, connect(hss, HSS, &of_hss)?);
        both_ways(&mut mme, &mut hss)?;
        drop((mme, hss));
        nobody_is_open(&icf)?;
    }
    Ok(())
}

#[test]
fn over_tls_from_an_mme_behind_free_diameter_to_an_hss_of_python_diameter() -> Result<()> {
    let mut icf = Icf::with(&Settings { tls: true, ..settings(HSS, "") }, &[])?;
    let folder = tempfile::tempdir()?;
    let files = icf.authority.take().context("TLS is on")?.identity(NAME)?;
    let mut hss = Mme::connect_as(folder.path(), icf.diameter, HSS)?;
    let listen = harness::ports::free()?;
    let mut mme = Mme::behind(folder.path(), listen, NAME)?;
    let tls = icf.tls.context("TLS is on")?;
    let mut relay = FreeDiameter::start(folder.path(), &files, Security::Tls, tls, Some(listen))?;
    relay.wait_connected(HOST)?;
    relay.wait_connected(MME)?;
    mme.wait_ready()?;
    hss.wait_ready()?;
    let answer = mme.ask(&json!({"do": "air", "imsi": ORDINARY, "plmn": hex::encode(PLMN)}))?;
    ensure!(answer.result()? == 2001 && answer.vector()?.kasme == [b'K'; 32], "{:#}", answer.0);
    let answer = hss.ask(&json!({"do": "clr", "imsi": ORDINARY, "to": MME}))?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    mme.stop()?;
    hss.stop()?;
    let log = relay.stop()?;
    ensure!(complaints(&log).is_empty(), "freeDiameter complains:\n{}", complaints(&log).join("\n"));
    Ok(())
}
