//! A UE's IP stack: TCP, UDP and ICMP over its bearer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use smoltcp::iface::Config;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use tokio_smoltcp::{Net, NetConfig, TcpStream};

use super::Port;

/// A UE's IP stack; a clone is another handle to the same.
#[derive(Clone)]
pub struct UeNet {
    net: Arc<Net>,
    address: Ipv4Addr,
}

impl std::fmt::Debug for UeNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("UeNet").field(&self.address).finish()
    }
}

impl UeNet {
    /// The stack of a UE that the network has given `address`.
    #[must_use]
    pub fn new(port: Port, address: Ipv4Addr) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        let mut seed = [0; 8];
        // Ports and sequence numbers are not to be guessed; where there is no random source, any will do.
        let _ = getrandom::fill(&mut seed);
        config.random_seed = u64::from_be_bytes(seed);
        // A link without neighbours: all that is not the UE itself is behind it, and the gateway's address means
        // nothing.
        let own = IpAddress::Ipv4(address);
        let config = NetConfig::new(config, IpCidr::new(own, 32), vec![own]);
        Self { net: Arc::new(Net::new(port, config)), address }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// The other side refuses, or nobody answers.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.net.tcp_connect(to).await
    }

    /// A UDP socket at this port of the UE.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn udp(&self, port: u16) -> io::Result<tokio_smoltcp::UdpSocket> {
        self.net.udp_bind(SocketAddr::new(IpAddr::V4(self.address), port)).await
    }

    pub(super) fn net(&self) -> &Net {
        &self.net
    }
}

/// UDP of this machine, or of a UE through its bearer.
pub enum Datagrams {
    /// Of this machine.
    Kernel(tokio::net::UdpSocket),
    /// Of a UE; with its stack, which lasts as long.
    Bearer(tokio_smoltcp::UdpSocket, UeNet),
}

impl std::fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kernel(socket) => socket.fmt(f),
            Self::Bearer(_, net) => f.debug_tuple("Bearer").field(net).finish(),
        }
    }
}

impl Datagrams {
    /// As [`tokio::net::UdpSocket::recv_from`].
    ///
    /// # Errors
    /// As there.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Kernel(socket) => socket.recv_from(buffer).await,
            Self::Bearer(socket, _) => socket.recv_from(buffer).await,
        }
    }

    /// As [`tokio::net::UdpSocket::send_to`].
    ///
    /// # Errors
    /// As there.
    pub async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        match self {
            Self::Kernel(socket) => socket.send_to(datagram, to).await,
            Self::Bearer(socket, _) => socket.send_to(datagram, to).await,
        }
    }
}
