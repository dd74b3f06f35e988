//! What the ICF knows: credentials, profiles, registrations. Plain values, no IO.

pub mod credential;
pub mod profile;
pub mod registration;
pub mod time;

pub use credential::{AuthMaterial, CallHomeTriple, Credential, CredentialState, IssuingMode, Snapshot};
pub use profile::{AccessRule, Ambr, Apn, Arp, PdnType, Profile, Rat};
pub use registration::{NodeKind, NodeReport, Registration, ServingNode};
pub use time::Timestamp;
