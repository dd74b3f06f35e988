//! The non-access stratum of a UE in EPS, TS 24.301: EMM (mobility) and ESM (sessions). No IO and no clock: NAS
//! messages and expired timers go in, NAS messages and timers come out.
//!
//! Rooms: [`Ue`] is the state and what the user can ask for; `downlink` takes what the MME sends, after `protection` has
//! checked it and `received` has read it; `aka` and `security` are the two security procedures, `genuine` what becomes of a
//! network that fails the first of them, `forbidden` where the UE does not go after a reject, `esm` and `bearer` the bearers,
//! `messages` what a UE writes; [`cause`] says in words what a cause means for the device.

mod aka;
mod bearer;
mod capabilities;
pub mod cause;
mod doubt;
mod downlink;
mod esm;
mod event;
mod forbidden;
mod forbidden_list;
mod genuine;
mod messages;
mod protection;
mod received;
mod security;
mod ue;

#[cfg(test)]
mod tests;

pub use bearer::Bearer;
pub use capabilities::Capabilities;
pub use event::{Output, Procedure, Timer, Told, Way};
pub use forbidden_list::{Entry, List, Tai};
pub use messages::NasError;
pub use ue::{EmmState, Ue, UeOptions};
