//! Section 4.3 of the seed: the PVA's verdict before the download, and what it means to device and operator.

use schemas::{
    cbor::CborError,
    cose::{self, CoseError},
    rest::provisioning::Refusal,
    trust::{Anchors, Purpose},
    verdict::{CONTENT_TYPE, Reason, Verdict},
};

use crate::model::{Session, refusal};

/// A verdict issued so many seconds from now is taken: clocks differ.
const SKEW: u64 = 60;

/// The verdict is not to be relied upon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// Signature or certificate.
    #[error("the verdict is not signed by a PVA that is trusted here: {0}")]
    Cose(#[from] CoseError),
    /// What was signed.
    #[error("the verdict cannot be read: {0}")]
    Format(#[from] CborError),
    /// On something else.
    #[error("the verdict is on another {0}")]
    Other(&'static str),
    /// Too old, or of a time to come.
    #[error("the verdict is not in force: the clocks of DPF and PVA differ, or it was replayed")]
    NotInForce,
}

/// Verifies a verdict on a session's evidence at `now`, seconds since 1970 UTC; inside, why the platform is refused.
///
/// # Errors
/// Why the verdict does not count.
pub fn check(
    signed: &[u8],
    session: &Session,
    anchors: &Anchors,
    now: u64,
) -> Result<Result<(), Refusal>, VerdictError> {
    use VerdictError as Error;
    let signed = cose::verify(signed, CONTENT_TYPE, anchors, Purpose::Verdict, now)?;
    let verdict = Verdict::decode(&signed.payload)?;
    if verdict.nonce.as_ref() != session.nonce {
        return Err(Error::Other("nonce"));
    }
    if session.evidence_digest.as_deref() != Some(verdict.evidence.as_ref()) {
        return Err(Error::Other("evidence"));
    }
    if verdict.issued > now.saturating_add(SKEW) || verdict.expires < now {
        return Err(Error::NotInForce);
    }
    if !verdict.good {
        return Ok(Err(refused(&verdict)));
    }
    if verdict.device_id.as_ref() != Some(&session.device_id) {
        return Err(Error::Other("device"));
    }
    if verdict.tre_id.as_ref() != Some(&session.tre_id) {
        return Err(Error::Other("TRE"));
    }
    Ok(Ok(()))
}

/// A word for programs and a sentence for people; the words are those that operators use too.
fn refused(verdict: &Verdict) -> Refusal {
    let (code, retry) = verdict.reasons.first().map_or(("platform-not-good", false), |reason| code(*reason));
    let detail: String = verdict.detail.chars().filter(|c| !c.is_control()).take(400).collect();
    refusal(code, format!("the PVA refused the platform before the download: {detail}"), retry)
}

fn code(reason: Reason) -> (&'static str, bool) {
    match reason {
        Reason::Malformed => ("evidence-malformed", false),
        Reason::WrongSignature => ("evidence-wrong-signature", false),
        Reason::UnknownPlatform => ("platform-unknown", false),
        Reason::Revoked => ("platform-revoked", false),
        Reason::CertificateNotGood => ("platform-certificate-not-good", true),
        Reason::Replayed => ("evidence-replayed", true),
        Reason::Stale => ("evidence-stale", true),
        Reason::StateNotAccepted => ("state-not-accepted", true),
        Reason::NotSecure => ("platform-not-secure", true),
        Reason::IdentityMismatch => ("identity-mismatch", false),
    }
}
