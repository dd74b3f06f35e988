//! A running operator: its PVA and its HSSs are doubles that are made here, everything else is as it is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod connectors;
mod crash;
mod damaged;
mod document;
mod generated;
mod mongo;
mod numbers;
mod open5gs;
mod platform;
mod refusals;
mod replace;
mod report;
mod rig;
