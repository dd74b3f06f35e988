//! The life of RNCPs in a device (seed, section 3.2.2): [`lifecycle`] is the state machine of one, [`registry`] all of
//! them with what holds between them. Pure: no IO, no clock.

pub mod lifecycle;
pub mod registry;

pub use lifecycle::{Event, NoTransition, State};
pub use registry::{Record, Registry, RegistryError, StoredPart};
