//! How values are written in columns. See the migrations for what each column is.

use std::net::IpAddr;

use schemas::{
    identity::{Imsi, Plmn},
    secret::Key128,
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};
use zeroize::Zeroizing;

use super::error::{damaged, json};
use crate::{
    model::{AuthMaterial, CallHomeTriple, Credential, NodeKind, Rat, Registration, ServingNode, Timestamp},
    store::{
        StoreError,
        sealed::{Keyring, Place},
    },
};

/// An IMSI as its digits with a 1 in front.
pub(super) fn code(imsi: Imsi) -> i64 {
    // 15 digits at most, so it fits.
    (10u64.pow(imsi.digits() as u32) + imsi.number()).cast_signed()
}

/// Several IMSIs as a JSON array for `json_each`.
pub(super) fn codes(imsis: impl Iterator<Item = Imsi>) -> String {
    let mut text = String::from("[");
    for imsi in imsis {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&code(imsi).to_string());
    }
    text.push(']');
    text
}

/// The IMSI of a code.
pub(super) fn imsi(code: i64) -> Result<Imsi, StoreError> {
    let text = code.to_string();
    text.strip_prefix('1').and_then(|digits| digits.parse().ok()).ok_or_else(|| damaged("imsi"))
}

/// Addresses of one family compare like their blobs.
pub(super) fn address_blob(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => [&[4], v4.octets().as_slice()].concat(),
        IpAddr::V6(v6) => [&[6], v6.octets().as_slice()].concat(),
    }
}

/// The address of a blob.
pub(super) fn address(blob: &[u8]) -> Result<IpAddr, StoreError> {
    match blob {
        [4, rest @ ..] => <[u8; 4]>::try_from(rest).map(IpAddr::from).map_err(|_| damaged("address")),
        [6, rest @ ..] => <[u8; 16]>::try_from(rest).map(IpAddr::from).map_err(|_| damaged("address")),
        _ => Err(damaged("address")),
    }
}

/// The word for a value of a plain enumeration.
pub(super) fn word<T: Serialize>(value: T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(StoreError::Database("not a word".into())),
    }
}

/// The value of a word.
pub(super) fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, StoreError> {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word)).map_err(damaged)
}

/// Where a credential's keys are sealed.
pub(super) fn keys_place(imsi: &Imsi) -> Place<'_> {
    Place { column: "credential/sealed", row: imsi }
}

/// Seals K ‖ OPc; `None` for a pool.
pub(super) fn seal_auth(
    keys: &Keyring,
    imsi: Imsi,
    auth: &AuthMaterial,
) -> Result<Option<Vec<u8>>, StoreError> {
    let AuthMaterial::Keys { k, opc } = auth else { return Ok(None) };
    let mut both = Zeroizing::new([0; 32]);
    both[..16].copy_from_slice(k.expose());
    both[16..].copy_from_slice(opc.expose());
    Ok(Some(keys.seal(keys_place(&imsi), both.as_slice())?))
}

fn open_auth(keys: &Keyring, imsi: Imsi, sealed: Option<&[u8]>) -> Result<AuthMaterial, StoreError> {
    let Some(sealed) = sealed else { return Ok(AuthMaterial::Pool) };
    let both = keys.open(keys_place(&imsi), sealed)?;
    let half = |at: usize| {
        let octets = both.get(at..at + 16).and_then(|half| <[u8; 16]>::try_from(half).ok());
        octets.map(Key128::new).ok_or_else(|| damaged("credential.sealed"))
    };
    Ok(AuthMaterial::Keys { k: half(0)?, opc: half(16)? })
}

/// Where a credential's call-home triple is sealed.
pub(super) fn triple_place(imsi: &Imsi) -> Place<'_> {
    Place { column: "credential/triple", row: imsi }
}

/// Seals URL, user and password.
pub(super) fn seal_triple(
    keys: &Keyring,
    imsi: Imsi,
    triple: Option<&CallHomeTriple>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(triple) = triple else { return Ok(None) };
    let text = Zeroizing::new(json(&(&triple.url, &triple.user, triple.password.as_str()))?);
    Ok(Some(keys.seal(triple_place(&imsi), text.as_bytes())?))
}

fn open_triple(
    keys: &Keyring,
    imsi: Imsi,
    sealed: Option<&[u8]>,
) -> Result<Option<CallHomeTriple>, StoreError> {
    let Some(sealed) = sealed else { return Ok(None) };
    let text = keys.open(triple_place(&imsi), sealed)?;
    let (url, user, password): (String, String, String) =
        serde_json::from_slice(&text).map_err(|_| damaged("credential.triple"))?;
    Ok(Some(CallHomeTriple { url, user, password: password.into() }))
}

/// A query of whole credentials, `c`, with their profile, `p`.
macro_rules! select_credential {
    ($more:literal, $tail:literal) => {
        concat!(
            "SELECT c.imsi, c.sealed, c.amf, c.ind_bitlen, c.state, p.name, c.expires_at, c.attach_budget, \
             c.attaches, c.address, c.msisdn, c.mode, c.batch, c.created_at, c.updated_at, c.version, c.triple, c.overrides",
            $more,
            " ",
            $tail
        )
    };
}
/// How many columns [`select_credential`] has before those that a query adds.
pub(super) const CREDENTIAL_COLUMNS: usize = 18;
pub(super) use select_credential;

/// Reads what [`select_credential`] selects.
pub(super) fn credential(keys: &Keyring, row: &SqliteRow) -> Result<Credential, StoreError> {
    let imsi = imsi(row.try_get(0)?)?;
    let amf: i64 = row.try_get(2)?;
    Ok(Credential {
        imsi,
        auth: open_auth(keys, imsi, row.try_get(1)?)?,
        triple: open_triple(keys, imsi, row.try_get(16)?)?,
        amf: u16::try_from(amf).map_err(damaged)?.to_be_bytes(),
        ind_bitlen: row.try_get(3)?,
        state: from_word(row.try_get(4)?)?,
        profile: row.try_get(5)?,
        expires_at: row.try_get::<Option<i64>, _>(6)?.map(Timestamp),
        attach_budget: row.try_get(7)?,
        attaches: row.try_get(8)?,
        address: row.try_get::<Option<&[u8]>, _>(9)?.map(address).transpose()?,
        msisdn: row.try_get(10)?,
        overrides: row
            .try_get::<Option<&str>, _>(17)?
            .map(|text| serde_json::from_str(text).map_err(damaged))
            .transpose()?
            .unwrap_or_default(),
        mode: from_word(row.try_get(11)?)?,
        batch: row.try_get(12)?,
        created_at: Timestamp(row.try_get(13)?),
        updated_at: Timestamp(row.try_get(14)?),
        version: row.try_get(15)?,
    })
}

/// A query of whole registrations, `r`.
macro_rules! select_registration {
    ($tail:literal) => {
        concat!(
            "SELECT r.imsi, r.kind, r.host, r.realm, r.visited_plmn, r.rat, r.address, r.imei, r.registered_at, \
             r.expires_at, r.purged, r.node_report FROM registration r ",
            $tail
        )
    };
}
pub(super) use select_registration;

/// Reads a registration whose columns begin at `at`.
pub(super) fn registration(row: &SqliteRow, at: usize) -> Result<Registration, StoreError> {
    let plmn: &[u8] = row.try_get(at + 4)?;
    let plmn = <[u8; 3]>::try_from(plmn).map_err(damaged)?;
    Ok(Registration {
        imsi: imsi(row.try_get(at)?)?,
        kind: from_word::<NodeKind>(row.try_get(at + 1)?)?,
        node: ServingNode { host: row.try_get(at + 2)?, realm: row.try_get(at + 3)? },
        visited_plmn: Plmn::from_octets(plmn).map_err(damaged)?,
        rat: Rat::from_code(row.try_get(at + 5)?).ok_or_else(|| damaged("registration.rat"))?,
        address: row.try_get::<Option<&[u8]>, _>(at + 6)?.map(address).transpose()?,
        imei: row.try_get(at + 7)?,
        registered_at: Timestamp(row.try_get(at + 8)?),
        expires_at: Timestamp(row.try_get(at + 9)?),
        purged: row.try_get(at + 10)?,
        report: row
            .try_get::<Option<&str>, _>(at + 11)?
            .map(|text| serde_json::from_str(text).map_err(damaged))
            .transpose()?
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_leading_zeros_and_order() {
        for text in ["001010000000001", "999710000000001", "000000", "999999999999999"] {
            let one: Imsi = text.parse().unwrap();
            assert_eq!(imsi(code(one)).unwrap(), one);
        }
        assert_eq!(code("001010000000001".parse().unwrap()), 1_001_010_000_000_001);
        for wrong in [0, 15, -1, 2_001_010_000_000_001, i64::MAX] {
            assert!(imsi(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_convert_both_ways() {
        for text in ["10.45.128.1", "2001:db8::7"] {
            let one: IpAddr = text.parse().unwrap();
            assert_eq!(address(&address_blob(one)).unwrap(), one);
        }
        assert!(address(&[4, 1, 2, 3]).is_err() && address(&[]).is_err());
    }
}
