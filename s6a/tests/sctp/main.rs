//! Nodes over the kernel's SCTP, RFC 6733 §2.1.1: what `tests/net` asks of each transport, and what only SCTP has.
//!
//! `cargo test` leaves it out by itself, since many kernels have no SCTP: `tests/run` runs it in User Mode Linux, which
//! has, whatever the machine's kernel is. Where that has SCTP too, `cargo test -p s6a --test sctp` runs it natively.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, outside of test functions"
)]

mod carrier;
mod messages;
mod peer;
mod suite;
#[path = "../net/support.rs"]
mod support;
