//! A peer that sees and makes single SCTP messages.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use oxirush_sctp::{
    ConnectedSocket, NotificationOrData, ReceivedData, SendInfo, SendOptions, Socket, SocketToAssociation,
};
use s6a::codec::ResultCode;
use s6a::net::{Endpoint, Node};

use crate::support::*;

/// The PPID of Diameter in clear text, RFC 6733 §2.1.1.
pub const DIAMETER: u32 = 46;

/// Whether a message came with the U bit, RFC 9260 §3.3.1.
pub fn is_unordered(message: &ReceivedData) -> bool {
    message.rcv_info.as_ref().expect("what was received about it").flags & SendInfo::UNORDERED != 0
}

/// A peer without a state machine, that sees and makes single SCTP messages.
pub struct Peer {
    pub socket: ConnectedSocket,
}

pub fn addresses(node: &Node) -> Vec<SocketAddr> {
    match &node.local_endpoints()[0] {
        Endpoint::Sctp(addresses) => addresses.clone(),
        other => panic!("{other} is not SCTP"),
    }
}

impl Peer {
    pub async fn connect(node: &Node) -> Self {
        let socket = Socket::new_v4(SocketToAssociation::OneToOne).unwrap();
        let (socket, _) = socket.connectx(&addresses(node)).await.unwrap();
        Self { socket }
    }

    /// Connected, with CER and CEA done.
    pub async fn open(node: &Node) -> Self {
        let peer = Self::connect(node).await;
        peer.send(&cer(MME, S6A, 1)).await;
        assert_eq!(Received(peer.receive().await.payload).code(), ResultCode::SUCCESS);
        peer
    }

    pub async fn send(&self, octets: &[u8]) {
        self.socket.send(octets, SendOptions::new().ppid(DIAMETER)).await.unwrap();
    }

    /// The next message, or the end. A peer that comes back is asked to prove itself by DWR (RFC 3539 §3.4.1): that is
    /// not what is waited for.
    pub async fn next(&self) -> io::Result<Option<ReceivedData>> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), self.socket.recv());
            match next.await.expect("a message or the end")? {
                Some(NotificationOrData::Data(message)) if message.payload[4..8] == [0x80, 0, 1, 24] => {}
                Some(NotificationOrData::Data(message)) => return Ok(Some(message)),
                Some(other) => panic!("{other:?}"),
                None => return Ok(None),
            }
        }
    }

    pub async fn receive(&self) -> ReceivedData {
        self.next().await.unwrap().expect("a message")
    }

    pub async fn is_closed(&self) {
        if let Ok(Some(message)) = self.next().await {
            panic!("the association is open: {message:?}");
        }
    }
}
