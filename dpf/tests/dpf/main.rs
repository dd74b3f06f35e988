//! A DPF over real sockets, with SHO, PVA, DRF and ICF that sign real objects.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod damaged;
mod document;
mod flow;
mod generation;
mod harness;
mod operators;
mod others;
mod refusals;
#[path = "../../pva/tests/doubles/responder.rs"]
mod responder;
mod restart;
mod revocation;
mod tls;
