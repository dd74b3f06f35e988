//! "A TRE can be validated at any time by an external agency that is authorised to do so" (seed, section 3.2.3): evidence
//! for any nonce at any time, an EAT as CWT (RFC 9711) signed by the platform key.

use schemas::{
    evidence::{CONTENT_TYPE, Evidence},
    report::{self, InstallReport},
};

use super::{Measured, Tre, TreError};

impl Tre {
    /// Signed evidence (COSE_Sign1, content type `application/eat+cwt`) for a nonce of 8 to 64 octets; `at` in seconds
    /// since 1970 UTC.
    ///
    /// # Errors
    /// If the nonce is shorter or longer, or there is no platform certificate yet.
    pub fn evidence(&self, nonce: &[u8], at: u64) -> Result<Vec<u8>, TreError> {
        if !(8..=64).contains(&nonce.len()) {
            return Err(TreError::Nonce(nonce.len()));
        }
        let (measured, boot_count) = self.read(|state| (state.measured.clone(), state.boot_count));
        let claims = Evidence {
            nonce: nonce.into(),
            issued: at,
            device_id: self.device_id().clone(),
            tre_id: self.tre_id().clone(),
            pcid: self.pcid(),
            supplier: self.supplier().clone(),
            model: measured.model,
            hardware_version: measured.hardware_version,
            software: measured.software,
            software_version: measured.software_version,
            boot_digest: measured.boot_digest,
            verified_boot: measured.verified_boot,
            debugging: measured.debugging.into(),
            boot_count,
        };
        Ok(self.signer()?.sign(CONTENT_TYPE, claims.encode()?)?)
    }

    /// A start with other software: what is measured from now on, and one more start.
    ///
    /// # Errors
    /// If a text of it is empty or too long, or the disk fails.
    pub fn boot(&self, measured: Measured) -> Result<(), TreError> {
        measured.check()?;
        self.commit(|state| {
            state.measured = measured;
            state.boot_count = state.boot_count.saturating_add(1);
            Ok(())
        })
    }

    /// What was measured at the last start.
    #[must_use]
    pub fn measured(&self) -> Measured {
        self.read(|state| state.measured.clone())
    }

    /// Starts so far.
    #[must_use]
    pub fn boot_count(&self) -> u64 {
        self.read(|state| state.boot_count)
    }

    pub(crate) fn sign_report(&self, report: &InstallReport) -> Result<Vec<u8>, TreError> {
        Ok(self.signer()?.sign(report::CONTENT_TYPE, report.encode()?)?)
    }
}
