//! Diameter nodes on sockets: one task a connection, over TCP, TLS, SCTP or memory.
//!
//! [`Node::start`] listens and connects as [`NodeConfig`] says and hands requests to an [`Application`];
//! [`Node::request`] sends requests of our own. What is decided about peers is decided by [`crate::peer`];
//! here are sockets, buffers and clocks.

mod admission;
mod answer;
mod application;
mod capabilities;
mod certificate;
mod checks;
mod config;
mod connection;
mod connector;
mod counters;
mod destination;
mod down;
mod duplicates;
mod endpoint;
mod error;
mod link;
mod listen;
mod mailbox;
mod node;
mod owned_message;
mod peer_info;
mod peer_status;
mod registry;
mod request;
mod sctp;
mod shared;
mod shown;
mod slot;
mod tls;
mod transport;

pub use answer::{Answer, Later};
pub use application::Application;
pub use config::{ApplicationId, Limits, NodeConfig, PeerConfig, RELAY, Timers};
pub use counters::Counters;
pub use destination::{Destination, Onward};
pub use down::Down;
pub use duplicates::Retransmission;
pub use endpoint::{BadEndpoint, Endpoint};
pub use error::StartError;
pub use node::Node;
pub use owned_message::OwnedMessage;
pub use peer_info::PeerInfo;
pub use peer_status::PeerStatus;
pub use request::RequestError;
pub use tls::TlsConfigs;
pub use transport::{Stream, TransportKind};

pub use crate::base::DisconnectCause;
