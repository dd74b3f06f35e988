//! An ICF over there, and an MME here.

use std::{
    collections::HashSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use harness::{
    aka::{self, Subscriber},
    icf::{Icf, MME, Settings},
    network::Network,
    peer::Peer,
    sctp::Association,
    wire::{Message, Outcome, SUCCESS},
};

/// 999-70, which is not the provisional network.
pub const PLMN: [u8; 3] = [0x99, 0xf9, 0x07];

pub struct Rig {
    pub icf: Icf,
    pub subscriber: Subscriber,
    /// SEQs of all vectors so far.
    seen: HashSet<u64>,
    highest: u64,
}

impl Rig {
    pub fn new(settings: &Settings) -> Result<Self> {
        let subscriber = Subscriber::random(1)?;
        let mut icf = Icf::over_there(settings, Network::new()?)?;
        icf.start()?;
        icf.provision(std::slice::from_ref(&subscriber))?;
        Ok(Self { icf, subscriber, seen: HashSet::new(), highest: 0 })
    }

    /// This host's ends, with a port or any.
    pub fn here(&self, port: u16) -> Result<[SocketAddr; 2]> {
        Ok(self.icf.network()?.mme().map(|address| SocketAddr::new(address, port)))
    }

    /// An association from this port, or any.
    pub fn associate(&self, port: u16) -> Result<Association> {
        Association::connect(&self.here(port)?, &self.icf.sctp)
    }

    /// The MME after CER and CEA, whatever the CEA says.
    pub fn introduce(&self, port: u16, origin_state_id: Option<u32>) -> Result<Peer> {
        Peer::introduce_over(self.associate(port)?, &self.icf.route(MME), origin_state_id)
    }

    /// The MME after CER and CEA.
    pub fn connect(&self) -> Result<Peer> {
        accepted(self.introduce(0, None)?)
    }

    /// One AIR, and its answer checked.
    pub fn air(&mut self, peer: &mut Peer) -> Result<()> {
        let answer = peer.air(&self.subscriber.imsi, PLMN, 1, None)?;
        self.check(&answer)
    }

    /// An AIA with one vector of a SEQ that nobody has had, above all that came before.
    pub fn check(&mut self, answer: &Message) -> Result<()> {
        let seq = self.subscriber.sqn(&aka::vector(answer)?)? >> 5;
        ensure!(self.seen.insert(seq), "SEQ {seq:x} was handed out before");
        ensure!(seq > self.highest, "SEQ goes back from {:x} to {seq:x}", self.highest);
        self.highest = seq;
        Ok(())
    }

    /// Sends so many AIRs that nobody waits for.
    pub fn leave_under_way(&self, peer: &mut Peer, count: usize) -> Result<()> {
        for _ in 0..count {
            let session = peer.session();
            let air = peer.route.air(&session, &self.subscriber.imsi, PLMN, 1, None);
            peer.send(air)?;
        }
        Ok(())
    }

    /// Waits until the ICF's log says `text` so many times.
    pub fn wait_for(&self, text: &str, times: usize, limit: Duration) -> Result<String> {
        let until = Instant::now() + limit;
        loop {
            let log = self.icf.log();
            if log.matches(text).count() >= times {
                return Ok(log);
            }
            if Instant::now() > until {
                bail!("the ICF has not said {text:?} {times} times within {limit:?}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many peers the ICF says are open.
    pub fn open_peers(&self) -> Result<usize> {
        let peers = self.icf.rest_ok("GET", "/v1/peers", None)?.json()?;
        let items = peers["items"].as_array().context("no items")?;
        Ok(items.iter().filter(|peer| !peer["since"].is_null()).count())
    }
}

pub fn accepted(peer: Peer) -> Result<Peer> {
    let outcome = peer.capabilities.result()?;
    ensure!(outcome == SUCCESS, "the MME is answered {outcome:?} to its CER");
    Ok(peer)
}

/// What the CEA says.
pub fn outcome(peer: &Peer) -> Result<Outcome> {
    peer.capabilities.result()
}
