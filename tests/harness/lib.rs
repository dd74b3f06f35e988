//! Harness of the system tests: the program as its users start it, the third parties as Debian and PyPI ship them,
//! and a Diameter peer that can be as wrong as a test wants.
//!
//! Nothing here uses `s6a` or `icf-auc`: a judge that shares the code it judges proves nothing.

pub mod aka;
pub mod callhome;
pub mod capture;
pub mod child;
pub mod faults;
pub mod free_diameter;
pub mod gate;
pub mod http;
pub mod icf;
pub mod mme;
pub mod network;
pub mod osmo;
pub mod peer;
pub mod pki;
pub mod ports;
pub mod programs;
pub mod python;
pub mod role;
pub mod roles;
pub mod s6a;
pub mod schemathesis;
pub mod sctp;
pub mod wire;
