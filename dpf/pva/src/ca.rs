//! The platform CA: issues platform credentials (seed, section 3.2.1 b) and reads requests for them.

mod request;

use std::{fmt, time::Duration};

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use schemas::{
    cose::PrivateKey,
    identity::{DeviceId, SupplierId, TreId},
    trust::{Anchors, DEVICE_URN, Leaf, Purpose, SUPPLIER_URN, TrustError},
};
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    der::{
        Decode, Encode,
        asn1::{Ia5String, ObjectIdentifier},
    },
    ext::pkix::{AccessDescription, AuthorityInfoAccessSyntax, BasicConstraints, name::GeneralName},
};

pub use request::{RequestError, canonical, possessed_key};

use crate::model::Credential;

/// id-ad-ocsp, RFC 5280 §4.2.2.1.
const AD_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// id-pe-authorityInfoAccess, RFC 5280 §4.2.2.1.
const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
/// A certificate is in force from this long before it is issued: a device's clock may be behind.
const HEAD_START: i64 = 300;

/// The CA cannot be used, or a certificate cannot be issued.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Certificate or key.
    #[error("the platform CA's certificate and key cannot be used: {0}; `callhome pki` makes them")]
    Unusable(String),
    /// Nothing can be issued any more.
    #[error("the platform CA's certificate has expired; make another with `callhome pki` and enrol anew")]
    Expired,
    /// Issuing failed.
    #[error("a certificate cannot be issued: {0}")]
    Issue(String),
}

/// The platform CA with its private key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    /// `notAfter`, seconds since 1970 UTC.
    expires: i64,
    anchors: Anchors,
    /// Value of the extension that names the OCSP responder.
    responder: Vec<u8>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(…)")
    }
}

/// A P-256 point, as rcgen takes the key that a certificate is for.
struct Subject(Vec<u8>);

impl PublicKeyData for Subject {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl Authority {
    /// From PEM texts: `key` is its private key, `ocsp_url` where its OCSP responder is reached. Issues a certificate
    /// for nobody to see that what it issues leads to it.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(certificate: &[u8], key: &[u8], ocsp_url: &str) -> Result<Self, CaError> {
        let unusable = |why: &dyn fmt::Display| CaError::Unusable(why.to_string());
        let chain = schemas::trust::chain_from_pem(certificate).map_err(|e| unusable(&e))?;
        let [ca] = chain.as_slice() else {
            return Err(unusable(&"its PEM file has to hold one certificate"));
        };
        let anchors = Anchors::from_pem(certificate).map_err(|e| unusable(&e))?;
        let key = PrivateKey::from_pem(key).map_err(|e| unusable(&e))?;
        if Leaf::parse(ca).map_err(|e| unusable(&e))?.key != key.public() {
            return Err(unusable(&"the key is of another certificate"));
        }
        let parsed = Certificate::from_der(ca).map_err(|_| unusable(&"not X.509"))?;
        // An anchor need not be an authority's certificate to webpki; those who verify our chains see it otherwise.
        let constraints = parsed.tbs_certificate.get::<BasicConstraints>().ok().flatten();
        if !constraints.is_some_and(|(_, constraints)| constraints.ca) {
            return Err(unusable(&"it is no authority's certificate (basicConstraints, RFC 5280 §4.2.1.9)"));
        }
        let expires = parsed.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
        let pair = KeyPair::try_from(key.to_pkcs8().map_err(|e| unusable(&e))?.as_slice())
            .map_err(|e| unusable(&e))?;
        let issuer = Issuer::from_ca_cert_der(ca, pair).map_err(|e| unusable(&e))?;
        let authority = Self {
            issuer,
            der: ca.to_vec(),
            expires: i64::try_from(expires).unwrap_or(i64::MAX),
            anchors,
            responder: authority_info_access(ocsp_url).map_err(|e| unusable(&e))?,
        };
        authority.prove(&key)?;
        Ok(authority)
    }

    fn prove(&self, key: &PrivateKey) -> Result<(), CaError> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let (Ok(tre), Ok(device), Ok(supplier)) =
            ("check".parse::<TreId>(), "check".parse::<DeviceId>(), "check".parse::<SupplierId>())
        else {
            return Ok(());
        };
        let spki = key.spki().map_err(|e| CaError::Issue(e.to_string()))?;
        let issued = self.issue(&tre, &device, &supplier, &spki, now, Duration::from_secs(60))?;
        self.verify(&[issued.der], now).map(drop).map_err(|error| CaError::Unusable(error.to_string()))
    }

    /// Its certificate, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Sees that a chain, leaf first, is of a platform certificate of this CA, in force at `now` (seconds).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, chain: &[Vec<u8>], now: i64) -> Result<Leaf, TrustError> {
        self.anchors.verify(chain, Purpose::Platform, now.unsigned_abs())
    }

    /// Issues a platform certificate for `public_key` (SubjectPublicKeyInfo, DER): docs/PROVISIONING.md, "Keys and
    /// certificates". In force from five minutes before `now` (seconds since 1970 UTC) for `lifetime`, or as long as
    /// the CA's own.
    ///
    /// # Errors
    /// If the key is not P-256, the CA has expired, or the system gives no random numbers.
    pub fn issue(
        &self,
        tre_id: &TreId,
        device_id: &DeviceId,
        supplier: &SupplierId,
        public_key: &[u8],
        now: i64,
        lifetime: Duration,
    ) -> Result<Credential, CaError> {
        let failed = |why: &dyn fmt::Display| CaError::Issue(why.to_string());
        if now >= self.expires {
            return Err(CaError::Expired);
        }
        let key = schemas::trust::public_key(public_key).map_err(|e| failed(&e))?;
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let expires_at = now.saturating_add(lifetime).min(self.expires);
        let at = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).map_err(|e| failed(&e));
        let serial = serial()?;
        let uri = |uri: String| -> Result<SanType, CaError> {
            Ok(SanType::URI(uri.as_str().try_into().map_err(|e: rcgen::Error| failed(&e))?))
        };
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = at(now - HEAD_START)?;
        params.not_after = at(expires_at)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, tre_id.as_str());
        params.subject_alt_names =
            vec![uri(format!("{DEVICE_URN}{device_id}"))?, uri(format!("{SUPPLIER_URN}{supplier}"))?];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions =
            vec![CustomExtension::from_oid_content(AUTHORITY_INFO_ACCESS, self.responder.clone())];
        let subject = Subject(key.to_sec1_point(false).as_bytes().to_vec());
        let certificate = params.signed_by(&subject, &self.issuer).map_err(|e| failed(&e))?;
        Ok(Credential {
            serial: serial.to_vec(),
            tre_id: tre_id.clone(),
            der: certificate.der().to_vec(),
            public_key: public_key.to_vec(),
            issued_at: now,
            expires_at,
            revocation: None,
        })
    }
}

/// A serial number (RFC 5280 §4.1.2.2): 16 octets, positive and without a leading zero, so that it has one form only;
/// 126 bits are random.
fn serial() -> Result<[u8; 16], CaError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|_| CaError::Issue("the system gives no random numbers".into()))?;
    serial[0] = (serial[0] & 0x3f) | 0x40;
    Ok(serial)
}

fn authority_info_access(url: &str) -> Result<Vec<u8>, x509_cert::der::Error> {
    let location = GeneralName::UniformResourceIdentifier(Ia5String::new(url)?);
    AuthorityInfoAccessSyntax(vec![AccessDescription { access_method: AD_OCSP, access_location: location }])
        .to_der()
}
