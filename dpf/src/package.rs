//! Steps 14 and 15: whether what an operator sent may go to the device. Nothing of it is shown before it was looked at.

use schemas::{
    cbor::CborError,
    cose::{self, CoseError},
    rest::provisioning::Package,
    rncp::{self, Manifest},
    trust::{Anchors, Purpose},
};

use crate::model::{Checked, Session, milliseconds};

/// The RNCP is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Signature or certificate.
    #[error("the manifest is not signed as an RNCP's has to be: {0}")]
    Cose(#[from] CoseError),
    /// What was signed.
    #[error("the manifest cannot be read: {0}")]
    Format(#[from] CborError),
    /// Signed by somebody else.
    #[error("the manifest is signed by {0:?}, not by the operator itself")]
    Signer(String),
    /// Made for somebody or something else.
    #[error("the manifest is of another {0}")]
    Other(&'static str),
    /// Its time is over.
    #[error("the {0} has expired already")]
    Expired(&'static str),
    /// Not those that the manifest names.
    #[error("the manifest names {named} parts, {sent} were sent")]
    Parts {
        /// In the manifest.
        named: usize,
        /// Beside it.
        sent: usize,
    },
    /// Not what was signed.
    #[error("part {0:?} is not what was signed: its size or SHA-256 differs")]
    Part(String),
}

/// Checks an RNCP for a session at `now`, seconds since 1970 UTC: signed with purpose *payload* by the operator itself,
/// for this device, TRE, PCID, session and kind, in force, with the parts that it names.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(
    package: Package,
    session: &Session,
    anchors: &Anchors,
    now: u64,
) -> Result<Checked, PackageError> {
    use PackageError as Error;
    let signed = cose::verify(package.manifest.as_ref(), rncp::CONTENT_TYPE, anchors, Purpose::Payload, now)?;
    if signed.signer.name != session.operator.as_str() {
        return Err(Error::Signer(signed.signer.name));
    }
    let manifest = Manifest::decode(&signed.payload)?;
    let named = [
        (manifest.operator == session.operator, "operator"),
        (manifest.device_id == session.device_id, "device"),
        (manifest.tre_id == session.tre_id, "TRE"),
        (manifest.pcid == session.pcid, "PCID"),
        (manifest.session == session.id, "session"),
        (manifest.kind == session.kind, "kind"),
        (manifest.rncp == package.rncp, "RNCP than the package"),
    ];
    if let Some((_, what)) = named.iter().find(|(same, _)| !same) {
        return Err(Error::Other(what));
    }
    if manifest.expires <= now {
        return Err(Error::Expired("manifest"));
    }
    let until = milliseconds(package.expires_at);
    let seconds = i64::try_from(now).unwrap_or(i64::MAX);
    if until <= seconds.saturating_mul(1000) {
        return Err(Error::Expired("authorisation"));
    }
    if manifest.parts.len() != package.parts.len() {
        return Err(Error::Parts { named: manifest.parts.len(), sent: package.parts.len() });
    }
    let mut parts = Vec::with_capacity(package.parts.len());
    for (part, octets) in manifest.parts.iter().zip(package.parts) {
        if !part.is(octets.as_ref()) {
            return Err(Error::Part(part.name.clone()));
        }
        parts.push((part.digest_hex(), octets.0));
    }
    let installable = i64::try_from(manifest.expires).unwrap_or(i64::MAX).saturating_mul(1000);
    Ok(Checked {
        rncp: manifest.rncp,
        manifest: package.manifest.0,
        parts,
        check_download: package.validate_before_download,
        expires_at: installable.max(until),
    })
}
