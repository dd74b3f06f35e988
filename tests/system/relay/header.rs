//! What changes of a message on its way through the relay, and that nothing else does: both sides are the tests' own
//! peer, which sees every octet.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{
    icf::{HOST, MME},
    wire::{Avp, Message, Outcome, flag, group},
};

use super::{HSS, ORDINARY, OTHER, SOON, downward, icf, metric, texts};
use crate::PLMN;

/// AVPs that nobody knows, and what an agent on the way has left for itself (RFC 6733 §6.7.2).
fn strange() -> Vec<Avp> {
    let proxy = |host: &str| group(&[Avp::base(280, host), Avp::base(33, [0, 255, 1])]);
    vec![
        Avp { code: 4711, vendor: 99_999, mandatory: true, data: vec![0xff, 0, 7] },
        Avp { code: 0x00ff_ffff, vendor: 0, mandatory: false, data: vec![] },
        Avp::base(284, proxy("one.localdomain")),
        Avp::base(284, proxy("two.localdomain")),
    ]
}

/// All but the routing AVPs.
fn others(message: &Message) -> Vec<Avp> {
    let routing = [282, 283, 293];
    message.avps.iter().filter(|avp| avp.vendor != 0 || !routing.contains(&avp.code)).cloned().collect()
}

/// An answer with what the request had of Proxy-Info and Session-Id, and more.
fn answer_to(request: &Message, flags: u8, result: u32, host: &str) -> Message {
    let mut avps: Vec<Avp> = request.base(263).into_iter().cloned().collect();
    avps.extend([Avp::base(268, result.to_be_bytes()), Avp::base(277, 1u32.to_be_bytes())]);
    avps.extend([Avp::base(264, host), Avp::base(296, "localdomain")]);
    avps.extend(strange());
    Message { flags, avps, ..request.clone() }
}

#[test]
fn bits_ids_and_avps_of_requests_and_answers_stay_and_hop_by_hop_ids_are_each_connections_own() -> Result<()>
{
    let icf = icf(HSS, &[])?;
    let (mut hss, mut one, mut two) = (icf.connect(HSS)?, icf.connect(MME)?, icf.connect(OTHER)?);
    let mut hops = Vec::new();
    // Both MMEs use the same ids, and one of them the T bit.
    for (mme, t) in [(&mut one, 0), (&mut two, flag::RETRANSMITTED)] {
        let session = mme.session();
        let mut air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
        (air.hop_by_hop, air.end_to_end) = (0x0000_0001, 0xfeed_0001);
        air.flags |= t;
        air.avps.extend(strange());
        mme.write(&air.encode())?;
        let seen = hss.request(SOON)?;
        ensure!(seen.flags == air.flags && seen.end_to_end == air.end_to_end, "{seen:?}");
        ensure!((seen.command, seen.application) == (air.command, air.application), "{seen:?}");
        ensure!(others(&seen) == others(&air), "{seen:?} is not {air:?}");
        ensure!(texts(&seen, 293) == [HSS] && texts(&seen, 282) == [mme.route.host.as_str()], "{seen:?}");
        hops.push(seen.hop_by_hop);
        let sent = answer_to(&seen, flag::PROXIABLE, 2001, HSS);
        hss.write(&sent.encode())?;
        let answer = mme.answer_to(1)?;
        ensure!(answer == Message { hop_by_hop: 1, ..sent }, "{answer:?}");
    }
    ensure!(hops[0] != hops[1], "one Hop-by-Hop id for two requests that wait: {hops:?}");

    // The same on the way down, where the destination stays, too.
    let mut clr = downward(&mut hss, harness::s6a::CLR, MME);
    (clr.hop_by_hop, clr.end_to_end) = (9, 0xfeed_0002);
    clr.flags |= flag::RETRANSMITTED;
    clr.avps.extend(strange());
    hss.write(&clr.encode())?;
    let seen = one.request(SOON)?;
    let mut expected = clr.avps.clone();
    expected.push(Avp::base(282, HSS));
    ensure!(seen == Message { hop_by_hop: seen.hop_by_hop, avps: expected, ..clr }, "{seen:?}");
    let sent = answer_to(&seen, flag::PROXIABLE, 2001, MME);
    one.write(&sent.encode())?;
    ensure!(hss.answer_to(9)? == Message { hop_by_hop: 9, ..sent });
    Ok(())
}

/// RFC 6733 §7.2: the E bit is of whoever found the error, with its Origin-Host; and so it arrives.
#[test]
fn an_error_of_the_hss_arrives_with_its_e_bit_and_without_where_it_has_none() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let (mut hss, mut mme) = (icf.connect(HSS)?, icf.connect(MME)?);
    for (result, e) in [(3002, flag::ERROR), (3004, flag::ERROR), (5012, 0), (4181, 0)] {
        let session = mme.session();
        let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
        let hop_by_hop = mme.send(air)?;
        let seen = hss.request(SOON)?;
        hss.write(&answer_to(&seen, flag::PROXIABLE | e, result, HSS).encode())?;
        let answer = mme.answer_to(hop_by_hop)?;
        ensure!(
            answer.flags == flag::PROXIABLE | e && answer.result()? == Outcome::Base(result),
            "{answer:?}"
        );
        ensure!(texts(&answer, 264) == [HSS], "{answer:?}");
    }
    // Ours have it where they are protocol errors, echo Session-Id and Proxy-Info, and say that they are ours.
    drop(hss);
    std::thread::sleep(Duration::from_millis(200));
    let session = mme.session();
    let mut air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    air.avps.extend(strange());
    let answer = mme.call(air)?;
    ensure!(answer.result()? == Outcome::Base(3002) && answer.flags & flag::ERROR != 0, "{answer:?}");
    ensure!(texts(&answer, 264) == [HOST] && texts(&answer, 263) == [session], "{answer:?}");
    let proxies: Vec<_> = answer.avps.iter().filter(|avp| avp.code == 284).cloned().collect();
    ensure!(proxies == strange()[2..], "{answer:?}");
    Ok(())
}

/// RFC 6733 §3: without the P bit it must not be passed on, and S6a knows no such request.
#[test]
fn a_request_without_the_p_bit_gets_3008_and_goes_nowhere() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let (mut hss, mut mme) = (icf.connect(HSS)?, icf.connect(MME)?);
    let session = mme.session();
    let mut air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    air.flags &= !flag::PROXIABLE;
    let answer = mme.call(air)?;
    ensure!(answer.result()? == Outcome::Base(3008) && answer.flags & flag::ERROR != 0, "{answer:?}");
    let mut clr = downward(&mut hss, harness::s6a::CLR, MME);
    clr.flags &= !flag::PROXIABLE;
    ensure!(hss.call(clr)?.result()? == Outcome::Base(3008));
    ensure!(hss.request(Duration::from_millis(300)).is_err() && mme.requests.is_empty(), "it went on");
    Ok(())
}

/// An answer with the right Hop-by-Hop id to something else is none: the MME gets its own (RFC 6733 §3, End-to-End id).
#[test]
fn an_answer_to_something_else_is_not_passed_on() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let (mut hss, mut mme) = (icf.connect(HSS)?, icf.connect(MME)?);
    let wrong: [fn(&mut Message); 3] =
        [|it| it.end_to_end ^= 1, |it| it.command = harness::s6a::ULR, |it| it.application = 16_777_252];
    for change in wrong {
        let session = mme.session();
        let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
        let hop_by_hop = mme.send(air)?;
        let mut answer = answer_to(&hss.request(SOON)?, flag::PROXIABLE, 2001, HSS);
        change(&mut answer);
        hss.write(&answer.encode())?;
        let answer = mme.answer_to(hop_by_hop)?;
        ensure!(answer.result()? == Outcome::Base(5012) && texts(&answer, 264) == [HOST], "{answer:?}");
    }
    let malformed =
        metric(&icf, r#"callhome_relay_failed_total{command="AIR",direction="up",reason="malformed"}"#)?;
    ensure!(malformed == 3.0, "{malformed}");
    Ok(())
}
