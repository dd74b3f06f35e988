//! SCTP for the tests of `tests/net`: whole messages where those have a stream of octets.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use oxirush_sctp::{
    BindxFlags, ConnectedSocket, Listener, NotificationOrData, SendOptions, Socket, SocketToAssociation,
};
use s6a::codec::frame::{self, Frame};
use s6a::net::{Endpoint, Node, NodeConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::peer::{DIAMETER, addresses};
use crate::support::*;

pub struct Sctp(Listener);

fn socket() -> Socket {
    Socket::new_v4(SocketToAssociation::OneToOne).unwrap()
}

async fn association(node: &Node) -> io::Result<ConnectedSocket> {
    socket().connectx(&addresses(node)).await.map(|(socket, _)| socket)
}

impl Transport for Sctp {
    type Stream = Messages;
    const KEEPS_ORDER: bool = false;
    const HAS_ADDRESSES: bool = true;

    fn hss() -> NodeConfig {
        NodeConfig { listen: vec!["sctp://127.0.0.1:0".parse().unwrap()], ..hss() }
    }

    async fn connect(node: &Node) -> Raw<Messages> {
        Raw { stream: Messages::new(association(node).await.unwrap()) }
    }

    async fn is_listening(node: &Node) -> bool {
        association(node).await.is_ok()
    }
}

impl Listening for Sctp {
    async fn listen() -> (Self, Endpoint) {
        let socket = socket();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bindx(&[any], BindxFlags::Add).unwrap();
        let listener = socket.listen(8).unwrap();
        let endpoint = Endpoint::Sctp(vec![listener.local_addr().unwrap()]);
        (Self(listener), endpoint)
    }

    async fn accept(&self) -> Raw<Messages> {
        Raw { stream: Messages::new(self.association().await) }
    }
}

impl Sctp {
    /// The node's next association.
    pub async fn association(&self) -> ConnectedSocket {
        self.0.accept().await.unwrap().0
    }
}

/// An association: a Diameter message is written as one SCTP message, and what is none goes as it is.
pub struct Messages {
    socket: ConnectedSocket,
    received: Vec<u8>,
    given: usize,
}

impl Messages {
    fn new(socket: ConnectedSocket) -> Self {
        Self { socket, received: Vec::new(), given: 0 }
    }
}

impl AsyncRead for Messages {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.given == this.received.len() {
            match ready!(this.socket.poll_recv(cx))? {
                Some(NotificationOrData::Data(message)) => {
                    (this.received, this.given) = (message.payload, 0);
                }
                Some(_) => {}
                None => return Poll::Ready(Ok(())),
            }
        }
        let rest = &this.received[this.given..];
        let now = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..now]);
        this.given += now;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Messages {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let length = match frame::next(octets, usize::MAX) {
            Ok(Frame::Whole(length)) => length,
            _ => octets.len(),
        };
        let options = SendOptions::new().ppid(DIAMETER);
        ready!(self.socket.poll_send(cx, &octets[..length], options))?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shutdown(std::net::Shutdown::Write))
    }
}
