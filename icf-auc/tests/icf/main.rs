//! The running ICF over loopback sockets: what MMEs are answered and told, and what others change meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod ends;
mod lab;
mod location;
mod mme;
mod notices;
mod outbox;
mod refusals;
mod subscriber_data;
mod trouble;
mod vectors;
