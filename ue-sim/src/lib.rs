//! UE and MME simulator that shares no cryptography with the AuC.
//!
//! Rooms: [`usim`] is the card, without IO.

pub mod usim;
