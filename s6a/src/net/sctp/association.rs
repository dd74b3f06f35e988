//! One association as a stream of whole Diameter messages.
//!
//! RFC 6733 §2.1.1: every message goes out on stream 0 and without order, so that one that is lost on its way keeps
//! none behind it waiting. Not before the peer is known to be open, though: what overtook the CEA would find it waiting
//! for that alone. The peer may use any stream, and any order.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use oxirush_sctp::{
    AssocChangeState, ConnectedSocket, Notification, NotificationOrData, PeerAddressState, SendOptions,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

use super::Accepted;
use super::framing::{PPID, check, messages, shows_open};

/// Messages that one system call sends or receives.
const BATCH: usize = 64;

/// How an association has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Shut down by one side, aborted or lost: the kernel knows.
    Ended,
    /// The peer has forgotten it and made it anew from the same addresses and port (RFC 9260 §5.2.4, action A): the
    /// socket is that of a new association, with its CER to come.
    Restarted,
}

/// One association as a stream of whole Diameter messages.
pub(super) struct Association {
    /// Taken when it is dropped.
    socket: Option<ConnectedSocket>,
    remote: SocketAddr,
    max_message: usize,
    /// What one system call has brought.
    arrived: Vec<NotificationOrData>,
    /// The first of `arrived` that was not given out in full.
    next: usize,
    /// Octets of it that were.
    given: usize,
    /// The peer is past the capabilities exchange: order is of no use to it any more.
    peer_is_open: bool,
    end: Option<End>,
    /// Who takes the socket of a peer that has started again; only a listener does.
    restarting: Option<mpsc::UnboundedSender<Accepted>>,
}

fn restarted() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the peer has started again and made the association anew")
}

impl Association {
    pub(super) fn new(
        socket: ConnectedSocket,
        remote: SocketAddr,
        max_message: usize,
        arrived: Vec<NotificationOrData>,
        restarting: Option<mpsc::UnboundedSender<Accepted>>,
    ) -> Self {
        Self {
            socket: Some(socket),
            remote,
            max_message,
            arrived,
            next: 0,
            given: 0,
            peer_is_open: false,
            end: None,
            restarting,
        }
    }

    fn socket(&self) -> io::Result<&ConnectedSocket> {
        self.socket.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Gives out what has arrived, as far as there is room.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let before = buffer.filled().len();
        while let Some(arrived) = self.arrived.get(self.next)
            && buffer.remaining() > 0
        {
            match arrived {
                NotificationOrData::Data(message) => {
                    if self.given == 0 {
                        if let Err(error) = check(message.ppid(), &message.payload, self.max_message) {
                            // What came before is handled first.
                            return if buffer.filled().len() == before { Err(error) } else { Ok(()) };
                        }
                        self.peer_is_open |= shows_open(&message.payload);
                    }
                    let rest = &message.payload[self.given..];
                    let now = rest.len().min(buffer.remaining());
                    buffer.put_slice(&rest[..now]);
                    self.given += now;
                    if now < rest.len() {
                        return Ok(());
                    }
                }
                NotificationOrData::Notification(Notification::AssociationChange(change))
                    if change.state == AssocChangeState::Restart =>
                {
                    if buffer.filled().len() > before {
                        return Ok(());
                    }
                    self.next += 1;
                    self.end = Some(End::Restarted);
                    return Err(restarted());
                }
                NotificationOrData::Notification(notification) => self.note(notification),
                _ => {}
            }
            self.next += 1;
            self.given = 0;
        }
        Ok(())
    }

    /// Says what happens to paths: the association goes on as long as one is left, and nobody else would tell.
    fn note(&self, notification: &Notification) {
        let Notification::PeerAddressChange(change) = notification else { return };
        let (remote, path) = (self.remote, change.address);
        match change.state {
            PeerAddressState::Unreachable => {
                tracing::warn!(%remote, %path, "a path of the association is lost");
            }
            PeerAddressState::Available => {
                tracing::info!(%remote, %path, "a path of the association can be used");
            }
            state => tracing::debug!(%remote, %path, ?state, "a path of the association has changed"),
        }
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
            if this.end == Some(End::Restarted) {
                return Poll::Ready(Err(restarted()));
            }
            this.give(buffer)?;
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            this.arrived.clear();
            this.next = 0;
            let Some(socket) = &this.socket else { return Poll::Ready(Ok(())) };
            match ready!(socket.poll_recv_many(cx, &mut this.arrived, BATCH)) {
                Ok(0) => {
                    this.end = Some(End::Ended);
                    return Poll::Ready(Ok(()));
                }
                Ok(_) => {}
                // A message far too long is refused by this side; anything else is the end.
                Err(error) => {
                    if error.kind() != io::ErrorKind::InvalidData {
                        this.end = Some(End::Ended);
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl AsyncWrite for Association {
    /// Takes whole messages only: as many of those in `octets` as the kernel has room for.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if self.end == Some(End::Restarted) {
            return Poll::Ready(Err(restarted()));
        }
        let options = SendOptions::new().stream(0).ppid(PPID).unordered(self.peer_is_open);
        let mut batch = [(&octets[..0], options); BATCH];
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
        let sent = ready!(self.socket()?.poll_send_many(cx, &batch[..count]))?;
        Poll::Ready(Ok(batch[..sent].iter().map(|(message, _)| message.len()).sum()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// RFC 9260 §9.2: what was sent still arrives, then both sides let go.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The association that is there now is not the one that ends.
        if this.end == Some(End::Restarted) {
            return Poll::Ready(Ok(()));
        }
        this.end = Some(End::Ended);
        Poll::Ready(match this.socket()?.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        })
    }
}

impl Drop for Association {
    fn drop(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        match (self.end, self.restarting.take()) {
            (Some(End::Ended), _) => {}
            (Some(End::Restarted), Some(restarting)) => {
                // By now the peer's state machine knows that the old association is gone.
                let arrived = self.arrived.split_off(self.next.min(self.arrived.len()));
                // A listener that is gone accepts nobody.
                let _ = restarting.send(Accepted {
                    socket,
                    remote: self.remote,
                    arrived,
                    restarting: restarting.clone(),
                });
            }
            _ => {
                // Cut off in the middle: the peer is told (RFC 9260 §9.1, ABORT). Otherwise the kernel would go on
                // trying to deliver for minutes, and a peer that comes back from the same port would meet that.
                if let Err(error) = socket.options().set_linger(Some(Duration::ZERO)) {
                    tracing::debug!(remote = %self.remote, %error, "the association cannot be aborted");
                }
            }
        }
    }
}
