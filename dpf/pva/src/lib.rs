//! Reference Platform Validation Authority (seed, section 2.6): enrols platforms from suppliers, certifies their keys,
//! judges evidence, and tells over OCSP what is revoked.

pub mod ca;
pub mod config;
pub mod judge;
pub mod metrics;
pub mod model;
pub mod ocsp;
pub mod procedure;
pub mod rest;
pub mod start;
pub mod store;
