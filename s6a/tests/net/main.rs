//! Nodes over loopback and memory, seen from outside: what a peer is told, when, and what it costs others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, outside of test functions"
)]

mod capabilities;
mod duplicates;
mod exchange;
mod hostile;
mod reconnect;
mod requests;
mod start;
mod support;
mod tls;
