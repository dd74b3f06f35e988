//! The accesses that a device comes in through. [`s6a`]: straight to the home network, with an MME of ours
//! in between.

pub mod s6a;
