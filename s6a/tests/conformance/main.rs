//! What this crate writes and reads, held against RFC 6733, TS 29.272 and decoders that are not ours.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod dictionary;
mod errors;
mod groups;
mod hostile;
mod independent;
mod pairs;
mod samples;
mod wireshark;
