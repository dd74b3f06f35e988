//! The accesses that a device comes in through. [`s6a`]: straight to the home network, with an MME of ours
//! in between. [`ip`]: an IP connection that is there already (WLAN, DSL), straight to the DRF.

pub mod ip;
pub mod s6a;
