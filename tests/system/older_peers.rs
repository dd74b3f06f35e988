//! Diameter peers of the time of RFC 3588, peers that die without a word, and what the log says of those that are refused.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use harness::{
    icf::{HOST, Icf, MME, REALM, Settings},
    ports,
    s6a::{Route, S6A},
    wire::{Avp, Message, Outcome, SUCCESS, TGPP, flag, group},
};

use crate::PLMN;

const SOON: Duration = Duration::from_secs(10);

/// Vendor-Specific-Application-Id with two Vendor-Ids (RFC 3588 §6.11: `1* [ Vendor-Id ]`).
fn two_vendor_ids() -> Avp {
    let members = [
        Avp::base(266, TGPP.to_be_bytes()),
        Avp::base(266, 13365_u32.to_be_bytes()),
        Avp::base(258, S6A.to_be_bytes()),
    ];
    Avp::base(260, group(&members))
}

/// What a CER or CEA of `host` has besides its applications.
fn described(host: &str) -> Vec<Avp> {
    vec![
        Avp::base(264, host),
        Avp::base(296, REALM),
        Avp::base(257, [0, 1, 127, 0, 0, 1]),
        Avp::base(266, 0_u32.to_be_bytes()),
        Avp::base(269, "older").with_mandatory(false),
    ]
}

/// A connection that says what it is told to, octet by octet.
struct Raw {
    stream: TcpStream,
}

impl Raw {
    fn connect(icf: &Icf) -> Result<Self> {
        Ok(Self { stream: TcpStream::connect(("127.0.0.1", icf.diameter))? })
    }

    fn receive(&mut self) -> Result<Message> {
        self.stream.set_read_timeout(Some(SOON))?;
        let mut octets = vec![0; 4];
        self.stream.read_exact(&mut octets).context("no Diameter message")?;
        let length = u32::from_be_bytes([0, octets[1], octets[2], octets[3]]) as usize;
        octets.resize(length, 0);
        self.stream.read_exact(&mut octets[4..])?;
        Message::decode(&octets)
    }

    /// CER with these AVPs, and what the CEA says.
    fn introduce(&mut self, host: &str, more: Vec<Avp>) -> Result<Outcome> {
        let mut avps = described(host);
        avps.extend(more);
        let cer = Message {
            flags: flag::REQUEST,
            command: 257,
            application: 0,
            hop_by_hop: 1,
            end_to_end: 1,
            avps,
        };
        self.stream.write_all(&cer.encode())?;
        self.receive()?.result()
    }
}

/// Waits for a line of the log that holds all of these.
fn logged(icf: &Icf, parts: &[&str]) -> Result<String> {
    let until = Instant::now() + SOON;
    loop {
        let log = icf.log();
        if let Some(line) = log.lines().find(|line| parts.iter().all(|part| line.contains(part))) {
            ensure!(!line.contains("Some("), "{line}");
            return Ok(line.to_owned());
        }
        ensure!(Instant::now() < until, "no line with {parts:?} in\n{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_vendor_ids_are_accepted_in_cer_and_in_requests() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut raw = Raw::connect(&icf)?;
    ensure!(raw.introduce(MME, vec![two_vendor_ids()])? == SUCCESS);
    let route = icf.route(MME);
    for request in
        [route.air("mme;1;1", &subscriber.imsi, PLMN, 1, None), route.ulr("mme;1;2", &subscriber.imsi, PLMN)]
    {
        let mut request = request;
        for avp in request.avps.iter_mut().filter(|avp| avp.code == 260) {
            *avp = two_vendor_ids();
        }
        raw.stream.write_all(&request.encode())?;
        let answer = raw.receive()?;
        ensure!(answer.result()? == SUCCESS, "{answer:?}");
        // What we send is as RFC 6733 has it.
        ensure!(answer.base(260)?.members()?.iter().filter(|avp| avp.code == 266).count() == 1, "{answer:?}");
    }
    Ok(())
}

#[test]
fn the_log_says_who_was_refused_and_why() -> Result<()> {
    let icf = Icf::with(&Settings::default(), &[])?;
    let unknown = Avp { code: 999, vendor: 2011, mandatory: true, data: b"x".to_vec() };
    ensure!(Raw::connect(&icf)?.introduce(MME, vec![two_vendor_ids(), unknown])? == Outcome::Base(5001));
    logged(&icf, &[MME, "127.0.0.1:", "AVP 999 of vendor 2011", "5001"])?;
    let other = Avp::base(258, 16_777_238_u32.to_be_bytes());
    ensure!(Raw::connect(&icf)?.introduce(MME, vec![other])? == Outcome::Base(5010));
    logged(&icf, &[MME, "127.0.0.1:", "16777238", "16777251", "5010"])?;
    ensure!(
        Raw::connect(&icf)?.introduce("nobody.localdomain", vec![two_vendor_ids()])? == Outcome::Base(3010)
    );
    logged(&icf, &["nobody.localdomain", "127.0.0.1:", "3010"])?;
    // Two nodes of one identity.
    let mut first = Raw::connect(&icf)?;
    ensure!(first.introduce(MME, vec![two_vendor_ids()])? == SUCCESS);
    let kept = first.stream.local_addr()?.to_string();
    ensure!(Raw::connect(&icf)?.introduce(MME, vec![two_vendor_ids()])? == Outcome::Base(4003));
    logged(&icf, &[MME, &kept, "two nodes have one identity", "4003"])?;
    Ok(())
}

/// The ICF's connection to a peer that it connects to, after its CER was read.
fn accept(listener: &TcpListener) -> Result<(Raw, Message)> {
    listener.set_nonblocking(true)?;
    let until = Instant::now() + SOON;
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => bail!("the ICF does not connect: {error}"),
        }
    };
    stream.set_nonblocking(false)?;
    let mut raw = Raw { stream };
    let cer = raw.receive()?;
    ensure!(cer.command == 257 && cer.is_request(), "{cer:?}");
    Ok((raw, cer))
}

fn cea(cer: &Message, result: u32, more: Vec<Avp>) -> Vec<u8> {
    let mut avps = vec![Avp::base(268, result.to_be_bytes())];
    avps.extend(described("hss.localdomain"));
    avps.extend(more);
    Message { flags: 0, avps, ..cer.clone() }.encode()
}

#[test]
fn a_cea_with_two_vendor_ids_opens_the_connection_and_one_that_is_refused_is_logged_with_peer_and_avp()
-> Result<()> {
    let port = ports::free()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let connect = vec![("hss.localdomain".to_owned(), port)];
    let icf = Icf::with(&Settings { connect, ..Settings::default() }, &[])?;
    let at = format!("127.0.0.1:{port}");

    let (mut raw, cer) = accept(&listener)?;
    let unknown = Avp { code: 999, vendor: 2011, mandatory: true, data: b"x".to_vec() };
    raw.stream.write_all(&cea(&cer, 2001, vec![two_vendor_ids(), unknown]))?;
    logged(&icf, &["hss.localdomain", &at, "AVP 999 of vendor 2011"])?;

    let (mut raw, cer) = accept(&listener)?;
    let why = Avp::base(281, "no such peer here").with_mandatory(false);
    raw.stream.write_all(&cea(&cer, 3010, vec![why]))?;
    logged(&icf, &["hss.localdomain", &at, "3010", "no such peer here"])?;

    let (mut raw, cer) = accept(&listener)?;
    raw.stream.write_all(&cea(&cer, 2001, vec![two_vendor_ids()]))?;
    logged(&icf, &["hss.localdomain", &at, "the peer is open"])?;
    Ok(())
}

#[test]
fn a_peer_that_dies_silently_twice_is_let_in_again_within_seconds() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    // Its sockets stay; nothing comes from them any more, and no Origin-State-Id tells of a restart.
    let mut dead = Vec::new();
    for death in 0..3 {
        let begun = Instant::now();
        loop {
            let mut raw = Raw::connect(&icf)?;
            match raw.introduce(MME, vec![two_vendor_ids()])? {
                SUCCESS => {
                    dead.push(raw);
                    break;
                }
                Outcome::Base(4003) => std::thread::sleep(Duration::from_millis(200)),
                other => bail!("{other:?}"),
            }
            ensure!(begun.elapsed() < Duration::from_secs(20), "locked out after death {death}");
        }
        println!("let in after {:?}, death {death}", begun.elapsed());
    }
    let mut last = dead.pop().context("none was let in")?;
    let route = Route { host: MME.into(), realm: REALM.into(), hss: HOST.into(), hss_realm: REALM.into() };
    let mut air = route.air("mme;2;1", &subscriber.imsi, PLMN, 1, None);
    air.hop_by_hop = 4711;
    last.stream.write_all(&air.encode())?;
    loop {
        let answer = last.receive()?;
        if answer.hop_by_hop == 4711 && !answer.is_request() {
            ensure!(answer.result()? == SUCCESS, "{answer:?}");
            return Ok(());
        }
    }
}

#[test]
fn a_peer_that_reconnects_right_after_its_dpa_is_let_in() -> Result<()> {
    let icf = Icf::with(&Settings::default(), &[])?;
    let mut old: Option<Raw> = None;
    for round in 0..20 {
        let mut raw = Raw::connect(&icf)?;
        let outcome = raw.introduce(MME, vec![two_vendor_ids()])?;
        ensure!(outcome == SUCCESS, "round {round}: {outcome:?}");
        // Every other time the old connection is still there.
        if round % 2 == 0 {
            drop(old.take());
        }
        let avps = vec![Avp::base(264, MME), Avp::base(296, REALM), Avp::base(273, 0_u32.to_be_bytes())];
        let dpr = Message {
            flags: flag::REQUEST,
            command: 282,
            application: 0,
            hop_by_hop: 2,
            end_to_end: 2,
            avps,
        };
        raw.stream.write_all(&dpr.encode())?;
        let dpa = raw.receive()?;
        ensure!(dpa.command == 282 && dpa.result()? == SUCCESS, "{dpa:?}");
        old = Some(raw);
    }
    Ok(())
}
