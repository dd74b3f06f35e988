//! Whose a platform certificate is, and whose a request for one.

use schemas::{
    identity::{DeviceId, TreId},
    trust::{Anchors, Leaf, Purpose, TrustError},
};
use x509_cert::{
    der::{Decode, oid::db::rfc4519::CN},
    request::CertReq,
};

/// A certificate that is not the platform certificate of this device and TRE.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Not by the platform CA, or not in force.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Another's.
    #[error("the certificate is of another device or TRE")]
    Other,
}

/// Sees that a chain (leaf first, DER) is of the platform CA, in force at `now` (seconds since 1970 UTC), and of this
/// device and TRE.
///
/// # Errors
/// What is wrong with it.
pub fn platform(
    chain: &[Vec<u8>],
    anchors: &Anchors,
    device: &DeviceId,
    tre: &TreId,
    now: u64,
) -> Result<Leaf, PlatformError> {
    let leaf = anchors.verify(chain, Purpose::Platform, now)?;
    if leaf.device_id.as_ref() == Some(device) && leaf.tre_id().as_ref() == Some(tre) {
        Ok(leaf)
    } else {
        Err(PlatformError::Other)
    }
}

/// The TRE that a certification request (PKCS #10, RFC 2986, DER) names in its common name. Who has signed it is the PVA's
/// business. `None`: no request, or no TRE in it.
#[must_use]
pub fn requested(der: &[u8]) -> Option<TreId> {
    let request = CertReq::from_der(der).ok()?;
    let attributes = request.info.subject.as_ref().iter().flat_map(|rdn| rdn.iter());
    let names = attributes.filter(|attribute| attribute.oid == CN);
    names.filter_map(|name| std::str::from_utf8(name.value.value()).ok()).find_map(|name| name.parse().ok())
}
