//! Whether a platform certificate is still good: OCSP (RFC 6960), the side that asks. The responder is the PVA's.
//!
//! TLS says that a certificate was issued and has not expired, and nothing of what happened to its device since. Whoever
//! lets devices in asks here as well, at each request: what was answered counts for a minute at most.

mod ask;
mod check;
mod question;

pub use ask::{Away, Denied, OcspConfig, OcspUrlError, Revocation};
pub use check::{Answer, Standing};
pub use question::{Issuers, OcspError, Question};
