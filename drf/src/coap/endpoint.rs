//! One UDP socket: requests to devices go out of it, requests of devices come in.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use schemas::identity::Pcid;
use service::throttle::Buckets;
use tokio::{
    net::UdpSocket,
    sync::{Semaphore, mpsc},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Millis,
    block::{Block, LARGEST},
    echo::Reachability,
    exchange::{Exchange, Outcome, Send, Transmission},
    message::{Code, Kind, MAX_PAYLOAD, Malformed, Message, number, uint},
    option,
    recent::{Recent, Seen},
    request::{self, Asked, Refusal},
};

/// Messages remembered as having come (RFC 7252 §4.5); an answer has at most 1280 octets, so some 10 MiB.
const RECENT: usize = 8192;
/// Octets that an address may be answered at once, and for each second in the long run.
const BURST: u64 = 256 << 10;
const PER_SECOND: u64 = 16 << 10;
/// Addresses with a share of their own.
const ADDRESSES: usize = 65_536;
/// Requests answered at a time; more are not heard, and come again.
const AT_A_TIME: usize = 256;
/// Messages that wait for an exchange at most.
const QUEUE: usize = 8;

/// What the server gives out.
#[async_trait]
pub trait Resources: std::marker::Send + Sync + 'static {
    /// The RNCT of a device, for whoever is at `from`.
    async fn rnct(&self, pcid: Pcid, from: IpAddr) -> Lookup;
}

/// What became of the question for an RNCT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// This one.
    Found(Vec<u8>),
    /// There is none for it now: 4.04.
    None,
    /// It is not from the address where the device is: 4.03.
    Forbidden,
    /// The database: 5.03.
    Unavailable,
}

/// A request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// NSTART (RFC 7252 §4.7) is 1: another exchange with this endpoint goes on.
    #[error("another exchange with {0} is under way")]
    Busy(SocketAddr),
    /// See [`Outcome::Unacknowledged`].
    #[error("{0} did not acknowledge it; is the device there, and does it listen for CoAP?")]
    Unacknowledged(SocketAddr),
    /// See [`Outcome::Unanswered`].
    #[error("{0} acknowledged it and did not answer")]
    Unanswered(SocketAddr),
    /// See [`Outcome::Reset`].
    #[error("{0} reset it: it does not take requests now")]
    Reset(SocketAddr),
    /// It does not fit a datagram.
    #[error("it does not fit a datagram")]
    TooLarge,
    /// The socket, or the system's random numbers.
    #[error("cannot send to {0}: {1}")]
    Socket(SocketAddr, io::Error),
}

struct Slot {
    token: Vec<u8>,
    queue: mpsc::Sender<Message>,
}

/// The endpoint.
pub struct Endpoint {
    socket: UdpSocket,
    local: SocketAddr,
    transmission: Transmission,
    began: Instant,
    next_id: AtomicU16,
    exchanges: Mutex<HashMap<SocketAddr, Slot>>,
    recent: Mutex<Recent>,
    limit: Mutex<Buckets>,
    reachability: Mutex<Reachability>,
    resources: Arc<dyn Resources>,
    room: Arc<Semaphore>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.local)
    }
}

/// A lock that somebody panicked with is still a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Endpoint {
    /// Takes the address; serves once it is [`run`](Self::run).
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn bind(
        listen: SocketAddr,
        transmission: Transmission,
        resources: Arc<dyn Resources>,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(listen).await?;
        let local = socket.local_addr()?;
        // §4.4: the first message ID should be random.
        let mut first = [0; 2];
        getrandom::fill(&mut first).map_err(io::Error::other)?;
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self {
            socket,
            local,
            transmission,
            began: Instant::now(),
            next_id: AtomicU16::new(u16::from_be_bytes(first)),
            exchanges: Mutex::default(),
            recent: Mutex::new(Recent::new(RECENT)),
            limit: Mutex::new(Buckets::new(BURST, PER_SECOND, ADDRESSES)),
            reachability: Mutex::new(Reachability::new(key)),
            resources,
            room: Arc::new(Semaphore::new(AT_A_TIME)),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn now(&self) -> Millis {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn id(&self) -> u16 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Hears and answers until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        // One octet more than is read, to see that a datagram is longer.
        let mut buffer = vec![0; 65_536];
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => break,
                received = self.socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((length, from)) => self.datagram(&buffer[..length], from).await,
                // An ICMP error about something sent earlier; the exchange finds out by itself.
                Err(error) => {
                    tracing::debug!(%error, "CoAP socket");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn datagram(self: &Arc<Self>, octets: &[u8], from: SocketAddr) {
        let message = match Message::decode(octets) {
            Ok(message) => message,
            Err(Malformed::Format { kind: Kind::Confirmable, id }) => return self.reset(from, id).await,
            Err(_) => return,
        };
        match message.kind {
            Kind::Acknowledgement | Kind::Reset => self.to_exchange(from, message),
            Kind::Confirmable | Kind::NonConfirmable if message.code.is_request() => {
                self.serve(from, message).await;
            }
            Kind::Confirmable if message.code.is_response() => self.separate(from, message).await,
            Kind::NonConfirmable if message.code.is_response() => self.to_exchange(from, message),
            // §4.3: an empty confirmable message is a ping; §4.2: reserved classes are rejected.
            Kind::Confirmable => self.reset(from, message.id).await,
            Kind::NonConfirmable => {}
        }
    }

    /// A response in a confirmable message of its own (§5.2.2).
    async fn separate(&self, from: SocketAddr, message: Message) {
        let (now, id) = (self.now(), message.id);
        let seen = lock(&self.recent).take(from, id, now, self.transmission.exchange_lifetime());
        match seen {
            // Our acknowledgement was lost.
            Seen::Answered(answer) => self.send_limited(from, &answer).await,
            Seen::UnderWay => {}
            Seen::New => {
                let expected = lock(&self.exchanges).get(&from).is_some_and(|s| s.token == message.token);
                let answer = if expected { Message::acknowledgement(id) } else { Message::reset(id) };
                if let Some(octets) = answer.encode() {
                    lock(&self.recent).answered(from, id, octets.into());
                }
                if expected { self.to_exchange(from, message) } else { self.reset(from, id).await }
            }
        }
    }

    fn to_exchange(&self, from: SocketAddr, message: Message) {
        if let Some(slot) = lock(&self.exchanges).get(&from) {
            // A full queue: whatever is lost here is sent again.
            let _ = slot.queue.try_send(message);
        }
    }

    async fn serve(self: &Arc<Self>, from: SocketAddr, message: Message) {
        let Ok(permit) = self.room.clone().try_acquire_owned() else { return };
        let lifetime = match message.kind {
            Kind::Confirmable => self.transmission.exchange_lifetime(),
            _ => self.transmission.non_lifetime(),
        };
        let seen = lock(&self.recent).take(from, message.id, self.now(), lifetime);
        match seen {
            Seen::UnderWay => return,
            Seen::Answered(answer) => {
                if message.kind == Kind::Confirmable {
                    self.send_limited(from, &answer).await;
                }
                return;
            }
            Seen::New => {}
        }
        let endpoint = Arc::clone(self);
        tokio::spawn(async move {
            let _permit = permit;
            let answer = endpoint.answer(from, &message).await;
            if let Some(octets) = answer.and_then(|answer| answer.encode()) {
                let octets: Arc<[u8]> = octets.into();
                lock(&endpoint.recent).answered(from, message.id, octets.clone());
                endpoint.send_limited(from, &octets).await;
            }
        });
    }

    async fn answer(&self, from: SocketAddr, message: &Message) -> Option<Message> {
        let id = self.id();
        Some(match request::read(message) {
            Err(Refusal::Reject) => return None,
            Err(Refusal::Code(code)) => request::response(message, code, id),
            Ok(Asked::Core) => request::links(message, id),
            // Before the database is asked, or anything written down: the source may be forged.
            Ok(Asked::Rnct { .. }) if !self.is_reachable(from, message) => {
                let value = lock(&self.reachability).value(from, self.now());
                request::challenge(message, value, id)
            }
            Ok(Asked::Rnct { pcid, block }) => {
                match self.resources.rnct(pcid, from.ip().to_canonical()).await {
                    Lookup::Found(body) => request::rnct(message, block, &body, id),
                    Lookup::None => request::response(message, Code::NOT_FOUND, id),
                    Lookup::Forbidden => request::response(message, Code::FORBIDDEN, id),
                    Lookup::Unavailable => request::response(message, Code::UNAVAILABLE, id),
                }
            }
        })
    }

    fn is_reachable(&self, from: SocketAddr, message: &Message) -> bool {
        lock(&self.reachability).is_reachable(from, message.option(option::ECHO), self.now())
    }

    async fn reset(&self, to: SocketAddr, id: u16) {
        if let Some(octets) = Message::reset(id).encode() {
            self.send_limited(to, &octets).await;
        }
    }

    /// Sends what nobody but the sender of a datagram has asked for, within the address's share (§11.3).
    async fn send_limited(&self, to: SocketAddr, octets: &[u8]) {
        let allowed = lock(&self.limit).allows(to.ip(), octets.len(), self.now());
        if !allowed {
            tracing::debug!(%to, "CoAP: this address gets no more for now");
        } else if let Err(error) = self.socket.send_to(octets, to).await {
            tracing::debug!(%to, %error, "CoAP: cannot answer");
        }
    }

    /// POSTs `body` to `path` at `peer`; see [`request`](Self::request).
    ///
    /// # Errors
    /// Why there is no response.
    pub async fn post(
        &self,
        peer: SocketAddr,
        path: &str,
        format: u16,
        body: &[u8],
    ) -> Result<Message, Undelivered> {
        self.request(Code::POST, peer, path, format, body).await
    }

    /// Sends `body` to `path` at `peer`, in blocks if it is longer than 1024 octets (RFC 7959 §2.5), and waits for the
    /// response.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn request(
        &self,
        method: Code,
        peer: SocketAddr,
        path: &str,
        format: u16,
        body: &[u8],
    ) -> Result<Message, Undelivered> {
        let peer = self.as_sent(peer);
        let mut token = vec![0; 8];
        // §5.3.1: random, so that who cannot read the exchange cannot answer in it.
        getrandom::fill(&mut token).map_err(|error| Undelivered::Socket(peer, io::Error::other(error)))?;
        let mut turn = Turn::take(self, method, peer, token)?;
        let options = vec![
            (option::URI_PATH, path.as_bytes().to_vec()),
            (option::CONTENT_FORMAT, uint(u32::from(format))),
        ];
        if body.len() <= MAX_PAYLOAD {
            return turn.exchange(options, body.to_vec()).await;
        }
        let mut szx = LARGEST;
        let mut at = 0;
        loop {
            let size = 16_usize << szx;
            let block = Block { number: u32::try_from(at / size).unwrap_or(u32::MAX), more: false, szx };
            let Some((part, more)) = block.of(body) else { return Err(Undelivered::TooLarge) };
            let mut with_block = options.clone();
            with_block.push((option::BLOCK1, Block { more, ..block }.encode()));
            if at == 0 {
                let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
                with_block.push((option::SIZE1, uint(size)));
            }
            let answer = turn.exchange(with_block, part.to_vec()).await?;
            let theirs = answer.option(option::BLOCK1).and_then(Block::decode).map_or(szx, |b| b.szx);
            match answer.code {
                Code::CONTINUE if more => {
                    at += part.len();
                    szx = szx.min(theirs);
                }
                // §2.9.3: too large; a smaller block may do.
                Code::TOO_LARGE if at == 0 && theirs < szx => szx = theirs,
                // A device without blocks (§2.1: the option is critical) may take it in one datagram.
                Code::BAD_OPTION if at == 0 => return turn.exchange(options, body.to_vec()).await,
                _ => return Ok(answer),
            }
        }
    }

    /// The address as this socket has to be told it: an IPv6 socket reaches IPv4 by mapped addresses (RFC 4291
    /// §2.5.5.2).
    fn as_sent(&self, peer: SocketAddr) -> SocketAddr {
        match (self.local, peer) {
            (SocketAddr::V6(_), SocketAddr::V4(v4)) => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
            _ => peer,
        }
    }
}

/// The one exchange with a peer that goes on (NSTART = 1, RFC 7252 §4.7); over when dropped.
struct Turn<'a> {
    endpoint: &'a Endpoint,
    method: Code,
    peer: SocketAddr,
    token: Vec<u8>,
    queue: mpsc::Receiver<Message>,
}

impl<'a> Turn<'a> {
    fn take(
        endpoint: &'a Endpoint,
        method: Code,
        peer: SocketAddr,
        token: Vec<u8>,
    ) -> Result<Self, Undelivered> {
        let (sender, queue) = mpsc::channel(QUEUE);
        let mut exchanges = lock(&endpoint.exchanges);
        if exchanges.contains_key(&peer) {
            return Err(Undelivered::Busy(peer));
        }
        exchanges.insert(peer, Slot { token: token.clone(), queue: sender });
        Ok(Self { endpoint, method, peer, token, queue })
    }

    async fn exchange(
        &mut self,
        options: Vec<(u16, Vec<u8>)>,
        payload: Vec<u8>,
    ) -> Result<Message, Undelivered> {
        let Self { endpoint, method, peer, .. } = *self;
        let id = endpoint.id();
        let token = self.token.clone();
        let request = Message { kind: Kind::Confirmable, code: method, id, token, options, payload };
        let octets = request.encode().ok_or(Undelivered::TooLarge)?;
        let socket = |error| Undelivered::Socket(peer, error);
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| socket(io::Error::other(error)))?;
        let random = f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX);
        endpoint.socket.send_to(&octets, peer).await.map_err(socket)?;
        let (now, token) = (endpoint.now(), self.token.clone());
        let mut exchange = Exchange::begin(endpoint.transmission, id, token, now, random);
        while let Some(due) = exchange.due() {
            let effects = tokio::select! {
                () = sleep_until(endpoint.began + Duration::from_millis(due)) => exchange.tick(endpoint.now()),
                message = self.queue.recv() => match message {
                    Some(message) => exchange.receive(&message, endpoint.now()),
                    None => break,
                },
            };
            match effects.send {
                // Only the first transmission's failure is told: a network may come back until the last.
                Some(Send::Request) => drop(endpoint.socket.send_to(&octets, peer).await),
                Some(Send::Acknowledgement(id)) => {
                    if let Some(octets) = Message::acknowledgement(id).encode() {
                        drop(endpoint.socket.send_to(&octets, peer).await);
                    }
                }
                None => {}
            }
            match effects.end {
                Some(Outcome::Response(message)) => return Ok(message),
                Some(Outcome::Reset) => return Err(Undelivered::Reset(peer)),
                Some(Outcome::Unanswered) => return Err(Undelivered::Unanswered(peer)),
                Some(Outcome::Unacknowledged) => return Err(Undelivered::Unacknowledged(peer)),
                None => {}
            }
        }
        Err(Undelivered::Unacknowledged(peer))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.endpoint.exchanges).remove(&self.peer);
    }
}

/// What a device says by a response to the trigger (docs/PROVISIONING.md).
#[must_use]
pub fn meaning(code: Code) -> &'static str {
    match code {
        Code::FORBIDDEN => "the device does not trust the signer",
        Code::BAD_REQUEST => "the device cannot read it",
        Code::NOT_ACCEPTABLE => "the device does not know this version",
        code if code == Code::of(4, 9) => "the device has taken this one or a newer one already",
        Code::NOT_FOUND | Code::METHOD_NOT_ALLOWED => "the device takes no triggers",
        _ => "the device refuses it",
    }
}

/// Content-Format of a message, if it says one.
#[must_use]
pub fn content_format(message: &Message) -> Option<u32> {
    message.option(option::CONTENT_FORMAT).and_then(number)
}
