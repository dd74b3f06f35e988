//! UE and MME simulator that shares no cryptography with the AuC.
//!
//! Rooms: [`usim`] is the card, without IO; [`device`] is what a card sits in; [`access`] is how it gets in,
//! one device and every step; [`load`] is thousands of them. [`tre`] is the device's trusted environment, [`rncp`] the
//! lifecycle of what operators put there, and [`provision`] how it comes there: RNCT and DPF; [`fleet`] is many devices
//! at once that are provisioned.

pub mod access;
pub mod device;
pub mod fleet;
pub mod latency;
pub mod load;
pub mod nas;
pub mod provision;
pub mod rncp;
pub mod tre;
pub mod user_plane;
pub mod usim;

#[cfg(test)]
mod test_dpf;
#[cfg(test)]
mod test_hss;
