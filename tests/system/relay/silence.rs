//! Nobody waits for ever: an HSS or MME that falls silent, goes away, or is asked too much at once.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{
    icf::{HOST, Icf, MME},
    peer::Peer,
    s6a::{AIR, CLR, RSR},
    wire::{Message, Outcome, SUCCESS, flag},
};

use super::{HSS, ORDINARY, OTHER, SOON, downward, metric, settings, texts};
use crate::PLMN;

fn icf(more: &str) -> Result<Icf> {
    Icf::with(&settings(HSS, more), &[])
}

fn air(mme: &mut Peer) -> Result<u32> {
    let session = mme.session();
    let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    mme.send(air)
}

/// An error of the ICF's own, of the class that has the E bit (RFC 6733 §7.2).
fn refused(answer: &Message, result: u32) -> Result<()> {
    ensure!(answer.result()? == Outcome::Base(result), "{answer:?}");
    ensure!(answer.flags & flag::ERROR != 0 && texts(answer, 264) == [HOST], "{answer:?}");
    Ok(())
}

#[test]
fn a_silent_hss_is_answered_for_with_3002_in_time_and_what_it_says_too_late_is_dropped() -> Result<()> {
    let icf = icf("timeout = \"1s\"")?;
    let (mut hss, mut mme) = (icf.connect(HSS)?, icf.connect(MME)?);
    let begun = Instant::now();
    let hop_by_hop = air(&mut mme)?;
    let late = hss.request(SOON)?;
    let pending = r#"callhome_relay_pending{direction="up"}"#;
    ensure!(metric(&icf, pending)? == 1.0);
    refused(&mme.answer_to(hop_by_hop)?, 3002)?;
    let after = begun.elapsed();
    ensure!(after >= Duration::from_secs(1) && after < Duration::from_secs(8), "after {after:?}");
    ensure!(metric(&icf, pending)? == 0.0);
    let timeouts = r#"callhome_relay_failed_total{command="AIR",direction="up",reason="timeout"}"#;
    ensure!(metric(&icf, timeouts)? == 1.0);

    let dropped = metric(&icf, "callhome_s6a_late_answers_total")?;
    hss.answer(&late, 2001)?;
    ensure!(mme.receive(Duration::from_millis(500)).is_err(), "the late answer came through");
    ensure!(metric(&icf, "callhome_s6a_late_answers_total")? == dropped + 1.0);

    // The HSS is there again, and was never thrown out.
    let hop_by_hop = air(&mut mme)?;
    let request = hss.request(SOON)?;
    hss.answer(&request, 2001)?;
    ensure!(mme.answer_to(hop_by_hop)?.result()? == SUCCESS);

    let log = icf.log();
    let line = log.lines().find(|line| line.contains("was not answered by it")).unwrap_or_default();
    ensure!(line.contains("AIR") && line.contains(HSS) && line.contains("did not answer in time"), "{log}");
    ensure!(!line.contains(ORDINARY), "{line}");
    Ok(())
}

#[test]
fn a_silent_mme_is_answered_for_too() -> Result<()> {
    let icf = icf("timeout = \"500ms\"")?;
    let (mut hss, mut mme) = (icf.connect(HSS)?, icf.connect(MME)?);
    let clr = downward(&mut hss, CLR, MME);
    refused(&hss.call(clr)?, 3002)?;
    ensure!(mme.request(SOON)?.command == CLR);
    // One of two nodes that are to be reset: the HSS has to know that not all of them were told.
    let mut other = icf.connect(OTHER)?;
    let mut rsr = downward(&mut hss, RSR, HOST);
    rsr.avps.retain(|avp| avp.code != 1 && avp.code != 1400);
    let hop_by_hop = hss.send(rsr)?;
    let told = other.request(SOON)?;
    other.answer(&told, 2001)?;
    let answer = hss.answer_to(hop_by_hop)?;
    refused(&answer, 3002)?;
    ensure!(texts(&answer, 281) == ["1 of 2 nodes have taken it, 1 have not answered"], "{answer:?}");
    let timeouts = r#"callhome_relay_failed_total{command="RSR",direction="down",reason="timeout"}"#;
    ensure!(metric(&icf, timeouts)? == 1.0);
    Ok(())
}

/// RFC 6733 §5.5.4: no other connection leads to that HSS, and so nothing is sent again.
#[test]
fn what_an_hss_has_not_answered_when_its_connection_is_lost_gets_3002_at_once() -> Result<()> {
    let icf = icf("timeout = \"60s\"")?;
    let (mut hss, mut mme) = (icf.connect(HSS)?, icf.connect(MME)?);
    let mut asked: HashSet<u32> = (0..20).map(|_| air(&mut mme)).collect::<Result<_>>()?;
    for _ in &asked {
        ensure!(hss.request(SOON)?.command == AIR);
    }
    let begun = Instant::now();
    drop(hss);
    while !asked.is_empty() {
        let answer = mme.receive(SOON)?;
        refused(&answer, 3002)?;
        ensure!(asked.remove(&answer.hop_by_hop), "{answer:?}");
    }
    ensure!(begun.elapsed() < Duration::from_secs(8), "after {:?}", begun.elapsed());
    let lost = r#"callhome_relay_failed_total{command="AIR",direction="up",reason="connection lost"}"#;
    ensure!(metric(&icf, lost)? == 20.0);
    ensure!(metric(&icf, r#"callhome_relay_pending{direction="up"}"#)? == 0.0);
    Ok(())
}

/// A peer has half of the places at most, so that one that floods does not take them from the others.
#[test]
fn more_than_may_wait_get_3004_at_once_and_other_peers_and_the_other_direction_go_on() -> Result<()> {
    let icf = icf("timeout = \"60s\"\npending = 4")?;
    let (mut hss, mut mme, mut other) = (icf.connect(HSS)?, icf.connect(MME)?, icf.connect(OTHER)?);
    let two = [air(&mut mme)?, air(&mut mme)?];
    let requests = [hss.request(SOON)?, hss.request(SOON)?];
    let three = air(&mut mme)?;
    refused(&mme.answer_to(three)?, 3004)?;
    let busy = r#"callhome_relay_failed_total{command="AIR",direction="up",reason="busy"}"#;
    ensure!(metric(&icf, busy)? == 1.0);

    let hop_by_hop = air(&mut other)?;
    let request = hss.request(SOON)?;
    hss.answer(&request, 2001)?;
    ensure!(other.answer_to(hop_by_hop)?.result()? == SUCCESS);
    let clr = downward(&mut hss, CLR, MME);
    let hop_by_hop = hss.send(clr)?;
    let request = mme.request(SOON)?;
    mme.answer(&request, 2001)?;
    ensure!(hss.answer_to(hop_by_hop)?.result()? == SUCCESS);

    // With the answers there is room again.
    for request in &requests {
        hss.answer(request, 2001)?;
        let answer = mme.receive(SOON)?;
        ensure!(two.contains(&answer.hop_by_hop) && answer.result()? == SUCCESS, "{answer:?}");
    }
    let four = air(&mut mme)?;
    let request = hss.request(SOON)?;
    hss.answer(&request, 2001)?;
    ensure!(mme.answer_to(four)?.result()? == SUCCESS);
    Ok(())
}
