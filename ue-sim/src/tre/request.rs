//! The request for a platform certificate (PKCS #10, RFC 2986): "the existence of … a Platform Credential (issued by the
//! PVA) certifying the public part of the platform key" (seed, section 3.2.1).

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, string::Ia5String};
use schemas::{cose::CoseError, trust::DEVICE_URN};

use super::{Tre, TreError};

impl Tre {
    /// A request, DER: common name is the TRE's identity, SAN URI the device's; signed by the platform key.
    ///
    /// # Errors
    /// Only if memory fails.
    pub fn certificate_request(&self) -> Result<Vec<u8>, TreError> {
        self.request().ok_or(TreError::Cose(CoseError::Key))
    }

    fn request(&self) -> Option<Vec<u8>> {
        let pair = KeyPair::try_from(self.platform_key().to_pkcs8().ok()?.as_slice()).ok()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.tre_id().as_str());
        let urn = Ia5String::try_from(format!("{DEVICE_URN}{}", self.device_id())).ok()?;
        params.subject_alt_names = vec![SanType::URI(urn)];
        Some(params.serialize_request(&pair).ok()?.der().to_vec())
    }
}
