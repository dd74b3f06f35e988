//! What is on the wire, as Wireshark sees it.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{aka, capture::Capture, icf::Settings, network::Cable, wire::SUCCESS};

use crate::rig::{PLMN, Rig};

/// RFC 6733 §2.1.1: PPID 46; CER and CEA in order, then no order; any stream is taken. tshark has nothing to remark.
#[test]
fn every_chunk_has_ppid_46_and_only_the_cea_has_to_keep_its_place() -> Result<()> {
    let mut rig = Rig::new(&Settings { watchdog: "6s", ..Settings::default() })?;
    let folder = tempfile::tempdir()?;
    let port = rig.icf.sctp[0].port();
    let capture = Capture::sctp(&rig.icf.network()?.interface(Cable::First), port, folder.path())?;
    let mut peer = rig.connect()?;
    // More than streams: each is on another.
    for _ in 0..15 {
        rig.air(&mut peer)?;
    }
    ensure!(peer.ulr(&rig.subscriber.imsi, PLMN)?.result()? == SUCCESS);
    let _watchdog = peer.receive(Duration::from_secs(9));
    rig.icf.process()?.signal("TERM")?;
    let dpr = peer.request(Duration::from_secs(10))?;
    ensure!(dpr.command == 282, "{dpr:?}");
    peer.answer(&dpr, 2001)?;
    rig.icf.process()?.wait(Duration::from_secs(20))?;

    let captured = capture.stop()?;
    let complaints = captured.complaints()?;
    ensure!(complaints.is_empty(), "Wireshark remarks:\n{complaints}\nin\n{}", captured.words()?);
    // One line a packet: who sent it, PPIDs, U bits and streams of its chunks, and the commands in them.
    let fields = [
        "sctp.srcport",
        "sctp.data_payload_proto_id",
        "sctp.data_u_bit",
        "sctp.data_sid",
        "diameter.cmd.code",
    ];
    let (mut cea, mut others) = (0, 0);
    for line in captured.table("sctp.chunk_type == 0", &fields)? {
        let each = |at: usize| line[at].split(',').collect::<Vec<_>>();
        ensure!(each(1).iter().all(|ppid| *ppid == "46"), "PPIDs: {line:?}");
        if line[0] != port.to_string() {
            continue;
        }
        let streams = each(3);
        ensure!(
            streams.iter().all(|stream| stream.trim_start_matches("0x").trim_matches('0').is_empty()),
            "streams: {line:?}"
        );
        for (command, unordered) in each(4).iter().zip(each(2)) {
            let unordered = matches!(unordered, "1" | "True");
            ensure!(unordered == (*command != "257"), "the U bit: {line:?}");
            *(if unordered { &mut others } else { &mut cea }) += 1;
        }
    }
    // 15 AIAs, a ULA, a DWR, the DPR.
    ensure!(cea == 1 && others >= 18, "{cea} CEAs and {others} others:\n{}", captured.words()?);
    Ok(())
}

/// A long answer is lost on its way; the short ones that were asked for after it do not wait until it is sent again.
#[test]
fn an_answer_that_is_lost_keeps_none_behind_it_waiting() -> Result<()> {
    let rig = Rig::new(&Settings { max_vectors: 5, ..Settings::default() })?;
    let mut peer = rig.connect()?;
    let imsi = rig.subscriber.imsi.clone();
    aka::vectors(&peer.air(&imsi, PLMN, 1, None)?)?;
    rig.icf.network()?.lose_long_ones_of_the_icf()?;
    let mut asked = Vec::new();
    for vectors in [5, 1, 1, 1] {
        let session = peer.session();
        let air = peer.route.air(&session, &imsi, PLMN, vectors, None);
        asked.push(peer.send(air)?);
        std::thread::sleep(Duration::from_millis(30));
    }
    let mut answered = Vec::new();
    for _ in 0..asked.len() {
        let answer = peer.receive(Duration::from_secs(15))?;
        let expected = if answer.hop_by_hop == asked[0] { 5 } else { 1 };
        ensure!(aka::vectors(&answer)?.len() == expected);
        answered.push(answer.hop_by_hop);
    }
    ensure!(
        answered.last() == asked.first(),
        "asked {asked:?}, answered {answered:?}: the long answer was not lost"
    );
    Ok(())
}
