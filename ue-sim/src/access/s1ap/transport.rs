//! What carries S1AP: SCTP of the kernel, PPID 18 (TS 36.412 §7), or memory in tests.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use oxirush_sctp::{
    BindxFlags, ConnectedSocket, Event, InitParams, Notification, NotificationOrData, PeerAddressState,
    SendOptions, Socket, SocketToAssociation, SubscribeEventAssocId,
};
use tokio::sync::{Mutex, mpsc};

use super::{EnbConfig, EventKind, Events, S1Error};

/// Payload protocol identifier of S1AP, TS 36.412 §7.
const PPID: u32 = 18;
/// Streams asked for each way: one for what concerns no UE, the others for UEs.
const STREAMS: u16 = 16;
/// A message of the MME at most; S1AP has no bound, WRITE-REPLACE WARNING is the longest in practice.
const LARGEST: usize = 1 << 18;

/// An association with an MME, which keeps messages apart.
#[async_trait]
pub trait Association: Send + Sync + 'static {
    /// Sends one message on a stream.
    async fn send(&self, stream: u16, message: &[u8]) -> io::Result<()>;
    /// The next message; `None`: the MME has ended the association.
    async fn recv(&self) -> io::Result<Option<Vec<u8>>>;
    /// Streams from the eNB, at least one.
    fn streams(&self) -> u16;
    /// Ends it in order.
    async fn shutdown(&self);
}

/// SCTP of the kernel.
#[derive(Debug)]
pub struct Sctp {
    socket: ConnectedSocket,
    streams: u16,
    events: Events,
}

impl Sctp {
    /// Makes the association: from all local addresses of `config` to all of the MME's, which are its paths
    /// (RFC 6458 §9.1, §9.9). What becomes of a path is told to `events`.
    ///
    /// # Errors
    /// If the kernel has no SCTP, or the MME does not take it.
    pub async fn connect(config: &EnbConfig, events: Events) -> Result<Self, S1Error> {
        let failed = |source: io::Error| {
            let mme = config.mme.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            match source.raw_os_error() {
                Some(EPROTONOSUPPORT | ESOCKTNOSUPPORT) => S1Error::NoSctp,
                _ => S1Error::Association { mme, source },
            }
        };
        let opened = || -> io::Result<Socket> {
            let socket = if config.mme.iter().any(SocketAddr::is_ipv6) {
                Socket::new_v6(SocketToAssociation::OneToOne)
            } else {
                Socket::new_v4(SocketToAssociation::OneToOne)
            }?;
            socket.options().set_nodelay(true)?;
            socket.options().set_init_params(InitParams::streams(STREAMS, STREAMS))?;
            socket.options().set_max_message_size(LARGEST);
            socket.options().subscribe_events(&[Event::Address], SubscribeEventAssocId::All)?;
            if !config.local.is_empty() {
                let local: Vec<_> = config.local.iter().map(|address| SocketAddr::new(*address, 0)).collect();
                socket.bindx(&local, BindxFlags::Add)?;
            }
            Ok(socket)
        };
        let (socket, _) = opened().map_err(failed)?.connectx(&config.mme).await.map_err(failed)?;
        let streams = socket.status().map_err(failed)?.outstreams.max(1);
        Ok(Self { socket, streams, events })
    }
}

/// Linux' errno of a kernel without SCTP.
const EPROTONOSUPPORT: i32 = 93;
/// Another that occurs there.
const ESOCKTNOSUPPORT: i32 = 94;

#[async_trait]
impl Association for Sctp {
    async fn send(&self, stream: u16, message: &[u8]) -> io::Result<()> {
        self.socket.send(message, SendOptions::new().stream(stream).ppid(PPID)).await.map(drop)
    }

    async fn recv(&self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.socket.recv().await? {
                Some(NotificationOrData::Data(message)) => return Ok(Some(message.payload)),
                Some(NotificationOrData::Notification(Notification::PeerAddressChange(change))) => {
                    let usable = match change.state {
                        PeerAddressState::Available => true,
                        PeerAddressState::Unreachable => false,
                        _ => continue,
                    };
                    self.events.tell(None, EventKind::Path { to: change.address, usable });
                }
                None => return Ok(None),
                // No other is subscribed to.
                Some(_) => {}
            }
        }
    }

    fn streams(&self) -> u16 {
        self.streams
    }

    async fn shutdown(&self) {
        // What is not sent any more concerns nobody any more.
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }
}

/// One end of an association in memory.
#[derive(Debug)]
pub struct Memory {
    to: mpsc::Sender<Vec<u8>>,
    from: Mutex<mpsc::Receiver<Vec<u8>>>,
}

/// Two ends of an association in memory, for tests of either.
#[must_use]
pub fn pair() -> (Memory, Memory) {
    let ((a, from_a), (b, from_b)) = (mpsc::channel(1024), mpsc::channel(1024));
    (Memory { to: a, from: Mutex::new(from_b) }, Memory { to: b, from: Mutex::new(from_a) })
}

#[async_trait]
impl Association for Memory {
    async fn send(&self, _: u16, message: &[u8]) -> io::Result<()> {
        self.to.send(message.to_vec()).await.map_err(|_| io::ErrorKind::ConnectionReset.into())
    }

    async fn recv(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.from.lock().await.recv().await)
    }

    fn streams(&self) -> u16 {
        1
    }

    async fn shutdown(&self) {}
}
