//! What the ICF's REST API takes and gives, as JSON.
//!
//! Requests refuse fields they do not know. Times are RFC 3339 text. K, OP and OPc occur in requests alone:
//! no type that is answered has room for them.

pub mod access;
pub mod audit;
pub mod batch;
pub mod credential;
pub mod event;
pub mod identity;
pub mod import;
pub mod object;
pub mod outgoing;
pub mod page;
pub mod peer;
pub mod pool;
pub mod problem;
pub mod profile;
#[cfg(feature = "formats")]
pub mod provisioning;
pub mod registration;

pub use access::{AccessRule, Rat};
pub use audit::AuditEntry;
pub use batch::{Batch, IssueRequest, IssuingMode};
pub use credential::{Credential, CredentialPatch, CredentialState, NewCredential, SecretHex};
pub use event::Event;
pub use import::{ImportProblem, ImportReport};
pub use object::Object;
pub use outgoing::Outgoing;
pub use page::Page;
pub use peer::{Peer, PeerState, ResetRequest, ResetResult};
pub use pool::{AvPool, GenerateVectors, NewVectors, Vector, Vectors, VectorsAdded};
pub use problem::{FieldError, Problem};
pub use profile::{Ambr, Apn, Arp, NetworkAccessMode, PdnType, Profile};
pub use registration::{NodeKind, Registration};
