//! The REST API, in process: every route, every scope, every error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod allowances;
mod credentials;
mod document;
mod events;
mod harness;
mod idempotency;
mod import;
mod pages;
mod pools;
mod profiles;
mod registrations;
mod secrets;
mod versions;
