//! Open5GS: HSS and, for what it cannot digest, MME.

use std::{collections::HashSet, time::Duration};

use anyhow::{Result, ensure};
use harness::{
    aka::{self, Subscriber},
    icf::{Icf, MME, Settings},
    s6a::AIR,
    wire::{Avp, Message, Outcome, SUCCESS, TGPP, find, group},
};

use crate::PLMN;

/// DIAMETER_INVALID_AVP_LENGTH (RFC 6733 §7.1.5).
const INVALID_AVP_LENGTH: Outcome = Outcome::Base(5014);
/// DIAMETER_MISSING_AVP (RFC 6733 §7.1.5).
const MISSING_AVP: Outcome = Outcome::Base(5005);

/// It reads, sets and increments SQN in three steps.
#[test]
fn open5gs_hss_concurrent_airs_share_no_sqn() -> Result<()> {
    let peers = vec![MME.into(), "other.localdomain".into()];
    let subscriber = Subscriber::random(1)?;
    let icf = Icf::with(&Settings { peers, ..Settings::default() }, std::slice::from_ref(&subscriber))?;
    let mut connections = [icf.connect(MME)?, icf.connect("other.localdomain")?];
    for peer in &mut connections {
        for _ in 0..200 {
            let session = peer.session();
            let air = peer.route.air(&session, &subscriber.imsi, PLMN, 1, None);
            peer.send(air)?;
        }
    }
    let mut seen = HashSet::new();
    for peer in &mut connections {
        for _ in 0..200 {
            let answer = peer.receive(Duration::from_secs(20))?;
            let sqn = subscriber.sqn(&aka::vector(&answer)?)?;
            ensure!(seen.insert(sqn >> 5), "SEQ {:x} was handed out twice", sqn >> 5);
        }
    }
    Ok(())
}

/// It stores RAND and uses it again.
#[test]
fn open5gs_hss_uses_no_rand_twice() -> Result<()> {
    let (mut icf, subscriber) = Icf::with_one()?;
    let mut seen = HashSet::new();
    for _ in 0..2 {
        let mut peer = icf.connect(MME)?;
        for _ in 0..200 {
            let vector = aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?;
            ensure!(seen.insert(vector.rand), "a RAND was used twice");
        }
        icf.stop()?;
        icf.start()?;
    }
    Ok(())
}

/// It copies 30 octets, however many there are.
#[test]
fn open5gs_hss_re_synchronization_info_of_wrong_length_is_refused() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    for length in [0, 1, 14, 16, 29, 31, 60, 4000] {
        let octets = vec![0x5a; length];
        let answer = peer.air(&subscriber.imsi, PLMN, 1, Some(&octets))?;
        ensure!(
            answer.result()? == INVALID_AVP_LENGTH,
            "{length} octets are answered {:?}",
            answer.result()?
        );
        let failed = answer.base(279)?.members()?;
        ensure!(failed.len() == 1, "Failed-AVP holds {failed:?}");
        // The AVP itself, or the group that it stands in (RFC 6733 §7.5).
        ensure!(
            [1411, 1408].contains(&failed[0].code) && failed[0].vendor == TGPP,
            "Failed-AVP holds {failed:?}"
        );
    }
    aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?;
    Ok(())
}

/// It puts base codes into Experimental-Result.
#[test]
fn open5gs_hss_experimental_results_are_of_3gpp_and_base_codes_are_not_among_them() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let unknown = peer.air("999719999999999", PLMN, 1, None)?;
    ensure!(unknown.result()? == Outcome::Experimental(4181), "{:?}", unknown.result()?);
    let members = unknown.base(297)?.members()?;
    ensure!(find(&members, 266, 0)?.number()? == TGPP && members.len() == 2, "{members:?}");
    let session = peer.session();
    let mut without_plmn = peer.route.air(&session, &subscriber.imsi, PLMN, 1, None);
    without_plmn.avps.retain(|avp| avp.code != 1407);
    ensure!(peer.call(without_plmn)?.result()? == MISSING_AVP);
    Ok(())
}

fn results(answer: &Message) -> usize {
    answer.avps.iter().filter(|avp| avp.vendor == 0 && [268, 297].contains(&avp.code)).count()
}

/// Some of its failures carry no result at all, which aborts its own MME.
#[test]
fn open5gs_hss_every_failure_carries_one_result_and_who_answers() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let imsi = subscriber.imsi.as_str();
    let mut requests = Vec::new();
    // Each AVP that the grammar of AIR requires (TS 29.272 §7.2.5), left out.
    for missing in [1, 277, 1407] {
        let mut air = peer.route.air("s;1", imsi, PLMN, 1, None);
        air.avps.retain(|avp| avp.code != missing);
        requests.push(air);
    }
    for bad in [
        Avp::tgpp(1407, [0x99, 0xf9]),
        Avp::tgpp(1407, [0xaa, 0xaa, 0xaa]),
        Avp::tgpp(1408, [1, 2, 3]),
        Avp::tgpp(1408, group(&[Avp::tgpp(1410, [0])])),
        Avp::base(1, "no digits"),
        Avp::base(1, ""),
        Avp { code: 70_000, vendor: TGPP, mandatory: true, data: vec![1] },
    ] {
        let mut air = peer.route.air("s;2", imsi, PLMN, 1, None);
        match air.avps.iter_mut().find(|avp| avp.code == bad.code) {
            Some(avp) => *avp = bad,
            None => air.avps.push(bad),
        }
        requests.push(air);
    }
    requests.push(peer.route.air("s;3", "999719999999999", PLMN, 1, None));
    requests.push(peer.route.request(99_999, "s;4", imsi));
    for request in requests {
        let answer = peer.call(request.clone())?;
        ensure!(answer.result()? != SUCCESS, "a success to {request:?}");
        ensure!(results(&answer) == 1, "{} results in {answer:?}", results(&answer));
        ensure!(answer.command == request.command && answer.application == request.application, "{answer:?}");
        answer.base(264)?;
        answer.base(296)?;
        ensure!(answer.avps[0] == request.avps[0], "Session-Id is not first: {answer:?}");
    }
    Ok(())
}

/// It stores the location and cancels the old one before it has looked at the rest.
#[test]
fn open5gs_hss_a_refused_ulr_stores_nothing_and_cancels_nothing() -> Result<()> {
    let peers = vec![MME.into(), "other.localdomain".into()];
    let subscriber = Subscriber::random(1)?;
    let icf = Icf::with(&Settings { peers, ..Settings::default() }, std::slice::from_ref(&subscriber))?;
    let mut here = icf.connect(MME)?;
    let mut there = icf.connect("other.localdomain")?;
    ensure!(here.ulr(&subscriber.imsi, PLMN)?.result()? == SUCCESS);
    // Without RAT-Type, without ULR-Flags, with a RAT that is not allowed, with an AVP that nobody knows.
    for change in 0..4 {
        let session = there.session();
        let mut ulr = there.route.ulr(&session, &subscriber.imsi, PLMN);
        match change {
            0 => ulr.avps.retain(|avp| avp.code != 1032),
            1 => ulr.avps.retain(|avp| avp.code != 1405),
            2 => ulr
                .avps
                .iter_mut()
                .filter(|avp| avp.code == 1032)
                .for_each(|avp| avp.data = 1001u32.to_be_bytes().to_vec()),
            _ => ulr.avps.push(Avp { code: 70_000, vendor: TGPP, mandatory: true, data: vec![1] }),
        }
        ensure!(there.call(ulr)?.result()? != SUCCESS, "ULR {change} was taken");
    }
    let stored = icf.rest_ok("GET", &format!("/v1/registrations/{}", subscriber.imsi), None)?;
    ensure!(stored.body.contains(MME) && !stored.body.contains("other.localdomain"), "{}", stored.body);
    ensure!(here.request(Duration::from_secs(1)).is_err(), "the serving node was sent something");
    Ok(())
}

/// It loses requests when many wait.
#[test]
fn open5gs_hss_loses_no_request_under_concurrency() -> Result<()> {
    let subscribers: Vec<Subscriber> = (1..=50).map(Subscriber::random).collect::<Result<_>>()?;
    let icf = Icf::with(&Settings::default(), &subscribers)?;
    let mut peer = icf.connect(MME)?;
    let mut waiting = HashSet::new();
    for turn in 0..3000 {
        if waiting.len() == 500 {
            let answer = peer.receive(Duration::from_secs(20))?;
            ensure!(waiting.remove(&answer.hop_by_hop), "an answer to nothing, or a second one");
            ensure!(answer.command == AIR && answer.result()? == SUCCESS, "{answer:?}");
        }
        let session = peer.session();
        let air = peer.route.air(&session, &subscribers[turn % subscribers.len()].imsi, PLMN, 1, None);
        waiting.insert(peer.send(air)?);
    }
    while !waiting.is_empty() {
        let answer = peer.receive(Duration::from_secs(20))?;
        ensure!(waiting.remove(&answer.hop_by_hop), "an answer to nothing, or a second one");
        ensure!(answer.result()? == SUCCESS, "{answer:?}");
    }
    Ok(())
}

/// Its MME's dictionary allows one vector and drops an answer with more; an MME may ask for five.
#[test]
fn open5gs_mme_gets_one_vector_whatever_it_asks_for() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    for wanted in [1, 2, 5, u32::MAX] {
        aka::vector(&peer.air(&subscriber.imsi, PLMN, wanted, None)?)?;
    }
    Ok(())
}

/// Its MME looks for ULA-Flags in errors too.
#[test]
fn open5gs_mme_finds_ula_flags_in_a_refusal() -> Result<()> {
    let (icf, _) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let answer = peer.ulr("999719999999999", PLMN)?;
    ensure!(answer.result()? != SUCCESS);
    answer.tgpp(1406)?;
    Ok(())
}

/// It sends what was pending once more, with T, to whoever answers: the second answer must not differ; but for an AIR a
/// vector made anew is as good, and none is kept.
#[test]
fn open5gs_mme_is_answered_alike_when_it_repeats_with_t() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let session = peer.session();
    let mut sqns = HashSet::new();
    for mut request in [
        peer.route.air(&session, &subscriber.imsi, PLMN, 1, None),
        peer.route.ulr(&session, &subscriber.imsi, PLMN),
        peer.route.pur(&session, &subscriber.imsi),
    ] {
        (request.hop_by_hop, request.end_to_end) =
            (0x0700_0000 | request.command, 0x0800_0000 | request.command);
        peer.write(&request.encode())?;
        let first = peer.answer_to(request.hop_by_hop)?;
        ensure!(first.result()? == SUCCESS, "{first:?}");
        request.hop_by_hop += 0x1000;
        request.flags |= harness::wire::flag::RETRANSMITTED;
        peer.write(&request.encode())?;
        let second = peer.answer_to(request.hop_by_hop)?;
        if request.command == AIR {
            for answer in [first, second] {
                ensure!(sqns.insert(subscriber.sqn(&aka::vector(&answer)?)?), "a vector came twice");
            }
        } else {
            ensure!(first.avps == second.avps, "first {first:?}, then {second:?}");
        }
    }
    Ok(())
}
