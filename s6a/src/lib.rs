//! Diameter (RFC 6733) with the S6a/S6d application (TS 29.272).
//!
//! Rooms: [`codec`] reads and writes messages by borrowing, [`base`] has the base protocol's commands,
//! [`app`] those of S6a, [`peer`] the peer state machine and watchdog without IO or clock, [`net`] the
//! drivers that put them on sockets.

pub mod app;
pub mod base;
pub mod codec;
pub mod net;
pub mod peer;
