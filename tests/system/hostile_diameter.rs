//! Peers and strangers that mean harm to the ICF's Diameter port, each beside a peer that behaves. What that one sees is
//! printed: how many requests, how many answers, median, 99th percentile and longest.
//!
//! The scenarios are shortened; the constants at their beginning make them longer.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{
    aka::{self, Subscriber},
    icf::{Icf, MME, Settings},
    peer::Peer,
    s6a::Route,
    wire::{Message, SUCCESS, flag},
};

use crate::PLMN;

/// The peer that is up to no good.
const HOSTILE: &str = "hostile.localdomain";
/// A third one, where two are busy with one another.
const BYSTANDER: &str = "bystander.localdomain";

/// What a peer that behaves has seen meanwhile.
struct Seen {
    /// Of each answer.
    took: Vec<Duration>,
}

impl Seen {
    /// Prints it, and holds it to what every peer may expect: an answer, a success, in time.
    fn tell(mut self, beside: &str, least: usize) -> Result<()> {
        self.took.sort_unstable();
        let at = |share: f64| {
            let index = (self.took.len() as f64 * share) as usize;
            self.took.get(index.min(self.took.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        println!(
            "beside {beside}: {} requests, {} answers, none refused; p50 {:?} p99 {:?} max {:?}",
            self.took.len(),
            self.took.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
        ensure!(self.took.len() >= least, "only {} requests were answered", self.took.len());
        // Far above what it takes: only what keeps a UE waiting is a failure.
        ensure!(at(1.0) < Duration::from_secs(10), "an answer took {:?}", at(1.0));
        Ok(())
    }
}

/// A peer that behaves: AIR and ULR of its own subscriber, one after the other, until it is told to stop.
struct Bystander {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: JoinHandle<Result<Seen>>,
}

impl Bystander {
    fn start(mut peer: Peer, subscriber: &Subscriber) -> Self {
        let (stop, imsi) = (Arc::new(AtomicBool::new(false)), subscriber.imsi.clone());
        let answered = Arc::new(AtomicUsize::new(0));
        let (stopped, counter) = (stop.clone(), answered.clone());
        let thread = std::thread::spawn(move || {
            let mut took = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                // Each fifth is durable.
                let answer = if took.len() % 5 == 4 {
                    peer.ulr(&imsi, PLMN)?
                } else {
                    peer.air(&imsi, PLMN, 1, None)?
                };
                took.push(begun.elapsed());
                counter.fetch_add(1, Ordering::Relaxed);
                ensure!(answer.result()? == SUCCESS, "the bystander is answered {:?}", answer.result()?);
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(Seen { took })
        });
        Self { stop, answered, thread }
    }

    /// Waits for so many answers more, where what is held against the node needs no work meanwhile.
    fn wait_for(&self, more: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + more;
        while self.answered.load(Ordering::Relaxed) < goal && !self.thread.is_finished() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn stop(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the bystander has panicked"))?
    }
}

/// An ICF that knows the two peers and two subscribers: the bystander's, and one that the hostile peer asks for.
fn icf(more: Settings) -> Result<(Icf, Subscriber, Subscriber)> {
    let (own, asked) = (Subscriber::random(1)?, Subscriber::random(2)?);
    let peers = [MME, HOSTILE, BYSTANDER].map(str::to_owned).into();
    let icf = Icf::with(&Settings { peers, ..more }, &[own.clone(), asked.clone()])?;
    Ok((icf, own, asked))
}

#[test]
fn origin_hosts_that_one_peer_makes_up_cost_the_others_nothing() -> Result<()> {
    const NAMES: u32 = 4000;
    let (icf, own, asked) = icf(Settings::default())?;
    let bystander = Bystander::start(icf.connect(MME)?, &own);
    let mut hostile = icf.connect(HOSTILE)?;
    let begun = Instant::now();
    let mut answered = 0;
    for chunk in 0..NAMES / 100 {
        for n in 0..100 {
            let host = format!("made-up-{chunk}-{n}.localdomain");
            let route = Route { host, ..hostile.route.clone() };
            let session = hostile.session();
            hostile.send(route.air(&session, &asked.imsi, PLMN, 1, None))?;
        }
        for _ in 0..100 {
            ensure!(hostile.receive(Duration::from_secs(20))?.result()? == SUCCESS);
            answered += 1;
        }
    }
    let took = begun.elapsed();
    let seen = bystander.stop()?;
    let metrics = icf.rest_ok("GET", "/metrics", None)?.body;
    println!("{answered} made-up Origin-Hosts in {took:?}; metrics page {} octets", metrics.len());
    seen.tell(&format!("{NAMES} made-up Origin-Hosts of one peer"), 5)?;
    ensure!(metrics.len() < 300_000, "the metrics page has {} octets", metrics.len());
    ensure!(metrics.contains(r#"peer="other""#), "nothing is counted for those that share");
    let named = metrics.lines().filter(|line| line.contains("made-up-")).count();
    ensure!(named < 200 * 10, "{named} series of made-up names");
    // The peer itself, and one that comes later, are told apart still.
    ensure!(hostile.air(&asked.imsi, PLMN, 1, None)?.result()? == SUCCESS);
    Ok(())
}

#[test]
fn who_repeats_requests_of_another_peer_with_the_t_bit_gets_none_of_its_answers() -> Result<()> {
    const TRIES: u32 = 300;
    let (icf, own, asked) = icf(Settings::default())?;
    let bystander = Bystander::start(icf.connect(BYSTANDER)?, &own);
    let mut victim = icf.connect(MME)?;
    let mut thief = icf.connect(HOSTILE)?;
    let (mut stolen, mut planted) = (0, 0);
    for n in 0..TRIES {
        let session = victim.session();
        let air = Message {
            hop_by_hop: 0x0100_0000 | n,
            end_to_end: 0x0200_0000 | n,
            ..victim.route.air(&session, &asked.imsi, PLMN, 1, None)
        };
        let again =
            Message { flags: air.flags | flag::RETRANSMITTED, hop_by_hop: 0x0300_0000 | n, ..air.clone() };
        // Before the victim, and after it.
        let first = if n % 2 == 0 { Some(octets_of(&mut thief, &air)?) } else { None };
        let answer = octets_of(&mut victim, &air)?;
        let second = octets_of(&mut thief, &again)?;
        let repeated = octets_of(&mut victim, &again)?;
        let kasme = |answer: &Message| aka::vector(answer).map(|vector| vector.kasme);
        let theirs = [kasme(&answer)?, kasme(&repeated)?];
        stolen += usize::from(theirs.contains(&kasme(&second)?));
        if let Some(first) = first {
            planted += usize::from(theirs.contains(&kasme(&first)?));
        }
    }
    // What is kept, an answer to a ULR, is kept for the victim alone.
    let session = victim.session();
    let ulr = Message { hop_by_hop: 7, end_to_end: 7, ..victim.route.ulr(&session, &asked.imsi, PLMN) };
    let again = Message { flags: ulr.flags | flag::RETRANSMITTED, hop_by_hop: 8, ..ulr.clone() };
    octets_of(&mut victim, &ulr)?;
    octets_of(&mut thief, &again)?;
    let metrics = icf.rest_ok("GET", "/metrics", None)?.body;
    let counted = metrics.lines().any(|line| {
        line.starts_with(r#"callhome_s6a_retransmissions_total{as="of another peer"}"#)
            && line.ends_with(" 1")
    });
    bystander.stop()?.tell("a thief with the T bit", 5)?;
    println!("{TRIES} requests of another peer repeated with T: {stolen} vectors got, {planted} planted");
    ensure!(stolen == 0 && planted == 0, "{stolen} stolen, {planted} planted");
    ensure!(counted, "it is not counted:\n{metrics}");
    Ok(())
}

/// Sends a request under its own ids and gives the answer.
fn octets_of(peer: &mut Peer, request: &Message) -> Result<Message> {
    peer.write(&request.encode())?;
    peer.answer_to(request.hop_by_hop)
}

#[test]
fn idle_connections_and_unfinished_handshakes_keep_no_peer_out() -> Result<()> {
    const IDLE: usize = 300;
    let (icf, own, asked) = icf(Settings { tls: true, ..Settings::default() })?;
    let bystander = Bystander::start(icf.connect(MME)?, &own);
    let tls = icf.tls.context("no TLS port")?;
    let mut held = Vec::new();
    for n in 0..IDLE {
        held.push(TcpStream::connect(("127.0.0.1", icf.diameter))?);
        let mut half = TcpStream::connect(("127.0.0.1", tls))?;
        // The first octets of a ClientHello, and no more; some say nothing.
        if n % 2 == 0 {
            half.write_all(&[22, 3, 1, 2, 0, 1])?;
        }
        held.push(half);
        // An octet of a CER at a time is no more use.
        if let Some(stream) = held.first_mut().filter(|_| n % 50 == 0) {
            let _ = stream.write_all(&[1]);
        }
    }
    // All of them are from the address that the peer has, too.
    let begun = Instant::now();
    let mut peer = icf.connect(HOSTILE)?;
    let let_in = begun.elapsed();
    ensure!(peer.air(&asked.imsi, PLMN, 1, None)?.result()? == SUCCESS);
    let files = icf.authority.as_ref().context("no authority")?.identity(HOSTILE)?;
    drop(peer);
    let begun = Instant::now();
    // It may be let in a second later: the node must have seen that its old connection is gone.
    let mut over_tls = loop {
        match Peer::connect_tls(tls, &icf.route(HOSTILE), &files, harness::icf::HOST) {
            Ok(peer) => break peer,
            Err(error) if begun.elapsed() > Duration::from_secs(10) => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let let_in_over_tls = begun.elapsed();
    ensure!(over_tls.air(&asked.imsi, PLMN, 1, None)?.result()? == SUCCESS);
    println!(
        "{IDLE} idle connections and {IDLE} handshakes held: let in after {let_in:?}, over TLS {let_in_over_tls:?}"
    );
    bystander.wait_for(100);
    bystander.stop()?.tell("idle connections and unfinished handshakes", 100)?;
    drop(held);
    Ok(())
}

#[test]
fn a_flood_of_garbage_costs_the_others_nothing_and_does_not_fill_the_log() -> Result<()> {
    const CONNECTIONS: usize = 1500;
    let (icf, own, _) = icf(Settings::default())?;
    let bystander = Bystander::start(icf.connect(MME)?, &own);
    let before = icf.log().len();
    let long = "x".repeat(60_000);
    for n in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(("127.0.0.1", icf.diameter))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        match n % 3 {
            0 => stream.write_all(b"GET / HTTP/1.1\r\nHost: icf\r\n\r\n")?,
            1 => {
                // A CER of a stranger, with a name that is as long as it gets.
                let name = if n % 2 == 0 { long.clone() } else { format!("stranger-{n}.localdomain") };
                let mut cer = icf.route(&name).request(257, "x", "1");
                (cer.flags, cer.application) = (flag::REQUEST, 0);
                stream.write_all(&cer.encode())?;
                let _ = stream.read(&mut [0; 1024]);
            }
            _ => stream.write_all(&[1, 0xff, 0xff, 0xfc])?,
        }
    }
    let seen = bystander.stop()?;
    let logged = icf.log().len() - before;
    println!("{CONNECTIONS} connections with garbage: {logged} octets of log");
    seen.tell(&format!("{CONNECTIONS} connections with garbage"), 5)?;
    // However long what strangers send is: a line each at most, and a short one.
    ensure!(logged < CONNECTIONS * 450, "{logged} octets of log");
    Ok(())
}
