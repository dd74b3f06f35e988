//! Nodes and hand-made peers.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use s6a::base::error_answer;
use s6a::codec::dictionary::base::*;
use s6a::codec::{CommandFlags, Header, Message, ResultCode, Writer};
use s6a::net::{Answer, Application, Down, Endpoint, Later, Node, NodeConfig, PeerConfig, PeerInfo, Timers};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub const HSS: &str = "hss.home.example";
pub const MME: &str = "mme.visited.example";
pub const HOME: &str = "home.example";
pub const VISITED: &str = "visited.example";
pub const S6A: u32 = 16_777_251;
pub const AIR: u32 = 318;
pub const CLR: u32 = 317;

/// Timers short enough for tests on a real clock, long enough for a loaded machine.
pub fn quick() -> Timers {
    let ms = Duration::from_millis;
    Timers {
        watchdog: ms(3000),
        capabilities: ms(500),
        idle_message: ms(300),
        write_stall: ms(500),
        request: ms(1000),
        disconnect: ms(1000),
        reconnect_first: ms(50),
        reconnect_longest: ms(200),
        reconnect_unwelcome: ms(60_000),
        ..Timers::default()
    }
}

/// An HSS that listens nowhere.
pub fn hss() -> NodeConfig {
    NodeConfig { peers: vec![PeerConfig::new(MME)], timers: quick(), ..NodeConfig::new(HSS, HOME) }
}

pub fn mme(to: &Endpoint) -> NodeConfig {
    NodeConfig {
        peers: vec![PeerConfig::connecting(HSS, to.clone())],
        timers: quick(),
        ..NodeConfig::new(MME, VISITED)
    }
}

/// What the tests of this folder run over.
pub trait Transport: Sized {
    /// The peer's end of a connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Whether messages come in the order in which they were sent.
    const KEEPS_ORDER: bool;
    /// Whether a node sees where a peer comes from.
    const HAS_ADDRESSES: bool;

    /// An HSS that can be connected to.
    fn hss() -> NodeConfig;

    /// A connection to such an HSS.
    async fn connect(node: &Node) -> Raw<Self::Stream>;

    /// Connected, with CER and CEA done.
    async fn open(node: &Node, host: &str) -> Raw<Self::Stream> {
        let mut raw = Self::connect(node).await;
        raw.exchange_capabilities(host).await;
        raw
    }

    /// Whether an HSS can still be connected to.
    async fn is_listening(node: &Node) -> bool;
}

/// A transport on which nodes connect too.
pub trait Listening: Transport {
    /// Plays the HSS towards a node, and says where.
    async fn listen() -> (Self, Endpoint);

    /// The node's next connection.
    async fn accept(&self) -> Raw<Self::Stream>;
}

/// What an application under test does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Now,
    /// Kept in [`App::laters`].
    Later,
    DropLater,
    DropAnswer,
    Garbage,
}

/// Answers 2001 with a number that grows with each execution (in Error-Message), in the manner it is told.
pub struct App {
    pub executed: AtomicUsize,
    pub manner: Mutex<Manner>,
    pub laters: Mutex<Vec<Later>>,
    pub events: Mutex<Vec<String>>,
    pub downs: Mutex<Vec<Down>>,
}

impl App {
    pub fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            executed: AtomicUsize::new(0),
            manner: Mutex::new(manner),
            laters: Mutex::default(),
            events: Mutex::default(),
            downs: Mutex::default(),
        })
    }

    pub fn executed(&self) -> usize {
        self.executed.load(Ordering::SeqCst)
    }

    pub fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }
}

pub fn success(request: &Message<'_>, number: usize, out: &mut Vec<u8>) {
    let mut w = Writer::new(out, &request.header.answer());
    if let Some(session) = request.find(&SESSION_ID) {
        w.octets(&SESSION_ID, session.data);
    }
    w.u32(&RESULT_CODE, 2001);
    w.str(&ORIGIN_HOST, HSS);
    w.str(&ORIGIN_REALM, HOME);
    w.str(&ERROR_MESSAGE, &number.to_string());
    w.finish();
}

impl Application for App {
    fn request(&self, _: &Arc<PeerInfo>, request: &Message<'_>, answer: Answer<'_>) {
        let number = self.executed.fetch_add(1, Ordering::SeqCst) + 1;
        let manner = *self.manner.lock().unwrap();
        match manner {
            Manner::Now => answer.now(|out| success(request, number, out)),
            Manner::Later => self.laters.lock().unwrap().push(answer.later()),
            Manner::DropLater => drop(answer.later()),
            Manner::DropAnswer => drop(answer),
            Manner::Garbage => answer.now(|out| out.extend_from_slice(b"no Diameter")),
        }
    }

    fn peer_up(&self, peer: &Arc<PeerInfo>) {
        self.events.lock().unwrap().push(format!("up {}", peer.identity));
    }

    fn peer_down(&self, peer: &Arc<PeerInfo>, why: &Down) {
        self.events.lock().unwrap().push(format!("down {}", peer.identity));
        self.downs.lock().unwrap().push(why.clone());
    }
}

/// Waits until `condition`, at most five seconds of real time.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("did not happen: {what}");
}

pub async fn up(app: &App, times: usize) {
    until("peer up", || app.events().iter().filter(|e| e.starts_with("up")).count() >= times).await;
}

/// A request of S6a from `host`, with what `more` adds.
pub fn request(
    host: &str,
    (hop_by_hop, end_to_end): (u32, u32),
    flags: CommandFlags,
    more: impl FnOnce(&mut Writer<'_>),
) -> Vec<u8> {
    let header = Header {
        length: 0,
        flags: CommandFlags::REQUEST.with(CommandFlags::PROXIABLE).with(flags),
        command: AIR,
        application: S6A,
        hop_by_hop,
        end_to_end,
    };
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out, &header);
    w.str(&SESSION_ID, "mme.visited.example;1;2");
    w.str(&ORIGIN_HOST, host);
    w.str(&ORIGIN_REALM, VISITED);
    more(&mut w);
    w.finish();
    out
}

pub fn air(ids: (u32, u32)) -> Vec<u8> {
    request(MME, ids, CommandFlags(0), |w| {
        w.str(&DESTINATION_REALM, HOME);
    })
}

/// A peer without a state machine: says exactly what it is told to.
pub struct Raw<S> {
    pub stream: S,
}

pub fn cer(host: &str, application: u32, origin_state_id: u32) -> Vec<u8> {
    let header = Header {
        length: 0,
        flags: CommandFlags::REQUEST,
        command: 257,
        application: 0,
        hop_by_hop: 1,
        end_to_end: 1,
    };
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out, &header);
    w.str(&ORIGIN_HOST, host);
    w.str(&ORIGIN_REALM, VISITED);
    w.address(&HOST_IP_ADDRESS, [127, 0, 0, 1].into());
    w.u32(&VENDOR_ID, 0);
    w.str(&PRODUCT_NAME, "raw");
    w.u32(&ORIGIN_STATE_ID, origin_state_id);
    w.u32(&AUTH_APPLICATION_ID, application);
    w.finish();
    out
}

/// The HSS's CEA to the CER with this header.
pub fn cea(to: &Header) -> Vec<u8> {
    let mut cea = cer(HSS, S6A, 7);
    // The same AVPs, as an answer with Result-Code.
    cea[4] = 0;
    cea[12..16].copy_from_slice(&to.hop_by_hop.to_be_bytes());
    cea[16..20].copy_from_slice(&to.end_to_end.to_be_bytes());
    Writer::avps(&mut cea).u32(&RESULT_CODE, 2001);
    let length = cea.len() as u32;
    cea[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    cea
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub async fn exchange_capabilities(&mut self, host: &str) {
        self.send(&cer(host, S6A, 1)).await;
        assert_eq!(self.receive().await.code(), ResultCode::SUCCESS);
    }

    pub async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
    }

    pub async fn receive(&mut self) -> Received {
        self.try_receive().await.expect("a message")
    }

    /// The next message, or why there is none.
    pub async fn try_receive(&mut self) -> io::Result<Received> {
        let read = async {
            let mut octets = vec![0; 20];
            self.stream.read_exact(&mut octets).await?;
            let length = Header::decode(&octets).map_err(io::Error::other)?.length as usize;
            octets.resize(length, 0);
            self.stream.read_exact(&mut octets[20..]).await?;
            Ok(Received(octets))
        };
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Nothing more comes but the end.
    pub async fn is_closed(&mut self) {
        match self.try_receive().await {
            Ok(message) => panic!("the connection is open: {:?}", message.message().header),
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::TimedOut, "the connection is open"),
        }
    }

    /// Closed not before `least` and not long after it.
    pub async fn is_closed_after(&mut self, least: Duration) {
        let start = Instant::now();
        self.is_closed().await;
        let took = start.elapsed();
        let late = took >= least + Duration::from_secs(3);
        assert!(took + Duration::from_millis(50) >= least && !late, "{took:?}");
    }

    /// The answer to a request. A watchdog of the node that comes before it, as on a machine that is slow, is none.
    pub async fn ask(&mut self, octets: &[u8]) -> Received {
        self.send(octets).await;
        loop {
            let received = self.receive().await;
            let header = received.header();
            if !(header.is_request() && header.command == DEVICE_WATCHDOG) {
                return received;
            }
        }
    }
}

/// RFC 6733 §5.5.
const DEVICE_WATCHDOG: u32 = 280;

pub struct Received(pub Vec<u8>);

impl Received {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.0).unwrap()
    }

    pub fn header(&self) -> Header {
        self.message().header
    }

    pub fn code(&self) -> ResultCode {
        ResultCode(self.message().find(&RESULT_CODE).expect("a Result-Code").u32().unwrap())
    }

    /// The number of the execution that answered.
    pub fn number(&self) -> String {
        self.message().find(&ERROR_MESSAGE).unwrap().str().unwrap().to_owned()
    }

    pub fn has_e_bit(&self) -> bool {
        self.header().flags.has(CommandFlags::ERROR)
    }
}

/// Answers a DPR, DWR or whatever with `code`.
pub fn answer(request: &Message<'_>, code: ResultCode) -> Vec<u8> {
    let mut out = Vec::new();
    error_answer(request, MME, VISITED, code, &mut out);
    out
}
