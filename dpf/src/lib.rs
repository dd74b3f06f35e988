//! Download and Provisioning Function (seed, section 4.3): provisioning sessions between a device, its operator and the
//! PVA, durable at each step.

pub mod certificate;
pub mod config;
pub mod deliver;
pub mod device;
pub mod driver;
pub mod generate;
pub mod machine;
pub mod metrics;
pub mod model;
pub mod package;
pub mod procedure;
pub mod rest;
pub mod start;
pub mod store;
pub mod sweeper;
pub mod verdict;
mod waiting;
