//! A running DRF over its sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bindings;
mod damaged;
mod devices;
mod document;
mod documents;
mod harness;
mod libcoap;
mod notices;
#[path = "../../../dpf/pva/tests/doubles/responder.rs"]
mod responder;
mod revocation;
