//! SCTP of the kernel (RFC 6733 §2.1.1, RFC 6458 §4: one association a socket).
//!
//! An association looks like a stream of octets to its connection and keeps the messages apart by itself: what is
//! written leaves as one SCTP message for each Diameter message, and what has come is given out message after message.
//! All is sent on stream 0 in order; the peer may use any stream (§2.1.1).

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use oxirush_sctp::{
    BindxFlags, ConnectedSocket, NotificationOrData, SendOptions, Socket, SocketToAssociation,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::TransportKind;
use super::transport::Connected;
use crate::codec::frame::{self, Frame};

/// Diameter in clear text, RFC 6733 §2.1.1.
const PPID: u32 = 46;
/// Diameter inside of DTLS, RFC 6733 §2.1.1.
const PPID_DTLS: u32 = 47;

/// Associations that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Octets of each of a socket's buffers, as far as the system allows (net.core.rmem_max, wmem_max). Linux counts some
/// 230 octets for each received message besides its own, but tells the peer of free octets alone: of messages shorter
/// than that, a burst that fills the buffer is dropped in part and comes again after a second.
const BUFFER: usize = 1 << 20;

/// Messages that one system call sends or receives.
const BATCH: usize = 64;

/// The length field's largest value, RFC 6733 §3.
const LARGEST: usize = 0x00ff_ffff;

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
    Ok(socket)
}

/// A listening endpoint.
pub(super) struct Listener {
    listener: oxirush_sctp::Listener,
    addresses: Vec<SocketAddr>,
}

impl Listener {
    /// Listens on all `addresses` (RFC 6458 §9.1), which have the same port.
    pub(super) fn bind(addresses: &[SocketAddr]) -> io::Result<Self> {
        let socket = socket(addresses)?;
        // As for TCP: what is left of old associations does not keep a node from starting again.
        socket.options().set_reuseaddr(true)?;
        socket.bindx(addresses, BindxFlags::Add)?;
        Ok(Self { listener: socket.listen(BACKLOG)?, addresses: addresses.to_vec() })
    }

    /// The addresses it was told to listen on, with the port that the system chose for port 0.
    pub(super) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let port = self.listener.local_addr()?.port();
        Ok(self.addresses.iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
    }

    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        let (socket, remote) = self.listener.accept().await?;
        Ok(Accepted { socket, remote })
    }
}

/// An association that a peer has made.
pub(super) struct Accepted {
    socket: ConnectedSocket,
    remote: SocketAddr,
}

impl Accepted {
    /// For messages of at most `max_message` octets.
    pub(super) fn connected(self, max_message: usize) -> Connected {
        connected(self.socket, self.remote, max_message)
    }
}

/// Makes an association with the peer of all these addresses (RFC 6458 §9.9), for messages of at most `max_message`
/// octets.
pub(super) async fn connect(addresses: &[SocketAddr], max_message: usize) -> io::Result<Connected> {
    let Some(remote) = addresses.first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the peer has no address"));
    };
    let (socket, _) = socket(addresses)?.connectx(addresses).await?;
    Ok(connected(socket, *remote, max_message))
}

fn connected(socket: ConnectedSocket, remote: SocketAddr, max_message: usize) -> Connected {
    // A message that is somewhat too long is seen by the connection, which answers it (5015); one far beyond ends the
    // association, so that nobody makes the node keep more than that for one message.
    socket.options().set_max_message_size(max_message.saturating_mul(2));
    Connected {
        kind: TransportKind::Sctp,
        local: socket.local_addrs().unwrap_or_default(),
        remote: Some(SocketAddr::new(remote.ip().to_canonical(), remote.port())),
        certificate: None,
        stream: Box::new(Association { socket, max_message, arrived: Vec::new(), next: 0, given: 0 }),
    }
}

/// One association as a stream of whole Diameter messages.
struct Association {
    socket: ConnectedSocket,
    max_message: usize,
    /// What one system call has brought.
    arrived: Vec<NotificationOrData>,
    /// The first of `arrived` that was not given out in full.
    next: usize,
    /// Octets of it that were.
    given: usize,
}

/// Whether a connection can be given this SCTP message. It has to end where a Diameter message ends: a connection that
/// waited for the rest would take the next message for it.
fn check(ppid: Option<u32>, payload: &[u8], max_message: usize) -> io::Result<()> {
    let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    // Any other PPID is taken: 0 is what RFC 3588 had, and 46 is a SHOULD.
    if ppid == Some(PPID_DTLS) {
        return invalid("the peer speaks DTLS over SCTP (PPID 47), which this node does not".to_owned());
    }
    let mut rest = payload;
    while !rest.is_empty() {
        match frame::next(rest, max_message) {
            Ok(Frame::Whole(length)) => rest = &rest[length..],
            Ok(Frame::Partial(_)) => {
                let length = payload.len();
                return invalid(format!(
                    "an SCTP message of {length} octets ends inside of a Diameter message"
                ));
            }
            // For the connection to refuse, which then reads nothing more.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// The whole messages at the start of `octets`, at most [`BATCH`] of them.
fn messages(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let Ok(Frame::Whole(length)) = frame::next(rest, LARGEST) else { return None };
        let (message, behind) = rest.split_at(length);
        rest = behind;
        Some(message)
    })
    .take(BATCH)
}

impl Association {
    /// Gives out what has arrived, as far as there is room.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let before = buffer.filled().len();
        while let Some(arrived) = self.arrived.get(self.next)
            && buffer.remaining() > 0
        {
            // Notifications are subscribed to by nobody.
            if let NotificationOrData::Data(message) = arrived {
                if self.given == 0
                    && let Err(error) = check(message.ppid(), &message.payload, self.max_message)
                {
                    // What came before is handled first.
                    return if buffer.filled().len() == before { Err(error) } else { Ok(()) };
                }
                let rest = &message.payload[self.given..];
                let now = rest.len().min(buffer.remaining());
                buffer.put_slice(&rest[..now]);
                self.given += now;
                if now < rest.len() {
                    return Ok(());
                }
            }
            self.next += 1;
            self.given = 0;
        }
        Ok(())
    }
}

impl AsyncRead for Association {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        loop {
            this.give(buffer)?;
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            this.arrived.clear();
            this.next = 0;
            if ready!(this.socket.poll_recv_many(cx, &mut this.arrived, BATCH))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Association {
    /// Takes whole messages only: as many of those in `octets` as the kernel has room for.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        const OPTIONS: SendOptions = SendOptions::new().stream(0).ppid(PPID);
        let mut batch = [(&octets[..0], OPTIONS); BATCH];
        let mut count = 0;
        for (place, message) in batch.iter_mut().zip(messages(octets)) {
            place.0 = message;
            count += 1;
        }
        if count == 0 && !octets.is_empty() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "what is to be sent is no whole Diameter message",
            )));
        }
        let sent = ready!(self.socket.poll_send_many(cx, &batch[..count]))?;
        Poll::Ready(Ok(batch[..sent].iter().map(|(message, _)| message.len()).sum()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// RFC 9260 §9.2: what was sent still arrives, then both sides let go.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.socket.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with this length, and zeros up to `octets`.
    fn message(length: u8, octets: usize) -> Vec<u8> {
        let mut message = vec![0; octets];
        message[..4].copy_from_slice(&[1, 0, 0, length]);
        message
    }

    #[test]
    fn an_sctp_message_has_to_end_where_a_diameter_message_ends() {
        let reason = |octets: &[u8]| check(Some(PPID), octets, 100).unwrap_err().to_string();
        check(Some(PPID), &message(24, 24), 100).unwrap();
        check(Some(PPID), &[message(24, 24), message(20, 20)].concat(), 100).unwrap();
        assert!(reason(&message(28, 24)).contains("24 octets ends inside"));
        assert!(reason(&[message(24, 24), vec![1, 0]].concat()).contains("ends inside"));
        // Too long, or no Diameter: the connection says so to the peer, 5015 or 5011.
        check(Some(PPID), &message(104, 24), 100).unwrap();
        check(Some(PPID), b"no Diameter", 100).unwrap();
    }

    #[test]
    fn messages_inside_of_dtls_are_not_taken_for_diameter() {
        assert!(check(Some(PPID_DTLS), &message(20, 20), 100).unwrap_err().to_string().contains("DTLS"));
        check(Some(0), &message(20, 20), 100).unwrap();
        check(None, &message(20, 20), 100).unwrap();
    }

    #[test]
    fn what_is_written_is_cut_at_message_boundaries() {
        let octets = [message(24, 24), message(20, 20), message(24, 22)].concat();
        let lengths: Vec<_> = messages(&octets).map(<[u8]>::len).collect();
        assert_eq!(lengths, [24, 20]);
        assert_eq!(messages(&message(20, 20).repeat(100)).count(), BATCH);
        assert_eq!(messages(b"").count(), 0);
    }
}
