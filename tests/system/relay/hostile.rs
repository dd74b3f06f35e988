//! Peers that want more than is theirs, and octets that are no S6a.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{
    icf::{HOST, MME},
    peer::Peer,
    s6a::{AIR, CLR, Route},
    wire::{Avp, Message, Outcome, SUCCESS},
};

use super::{BYSTANDER, HSS, ORDINARY, OTHER, SOON, downward, icf, metric, texts};
use crate::PLMN;

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_peer_that_is_not_the_hss_can_neither_answer_for_it_nor_send_in_its_name() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let (mut hss, mut mme, mut bystander) = (icf.connect(HSS)?, icf.connect(MME)?, icf.connect(BYSTANDER)?);
    let session = mme.session();
    let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    let hop_by_hop = mme.send(air)?;
    let request = hss.request(SOON)?;
    // It has even guessed the ids.
    bystander.route.host = HSS.into();
    bystander.answer(&request, 5012)?;
    ensure!(mme.receive(SHORT).is_err(), "the bystander's answer came through");
    ensure!(metric(&icf, "callhome_s6a_late_answers_total")? == 1.0);
    hss.answer(&request, 2001)?;
    ensure!(mme.answer_to(hop_by_hop)?.result()? == SUCCESS);

    for command in [CLR, harness::s6a::IDR, harness::s6a::DSR, harness::s6a::RSR] {
        let clr = downward(&mut bystander, command, MME);
        ensure!(texts(&clr, 264) == [HSS]);
        ensure!(bystander.call(clr)?.result()? == Outcome::Base(3002));
    }
    // A reset that is addressed to the ICF is the HSS's alone, too.
    let rsr = downward(&mut bystander, harness::s6a::RSR, HOST);
    ensure!(bystander.call(rsr)?.result()? == Outcome::Base(3001));
    ensure!(mme.request(SHORT).is_err() && hss.request(SHORT).is_err(), "it was passed on all the same");
    Ok(())
}

/// What is for the HSS is for nobody else, also while it is away; and what an HSS has for an MME goes by a relay, but never
/// back to whom it has come from.
#[test]
fn a_peer_that_calls_itself_a_relay_is_not_given_what_is_for_the_hss() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let mut bystander = Peer::connect_as_relay(icf.diameter, &icf.route(BYSTANDER))?;
    let mut mme = icf.connect(MME)?;
    let answer = mme.air(ORDINARY, PLMN, 1, None)?;
    ensure!(answer.result()? == Outcome::Base(3002) && texts(&answer, 264) == [HOST], "{answer:?}");
    ensure!(bystander.request(SHORT).is_err(), "it was given an ordinary subscriber's request");
    drop(bystander);
    let mut hss = Peer::connect_as_relay(icf.diameter, &icf.route(HSS))?;
    let clr = downward(&mut hss, CLR, OTHER);
    ensure!(hss.call(clr)?.result()? == Outcome::Base(3002));
    ensure!(hss.requests.is_empty(), "its own request came back");
    Ok(())
}

/// After its first answer an MME may name the HSS that has given it (TS 29.272 §7.1.6). Nobody else can be named.
#[test]
fn an_mme_may_name_the_hss_but_no_other_node() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let (mut hss, mut mme, mut other) = (icf.connect(HSS)?, icf.connect(MME)?, icf.connect(OTHER)?);
    let to = |host: &str| Route { hss: host.into(), ..icf.route(MME) };
    let session = mme.session();
    let hop_by_hop = mme.send(to(HSS).air(&session, ORDINARY, PLMN, 1, None))?;
    let request = hss.request(SOON)?;
    ensure!(texts(&request, 293) == [HSS], "{request:?}");
    hss.answer(&request, 2001)?;
    ensure!(mme.answer_to(hop_by_hop)?.result()? == SUCCESS);
    for (host, imsi) in [(OTHER, ORDINARY), (HSS, "001010000000001")] {
        let session = mme.session();
        let answer = mme.call(to(host).air(&session, imsi, PLMN, 1, None))?;
        ensure!(answer.result()? == Outcome::Base(3002), "{host} {imsi}: {answer:?}");
    }
    ensure!(hss.request(SHORT).is_err() && other.request(SHORT).is_err(), "it was passed on all the same");
    Ok(())
}

fn with_user_name(air: &Message, value: Option<Vec<u8>>) -> Message {
    let mut air = air.clone();
    air.avps.retain(|avp| avp.code != 1);
    air.avps.extend(value.map(|value| Avp::base(1, value)));
    air
}

#[test]
fn user_names_and_session_ids_that_are_absent_or_absurd_harm_nobody() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let (mut hss, mut mme) = (icf.connect(HSS)?, icf.connect(MME)?);
    let session = mme.session();
    let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    // Nobody's IMSI: answered here, with an error, and not passed on.
    let digits = |count: usize| Some(ORDINARY.bytes().cycle().take(count).collect::<Vec<u8>>());
    for name in [
        None,
        Some(Vec::new()),
        digits(5),
        digits(16),
        digits(300),
        digits(60_000),
        Some(vec![0xff; 15]),
        Some(b"999715000000001\0".to_vec()),
        Some(b" 999715000000001".to_vec()),
        Some(b"999715000000001@nai.epc".to_vec()),
    ] {
        let shown =
            name.as_ref().map(|name| String::from_utf8_lossy(&name[..name.len().min(20)]).into_owned());
        let answer = mme.call(with_user_name(&air, name))?;
        ensure!(answer.result()? != SUCCESS && texts(&answer, 264) == [HOST], "{shown:?}: {answer:?}");
    }
    ensure!(hss.request(SHORT).is_err(), "it was passed on all the same");

    // What the ICF has not to judge goes on as it is: the HSS refuses it, or not.
    for session in [Vec::new(), vec![b';'; 60_000], vec![0x1b; 300]] {
        let mut air = air.clone();
        air.avps[0].data = session;
        let hop_by_hop = mme.send(air.clone())?;
        let request = hss.request(SOON)?;
        ensure!(request.command == AIR && request.avps[0] == air.avps[0]);
        hss.answer(&request, 2001)?;
        let answer = mme.answer_to(hop_by_hop)?;
        ensure!(answer.avps[0] == air.avps[0] && answer.result()? == SUCCESS);
    }
    let mut none = air.clone();
    none.avps.remove(0);
    let hop_by_hop = mme.send(none)?;
    let request = hss.request(SOON)?;
    hss.answer(&request, 5005)?;
    ensure!(mme.answer_to(hop_by_hop)?.result()? == Outcome::Base(5005));
    // A Session-Id that is no text is refused (RFC 6733 §8.8: UTF8String).
    let mut broken = air;
    broken.avps[0].data = vec![0xff, 0xfe];
    let answer = mme.call(broken)?;
    ensure!(answer.result()? == Outcome::Base(5004) && texts(&answer, 264) == [HOST], "{answer:?}");
    ensure!(icf.rest("GET", "/readyz", None)?.status == 200);
    Ok(())
}
