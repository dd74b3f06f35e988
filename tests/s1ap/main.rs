//! The simulator's eNB and UEs towards an MME that is not ours (pycrate, python-diameter), which asks our ICF: the whole
//! chain from the UE's NAS to the answer of the authentication centre, over the kernel's SCTP.
//!
//! `cargo test` leaves them out by itself; `bash tests/run` runs them in User Mode Linux.

mod attach;
mod authentication;
mod command_line;
mod crowd;
mod gateway;
mod identities;
mod interface;
mod malformed;
mod mobility;
mod paths;
mod refusals;
mod rig;
mod security;
mod sessions;
mod user_plane;
