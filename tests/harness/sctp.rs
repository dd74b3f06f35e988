//! An SCTP association of the tests' own.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use oxirush_sctp::{
    BindxFlags, ConnectedSocket, NotificationOrData, SendOptions, Socket, SocketToAssociation,
};
use tokio::{runtime::Runtime, time::timeout};

/// Diameter in clear text (RFC 6733 §2.1.1).
const PPID: u32 = 46;

/// An association, on a runtime of its own so that it can be used like a blocking connection.
pub struct Association {
    runtime: Runtime,
    socket: ConnectedSocket,
    streams: u16,
    sent: u16,
}

impl std::fmt::Debug for Association {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Association").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Association {
    /// From all addresses of `from` to all of `to`.
    ///
    /// # Errors
    /// If it is refused, or not there after ten seconds.
    pub fn connect(from: &[SocketAddr], to: &[SocketAddr]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let socket = runtime.block_on(async {
            let socket = Socket::new_v4(SocketToAssociation::OneToOne)?;
            socket.options().set_reuseaddr(true)?;
            socket.options().set_nodelay(true)?;
            socket.bindx(from, BindxFlags::Add)?;
            timeout(Duration::from_secs(10), socket.connectx(to)).await?.map(|(socket, _)| socket)
        })?;
        let streams = socket.status()?.outstreams;
        Ok(Self { runtime, socket, streams, sent: 0 })
    }

    /// Sends one message, each on another stream: the other side has to take them from any (RFC 6733 §2.1.1).
    ///
    /// # Errors
    /// If the association is gone.
    pub fn send(&mut self, octets: &[u8]) -> Result<()> {
        let options = SendOptions::new().ppid(PPID).stream(self.sent % self.streams);
        self.sent = self.sent.wrapping_add(1);
        Ok(self.runtime.block_on(self.socket.send(octets, options))?)
    }

    /// The next message; nothing at the end.
    ///
    /// # Errors
    /// If it is aborted or lost, or nothing comes within `limit`.
    pub fn receive(&mut self, limit: Duration) -> Result<Vec<u8>> {
        let next = self.runtime.block_on(async { timeout(limit, self.socket.recv()).await });
        match next.context("nothing has come")?? {
            Some(NotificationOrData::Data(message)) => Ok(message.payload),
            Some(other) => bail!("{other:?} was not subscribed to"),
            None => Ok(Vec::new()),
        }
    }

    /// Its port on this side.
    ///
    /// # Errors
    /// If it is gone.
    pub fn port(&self) -> Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Ends it by ABORT (RFC 9260 §9.1), with whatever was under way.
    ///
    /// # Errors
    /// If it is gone.
    pub fn abort(self) -> Result<()> {
        let _inside = self.runtime.enter();
        Ok(self.socket.abort(b"")?)
    }
}
