//! Nodes over loopback and memory, seen from outside: what a peer is told, when, and what it costs others.

mod capabilities;
mod duplicates;
mod exchange;
mod hostile;
mod reconnect;
mod requests;
mod start;
mod support;
mod tls;
