//! A running DRF over its sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bindings;
mod devices;
mod document;
mod documents;
mod harness;
mod libcoap;
mod notices;
mod responder;
mod revocation;
