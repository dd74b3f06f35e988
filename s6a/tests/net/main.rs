//! Nodes over loopback and memory, seen from outside: what a peer is told, when, and what it costs others.

mod exchange;
mod support;
