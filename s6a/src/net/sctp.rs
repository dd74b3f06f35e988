//! SCTP of the kernel (RFC 6733 §2.1.1, RFC 6458 §4: one association a socket).
//!
//! An association looks like a stream of octets to its connection and keeps the messages apart by itself: what is
//! written leaves as one SCTP message for each Diameter message, and what has come is given out message after message.

mod association;
mod framing;

use std::io;
use std::net::SocketAddr;

use oxirush_sctp::{
    BindxFlags, ConnectedSocket, Event, NotificationOrData, Socket, SocketToAssociation,
    SubscribeEventAssocId,
};
use tokio::sync::mpsc;

use self::association::Association;
use super::TransportKind;
use super::transport::Connected;

/// Associations that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Octets of each of a socket's buffers, as far as the system allows (net.core.rmem_max, wmem_max). Linux counts some
/// 230 octets for each received message besides its own, but tells the peer of free octets alone: of messages shorter
/// than that, a burst that fills the buffer is dropped in part and comes again after a second.
const BUFFER: usize = 1 << 20;

/// Whether the kernel has SCTP, or can load it. Another reason for having no socket is for [`Listener::bind`] to tell.
pub(super) fn is_offered() -> bool {
    !matches!(
        Socket::new_v4(SocketToAssociation::OneToOne).err().and_then(|error| error.raw_os_error()),
        Some(libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT)
    )
}

/// A socket for addresses of these families, that sends small messages without waiting for others. An accepted one
/// has what is set here too.
fn socket(addresses: &[SocketAddr]) -> io::Result<Socket> {
    let socket = if addresses.iter().any(SocketAddr::is_ipv6) {
        Socket::new_v6(SocketToAssociation::OneToOne)
    } else {
        Socket::new_v4(SocketToAssociation::OneToOne)
    }?;
    socket.options().set_nodelay(true)?;
    socket.options().set_recv_buffer_size(BUFFER)?;
    socket.options().set_send_buffer_size(BUFFER)?;
    // A peer that starts again, and paths that are lost or come back.
    socket.options().subscribe_events(&[Event::Association, Event::Address], SubscribeEventAssocId::All)?;
    Ok(socket)
}

/// A listening endpoint.
pub(super) struct Listener {
    listener: oxirush_sctp::Listener,
    addresses: Vec<SocketAddr>,
    /// Where associations hand over what is a new one now.
    restarting: mpsc::UnboundedSender<Accepted>,
    restarted: mpsc::UnboundedReceiver<Accepted>,
}

impl Listener {
    /// Listens on all `addresses` (RFC 6458 §9.1), which have the same port.
    pub(super) fn bind(addresses: &[SocketAddr]) -> io::Result<Self> {
        let socket = socket(addresses)?;
        // As for TCP: what is left of old associations does not keep a node from starting again.
        socket.options().set_reuseaddr(true)?;
        socket.bindx(addresses, BindxFlags::Add)?;
        let (restarting, restarted) = mpsc::unbounded_channel();
        Ok(Self { listener: socket.listen(BACKLOG)?, addresses: addresses.to_vec(), restarting, restarted })
    }

    /// The addresses it was told to listen on, with the port that the system chose for port 0.
    pub(super) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let port = self.listener.local_addr()?.port();
        Ok(self.addresses.iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
    }

    /// The next association that a peer has made, or has made anew.
    pub(super) async fn accept(&mut self) -> io::Result<Accepted> {
        tokio::select! {
            accepted = self.listener.accept() => {
                let (socket, remote) = accepted?;
                Ok(Accepted { socket, remote, arrived: Vec::new(), restarting: self.restarting.clone() })
            }
            // Never at its end: this side holds a sender too.
            Some(again) = self.restarted.recv() => Ok(again),
        }
    }
}

/// An association that a peer has made.
pub(super) struct Accepted {
    socket: ConnectedSocket,
    remote: SocketAddr,
    /// What has been read of it already.
    arrived: Vec<NotificationOrData>,
    restarting: mpsc::UnboundedSender<Accepted>,
}

impl Accepted {
    /// The other end.
    pub(super) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// For messages of at most `max_message` octets.
    pub(super) fn connected(self, max_message: usize) -> Connected {
        let Self { socket, remote, arrived, restarting } = self;
        connected(socket, remote, max_message, arrived, Some(restarting))
    }
}

/// Makes an association with the peer of all these addresses (RFC 6458 §9.9), for messages of at most `max_message`
/// octets.
pub(super) async fn connect(addresses: &[SocketAddr], max_message: usize) -> io::Result<Connected> {
    let Some(remote) = addresses.first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the peer has no address"));
    };
    let (socket, _) = socket(addresses)?.connectx(addresses).await?;
    Ok(connected(socket, *remote, max_message, Vec::new(), None))
}

fn connected(
    socket: ConnectedSocket,
    remote: SocketAddr,
    max_message: usize,
    arrived: Vec<NotificationOrData>,
    restarting: Option<mpsc::UnboundedSender<Accepted>>,
) -> Connected {
    // A message that is somewhat too long is seen by the connection, which answers it (5015); one far beyond ends the
    // association, so that nobody makes the node keep more than that for one message.
    socket.options().set_max_message_size(max_message.saturating_mul(2));
    Connected {
        kind: TransportKind::Sctp,
        local: socket.local_addrs().unwrap_or_default(),
        remote: Some(SocketAddr::new(remote.ip().to_canonical(), remote.port())),
        certificate: None,
        stream: Box::new(Association::new(socket, remote, max_message, arrived, restarting)),
    }
}
