//! A network that provisional and ordinary IMSIs share: `[relay]` sends ordinary ones on to the HSS that has them, and
//! that HSS's requests on to the MME. python-diameter is the HSS once, and the MME once; the other side is the tests'
//! own peer, which sees every octet.

mod commands;
mod header;
mod hostile;
mod metrics;
mod silence;
mod transport;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    aka::Subscriber,
    free_diameter::NAME,
    icf::{Icf, MME, Settings},
    peer::Peer,
    python::{self, Mme},
    s6a::{AIR, CLR, IDR, Route, ULR},
    wire::{Avp, Message},
};

use crate::PLMN;

/// The other Diameter node of each test.
const OTHER: &str = "other.localdomain";
const BYSTANDER: &str = "bystander.localdomain";
/// The HSS, where both sides are known by their names.
const HSS: &str = "hss.localdomain";

/// An ICF that has 9997100000… of network 999-71; the rest of it belongs to `hss`.
fn icf(hss: &str, subscribers: &[Subscriber]) -> Result<Icf> {
    Icf::with(&settings(hss, ""), subscribers)
}

/// The same with more keys of `[relay]`.
fn settings(hss: &str, more: &str) -> Settings {
    let relay = format!(
        "\n[relay]\nhss = \"{hss}\"\nrealm = \"localdomain\"\nprefixes = [\"99971\"]\n\
         ours = [\"999710000000000-999710000999999\"]\n{more}\n"
    );
    let peers = [MME, HSS, OTHER, BYSTANDER, NAME].map(str::to_owned).into();
    Settings { peers, icf: relay.leak(), ..Settings::default() }
}

/// The value of a metric with its labels, as one line of the exposition begins; 0 where there is none yet.
fn metric(icf: &Icf, name: &str) -> Result<f64> {
    let text = icf.rest_ok("GET", "/metrics", None)?.body;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.unwrap_or("0").parse()?)
}

/// An ordinary IMSI.
const ORDINARY: &str = "999715000000001";
const SOON: Duration = Duration::from_secs(15);

fn texts(message: &Message, code: u32) -> Vec<String> {
    let of_code = message.avps.iter().filter(|avp| avp.code == code);
    of_code.map(|avp| String::from_utf8_lossy(&avp.data).into_owned()).collect()
}

/// What python-diameter has decoded; it shows identities as octets in hexadecimal.
fn decoded(request: &serde_json::Value, name: &str) -> String {
    let value = python::at(&request["avps"], &[name]).and_then(|value| value.as_str()).unwrap_or_default();
    let text = hex::decode(value).ok().and_then(|octets| String::from_utf8(octets).ok());
    text.unwrap_or_else(|| value.to_owned())
}

#[test]
fn requests_for_ordinary_imsis_are_answered_by_the_hss_that_has_them() -> Result<()> {
    let ours = Subscriber::random(1)?;
    let icf = icf(MME, std::slice::from_ref(&ours))?;
    let folder = tempfile::tempdir()?;
    let mut hss = Mme::connect(folder.path(), icf.diameter)?;
    hss.wait_ready()?;
    let mut mme = icf.connect(OTHER)?;

    let session = mme.session();
    let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    let hop_by_hop = mme.send(air)?;
    let answer = mme.answer_to(hop_by_hop)?;
    ensure!(answer.result()? == harness::wire::SUCCESS, "{answer:?}");
    ensure!(answer.end_to_end == 0x5000_0000 | hop_by_hop, "the End-to-End id is the MME's");
    ensure!(texts(&answer, 264) == [MME], "the answer is the HSS's, not the ICF's: {answer:?}");
    let seen = hss.event("request", SOON)?;
    ensure!(seen["class"] == "AuthenticationInformationRequest", "{seen:#}");
    ensure!(python::complaints(&seen).is_empty(), "{:?}", python::complaints(&seen));
    for (name, value) in [
        ("User-Name", ORDINARY),
        ("Origin-Host", OTHER),
        ("Destination-Host", MME),
        ("Destination-Realm", "localdomain"),
        ("Route-Record", OTHER),
    ] {
        ensure!(decoded(&seen, name) == value, "{name}: {seen:#}");
    }

    let (one, two) = (mme.session(), mme.session());
    for request in [mme.route.ulr(&one, ORDINARY, PLMN), mme.route.pur(&two, ORDINARY)] {
        let answer = mme.call(request)?;
        ensure!(answer.result()? == harness::wire::SUCCESS && texts(&answer, 264) == [MME], "{answer:?}");
        hss.event("request", SOON)?;
    }

    // Our own are answered here.
    let answer = mme.air(&ours.imsi, PLMN, 1, None)?;
    ensure!(texts(&answer, 264) == [harness::icf::HOST], "{answer:?}");
    ensure!(answer.result()? == harness::wire::SUCCESS, "{answer:?}");
    // And one of our range that nobody has is unknown here, not sent on.
    let answer = mme.air("999710000000999", PLMN, 1, None)?;
    ensure!(texts(&answer, 264) == [harness::icf::HOST], "{answer:?}");
    hss.stop()?;
    Ok(())
}

/// A request of the HSS for whoever serves the subscriber.
fn downward(hss: &mut Peer, command: u32, to: &str) -> Message {
    let route = Route { hss: to.into(), ..hss.route.clone() };
    let mut request = route.request(command, &hss.session(), ORDINARY);
    match command {
        // Subscription withdrawal (TS 29.272 §7.3.24); Subscription-Data may be empty (§7.3.2).
        CLR => request.avps.push(Avp::tgpp(1420, 2u32.to_be_bytes())),
        _ => request.avps.push(Avp::tgpp(1400, [])),
    }
    request
}

#[test]
fn requests_of_that_hss_reach_the_mme_and_its_answers_come_back() -> Result<()> {
    let icf = icf(OTHER, &[])?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect(folder.path(), icf.diameter)?;
    mme.wait_ready()?;
    let mut hss = icf.connect(OTHER)?;
    for (command, class) in [(CLR, "CancelLocationRequest"), (IDR, "InsertSubscriberDataRequest")] {
        let request = downward(&mut hss, command, MME);
        let hop_by_hop = hss.send(request)?;
        let answer = hss.answer_to(hop_by_hop)?;
        ensure!(answer.result()? == harness::wire::SUCCESS, "{answer:?}");
        ensure!(answer.end_to_end == 0x5000_0000 | hop_by_hop, "the End-to-End id is the HSS's");
        ensure!(texts(&answer, 264) == [MME], "{answer:?}");
        let seen = mme.event("request", SOON)?;
        ensure!(seen["class"] == class, "{seen:#}");
        ensure!(python::complaints(&seen).is_empty(), "{:?}", python::complaints(&seen));
        ensure!(
            decoded(&seen, "Origin-Host") == OTHER && decoded(&seen, "Route-Record") == OTHER,
            "{seen:#}"
        );
    }
    mme.stop()?;

    // Now it is away; and nobody but the HSS is relayed for.
    let request = downward(&mut hss, CLR, MME);
    ensure!(hss.call(request)?.result()? == harness::wire::Outcome::Base(3002));
    let mut bystander = icf.connect(BYSTANDER)?;
    let request = downward(&mut bystander, CLR, OTHER);
    ensure!(bystander.call(request)?.result()? == harness::wire::Outcome::Base(3002));
    ensure!(hss.request(Duration::from_millis(300)).is_err(), "it was passed on all the same");
    Ok(())
}

#[test]
fn an_hss_that_is_away_gets_3002_and_a_loop_3005() -> Result<()> {
    let icf = icf(OTHER, &[])?;
    let mut mme = icf.connect(MME)?;
    ensure!(mme.air(ORDINARY, PLMN, 1, None)?.result()? == harness::wire::Outcome::Base(3002));
    let mut hss = icf.connect(OTHER)?;
    // Its own subscriber, asked of us.
    ensure!(hss.air(ORDINARY, PLMN, 1, None)?.result()? == harness::wire::Outcome::Base(3005));
    // It was here before (RFC 6733 §6.1.3).
    let session = mme.session();
    let mut seen = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    seen.avps.push(Avp::base(282, harness::icf::HOST));
    ensure!(mme.call(seen)?.result()? == harness::wire::Outcome::Base(3005));
    Ok(())
}

#[test]
fn an_imsi_that_has_moved_is_served_although_the_mme_names_who_had_it_before() -> Result<()> {
    let ours = Subscriber::random(1)?;
    let icf = icf(HSS, std::slice::from_ref(&ours))?;
    let mut hss = icf.connect(HSS)?;
    let mut mme = icf.connect(MME)?;
    // The MME's last answer about this IMSI was the HSS's; now the ICF has it.
    let names_the_hss = Route { hss: HSS.into(), ..mme.route.clone() };
    let (one, two) = (mme.session(), mme.session());
    for request in
        [names_the_hss.air(&one, &ours.imsi, PLMN, 1, None), names_the_hss.ulr(&two, &ours.imsi, PLMN)]
    {
        let answer = mme.call(request)?;
        ensure!(answer.result()? == harness::wire::SUCCESS, "{answer:?}");
        ensure!(texts(&answer, 264) == [harness::icf::HOST], "the next request names the ICF: {answer:?}");
    }
    ensure!(hss.request(Duration::from_millis(300)).is_err(), "it was passed on all the same");
    // The other way round: its last answer was the ICF's, and the HSS has it.
    let session = mme.session();
    let hop_by_hop = mme.send(mme.route.air(&session, ORDINARY, PLMN, 1, None))?;
    let request = hss.request(SOON)?;
    ensure!(texts(&request, 293) == [HSS], "{request:?}");
    hss.answer(&request, 2001)?;
    ensure!(mme.answer_to(hop_by_hop)?.result()? == harness::wire::SUCCESS);
    Ok(())
}

#[test]
fn a_request_sent_again_asks_the_hss_once_and_is_answered_alike() -> Result<()> {
    let icf = icf(OTHER, &[])?;
    let mut hss = icf.connect(OTHER)?;
    let mut mme = icf.connect(MME)?;
    let session = mme.session();
    let ulr = mme.route.ulr(&session, ORDINARY, PLMN);
    let hop_by_hop = mme.send(ulr.clone())?;
    let request = hss.request(SOON)?;
    ensure!(request.command == ULR, "{request:?}");
    hss.answer(&request, 2001)?;
    let first = mme.answer_to(hop_by_hop)?;
    let mut again = ulr;
    (again.hop_by_hop, again.end_to_end) = (0x7777, first.end_to_end);
    again.flags |= harness::wire::flag::RETRANSMITTED;
    mme.write(&again.encode())?;
    let second = mme.answer_to(0x7777)?;
    ensure!(second.avps == first.avps, "{second:?} is not {first:?}");
    ensure!(hss.request(Duration::from_millis(300)).is_err(), "the HSS was asked twice");
    icf.rest("GET", "/v1/peers", None).context("the ICF lives")?;
    Ok(())
}

/// Its vectors are kept by nobody on the way: the HSS is asked once more, and told that it may have been asked before.
#[test]
fn an_air_sent_again_asks_the_hss_again_with_the_t_bit() -> Result<()> {
    let icf = icf(OTHER, &[])?;
    let mut hss = icf.connect(OTHER)?;
    let mut mme = icf.connect(MME)?;
    let session = mme.session();
    let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    for flags in [0, harness::wire::flag::RETRANSMITTED] {
        let again =
            Message { flags: air.flags | flags, hop_by_hop: 0x7000, end_to_end: 0x7000, ..air.clone() };
        mme.write(&again.encode())?;
        let request = hss.request(SOON)?;
        ensure!(
            (request.command, request.flags & harness::wire::flag::RETRANSMITTED) == (AIR, flags),
            "{request:?}"
        );
        hss.answer(&request, 2001)?;
        ensure!(mme.answer_to(0x7000)?.result()? == harness::wire::SUCCESS);
    }
    Ok(())
}
