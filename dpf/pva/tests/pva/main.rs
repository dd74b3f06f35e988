//! A PVA over real sockets, and its parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod damaged;
mod document;
mod enrolment;
mod harness;
mod judge;
mod ocsp;
mod platforms;
mod references;
mod restart;
mod scopes;
mod start;
mod store;
mod validation;
