//! The OCSP responder for platform certificates (RFC 6960). It is public by its nature: it tells of a serial number
//! what RFC 6960 says it tells, and asks for no token.

mod http;
mod message;
mod responder;

pub use http::{Lookup, Public, router};
pub use message::{Asked, CertificateId, MAX_REQUEST, MAX_SINGLE, Status, Unusable, read};
pub use responder::{Responder, ResponderError};
