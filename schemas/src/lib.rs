//! Identities, wire formats, REST types, migrations and the Diameter dictionary shared by Callhome's roles.
//!
//! A leaf: it knows no other crate of the workspace.

pub mod identity;
pub mod rest;
pub mod secret;
