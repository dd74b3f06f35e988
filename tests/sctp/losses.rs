//! Associations and paths that are lost, RFC 9260 §8 and RFC 3539 §3.4.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::{icf::Settings, network::Cable};

use crate::rig::Rig;

#[test]
fn an_aborted_association_is_noticed_at_once_and_its_peer_comes_back() -> Result<()> {
    let mut rig = Rig::new(&Settings::default())?;
    for times in 1..=3 {
        let mut peer = rig.connect()?;
        rig.air(&mut peer)?;
        // Their answers are lost with the association, and their SEQs are used up.
        rig.leave_under_way(&mut peer, 20)?;
        peer.into_association()?.abort()?;
        rig.wait_for("the peer is down", times, Duration::from_secs(2))?;
        ensure!(rig.open_peers()? == 0);
    }
    let mut peer = rig.connect()?;
    rig.air(&mut peer)
}

#[test]
fn an_association_that_falls_silent_is_found_out_by_the_watchdog_and_its_peer_comes_back() -> Result<()> {
    let mut rig = Rig::new(&Settings { watchdog: "6s", ..Settings::default() })?;
    let mut peer = rig.connect()?;
    rig.air(&mut peer)?;
    let lost = Instant::now();
    for cable in [Cable::First, Cable::Second] {
        rig.icf.network()?.lose(cable)?;
    }
    // SCTP by itself would take minutes (RFC 9260 §16: ten retransmissions, up to a minute apart). Tw of 6 s ± 2 until
    // it asks, again until it suspects, and a third time.
    let log = rig.wait_for("the peer is down", 1, Duration::from_secs(30))?;
    let took = lost.elapsed();
    ensure!(took > Duration::from_secs(10), "given up after {took:?}:\n{log}");
    ensure!(log.contains("the peer does not answer the watchdog"), "{log}");
    ensure!(rig.open_peers()? == 0);
    for cable in [Cable::First, Cable::Second] {
        rig.icf.network()?.restore(cable)?;
    }
    let mut again = rig.connect()?;
    rig.air(&mut again)?;
    // What is left of the old association here learns that it is nobody's any more.
    let end = peer.receive(Duration::from_secs(20));
    ensure!(end.is_err(), "the association lives on: {end:?}");
    rig.air(&mut again)
}

/// AIRs go on while one of two cables loses whatever goes into it, then the other: not one answer is lost, and none of
/// them comes twice.
#[test]
fn one_path_of_two_is_lost_and_every_air_is_answered() -> Result<()> {
    let mut rig = Rig::new(&Settings::default())?;
    let mut peer = rig.connect()?;
    rig.air(&mut peer)?;
    let mut slowest = Duration::ZERO;
    for cable in [Cable::First, Cable::Second] {
        rig.icf.network()?.lose(cable)?;
        for _ in 0..20 {
            let asked = Instant::now();
            rig.air(&mut peer)?;
            slowest = slowest.max(asked.elapsed());
        }
        rig.icf.network()?.restore(cable)?;
        // The path has to prove itself again, else the next loss would be that of the only one.
        let restored = Instant::now();
        while restored.elapsed() < Duration::from_secs(5) {
            rig.air(&mut peer)?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    ensure!(slowest > Duration::from_millis(500), "no cable was lost: the slowest answer took {slowest:?}");
    let log = rig.icf.log();
    ensure!(!log.contains("the peer is down") && log.matches("the peer is open").count() == 1, "{log}");
    Ok(())
}

#[test]
fn a_cable_is_pulled_and_every_air_is_answered() -> Result<()> {
    let mut rig = Rig::new(&Settings::default())?;
    let mut peer = rig.connect()?;
    rig.air(&mut peer)?;
    rig.icf.network()?.pull(Cable::First)?;
    for _ in 0..20 {
        rig.air(&mut peer)?;
    }
    let log = rig.icf.log();
    ensure!(!log.contains("the peer is down") && log.matches("the peer is open").count() == 1, "{log}");
    Ok(())
}

#[test]
fn the_log_says_that_a_path_is_lost_and_that_it_is_there_again() -> Result<()> {
    let mut rig = Rig::new(&Settings::default())?;
    // Sockets have the values of when they were made.
    rig.icf.stop()?;
    rig.icf.network()?.give_up_fast()?;
    rig.icf.start()?;
    let mut peer = rig.connect()?;
    rig.air(&mut peer)?;
    let path = format!("\"path\":\"{}\"", rig.here(peer.port()?)?[0]);
    rig.icf.network()?.lose(Cable::First)?;
    let log = rig.wait_for("a path of the association is lost", 1, Duration::from_secs(20))?;
    ensure!(log.contains(&path), "not {path}:\n{log}");
    rig.icf.network()?.restore(Cable::First)?;
    rig.wait_for("a path of the association can be used", 1, Duration::from_secs(20))?;
    rig.air(&mut peer)
}
