//! ICMP echo (RFC 792) through a UE's bearer.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpProtocol, IpVersion, Ipv4Packet, Ipv4Repr};
use tokio_smoltcp::RawSocket;

use super::UeNet;

/// Hops that a packet may take.
const HOPS: u8 = 64;
/// What each carries.
const CARGO: &[u8] = b"callhome";
/// Octets of an answer at most that are looked at.
const LARGEST: usize = 2048;

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// Number, from 1.
    pub sequence: u16,
    /// From request to answer; `None`: none came in time.
    pub after: Option<Duration>,
}

/// Pings of one UE.
pub struct Pings {
    socket: RawSocket,
    net: UeNet,
    identifier: u16,
    sequence: u16,
}

impl std::fmt::Debug for Pings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pings").field("net", &self.net).finish_non_exhaustive()
    }
}

impl Pings {
    /// From this UE.
    ///
    /// # Errors
    /// What the stack says.
    pub async fn from(net: &UeNet) -> io::Result<Self> {
        let socket = net.net().raw_socket(IpVersion::Ipv4, IpProtocol::Icmp).await?;
        let mut identifier = [0; 2];
        // It only has to differ from those of other stacks behind one address.
        let _ = getrandom::fill(&mut identifier);
        Ok(Self { socket, net: net.clone(), identifier: u16::from_be_bytes(identifier), sequence: 0 })
    }

    /// Sends one, and waits for its answer.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn ping(&mut self, to: Ipv4Addr, patience: Duration) -> io::Result<Echo> {
        self.sequence = self.sequence.wrapping_add(1);
        let sent = Instant::now();
        self.socket.send(&self.request(to)).await?;
        let answered = tokio::time::timeout(patience, self.answer(to)).await;
        let after = answered.ok().transpose()?.map(|()| sent.elapsed());
        Ok(Echo { sequence: self.sequence, after })
    }

    fn request(&self, to: Ipv4Addr) -> Vec<u8> {
        let checksums = ChecksumCapabilities::default();
        let icmp = Icmpv4Repr::EchoRequest { ident: self.identifier, seq_no: self.sequence, data: CARGO };
        let ip = Ipv4Repr {
            src_addr: self.net.address(),
            dst_addr: to,
            next_header: IpProtocol::Icmp,
            payload_len: icmp.buffer_len(),
            hop_limit: HOPS,
        };
        let mut packet = vec![0; ip.buffer_len() + icmp.buffer_len()];
        let (head, body) = packet.split_at_mut(ip.buffer_len());
        ip.emit(&mut Ipv4Packet::new_unchecked(head), &checksums);
        icmp.emit(&mut Icmpv4Packet::new_unchecked(body), &checksums);
        // The length is in the header by now, and the checksum over it.
        packet
    }

    async fn answer(&self, to: Ipv4Addr) -> io::Result<()> {
        let mut buffer = [0; LARGEST];
        loop {
            let read = self.socket.recv(&mut buffer).await?;
            if self.is_answer(buffer.get(..read).unwrap_or_default(), to) {
                return Ok(());
            }
        }
    }

    fn is_answer(&self, packet: &[u8], to: Ipv4Addr) -> bool {
        let Ok(ip) = Ipv4Packet::new_checked(packet) else { return false };
        if ip.src_addr() != to {
            return false;
        }
        let Ok(icmp) = Icmpv4Packet::new_checked(ip.payload()) else { return false };
        matches!(
            Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default()),
            Ok(Icmpv4Repr::EchoReply { ident, seq_no, .. }) if ident == self.identifier && seq_no == self.sequence
        )
    }
}
