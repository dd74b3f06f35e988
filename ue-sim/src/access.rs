//! The accesses that a device comes in through. [`s6a`]: straight to the home network, with an MME of ours
//! in between. [`s1ap`]: as eNB and UE through a real MME. [`ip`]: an IP connection that is there already (WLAN, DSL), straight to the DRF.

pub mod ip;
pub mod s1ap;
pub mod s6a;
