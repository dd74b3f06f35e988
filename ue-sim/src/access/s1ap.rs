//! Access through a real MME: the simulator is an eNB towards it (S1AP, TS 36.413, over SCTP), and as many UEs as asked.
//!
//! [`Enb`] is the eNB: association, S1 SETUP, and what concerns no single UE. [`S1Ue`] is a UE at it: it runs the NAS of
//! [`crate::nas`] over the UE-associated procedures. `messages` is what is written and read of S1AP; [`Association`] is
//! what carries it.

mod config;
pub mod crowd;
mod enb;
mod error;
mod event;
mod messages;
mod registry;
mod report;
mod transport;
mod ue;

#[cfg(test)]
mod tests;

pub use config::{EnbConfig, PORT};
pub use enb::{Connect, Enb, NoUserPlane, UserPlane};
pub use error::S1Error;
pub use event::{Event, EventKind, Events};
pub use messages::{Erab, cause_words};
pub use report::{End, Report};
pub use transport::{Association, Memory, Sctp, pair};
pub use ue::{Asked, Keeper, Patience, S1Ue};
