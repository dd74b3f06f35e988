//! Nodes over loopback and memory, seen from outside: what a peer is told, when, and what it costs others.
//!
//! The same tests run over each transport; `tests/sctp` has them over SCTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, outside of test functions"
)]
#![allow(clippy::duplicate_mod, reason = "the same tests over each transport")]

mod carriers;
mod memory;
mod start;
mod support;
mod tcp;
mod tls;
mod watchdog;
