//! Identities, wire formats, REST types, migrations and the Diameter dictionary shared by Callhome's roles.
//!
//! A leaf: it knows no other crate of the workspace.

#[cfg(feature = "formats")]
pub mod cbor;
#[cfg(feature = "formats")]
pub mod cose;
#[cfg(feature = "formats")]
pub mod enrolment;
#[cfg(feature = "formats")]
pub mod evidence;
pub mod identity;
pub mod octets;
#[cfg(feature = "formats")]
pub mod report;
pub mod rest;
#[cfg(feature = "formats")]
pub mod rncp;
#[cfg(feature = "formats")]
pub mod rnct;
pub mod secret;
pub mod subscription;
#[cfg(feature = "formats")]
pub mod trust;
#[cfg(feature = "formats")]
pub mod verdict;
