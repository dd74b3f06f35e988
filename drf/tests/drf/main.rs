//! A running DRF over its sockets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bindings;
mod devices;
mod document;
mod harness;
mod libcoap;
mod notices;
