//! An MME towards the home network, TS 29.272: one device at a time, every step told as a [`StepEvent`].
//!
//! What a radio and NAS would carry between device and MME is a function call here; the Diameter side is
//! real. RES against XRES, and the device's KASME against the one received, are the proof that both ends of
//! the home network's cryptography agree.

mod attach;
mod cause;
mod context;
mod event;
mod inbound;
mod mme;
mod subscription;
mod wire;

#[cfg(test)]
mod tests;

pub use attach::{AttachEnd, AttachReport};
pub use cause::emm_cause;
pub use event::{Seed, Step, StepEvent};
pub use mme::{Mme, MmeConfig, MmeError, Notification};
pub use subscription::{Apn, Subscription};
pub use wire::{AvpSummary, Direction, WireSummary};
