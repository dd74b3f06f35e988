//! A Diameter peer of the tests' own, on one blocking connection.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::{
    pki::Identity,
    s6a::{Route, S6A},
    sctp::Association,
    wire::{Avp, Message, SUCCESS, TGPP, flag, group},
};

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Sctp(Box<Association>),
}

impl Carrier {
    fn write(&mut self, octets: &[u8]) -> Result<()> {
        match self {
            Self::Tcp(stream) => Ok(stream.write_all(octets)?),
            Self::Tls(stream) => {
                stream.write_all(octets)?;
                Ok(stream.flush()?)
            }
            Self::Sctp(association) => association.send(octets),
        }
    }

    /// What comes next: nothing at the end.
    fn read(&mut self, limit: Duration) -> Result<Vec<u8>> {
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(limit))?;
                chunk(stream)
            }
            Self::Tls(stream) => {
                stream.sock.set_read_timeout(Some(limit))?;
                chunk(stream)
            }
            Self::Sctp(association) => association.receive(limit),
        }
    }
}

fn chunk(from: &mut impl Read) -> Result<Vec<u8>> {
    let mut chunk = vec![0; 16 * 1024];
    let read = from.read(&mut chunk)?;
    chunk.truncate(read);
    Ok(chunk)
}

/// A connection after CER/CEA.
#[derive(Debug)]
pub struct Peer {
    carrier: Carrier,
    buffer: Vec<u8>,
    next: u32,
    /// Who we say we are and whom we ask.
    pub route: Route,
    /// The CEA.
    pub capabilities: Message,
    /// Requests of the other side that came while we waited for an answer.
    pub requests: VecDeque<Message>,
}

impl Peer {
    /// Connects and exchanges capabilities (RFC 6733 §5.3).
    ///
    /// # Errors
    /// If the connection or the exchange fails, or the CEA is not a success.
    pub fn connect(port: u16, route: &Route) -> Result<Self> {
        let peer = Self::introduce(port, route)?;
        let outcome = peer.capabilities.result()?;
        ensure!(outcome == SUCCESS, "{} is answered {outcome:?} to its CER", route.host);
        Ok(peer)
    }

    /// As [`Peer::connect`], whatever the CEA says.
    ///
    /// # Errors
    /// If there is no CEA.
    pub fn introduce(port: u16, route: &Route) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("no Diameter connection")?;
        stream.set_nodelay(true)?;
        Self::begin(Carrier::Tcp(stream), route, None)
    }

    /// As [`Peer::connect`], over mutual TLS from the first octet (RFC 6733 §13.1), to the one that is named `icf`.
    ///
    /// # Errors
    /// As [`Peer::connect`], or if a file of `files` is not as it has to be.
    pub fn connect_tls(port: u16, route: &Route, files: &Identity, icf: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&files.ca)?)?;
        let chain = vec![CertificateDer::from_pem_file(&files.cert)?];
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&files.key)?)?;
        let session = ClientConnection::new(Arc::new(config), ServerName::try_from(icf.to_owned())?)?;
        let stream = TcpStream::connect(("127.0.0.1", port)).context("no Diameter connection")?;
        stream.set_nodelay(true)?;
        let carrier = Carrier::Tls(Box::new(StreamOwned::new(session, stream)));
        let peer = Self::begin(carrier, route, None)?;
        let outcome = peer.capabilities.result()?;
        ensure!(outcome == SUCCESS, "{} is answered {outcome:?} to its CER", route.host);
        Ok(peer)
    }

    /// As [`Peer::connect`], as one that says that it forwards for others (RFC 6733 §2.4).
    ///
    /// # Errors
    /// As [`Peer::connect`].
    pub fn connect_as_relay(port: u16, route: &Route) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("no Diameter connection")?;
        stream.set_nodelay(true)?;
        let relay = Avp::base(258, u32::MAX.to_be_bytes());
        let peer = Self::begin(Carrier::Tcp(stream), route, Some(relay))?;
        let outcome = peer.capabilities.result()?;
        ensure!(outcome == SUCCESS, "{} is answered {outcome:?} to its CER", route.host);
        Ok(peer)
    }

    /// As [`Peer::introduce`], over an association. `origin_state_id` grows with each restart (RFC 6733 §8.16).
    ///
    /// # Errors
    /// If there is no CEA.
    pub fn introduce_over(
        association: Association,
        route: &Route,
        origin_state_id: Option<u32>,
    ) -> Result<Self> {
        let origin_state_id = origin_state_id.map(|id| Avp::base(278, id.to_be_bytes()));
        Self::begin(Carrier::Sctp(Box::new(association)), route, origin_state_id)
    }

    fn begin(carrier: Carrier, route: &Route, more: Option<Avp>) -> Result<Self> {
        let mut cer = Message {
            flags: flag::REQUEST,
            command: 257,
            application: 0,
            hop_by_hop: 0,
            end_to_end: 0,
            avps: vec![
                Avp::base(264, route.host.as_str()),
                Avp::base(296, route.realm.as_str()),
                Avp::base(257, [0, 1, 127, 0, 0, 1]),
                Avp::base(266, TGPP.to_be_bytes()),
                Avp::base(269, "callhome-tests").with_mandatory(false),
                Avp::base(265, TGPP.to_be_bytes()),
                Avp::base(
                    260,
                    group(&[Avp::base(266, TGPP.to_be_bytes()), Avp::base(258, S6A.to_be_bytes())]),
                ),
            ],
        };
        cer.avps.extend(more);
        let mut peer = Self {
            carrier,
            buffer: Vec::new(),
            next: 1,
            route: route.clone(),
            capabilities: cer.clone(),
            requests: VecDeque::new(),
        };
        peer.capabilities = peer.call(cer).context("waiting for the CEA")?;
        Ok(peer)
    }

    /// The port of its association on this side.
    ///
    /// # Errors
    /// If it is not over SCTP.
    pub fn port(&self) -> Result<u16> {
        match &self.carrier {
            Carrier::Sctp(association) => association.port(),
            Carrier::Tcp(_) | Carrier::Tls(_) => bail!("the connection is over TCP"),
        }
    }

    /// The association that carries it.
    ///
    /// # Errors
    /// If it is not over SCTP.
    pub fn into_association(self) -> Result<Association> {
        match self.carrier {
            Carrier::Sctp(association) => Ok(*association),
            Carrier::Tcp(_) | Carrier::Tls(_) => bail!("the connection is over TCP"),
        }
    }

    /// A Session-Id (RFC 6733 §8.8) that this connection has not used.
    pub fn session(&mut self) -> String {
        self.next += 1;
        format!("{};{};{}", self.route.host, std::process::id(), self.next)
    }

    /// Sends a request under new identifiers and returns its Hop-by-Hop Identifier.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn send(&mut self, mut message: Message) -> Result<u32> {
        self.next += 1;
        message.hop_by_hop = self.next;
        message.end_to_end = 0x5000_0000 | self.next;
        self.write(&message.encode())?;
        Ok(message.hop_by_hop)
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn write(&mut self, octets: &[u8]) -> Result<()> {
        self.carrier.write(octets)
    }

    /// The next message; a DWR is answered and not shown.
    ///
    /// # Errors
    /// If the connection ends or nothing comes within `limit`.
    pub fn receive(&mut self, limit: Duration) -> Result<Message> {
        let until = Instant::now() + limit;
        loop {
            if let Some(message) = self.buffered()? {
                if message.command == 280 && message.is_request() {
                    self.answer(&message, 2001)?;
                    continue;
                }
                return Ok(message);
            }
            let left = until.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "no Diameter message within {limit:?}");
            let chunk = self.carrier.read(left).context("waiting for a Diameter message")?;
            if chunk.is_empty() {
                bail!("the Diameter connection has been closed");
            }
            self.buffer.extend(chunk);
        }
    }

    fn buffered(&mut self) -> Result<Option<Message>> {
        let Some(&[_, a, b, c]) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if self.buffer.len() < length {
            return Ok(None);
        }
        let message = Message::decode(&self.buffer[..length])?;
        self.buffer.drain(..length);
        Ok(Some(message))
    }

    /// Sends a request and waits for its answer; requests that come meanwhile are kept.
    ///
    /// # Errors
    /// If none comes.
    pub fn call(&mut self, message: Message) -> Result<Message> {
        let expected = self.send(message)?;
        self.answer_to(expected)
    }

    /// Waits for the answer with this Hop-by-Hop Identifier.
    ///
    /// # Errors
    /// If none comes.
    pub fn answer_to(&mut self, hop_by_hop: u32) -> Result<Message> {
        loop {
            let message = self.receive(PATIENCE)?;
            if message.is_request() {
                self.requests.push_back(message);
            } else if message.hop_by_hop == hop_by_hop {
                return Ok(message);
            }
        }
    }

    /// The next request of the other side.
    ///
    /// # Errors
    /// If none comes within `limit`.
    pub fn request(&mut self, limit: Duration) -> Result<Message> {
        if let Some(message) = self.requests.pop_front() {
            return Ok(message);
        }
        let message = self.receive(limit)?;
        ensure!(message.is_request(), "an answer where a request was expected: {message:?}");
        Ok(message)
    }

    /// Answers a request with a Result-Code and nothing else of note.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn answer(&mut self, request: &Message, result: u32) -> Result<()> {
        let mut avps: Vec<Avp> = request.base(263).into_iter().cloned().collect();
        avps.push(Avp::base(268, result.to_be_bytes()));
        avps.push(Avp::base(264, self.route.host.as_str()));
        avps.push(Avp::base(296, self.route.realm.as_str()));
        if request.application == S6A {
            avps.push(Avp::base(277, 1u32.to_be_bytes()));
        }
        let answer = Message { flags: request.flags & flag::PROXIABLE, avps, ..request.clone() };
        self.write(&answer.encode())
    }

    /// AIR, and its answer.
    ///
    /// # Errors
    /// If there is none.
    pub fn air(&mut self, imsi: &str, plmn: [u8; 3], vectors: u32, resync: Option<&[u8]>) -> Result<Message> {
        let session = self.session();
        let request = self.route.air(&session, imsi, plmn, vectors, resync);
        self.call(request)
    }

    /// ULR, and its answer.
    ///
    /// # Errors
    /// If there is none.
    pub fn ulr(&mut self, imsi: &str, plmn: [u8; 3]) -> Result<Message> {
        let session = self.session();
        let request = self.route.ulr(&session, imsi, plmn);
        self.call(request)
    }

    /// PUR, and its answer.
    ///
    /// # Errors
    /// If there is none.
    pub fn pur(&mut self, imsi: &str) -> Result<Message> {
        let session = self.session();
        let request = self.route.pur(&session, imsi);
        self.call(request)
    }
}
