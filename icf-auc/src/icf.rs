//! The running ICF: the path of a request, and what goes on beside it.

pub mod application;
pub mod batch;
pub mod control;
pub mod delivery_log;
pub mod instance;
pub mod memory;
pub mod metrics;
pub mod nodes;
pub mod notices;
pub mod outbox;
pub mod relay;
pub mod reset;
pub mod subscriber;
pub mod sweeper;
pub mod turns;
pub mod wake;

mod air;
mod location;
