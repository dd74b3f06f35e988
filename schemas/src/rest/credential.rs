//! Provisional credentials.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::IssuingMode;
use crate::{identity::Imsi, secret::Key128, subscription::Overrides};

/// Whether a credential may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialState {
    /// Vectors are issued.
    Active,
    /// Set aside for a while; can become active again.
    Blocked,
    /// Taken out of use for good.
    Disabled,
}

/// A provisional credential, without its keys: K and OPc are never told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// The PCID.
    pub imsi: Imsi,
    /// Whether it may be used.
    pub state: CredentialState,
    /// Name of its profile.
    pub profile: String,
    /// Whether it is served from a pool of ready vectors, K being unknown here.
    pub pool: bool,
    /// Authentication Management Field, 4 hexadecimal digits (TS 33.102 annex H).
    #[schema(pattern = "^[0-9a-f]{4}$", examples("8000"))]
    pub amf: String,
    /// Low bits of SQN that hold IND (TS 33.102 §C.1.1.1).
    pub ind_bitlen: u8,
    /// No vectors from here on.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// Attaches it is good for; `null` for the profile's budget.
    pub attach_budget: Option<u32>,
    /// Attaches that a location update has completed.
    pub attaches: u32,
    /// Address assigned to it.
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// MSISDN, digits.
    pub msisdn: Option<String>,
    /// What it has otherwise than its profile.
    #[serde(default, skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
    /// How it came to be.
    pub mode: IssuingMode,
    /// Batch that it was issued or imported in.
    pub batch: Option<String>,
    /// When it was stored.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Counts changes; its ETag.
    pub version: i64,
}

/// A credential to be stored. Either `k` with one of `opc` and `op`, or `pool: true`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// The PCID.
    pub imsi: Imsi,
    /// Name of its profile.
    #[serde(default = "NewCredential::default_profile")]
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", examples("default"))]
    pub profile: String,
    /// Subscriber key K.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<SecretHex>,
    /// OPc, derived from OP and K already (TS 35.206 §4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opc: Option<SecretHex>,
    /// The operator's OP; OPc is computed from it, OP is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<SecretHex>,
    /// K stays elsewhere: ready vectors will be added to the credential's pool.
    #[serde(default)]
    pub pool: bool,
    /// Authentication Management Field, 4 hexadecimal digits (TS 33.102 annex H).
    #[serde(default = "NewCredential::default_amf")]
    #[schema(pattern = "^[0-9a-fA-F]{4}$", examples("8000"))]
    pub amf: String,
    /// Low bits of SQN that hold IND (TS 33.102 §C.1.1.1).
    #[serde(default = "NewCredential::default_ind_bitlen")]
    #[schema(minimum = 0, maximum = 16)]
    pub ind_bitlen: u8,
    /// The last SQN (48 bits) that another AuC used for it; numbers start above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 281_474_976_710_655_i64)]
    pub sqn: Option<u64>,
    /// No vectors from here on; without, the profile's lifetime decides.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<OffsetDateTime>,
    /// Attaches it is good for; without, the profile's budget decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach_budget: Option<u32>,
    /// IP address to be assigned to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[0-9A-Fa-f.:]{2,45}$")]
    pub address: Option<IpAddr>,
    /// MSISDN, up to 15 digits (ITU-T E.164).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]{1,15}$")]
    pub msisdn: Option<String>,
    /// What it has otherwise than its profile.
    #[serde(default, skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
    /// How it came to be.
    #[serde(default = "NewCredential::default_mode")]
    pub mode: IssuingMode,
}

impl NewCredential {
    fn default_profile() -> String {
        "default".to_owned()
    }
    fn default_amf() -> String {
        "8000".to_owned()
    }
    fn default_ind_bitlen() -> u8 {
        5
    }
    fn default_mode() -> IssuingMode {
        IssuingMode::Supplier
    }
}

/// What to change of a credential, as a JSON Merge Patch (RFC 7396): what is missing stays, `null` takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialPatch {
    /// Whether it may be used. `disabled` cannot be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub state: Option<CredentialState>,
    /// Another profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[A-Za-z0-9._-]{1,64}$", examples("default"))]
    pub profile: Option<String>,
    /// Another end; `null` for none.
    #[serde(default, with = "instant_or_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<OffsetDateTime>>,
    /// Another budget; `null` for the profile's.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub attach_budget: Option<Option<u32>>,
    /// Another IP address; `null` to have one assigned at the next attach.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[0-9A-Fa-f.:]{2,45}$")]
    pub address: Option<Option<IpAddr>>,
    /// Another MSISDN, up to 15 digits; `null` for none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{1,15}$")]
    pub msisdn: Option<Option<String>>,
    /// Other overrides: merged into those that there are, `null` removing one; `null` for none at all.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Overrides>)]
    pub overrides: Option<Option<serde_json::Map<String, serde_json::Value>>>,
}

/// A field that is there, if only as `null`.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// RFC 3339 text or `null`, told from a field that is missing.
mod instant_or_null {
    use super::{Deserializer, OffsetDateTime, Serializer};

    #[allow(clippy::ref_option, reason = "serde calls it so")]
    pub fn serialize<S: Serializer>(
        at: &Option<Option<OffsetDateTime>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time::serde::rfc3339::option::serialize(&at.flatten(), serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<OffsetDateTime>>, D::Error> {
        time::serde::rfc3339::option::deserialize(deserializer).map(Some)
    }
}

/// A 128-bit key as it comes in a request: 32 hexadecimal digits. It is not repeated in an error, Debug shows
/// none of it, and nothing that is answered holds one.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHex(Key128);

impl SecretHex {
    /// Takes a key, for a client that sends it.
    #[must_use]
    pub fn new(key: Key128) -> Self {
        Self(key)
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &Key128 {
        &self.0
    }
}

impl fmt::Debug for SecretHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHex(…)")
    }
}

impl Serialize for SecretHex {
    /// For the client that sends a request.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = zeroize::Zeroizing::new(hex::encode(self.0.expose()));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for SecretHex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Whatever stood there is not repeated, not even where it was no text at all.
        let wrong = || serde::de::Error::custom("a key is text of 32 hexadecimal digits (128 bits)");
        let text = zeroize::Zeroizing::new(String::deserialize(deserializer).map_err(|_| wrong())?);
        Key128::from_hex(&text).map(Self).map_err(|_| wrong())
    }
}

impl PartialSchema for SecretHex {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("128-bit key, 32 hexadecimal digits; taken, never given"))
            .pattern(Some("^[0-9a-fA-F]{32}$"))
            .write_only(true)
            .into()
    }
}

impl ToSchema for SecretHex {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_tells_null_from_missing() {
        let patch: CredentialPatch = serde_json::from_str(r#"{"expires_at":null,"msisdn":"123"}"#).unwrap();
        assert_eq!(patch.expires_at, Some(None));
        assert_eq!(patch.msisdn, Some(Some("123".to_owned())));
        assert_eq!(patch.attach_budget, None);
        assert_eq!(serde_json::to_string(&patch).unwrap(), r#"{"expires_at":null,"msisdn":"123"}"#);
    }

    #[test]
    fn a_request_refuses_fields_it_does_not_know() {
        assert!(serde_json::from_str::<CredentialPatch>(r#"{"sate":"blocked"}"#).is_err());
        let text = r#"{"imsi":"999710000000001","kk":"00"}"#;
        assert!(serde_json::from_str::<NewCredential>(text).is_err());
    }

    #[test]
    fn a_wrong_key_is_not_repeated() {
        for k in ["\"465b5ce8b199b49faa5f0a2ee238a6bz\"", "4655", "[\"465b5ce8\"]", "{\"465b\":1}"] {
            let text = format!(r#"{{"imsi":"999710000000001","k":{k}}}"#);
            let error = serde_json::from_str::<NewCredential>(&text).unwrap_err().to_string();
            assert!(!error.contains("465"), "{error}");
            assert!(error.contains("32 hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn debug_of_a_request_shows_no_key() {
        let text = r#"{"imsi":"999710000000001","k":"465b5ce8b199b49faa5f0a2ee238a6bc","pool":false}"#;
        let new: NewCredential = serde_json::from_str(text).unwrap();
        let shown = format!("{new:?}");
        assert!(!shown.contains("465b") && !shown.contains("70, 91"), "{shown}");
    }
}
