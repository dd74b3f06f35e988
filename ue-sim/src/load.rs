//! Load: many devices through one MME or several, at a given rate or with a given window.
//!
//! The path of one request: `fleet` has the next idle device, `wire` copies a template and patches it,
//! `connection` writes many at once, reads many answers at once and hands them to `verify`; `tally`
//! counts, and `report` tells.
//!
//! Latency is counted from the moment a request was *due*: with a given rate that is its place in the
//! schedule, also when the window was full or this program late, so that a server that stalls is not
//! spared the requests that would have come meanwhile (no coordinated omission).

mod config;
mod connection;
mod fleet;
mod pace;
mod progress;
mod report;
mod run;
mod tally;
mod verify;
mod wire;

#[cfg(test)]
mod tests;

pub use config::{LoadConfig, LoadError, Pace, Procedure, Verify};
pub use report::{CommandReport, End, Latency, LoadReport, VerifyReport};
pub use run::run;
