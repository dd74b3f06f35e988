//! User packets of simulated UEs: GTP-U to the serving gateway (TS 29.281), and an IP stack in this process for each UE,
//! so that what goes through a bearer needs no privileges.
//!
//! [`Gtp`] is the eNB's S1-U; [`UeNet`] is a UE's IP stack over its bearer; [`Gate`] lets programs on this machine
//! through it (HTTP CONNECT); `ping` is ICMP echo.

mod gate;
mod gtp;
mod net;
mod ping;
mod tun;

pub use gate::Gate;
pub use gtp::{Gtp, Port};
pub use net::{Datagrams, UeNet};
pub use ping::{Echo, Pings};
pub use tun::Tun;
