//! The device's CoAP server (RFC 7252): takes RNCTs that are posted to `/rnct`.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use schemas::rnct::{COAP_PATH, CONTENT_FORMAT, Rnct};
use tokio::{net::UdpSocket, sync::mpsc, task::JoinHandle};

use super::{
    Events, Exchange, Step, Taken, TriggerError,
    blocks::{Blocks, Body, MAX_BODY},
    exchanges::Exchanges,
    on_disk,
};
use crate::tre::{Reason, Tre, TreError, now};
use crate::user_plane::{Datagrams, UeNet};

/// Octets of a datagram at most (RFC 768).
const DATAGRAM: usize = 65_535;
/// Code 4.05 and so on are read by people too: the diagnostic payload (RFC 7252 §5.5.2) has at most this many octets.
const DIAGNOSTIC: usize = 200;

/// Where a device listens for triggers.
#[derive(Debug)]
pub struct RnctListener {
    socket: Datagrams,
    address: SocketAddr,
}

/// A device that listens; it stops when this is dropped.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    taken: mpsc::UnboundedReceiver<Rnct>,
    task: JoinHandle<()>,
}

impl RnctListener {
    /// Listens on `address`, UDP; port 0 takes a free one.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket: Datagrams::Kernel(socket), address })
    }

    /// Listens at this port of a UE: what comes through its bearer.
    ///
    /// # Errors
    /// If the port is taken.
    pub async fn in_bearer(net: &UeNet, port: u16) -> io::Result<Self> {
        let socket = net.udp(port).await?;
        let address = SocketAddr::new(net.address().into(), port);
        Ok(Self { socket: Datagrams::Bearer(socket, net.clone()), address })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes triggers for the device from now on, and tells of each.
    #[must_use]
    pub fn listen(self, tre: Tre, events: Events) -> Listening {
        let (sender, taken) = mpsc::unbounded_channel();
        let address = self.address;
        let task = tokio::spawn(Server::new(tre, events, sender).run(self.socket));
        Listening { address, taken, task }
    }
}

impl Listening {
    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next RNCT that is new to the device. It is durable, and acknowledged by now or in a moment. `None` if the
    /// socket is gone.
    pub async fn next(&mut self) -> Option<Rnct> {
        self.taken.recv().await
    }

    /// Stops, and returns when nothing of it is left that holds the device open.
    pub async fn stop(&mut self) {
        self.task.abort();
        // Aborted, as it was to be.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Server {
    tre: Tre,
    events: Events,
    taken: mpsc::UnboundedSender<Rnct>,
    exchanges: Exchanges,
    blocks: Blocks,
    /// Message ID of the next message that is no acknowledgement.
    next_id: u16,
}

impl Server {
    fn new(tre: Tre, events: Events, taken: mpsc::UnboundedSender<Rnct>) -> Self {
        let mut random = [0; 2];
        // RFC 7252 §4.4 wants a random start; where there is no random source, any will do.
        let _ = getrandom::fill(&mut random);
        let next_id = u16::from_be_bytes(random);
        Self { tre, events, taken, exchanges: Exchanges::default(), blocks: Blocks::default(), next_id }
    }

    async fn run(mut self, socket: Datagrams) {
        let mut datagram = vec![0; DATAGRAM];
        loop {
            let (length, peer) = match socket.recv_from(&mut datagram).await {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => {
                    tracing::error!(device = %self.tre.device_id(), %error, "the CoAP socket is gone");
                    return;
                }
            };
            let answer = self.datagram(peer, datagram.get(..length).unwrap_or_default()).await;
            if let Some(answer) = answer
                && let Err(error) = socket.send_to(&answer, peer).await
            {
                // The peer sends again, and gets the answer that is remembered.
                tracing::debug!(%peer, %error, "a CoAP answer was not sent");
            }
        }
    }

    /// What a datagram is answered with, if at all.
    async fn datagram(&mut self, peer: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let Ok(packet) = Packet::from_bytes(datagram) else {
            return reject(datagram);
        };
        let id = packet.header.message_id;
        // RFC 7252 §3: a version that is not known is passed over in silence.
        if packet.header.get_version() != 1 {
            return None;
        }
        let confirmable = match packet.header.get_type() {
            MessageType::Confirmable => true,
            MessageType::NonConfirmable => false,
            // We send nothing that they could be answers to.
            MessageType::Acknowledgement | MessageType::Reset => return None,
        };
        let MessageClass::Request(method) = packet.header.code else {
            // §4.3: a ping, or what cannot be processed here, is reset.
            return if confirmable { reject(datagram) } else { None };
        };
        if let Some(answer) = self.exchanges.answer(peer, id, Instant::now()) {
            return Some(answer.to_vec());
        }
        let begun = Instant::now();
        let (code, diagnostic) = self.request(peer, &packet, method, begun).await?;
        let mut answer = Packet::new();
        answer.set_token(packet.get_token().to_vec());
        answer.header.code = MessageClass::Response(code);
        if confirmable {
            answer.header.set_type(MessageType::Acknowledgement);
            answer.header.message_id = id;
        } else {
            answer.header.set_type(MessageType::NonConfirmable);
            answer.header.message_id = self.next_id;
            self.next_id = self.next_id.wrapping_add(1);
        }
        if let Some(block) = packet.get_first_option(CoapOption::Block1) {
            answer.add_option(CoapOption::Block1, block.clone());
        }
        if code == ResponseType::RequestEntityTooLarge {
            // RFC 7959 §2.9.3: how much would be taken.
            answer.add_option(CoapOption::Size1, (MAX_BODY as u16).to_be_bytes().to_vec());
        }
        answer.payload = diagnostic.into_bytes();
        answer.payload.truncate(DIAGNOSTIC);
        let answer = answer.to_bytes_unlimited().ok()?;
        self.exchanges.remember(peer, id, answer.clone(), Instant::now());
        Some(answer)
    }

    /// Code and diagnostic payload for a request; `None` if the device stops.
    async fn request(
        &mut self,
        peer: SocketAddr,
        packet: &Packet,
        method: RequestType,
        begun: Instant,
    ) -> Option<(ResponseType, String)> {
        let plain = |code| Some((code, String::new()));
        if let Some(code) = bad_option(packet) {
            return plain(code);
        }
        let path = packet.get_option(CoapOption::UriPath);
        if path.is_none_or(|path| !path.iter().map(Vec::as_slice).eq([COAP_PATH.as_bytes()])) {
            return plain(ResponseType::NotFound);
        }
        if method != RequestType::Post {
            return plain(ResponseType::MethodNotAllowed);
        }
        let format = packet.get_first_option(CoapOption::ContentFormat);
        let format =
            format.map(|octets| octets.iter().fold(0u32, |value, octet| value << 8 | u32::from(*octet)));
        if format != Some(u32::from(CONTENT_FORMAT)) {
            let diagnostic = format!("content-format {CONTENT_FORMAT} is taken here");
            return Some((ResponseType::UnsupportedContentFormat, diagnostic));
        }
        let body = match self.blocks.take(peer, packet, begun) {
            Body::Whole(body) => body,
            Body::Answer(code) => return plain(code),
        };
        let size = body.len() as u64;
        let taken = self.take(body).await;
        let (step, code, detail) = match &taken {
            Ok(Taken::New(rnct)) => (
                Some(Step::TriggerTaken),
                ResponseType::Changed,
                format!("operator {}, DPF {}, sequence {}", rnct.operator, rnct.dpf, rnct.sequence),
            ),
            Ok(Taken::Again(_)) => (None, ResponseType::Changed, String::new()),
            Err(error) => (Some(Step::TriggerRefused), code_of(error), error.to_string()),
        };
        if let Some(step) = step {
            let wire = Exchange {
                protocol: "CoAP over UDP".to_owned(),
                request: format!("POST /{COAP_PATH} from {peer}"),
                answer: MessageClass::Response(code).to_string(),
                sent: 0,
                received: size,
            };
            self.events.tell(step, self.tre.pcid(), detail, begun.elapsed(), Some(wire));
        }
        match taken {
            Ok(Taken::New(rnct)) => {
                // Nobody may be waiting; it is in the device's state, and resume() finds it.
                let _ = self.taken.send(rnct);
                plain(code)
            }
            Ok(Taken::Again(_)) => plain(code),
            Err(TriggerError::Refused { reason, detail }) => Some((code, format!("{reason}: {detail}"))),
            // What the disk says is nobody's business outside.
            Err(TriggerError::Device(_)) => Some((code, "the device cannot keep it now".to_owned())),
        }
    }

    async fn take(&self, body: Vec<u8>) -> Result<Taken, TriggerError> {
        on_disk(&self.tre, move |tre| Ok(tre.take_rnct(&body, now())))
            .await
            .unwrap_or_else(|error| Err(TriggerError::Device(error)))
    }
}

/// The code for an RNCT that is not taken (docs/PROVISIONING.md).
fn code_of(error: &TriggerError) -> ResponseType {
    match error {
        TriggerError::Refused { reason: Reason::BadSignature | Reason::NotForMe, .. } => {
            ResponseType::Forbidden
        }
        TriggerError::Refused { reason: Reason::UnsupportedVersion, .. } => ResponseType::NotAcceptable,
        TriggerError::Refused { reason: Reason::Replayed | Reason::Expired, .. } => ResponseType::Conflict,
        TriggerError::Refused { .. } => ResponseType::BadRequest,
        TriggerError::Device(TreError::StorageFull(_)) => ResponseType::ServiceUnavailable,
        TriggerError::Device(_) => ResponseType::InternalServerError,
    }
}

/// RFC 7252 §5.4.1: a critical option (of odd number) that is not known here is not to be passed over.
fn bad_option(packet: &Packet) -> Option<ResponseType> {
    // Uri-Host, Uri-Port, Uri-Path, Uri-Query, Accept; Block2 and Block1 (RFC 7959).
    const KNOWN: [u16; 7] = [3, 7, 11, 15, 17, 23, 27];
    // Proxy-Uri, Proxy-Scheme: §5.7.2.
    const PROXY: [u16; 2] = [35, 39];
    let numbers = || packet.options().map(|(number, _)| *number);
    if numbers().any(|number| PROXY.contains(&number)) {
        return Some(ResponseType::ProxyingNotSupported);
    }
    numbers().any(|number| number % 2 == 1 && !KNOWN.contains(&number)).then_some(ResponseType::BadOption)
}

/// RFC 7252 §4.2: a confirmable message that cannot be processed gets a Reset with its message ID; anything else nothing.
fn reject(datagram: &[u8]) -> Option<Vec<u8>> {
    const VERSION_AND_CONFIRMABLE: u8 = 0x40;
    const RESET: u8 = 0x70;
    match datagram {
        [first, _, high, low, ..] if first & 0xf0 == VERSION_AND_CONFIRMABLE => {
            Some(vec![RESET, 0, *high, *low])
        }
        _ => None,
    }
}

/// A retransmission comes at most this long after (MAX_TRANSMIT_SPAN, RFC 7252 §4.8.2); what is remembered outlives it.
const _: () = assert!(super::exchanges::EXCHANGE_LIFETIME.as_secs() > Duration::from_secs(45).as_secs());
