//! User packets of simulated UEs: GTP-U to the serving gateway (TS 29.281), and an IP stack in this process for each UE,
//! so that what goes through a bearer needs no privileges.
//!
//! [`Gtp`] is the eNB's S1-U; [`UeNet`] is a UE's IP stack over its bearer; [`Gate`] lets programs on this machine
//! through it (HTTP CONNECT); `ping` is ICMP echo.

mod gate;
mod gtp;
mod net;
mod ping;
mod traffic;
mod tun;

pub use gate::Gate;
pub use gtp::{Gtp, Port};
pub use net::{Datagrams, UeNet};
pub use ping::{Echo, Pings};
pub use traffic::Echoes;
pub use tun::{RULE, Tun};

/// IPv4 link MTU in octets where the network names none: room for GTP-U in an Ethernet frame (TS 23.060 annex C).
pub const DEFAULT_MTU: u16 = 1358;
