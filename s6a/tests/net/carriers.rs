//! TCP, and memory.

use std::net::SocketAddr;

use s6a::net::{Endpoint, Node, NodeConfig};
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

pub struct Tcp(TcpListener);

fn address(node: &Node) -> SocketAddr {
    match node.local_endpoints()[0] {
        Endpoint::Tcp(address) | Endpoint::Tls(address) => address,
        Endpoint::Sctp(_) => panic!("no TCP"),
    }
}

impl Transport for Tcp {
    type Stream = TcpStream;
    const KEEPS_ORDER: bool = true;
    const HAS_ADDRESSES: bool = true;

    fn hss() -> NodeConfig {
        NodeConfig { listen: vec!["tcp://127.0.0.1:0".parse().unwrap()], ..hss() }
    }

    async fn connect(node: &Node) -> Raw<TcpStream> {
        let stream = TcpStream::connect(address(node)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream }
    }

    async fn is_listening(node: &Node) -> bool {
        TcpStream::connect(address(node)).await.is_ok()
    }
}

impl Listening for Tcp {
    async fn listen() -> (Self, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
        (Self(listener), endpoint)
    }

    async fn accept(&self) -> Raw<TcpStream> {
        let (stream, _) = self.0.accept().await.unwrap();
        Raw { stream }
    }
}

/// Handed to the node: it listens nowhere.
pub struct Memory;

impl Transport for Memory {
    type Stream = DuplexStream;
    const KEEPS_ORDER: bool = true;
    const HAS_ADDRESSES: bool = false;

    fn hss() -> NodeConfig {
        hss()
    }

    async fn connect(node: &Node) -> Raw<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(4096);
        node.accept(ours);
        Raw { stream: theirs }
    }

    async fn is_listening(_: &Node) -> bool {
        false
    }
}
