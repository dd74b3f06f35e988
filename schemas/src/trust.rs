//! Whom a signature is by: X.509 chains (RFC 5280) to configured anchors, each certificate for one purpose.

mod server_role;

use std::{fmt, str::FromStr, sync::LazyLock, time::Duration};

use p256::ecdsa::VerifyingKey;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring::ECDSA_P256_SHA256};
use x509_cert::{
    Certificate,
    der::{
        Decode, Encode,
        asn1::ObjectIdentifier,
        oid::{AssociatedOid, db::rfc4519::CN},
    },
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectAltName, name::GeneralName},
    name::Name,
};

pub use server_role::{NamedRoles, ServerRole, named_roles};

use crate::identity::{DeviceId, SupplierId, TreId};

/// What a certificate is good for: its extended key usage (RFC 5280 §4.2.1.12). A certificate for one is good for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signs RNCTs: the DRF.
    Trigger,
    /// Signs RNCP manifests: an SHO.
    Payload,
    /// Signs verdicts: the PVA.
    Verdict,
    /// Signs enrolments: a supplier.
    Enrolment,
    /// Is a device's platform: TLS client authentication.
    Platform,
    /// Says whether platform certificates are revoked (RFC 6960 §4.2.2.2): the PVA's OCSP responder.
    Ocsp,
}

/// Where our usages are: 2.25.UUID (X.667 §8), the UUID f1a7c0de-0000-4000-8000-00ca11803e01; the last arc is the purpose.
const ARC: &str = "2.25.321214972370836323111864714615572151809";
/// id-kp-clientAuth, RFC 5280 §4.2.1.12.
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
/// id-kp-OCSPSigning, RFC 5280 §4.2.1.12.
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";

impl Purpose {
    /// Its OID, dotted.
    #[must_use]
    pub fn oid(self) -> String {
        let arc = match self {
            Self::Trigger => 1,
            Self::Payload => 2,
            Self::Verdict => 3,
            Self::Enrolment => 4,
            Self::Platform => return CLIENT_AUTH.to_owned(),
            Self::Ocsp => return OCSP_SIGNING.to_owned(),
        };
        format!("{ARC}.{arc}")
    }

    /// Content octets of the OID's DER, made once: webpki wants them for as long as the program runs.
    fn der(self) -> &'static [u8] {
        static DER: LazyLock<[Vec<u8>; 6]> =
            LazyLock::new(|| Purpose::ALL.map(|purpose| der(&purpose.oid())));
        &DER[self as usize]
    }

    /// The value of an extendedKeyUsage extension (RFC 5280 §4.2.1.12) with this purpose alone, DER: for whoever issues
    /// certificates.
    #[must_use]
    pub fn extended_key_usage(self) -> Vec<u8> {
        let oid = self.der();
        // Both lengths are below 128: an OID here has at most 22 octets.
        let length = oid.len() as u8;
        [&[0x30, length + 2, 0x06, length], oid].concat()
    }

    /// In the order of their declaration.
    const ALL: [Self; 6] =
        [Self::Trigger, Self::Payload, Self::Verdict, Self::Enrolment, Self::Platform, Self::Ocsp];
}

/// Content octets of an OID's DER (X.690 §8.19): base 128, high bit on all but the last of an arc.
fn der(oid: &str) -> Vec<u8> {
    let mut arcs = oid.split('.').filter_map(|arc| arc.parse::<u128>().ok());
    let first = arcs.next().unwrap_or(0) * 40 + arcs.next().unwrap_or(0);
    let mut out = Vec::new();
    for arc in std::iter::once(first).chain(arcs) {
        let groups = (128 - arc.leading_zeros()).div_ceil(7).max(1);
        for at in (0..groups).rev() {
            let group = ((arc >> (7 * at)) & 0x7f) as u8;
            out.push(if at == 0 { group } else { group | 0x80 });
        }
    }
    out
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trigger => "trigger",
            Self::Payload => "payload",
            Self::Verdict => "verdict",
            Self::Enrolment => "enrolment",
            Self::Platform => "platform",
            Self::Ocsp => "OCSP",
        })
    }
}

/// A certificate or a chain is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A file holds no certificate.
    #[error("no certificate in PEM is there, or it cannot be read: {0}")]
    Pem(String),
    /// Not a certificate, or one without P-256.
    #[error("not a certificate that can be used: {0}")]
    Certificate(&'static str),
    /// Does not lead to an anchor, has expired, or is for another purpose.
    #[error("the certificate is not good for the purpose {purpose}: {why}")]
    NotGood {
        /// What it had to be good for.
        purpose: Purpose,
        /// What is wrong.
        why: String,
    },
}

/// Authorities that are trusted.
#[derive(Clone)]
pub struct Anchors(Vec<TrustAnchor<'static>>);

impl fmt::Debug for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Anchors({})", self.0.len())
    }
}

impl Anchors {
    /// From the certificates of a PEM text.
    ///
    /// # Errors
    /// If there is none, or one cannot be an anchor.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        Self::from_der(&chain_from_pem(pem)?)
    }

    /// From certificates.
    ///
    /// # Errors
    /// If one cannot be an anchor.
    pub fn from_der(certificates: &[CertificateDer<'_>]) -> Result<Self, TrustError> {
        let anchors = certificates.iter().map(|certificate| {
            let anchor = anchor_from_trusted_cert(certificate);
            anchor.map(|anchor| anchor.to_owned())
        });
        let anchors: Result<_, _> = anchors.collect();
        anchors.map(Self).map_err(|_| TrustError::Certificate("an anchor is an authority's certificate"))
    }

    /// Sees that the chain, leaf first, leads to one of these, is in force at `now` (seconds since 1970 UTC) and is for
    /// `purpose`; gives its leaf.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, chain: &[Vec<u8>], purpose: Purpose, now: u64) -> Result<Leaf, TrustError> {
        let bad = |why: webpki::Error| TrustError::NotGood { purpose, why: why.to_string() };
        let ders: Vec<CertificateDer<'_>> =
            chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let Some((leaf, intermediates)) = ders.split_first() else {
            return Err(TrustError::NotGood { purpose, why: "none is there".to_owned() });
        };
        let end_entity = EndEntityCert::try_from(leaf).map_err(bad)?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        end_entity
            .verify_for_usage(
                &[ECDSA_P256_SHA256],
                &self.0,
                intermediates,
                now,
                KeyUsage::required(purpose.der()),
                None,
                None,
            )
            .map_err(bad)?;
        Leaf::parse(leaf)
    }
}

/// The certificates of a PEM text, DER, in their order.
///
/// # Errors
/// If there is none.
pub fn chain_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| TrustError::Pem(error.to_string()))?;
    if chain.is_empty() { Err(TrustError::Pem("empty".to_owned())) } else { Ok(chain) }
}

/// A certificate's subject, key and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Common name: an operator's, a supplier's, a TRE's identity.
    pub name: String,
    /// The device of a platform certificate: SAN URI `urn:callhome:device:…`.
    pub device_id: Option<DeviceId>,
    /// Who made the device of a platform certificate: SAN URI `urn:callhome:supplier:…`. Certificates of older versions have
    /// none.
    pub supplier: Option<SupplierId>,
    /// P-256.
    pub key: VerifyingKey,
    /// Serial number, content octets.
    pub serial: Vec<u8>,
    /// The certificate itself.
    pub der: Vec<u8>,
}

/// What a device identity stands behind in a platform certificate.
pub const DEVICE_URN: &str = "urn:callhome:device:";
/// What the identity of its supplier stands behind.
pub const SUPPLIER_URN: &str = "urn:callhome:supplier:";

impl Leaf {
    /// Reads a certificate; says nothing of whether it is to be trusted.
    ///
    /// # Errors
    /// If it is none, or has no P-256 key.
    pub fn parse(der: &[u8]) -> Result<Self, TrustError> {
        let bad = TrustError::Certificate;
        let certificate = Certificate::from_der(der).map_err(|_| bad("not X.509"))?;
        let tbs = certificate.tbs_certificate();
        let name = common_name(tbs.subject());
        let point = tbs.subject_public_key_info().subject_public_key.raw_bytes();
        let key = VerifyingKey::from_sec1_bytes(point).map_err(|_| bad("its key is not P-256"))?;
        let names = tbs.get_extension::<SubjectAltName>().ok().flatten().map(|(_, names)| names.0);
        let names = names.unwrap_or_default();
        let device_id = names.iter().find_map(|name| named(name, DEVICE_URN));
        let supplier = names.iter().find_map(|name| named(name, SUPPLIER_URN));
        let serial = tbs.serial_number().as_bytes().to_vec();
        Ok(Self { name: name.unwrap_or_default(), device_id, supplier, key, serial, der: der.to_vec() })
    }

    /// The TRE of a platform certificate.
    #[must_use]
    pub fn tre_id(&self) -> Option<TreId> {
        self.name.parse().ok()
    }
}

/// The identity behind `urn` in a name.
fn named<T: FromStr>(name: &GeneralName, urn: &str) -> Option<T> {
    match name {
        GeneralName::UniformResourceIdentifier(uri) => T::from_str(uri.as_str().strip_prefix(urn)?).ok(),
        _ => None,
    }
}

/// The public key in a SubjectPublicKeyInfo (DER, RFC 5280 §4.1.2.7).
///
/// # Errors
/// If it is not P-256.
pub fn public_key(spki: &[u8]) -> Result<VerifyingKey, TrustError> {
    use x509_cert::spki::SubjectPublicKeyInfoRef;
    /// id-ecPublicKey, RFC 5480 §2.1.1.
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    let info = SubjectPublicKeyInfoRef::from_der(spki)
        .map_err(|_| TrustError::Certificate("not a SubjectPublicKeyInfo"))?;
    if info.algorithm.oid != EC {
        return Err(TrustError::Certificate("its key is not P-256"));
    }
    VerifyingKey::from_sec1_bytes(info.subject_public_key.raw_bytes())
        .map_err(|_| TrustError::Certificate("its key is not P-256"))
}

/// The SubjectPublicKeyInfo of a certificate, DER.
///
/// # Errors
/// If it is no certificate.
pub fn spki(certificate: &[u8]) -> Result<Vec<u8>, TrustError> {
    let certificate = Certificate::from_der(certificate).map_err(|_| TrustError::Certificate("not X.509"))?;
    certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .map_err(|_| TrustError::Certificate("its key cannot be written"))
}

/// A certificate in words, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Common name.
    pub subject: String,
    /// Its usages: a purpose of ours, or what it is called elsewhere.
    pub good_for: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The end of its validity, UTC.
    pub until: String,
}

/// Reads a certificate for people; says nothing of whether it is to be trusted.
///
/// # Errors
/// If it is no certificate.
pub fn describe(der: &[u8]) -> Result<About, TrustError> {
    let certificate = Certificate::from_der(der).map_err(|_| TrustError::Certificate("not X.509"))?;
    let tbs = certificate.tbs_certificate();
    // Our OIDs have an arc of 128 bits, which x509-cert's type cannot hold: the extension is compared as it stands.
    let usage =
        tbs.extensions().into_iter().flatten().find(|extension| extension.extn_id == ExtendedKeyUsage::OID);
    let ours = |octets: &[u8]| {
        let mine = Purpose::ALL.into_iter().find(|purpose| purpose.extended_key_usage() == octets);
        mine.map(|purpose| purpose.to_string())
    };
    let known = |octets: &[u8]| {
        let usages = ExtendedKeyUsage::from_der(octets).ok()?;
        let named = usages.0.iter().map(|oid| match oid.to_string().as_str() {
            // RFC 5280 §4.2.1.12.
            "1.3.6.1.5.5.7.3.1" => "TLS server".to_owned(),
            other => other.to_owned(),
        });
        Some(named.collect::<Vec<_>>().join(", "))
    };
    let authority = tbs.get_extension::<BasicConstraints>().ok().flatten().is_some_and(|(_, basic)| basic.ca);
    let good_for = match usage.map(|extension| extension.extn_value.as_bytes()) {
        Some(octets) => {
            ours(octets).or_else(|| known(octets)).unwrap_or_else(|| "something unknown".to_owned())
        }
        None if authority => "authority".to_owned(),
        None => "anything".to_owned(),
    };
    Ok(About {
        subject: common_name(tbs.subject()).unwrap_or_default(),
        good_for,
        issuer: common_name(tbs.issuer()).unwrap_or_default(),
        until: tbs.validity().not_after.to_string(),
    })
}

fn common_name(name: &Name) -> Option<String> {
    let names = name.as_ref().iter().flat_map(|rdn| rdn.iter());
    names
        .filter(|attribute| attribute.oid == CN)
        .find_map(|attribute| std::str::from_utf8(attribute.value.value()).ok().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oid_is_the_one_of_the_uuid() {
        let uuid = uuid::Uuid::parse_str("f1a7c0de-0000-4000-8000-00ca11803e01").unwrap();
        assert_eq!(ARC, format!("2.25.{}", uuid.as_u128()));
        assert_eq!(Purpose::Platform.der(), [0x2b, 6, 1, 5, 5, 7, 3, 2]);
    }
}
