//! R17: an RNCP made by an operator's rule (seed, section 4.3: "the Download and Provisioning Function could generate this
//! from stored rules and advise the Selected Home Telecoms Operator of the credentials").
//!
//! K and OPc leave this module only encrypted, once to the device's platform key and once to the operator's sealing key;
//! they are never stored otherwise, so that a crash or a copy of the database gives nobody a key.

use p256::ecdsa::VerifyingKey;
use schemas::{
    cbor::{self, CborError},
    cose::{self, CoseError, Signer},
    identity::{Imsi, Plmn},
    octets::Octets,
    rest::provisioning::{Generated, Package},
    rncp::{self, CREDENTIALS, Credentials, Manifest, Part, PartKind, part_aad},
    secret::Key128,
    trust::Leaf,
};
use serde::Serialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::model::{Rule, Session, instant};

/// Name of the part that says what is not secret.
pub const PROFILE: &str = "profile";

/// It cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// Encrypting, signing, or random numbers.
    #[error("the RNCP cannot be made: {0}")]
    Cose(#[from] CoseError),
    /// Writing.
    #[error("the RNCP cannot be written: {0}")]
    Cbor(#[from] CborError),
    /// The operating system.
    #[error("the system gives no random numbers")]
    Random,
}

/// What an RNCP is made of.
#[derive(Debug)]
pub struct Order<'a> {
    /// For which session.
    pub session: &'a Session,
    /// By which rule.
    pub rule: &'a Rule,
    /// With which number.
    pub imsi: Imsi,
    /// To whom it is encrypted: the platform certificate that the PVA found good.
    pub platform: &'a Leaf,
    /// To whom the operator's copy is.
    pub sealing: &'a VerifyingKey,
    /// In whose name it is signed.
    pub signer: &'a Signer,
    /// The RNCP that it takes the place of.
    pub replaces: Option<Uuid>,
    /// Seconds since 1970 UTC.
    pub issued: u64,
    /// Seconds since 1970 UTC.
    pub expires: u64,
}

/// What the part `profile` holds, CBOR.
#[derive(Serialize)]
struct Profile<'a> {
    version: u32,
    apn: &'a str,
    home_plmn: Plmn,
    operator_name: &'a str,
}

/// Makes it: new keys each time, `credentials` encrypted, `profile` in the clear.
///
/// # Errors
/// If the system gives no random numbers.
pub fn make(order: &Order<'_>) -> Result<(Package, Generated), GenerateError> {
    let Order { session, rule, .. } = order;
    let id = Uuid::new_v4();
    let credentials =
        Credentials::new(order.imsi, &key()?, &key()?, rule.amf, rule.apn.clone(), rule.home_plmn);
    let plain = credentials.encode()?;
    let aad = part_aad(id, CREDENTIALS);
    let sealed = cose::encrypt(&plain, &aad, &order.platform.key)?;
    let profile = cbor::encode(&Profile {
        version: rncp::VERSION,
        apn: &rule.apn,
        home_plmn: rule.home_plmn,
        operator_name: session.operator.as_str(),
    })?;
    let manifest = Manifest {
        version: rncp::VERSION,
        rncp: id,
        operator: session.operator.clone(),
        device_id: session.device_id.clone(),
        tre_id: session.tre_id.clone(),
        pcid: session.pcid,
        session: session.id,
        kind: session.kind,
        replaces: order.replaces,
        issued: order.issued,
        expires: order.expires,
        parts: vec![
            Part::of(CREDENTIALS, PartKind::Credentials, &sealed, true, false),
            Part::of(PROFILE, PartKind::Data, &profile, false, false),
        ],
    };
    let manifest = order.signer.sign(rncp::CONTENT_TYPE, manifest.encode()?)?;
    let package = Package {
        rncp: id,
        manifest: Octets(manifest),
        parts: vec![Octets(sealed), Octets(profile)],
        validate_before_download: false,
        expires_at: instant(i64::try_from(order.expires).unwrap_or(i64::MAX / 1000).saturating_mul(1000)),
    };
    let told = cose::encrypt(&plain, &aad, order.sealing)?;
    Ok((package, Generated { rncp: id, rule: rule.name.clone(), credentials: Octets(told) }))
}

/// 128 bits of the system's random numbers. OPc is as good as random where nobody needs the OP behind it (TS 35.206 §2.3).
fn key() -> Result<Key128, GenerateError> {
    let mut octets = Zeroizing::new([0; 16]);
    getrandom::fill(octets.as_mut_slice()).map_err(|_| GenerateError::Random)?;
    Ok(Key128::new(*octets))
}
