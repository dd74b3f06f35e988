//! Whether a verdict is the PVA's answer to our question (seed, section 5 step 13): signed for that purpose, in force,
//! on this nonce and this evidence, of this device.

use schemas::{
    cbor::CborError,
    cose::{self, CoseError},
    identity::{DeviceId, TreId},
    rncp,
    trust::{Anchors, Leaf, Purpose},
    verdict::{CONTENT_TYPE, Verdict},
};

/// A verdict issued this many seconds from now is taken: clocks differ.
const SKEW: u64 = 60;

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The nonce that the evidence had to hold.
    pub nonce: &'a [u8],
    /// SHA-256 of the evidence.
    pub evidence_digest: &'a [u8],
    /// Whom it is about.
    pub device_id: &'a DeviceId,
    /// Its TRE.
    pub tre_id: &'a TreId,
}

/// The verdict is not to be relied upon; nothing that it says counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerdictFault {
    /// Not signed by a PVA that is trusted.
    #[error("the verdict is not signed by a PVA that is trusted here: {0}")]
    Signature(#[from] CoseError),
    /// Cannot be read.
    #[error("the verdict cannot be read: {0}")]
    Malformed(#[from] CborError),
    /// On another question.
    #[error("the verdict is on another {0}: it was replayed, or the PVA mixes up its answers")]
    Other(&'static str),
    /// Not in force.
    #[error(
        "the verdict is not in force: it was issued at {issued} and ends at {expires} (seconds since 1970 UTC)"
    )]
    NotInForce {
        /// Seconds since 1970 UTC.
        issued: u64,
        /// Seconds since 1970 UTC.
        expires: u64,
    },
    /// Good, and not saying of whom.
    #[error("the verdict is good and holds no platform certificate of this device and TRE")]
    NoCertificate,
}

/// Verifies a verdict at `now`, seconds since 1970 UTC. One that finds the platform good also says who it is, and names
/// its certificate; one that does not may be unable to.
///
/// # Errors
/// Why it is not to be relied upon.
pub fn check(signed: &[u8], anchors: &Anchors, asked: &Asked<'_>, now: u64) -> Result<Verdict, VerdictFault> {
    let signed = cose::verify(signed, CONTENT_TYPE, anchors, Purpose::Verdict, now)?;
    let verdict = Verdict::decode(&signed.payload)?;
    if verdict.nonce.as_ref() != asked.nonce {
        return Err(VerdictFault::Other("nonce"));
    }
    if verdict.evidence.as_ref() != asked.evidence_digest
        || asked.evidence_digest.len() != rncp::digest(&[]).len()
    {
        return Err(VerdictFault::Other("evidence"));
    }
    if verdict.issued > now.saturating_add(SKEW) || verdict.expires < now {
        return Err(VerdictFault::NotInForce { issued: verdict.issued, expires: verdict.expires });
    }
    if !verdict.good {
        return Ok(verdict);
    }
    if verdict.device_id.as_ref() != Some(asked.device_id) {
        return Err(VerdictFault::Other("device"));
    }
    if verdict.tre_id.as_ref() != Some(asked.tre_id) {
        return Err(VerdictFault::Other("TRE"));
    }
    let certificate = verdict.platform_certificate.as_ref().ok_or(VerdictFault::NoCertificate)?;
    let leaf = Leaf::parse(certificate.as_ref()).map_err(|_| VerdictFault::NoCertificate)?;
    if leaf.device_id.as_ref() != Some(asked.device_id) || leaf.tre_id().as_ref() != Some(asked.tre_id) {
        return Err(VerdictFault::NoCertificate);
    }
    if leaf.supplier.is_some() && leaf.supplier != verdict.supplier {
        return Err(VerdictFault::Other("supplier"));
    }
    Ok(verdict)
}
