//! A way through a UE's bearer for programs on this machine: HTTP CONNECT (RFC 9110 §9.3.6) on loopback. Whatever speaks
//! TLS inside of it speaks it with the other end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::task::JoinHandle;

use super::UeNet;

/// Octets of a request's head at most.
const HEAD: usize = 8 << 10;
/// Connections at once; a device needs a few.
const CONNECTIONS: usize = 256;
/// After a connection that could not be taken.
const BREATH: Duration = Duration::from_millis(100);
/// For a request's head, and for the connection through the bearer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Open as long as it lives. Whoever may use this machine's loopback may use the bearer.
#[derive(Debug)]
pub struct Gate {
    at: SocketAddr,
    task: JoinHandle<()>,
}

impl Gate {
    /// Opens it, on a free port of loopback.
    ///
    /// # Errors
    /// What the system says.
    pub async fn open(net: UeNet) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let at = listener.local_addr()?;
        Ok(Self { at, task: tokio::spawn(serve(listener, net)) })
    }

    /// Where it is, for `HTTPS_PROXY` and the like.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        self.at
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, net: UeNet) {
    let mut open = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            // With more than this many, whoever connects waits.
            accepted = listener.accept(), if open.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let net = net.clone();
                    open.spawn(async move {
                        if let Err(error) = pass(stream, net).await {
                            tracing::debug!(%error, "a connection through the bearer has ended");
                        }
                    });
                }
                // As long as there are no descriptors the next error comes at once.
                Err(_) => tokio::time::sleep(BREATH).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}

async fn pass(mut client: TcpStream, net: UeNet) -> io::Result<()> {
    let head = tokio::time::timeout(PATIENCE, head(&mut client)).await??;
    let Some(target) = target(&head) else {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\n\r\n").await;
    };
    // Names are this machine's business: a lab has no name server behind its gateway.
    let found = lookup_host(target).await.ok().and_then(|mut found| found.find(SocketAddr::is_ipv4));
    let connected = match found {
        Some(address) => tokio::time::timeout(PATIENCE, net.connect(address)).await.map_err(io::Error::from),
        None => return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await,
    };
    let mut remote = match connected {
        Ok(Ok(remote)) => remote,
        Ok(Err(_)) => return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await,
        Err(_) => return client.write_all(b"HTTP/1.1 504 Gateway Timeout\r\n\r\n").await,
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut remote).await.map(drop)
}

/// Up to the empty line; nothing behind it may have come yet, as the client waits for the answer.
async fn head(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut octet = [0; 512];
    while !head.ends_with(b"\r\n\r\n") {
        let read = client.read(&mut octet).await?;
        if read == 0 || head.len() + read > HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(octet.get(..read).unwrap_or_default());
    }
    Ok(head)
}

/// `host:port` of a CONNECT.
fn target(head: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let mut words = line.split(' ');
    (words.next()? == "CONNECT").then(|| words.next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_plane::Gtp;

    /// Whoever opens connections and says nothing keeps others out, not memory and descriptors.
    #[tokio::test]
    async fn connections_have_a_bound_and_make_room() {
        let gtp = Gtp::bind([127, 21, 53, 1].into()).await.unwrap();
        let imsi = "999710000000001".parse().unwrap();
        let net = UeNet::new(gtp.port(imsi, 1400), Ipv4Addr::new(10, 45, 0, 2));
        let gate = Gate::open(net).await.unwrap();
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS {
            open.push(TcpStream::connect(gate.at()).await.unwrap());
        }
        let mut one_more = TcpStream::connect(gate.at()).await.unwrap();
        one_more.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        let answered = tokio::time::timeout(Duration::from_millis(200), one_more.read(&mut answer)).await;
        assert!(answered.is_err(), "{answered:?}");
        drop(open.pop());
        tokio::time::timeout(PATIENCE, one_more.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 405");
    }

    #[test]
    fn only_connect_is_taken() {
        assert_eq!(target(b"CONNECT 10.45.0.1:9441 HTTP/1.1\r\nHost: x\r\n\r\n"), Some("10.45.0.1:9441"));
        assert_eq!(target(b"GET http://10.45.0.1/ HTTP/1.1\r\n\r\n"), None);
        assert_eq!(target(b"\xff\xff\r\n\r\n"), None);
        assert_eq!(target(b"\r\n\r\n"), None);
    }
}
