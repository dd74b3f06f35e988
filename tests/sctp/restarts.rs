//! MMEs and ICFs that start again.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use harness::{
    icf::Settings,
    network::Cable,
    peer::Peer,
    wire::{Outcome, SUCCESS},
};

use crate::rig::{Rig, accepted, outcome};

/// DIAMETER_ELECTION_LOST, RFC 6733 §7.1.4.
const ELECTION_LOST: Outcome = Outcome::Base(4003);

/// The MME's host is switched off and on: its kernel knows of no association, and the ICF has not been told.
fn switch_off_and_on(rig: &Rig, peer: Peer) -> Result<()> {
    // All that was received is acknowledged (within 200 ms). What the ICF sends again would tell it: a kernel that knows of
    // no association answers with ABORT.
    std::thread::sleep(Duration::from_millis(500));
    let cables = [Cable::First, Cable::Second];
    cables.iter().try_for_each(|cable| rig.icf.network()?.lose(*cable))?;
    peer.into_association()?.abort()?;
    cables.iter().try_for_each(|cable| rig.icf.network()?.restore(*cable))
}

/// RFC 9260 §5.2.4, action A: the kernel takes its INIT for the old association's, which begins anew on its socket.
#[test]
fn an_mme_that_starts_again_on_the_same_port_is_served_at_once() -> Result<()> {
    let mut rig = Rig::new(&Settings::default())?;
    let mut peer = rig.connect()?;
    for times in 1..=3 {
        rig.air(&mut peer)?;
        let port = peer.port()?;
        switch_off_and_on(&rig, peer)?;
        peer = rig.introduce(port, None)?;
        ensure!(outcome(&peer)? == SUCCESS, "{:?} to restart {times}", outcome(&peer)?);
        let log = rig.wait_for("has started again", times, Duration::from_secs(5))?;
        ensure!(log.matches("the peer is open").count() == times + 1, "{log}");
    }
    rig.air(&mut peer)?;
    ensure!(rig.open_peers()? == 1);
    Ok(())
}

#[test]
fn an_mme_that_starts_again_on_another_port_and_says_so_is_served_at_once() -> Result<()> {
    let mut rig = Rig::new(&Settings::default())?;
    let mut peer = rig.introduce(0, Some(1)).and_then(accepted)?;
    rig.air(&mut peer)?;
    switch_off_and_on(&rig, peer)?;
    // A later Origin-State-Id, RFC 6733 §8.16.
    let mut peer = rig.introduce(0, Some(2)).and_then(accepted)?;
    rig.air(&mut peer)?;
    ensure!(rig.open_peers()? == 1);
    Ok(())
}

#[test]
fn an_mme_that_starts_again_on_another_port_and_does_not_say_so_is_served_after_one_probe() -> Result<()> {
    let mut rig = Rig::new(&Settings::default())?;
    let mut peer = rig.connect()?;
    rig.air(&mut peer)?;
    switch_off_and_on(&rig, peer)?;
    let begun = Instant::now();
    let mut peer = loop {
        let peer = rig.introduce(0, None)?;
        match outcome(&peer)? {
            SUCCESS => break peer,
            ELECTION_LOST if begun.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(200));
            }
            other => bail!("{other:?} after {:?}", begun.elapsed()),
        }
    };
    rig.air(&mut peer)
}

#[test]
fn an_icf_that_is_stopped_says_good_bye_and_goes_on_where_it_was_when_it_starts_again() -> Result<()> {
    let mut rig = Rig::new(&Settings::default())?;
    for _ in 0..3 {
        let mut peer = rig.connect()?;
        for _ in 0..10 {
            rig.air(&mut peer)?;
        }
        rig.icf.process()?.signal("TERM")?;
        let dpr = peer.request(Duration::from_secs(10))?;
        ensure!(dpr.command == 282, "{dpr:?}");
        peer.answer(&dpr, 2001)?;
        let end = peer.receive(Duration::from_secs(10));
        ensure!(end.is_err(), "after the DPA: {end:?}");
        let status = rig.icf.process()?.wait(Duration::from_secs(20))?;
        ensure!(status.success(), "{status}");
        // On the same port, with what is left of the old associations.
        rig.icf.start()?;
    }
    let mut peer = rig.connect()?;
    rig.air(&mut peer)
}

#[test]
fn an_icf_that_is_killed_is_noticed_at_once_and_repeats_no_seq_when_it_starts_again() -> Result<()> {
    let mut rig = Rig::new(&Settings::default())?;
    for _ in 0..3 {
        let mut peer = rig.connect()?;
        for _ in 0..10 {
            rig.air(&mut peer)?;
        }
        rig.leave_under_way(&mut peer, 20)?;
        rig.icf.kill()?;
        // What it had answered still comes; then the end, and no silence.
        let killed = Instant::now();
        while let Ok(answer) = peer.receive(Duration::from_secs(10)) {
            rig.check(&answer)?;
        }
        ensure!(killed.elapsed() < Duration::from_secs(5), "noticed after {:?}", killed.elapsed());
        rig.icf.start()?;
    }
    let mut peer = rig.connect()?;
    rig.air(&mut peer)
}
