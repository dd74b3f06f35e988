//! A Diameter peer without IO and without a clock: events in, actions out, time as an argument.
//!
//! [`Machine`] is the peer state machine of RFC 6733 §5.6, [`Watchdog`] the transport failure detection of
//! RFC 3539 §3.4.1, [`Backoff`] the waiting between attempts to connect (RFC 6733 §2.1, Tc).

mod backoff;
mod election;
mod jitter;
mod machine;
mod watchdog;

pub use backoff::Backoff;
pub use election::wins_election;
pub use jitter::Jitter;
pub use machine::{Action, Event, Machine, Side, State};
pub use watchdog::{Watchdog, WatchdogAction, WatchdogState};
