//! What the API takes and gives, besides what the roles share in `schemas`.

use schemas::{
    identity::{DeviceId, SupplierId, TreId},
    octets::Octets,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    model::{Credential, Label, Platform, ReferenceValue, Revocation, RevocationReason, Supplier},
    store::Change,
};

/// A supplier, as it is put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SupplierPut {
    /// Its name among people.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// Whether it may enrol platforms. What it has enrolled stays as it is.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub enrols: bool,
    /// What the identities of its devices begin with; no other supplier may enrol such. Without, it may enrol only as long as
    /// no other supplier may.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub devices: Vec<DeviceId>,
}

fn yes() -> bool {
    true
}

/// A supplier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SupplierView {
    /// Who.
    pub id: SupplierId,
    /// Its name among people.
    pub name: String,
    /// Whether it may enrol platforms.
    pub enrols: bool,
    /// What the identities of its devices begin with.
    pub devices: Vec<DeviceId>,
}

impl From<Supplier> for SupplierView {
    fn from(Supplier { id, name, enrols, devices }: Supplier) -> Self {
        Self { id, name, enrols, devices }
    }
}

/// An accepted state, as it is put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferencePut {
    /// SHA-256 over what is booted, as the device measures it: 64 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub boot_digest: String,
    /// `swname` (RFC 9711 §4.2.6).
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub software: String,
    /// `swversion` (RFC 9711 §4.2.7).
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub software_version: String,
    /// `hwversion` (RFC 9711 §4.2.5); any if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub hardware_version: Option<String>,
}

/// An accepted state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceView {
    /// Whose.
    pub supplier: SupplierId,
    /// Of which model.
    #[schema(value_type = String)]
    pub model: Label,
    /// What the state is called.
    #[schema(value_type = String)]
    pub name: Label,
    /// SHA-256 over what is booted, 64 hexadecimal digits.
    pub boot_digest: String,
    /// `swname`.
    pub software: String,
    /// `swversion`.
    pub software_version: String,
    /// `hwversion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_version: Option<String>,
}

impl From<ReferenceValue> for ReferenceView {
    fn from(value: ReferenceValue) -> Self {
        Self {
            supplier: value.supplier,
            model: value.model,
            name: value.name,
            boot_digest: hex::encode(value.boot_digest),
            software: value.software,
            software_version: value.software_version,
            hardware_version: value.hardware_version,
        }
    }
}

/// That something is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevocationView {
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Why: CRLReason, RFC 5280 §5.3.1.
    pub reason: RevocationReason,
}

impl From<Revocation> for RevocationView {
    fn from(Revocation { at, reason }: Revocation) -> Self {
        Self { at: seconds(at), reason }
    }
}

/// An enrolled platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlatformView {
    /// Its TRE.
    pub tre_id: TreId,
    /// The device.
    pub device_id: DeviceId,
    /// Who made it.
    pub supplier: SupplierId,
    /// As the reference values name it.
    #[schema(value_type = String)]
    pub model: Label,
    /// SubjectPublicKeyInfo of the platform key, DER.
    pub public_key: Octets,
    /// The batch that it came with.
    pub enrolment: Uuid,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub enrolled_at: OffsetDateTime,
    /// If it is revoked, or on hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevocationView>,
    /// Its certificates, newest first; not in listings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<CertificateView>>,
}

impl PlatformView {
    /// With its certificates, or without.
    #[must_use]
    pub fn new(platform: Platform, certificates: Option<Vec<Credential>>) -> Self {
        let enrolled_at = i128::from(platform.enrolled_at) * 1_000_000;
        Self {
            tre_id: platform.tre_id,
            device_id: platform.device_id,
            supplier: platform.supplier,
            model: platform.model,
            public_key: Octets(platform.public_key),
            enrolment: platform.enrolment,
            enrolled_at: OffsetDateTime::from_unix_timestamp_nanos(enrolled_at)
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
            revoked: platform.revocation.map(Into::into),
            certificates: certificates.map(|some| some.into_iter().map(Into::into).collect()),
        }
    }
}

/// A platform certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateView {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// The certificate, DER.
    pub certificate: Octets,
    /// When it was issued.
    #[serde(with = "time::serde::rfc3339")]
    pub issued_at: OffsetDateTime,
    /// `notAfter`.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// If it is revoked, or on hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevocationView>,
}

impl From<Credential> for CertificateView {
    fn from(credential: Credential) -> Self {
        Self {
            serial: hex::encode(credential.serial),
            certificate: Octets(credential.der),
            issued_at: seconds(credential.issued_at),
            expires_at: seconds(credential.expires_at),
            revoked: credential.revocation.map(Into::into),
        }
    }
}

fn seconds(at: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A body that is not JSON; its media type says what it is.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct Binary(pub Vec<u8>);

/// Revokes a platform, or releases it from hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Why.
    pub reason: AskedReason,
}

/// CRLReason, RFC 5280 §5.3.1, by its names there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AskedReason {
    /// 0.
    Unspecified,
    /// 1: the private key is, or may be, known to others.
    KeyCompromise,
    /// 2.
    #[serde(rename = "cACompromise")]
    CaCompromise,
    /// 3.
    AffiliationChanged,
    /// 4.
    Superseded,
    /// 5: the device is out of use.
    CessationOfOperation,
    /// 6: on hold; `removeFromCRL` releases it.
    CertificateHold,
    /// 8: was on hold, and is not any more.
    #[serde(rename = "removeFromCRL")]
    RemoveFromCrl,
    /// 9.
    PrivilegeWithdrawn,
    /// 10.
    #[serde(rename = "aACompromise")]
    AaCompromise,
}

impl From<AskedReason> for Change {
    fn from(asked: AskedReason) -> Self {
        Self::Revoke(match asked {
            AskedReason::RemoveFromCrl => return Self::Release,
            AskedReason::Unspecified => RevocationReason::Unspecified,
            AskedReason::KeyCompromise => RevocationReason::KeyCompromise,
            AskedReason::CaCompromise => RevocationReason::CaCompromise,
            AskedReason::AffiliationChanged => RevocationReason::AffiliationChanged,
            AskedReason::Superseded => RevocationReason::Superseded,
            AskedReason::CessationOfOperation => RevocationReason::CessationOfOperation,
            AskedReason::CertificateHold => RevocationReason::CertificateHold,
            AskedReason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
            AskedReason::AaCompromise => RevocationReason::AaCompromise,
        })
    }
}
