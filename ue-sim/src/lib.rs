//! UE and MME simulator that shares no cryptography with the AuC.
//!
//! Rooms: [`usim`] is the card, without IO; [`device`] is what a card sits in; [`access`] is how it gets in,
//! one device and every step; [`load`] is thousands of them.

pub mod access;
pub mod device;
pub mod load;
pub mod usim;

#[cfg(test)]
mod test_hss;
