//! What the PVA does, one procedure a file: enrol, certify, validate.

mod certify;
mod enrol;
mod validate;

use std::{fmt, time::Duration};

use schemas::{cose::Signer, rest::provisioning::Nonce, trust::Anchors};
use time::OffsetDateTime;

use crate::{
    ca::Authority,
    metrics::Metrics,
    store::{Store, StoreError},
};

pub use certify::CertifyError;
pub use enrol::EnrolError;
pub use validate::{ValidateError, Validated, shown};

/// Octets of a nonce: RFC 9711 §4.1 allows 8 to 64.
const NONCE: usize = 32;

/// How long things hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a nonce may wait for its evidence.
    pub nonce_lifetime: Duration,
    /// How old evidence may be where the relying party says nothing, seconds.
    pub max_age: u32,
    /// How far in the future evidence and enrolments may be, seconds.
    pub clock_skew: u32,
    /// How long a verdict may be relied upon.
    pub verdict_lifetime: Duration,
    /// How long a platform certificate is in force.
    pub certificate_lifetime: Duration,
}

/// The PVA.
pub struct Pva {
    /// What it remembers.
    pub store: Store,
    /// Its platform CA.
    pub authority: Authority,
    /// Signs verdicts.
    pub signer: Signer,
    /// Who certifies suppliers.
    pub anchors: Anchors,
    /// How long things hold.
    pub limits: Limits,
    /// What it counts.
    pub metrics: Metrics,
}

impl fmt::Debug for Pva {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pva(…)")
    }
}

/// No nonce can be given.
#[derive(Debug, thiserror::Error)]
pub enum NonceError {
    /// The system's random source fails.
    #[error("the system gives no random numbers")]
    Random,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Pva {
    /// Gives a nonce for one piece of evidence (RFC 9711 §4.1); durable when it returns.
    ///
    /// # Errors
    /// If there are no random numbers, or the store fails.
    pub async fn nonce(&self) -> Result<Nonce, NonceError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| NonceError::Random)?;
        let expires_at = OffsetDateTime::now_utc() + self.limits.nonce_lifetime;
        self.store.give_nonce(&nonce, milliseconds(expires_at)).await?;
        self.metrics.nonces.inc();
        Ok(Nonce { nonce: nonce.as_slice().into(), expires_at })
    }
}

/// Milliseconds since 1970 UTC.
#[must_use]
pub fn milliseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
