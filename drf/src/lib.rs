//! Discovery and Registration Function (seed, section 4.2): finds a device's operator by its PCID and triggers the
//! device (steps 6 to 8 of section 5).
//!
//! [`resolution`], [`trigger`] and most of [`coap`] are pure; [`desk`] is what the role does, each as one transaction;
//! [`rest`], [`device`] and [`coap::endpoint`] are how others reach it, [`deliver`] is how it reaches others.

pub mod claim;
pub mod coap;
pub mod config;
pub mod deliver;
pub mod desk;
pub mod device;
pub mod metrics;
pub mod oma;
pub mod outbound;
pub mod resolution;
pub mod rest;
pub mod start;
pub mod store;
pub mod trigger;
