//! One record, from its fields to a credential.

use std::str::FromStr;

use schemas::subscription::Overrides;
use schemas::{identity::Imsi, secret::Key128};

use super::{
    Options,
    fields::{Fields, Scalar},
};
use crate::{
    auc::{
        keys::SubscriberKeys,
        sqn::{Layout, Sqn},
    },
    model::{AuthMaterial, Credential, CredentialState, IssuingMode, Timestamp},
    store::NewCredential,
};

/// A record that is right by itself.
pub(super) struct Read {
    pub(super) new: NewCredential,
    /// Something in it has no effect here.
    pub(super) ignored: bool,
}

/// A record that is not.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) imsi: Option<Imsi>,
    pub(super) reason: String,
}

impl Wrong {
    /// Of a record whose IMSI could not be read.
    pub(super) fn new(reason: String) -> Self {
        Self { imsi: None, reason }
    }
}

/// A name as an error may show it: not what could be a key that went into the wrong place.
pub(super) fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.$".contains(c);
    let hex = name.chars().filter(char::is_ascii_hexdigit).count();
    if name.is_empty()
        || name.len() > 40
        || !name.chars().all(plain)
        || (hex >= 16 && hex * 4 >= name.len() * 3)
    {
        "(a text that is not shown)".to_owned()
    } else {
        name.to_owned()
    }
}

/// What a credential is made from, wherever it came from.
pub(super) struct Material<'a> {
    pub(super) k: &'a str,
    pub(super) opc: Option<&'a str>,
    pub(super) op: Option<&'a str>,
    pub(super) amf: Option<&'a str>,
}

impl Material<'_> {
    /// K and OPc, and AMF.
    pub(super) fn read(&self) -> Result<(AuthMaterial, [u8; 2]), String> {
        let key = |name: &str, text: &str| {
            // Open5GS's WebUI writes keys in groups.
            let digits = zeroize::Zeroizing::new(text.split_ascii_whitespace().collect::<String>());
            Key128::from_hex(&digits).map_err(|e| format!("{name}: {e}"))
        };
        let k = key("k", self.k)?;
        let keys = match (self.opc, self.op) {
            (Some(opc), None) => SubscriberKeys::from_opc(k, key("opc", opc)?),
            (None, Some(op)) => SubscriberKeys::from_op(k, &key("op", op)?),
            (Some(_), Some(_)) => return Err("opc, op: one of them is to be given, not both".into()),
            (None, None) => return Err("opc: is missing; give it, or op".into()),
        };
        let mut amf = [0x80, 0];
        if let Some(text) = self.amf {
            hex::decode_to_slice(text, &mut amf)
                .map_err(|_| "amf: four hexadecimal digits, as 8000 (TS 33.102 annex H)")?;
        }
        Ok((AuthMaterial::Keys { k: keys.k().clone(), opc: keys.opc().clone() }, amf))
    }
}

/// The SEQ to go on with after SQN, SEQ ‖ IND (TS 33.102 C.1.1.1).
pub(super) fn after_sqn(sqn: u64, layout: Layout) -> Result<u64, String> {
    let sqn = Sqn::new(sqn).ok_or("sqn: has more than 48 bits")?;
    after_seq(layout.seq(sqn), layout).map_err(|e| format!("sqn: {e}"))
}

fn after_seq(seq: u64, layout: Layout) -> Result<u64, String> {
    if seq >= layout.max_seq() {
        return Err("no sequence number is left above it (TS 33.102 C.2.1)".into());
    }
    Ok(seq + 1)
}

/// Reads a record of NDJSON or CSV.
pub(super) fn read(fields: &Fields<'_>, options: &Options) -> Result<Read, Wrong> {
    let imsi = text(fields, "imsi")
        .and_then(|text| text.ok_or_else(|| "imsi: is missing".to_owned()))
        .and_then(|text| text.parse::<Imsi>().map_err(|e| format!("imsi: {e}")))
        .map_err(Wrong::new)?;
    let new = with_imsi(imsi, fields, options).map_err(|reason| Wrong { imsi: Some(imsi), reason })?;
    Ok(Read { new, ignored: false })
}

fn with_imsi(imsi: Imsi, fields: &Fields<'_>, options: &Options) -> Result<NewCredential, String> {
    let material = Material {
        k: text(fields, "k")?.ok_or("k: is missing")?,
        opc: text(fields, "opc")?,
        op: text(fields, "op")?,
        amf: text(fields, "amf")?,
    };
    let (auth, amf) = material.read()?;
    let ind_bitlen = number(fields, "ind_bitlen")?.map_or(Ok(5), |n| {
        u8::try_from(n).map_err(|_| "ind_bitlen: 0 to 16 (TS 33.102 C.3 has 5)".to_owned())
    })?;
    let layout = Layout::new(ind_bitlen).map_err(|_| "ind_bitlen: 0 to 16 (TS 33.102 C.3 has 5)")?;
    let next_seq = match (number(fields, "sqn")?, number(fields, "seq")?) {
        (Some(sqn), None) => after_sqn(sqn, layout)?,
        (None, Some(seq)) => after_seq(seq, layout).map_err(|e| format!("seq: {e}"))?,
        (None, None) => 1,
        (Some(_), Some(_)) => return Err("sqn, seq: one of them is to be given, not both".into()),
    };
    let credential = Credential {
        imsi,
        auth,
        triple: None,
        amf,
        ind_bitlen,
        state: CredentialState::Active,
        profile: text(fields, "profile")?.unwrap_or(&options.profile).to_owned(),
        expires_at: parsed::<Timestamp>(fields, "expires_at", "a time as 2026-11-23T17:40:00Z (RFC 3339)")?,
        attach_budget: number(fields, "attach_budget")?
            .map(|n| u32::try_from(n).map_err(|_| "attach_budget: at most 4294967295"))
            .transpose()?,
        attaches: 0,
        address: parsed(fields, "ip", "an IPv4 or IPv6 address")?,
        msisdn: msisdn(text(fields, "msisdn")?)?,
        overrides: Overrides::default(),
        mode: match text(fields, "mode")? {
            None => options.mode,
            Some("generated") => IssuingMode::Generated,
            Some("supplier") => IssuingMode::Supplier,
            Some("subscriber") => IssuingMode::Subscriber,
            Some(_) => return Err("mode: generated, supplier or subscriber".into()),
        },
        batch: options.batch.clone(),
        // The store sets these.
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        version: 0,
    };
    Ok(NewCredential { credential, next_seq })
}

/// Checks an MSISDN.
pub(super) fn msisdn(text: Option<&str>) -> Result<Option<String>, String> {
    let digits = |t: &str| (1..=15).contains(&t.len()) && t.bytes().all(|c| c.is_ascii_digit());
    match text {
        Some(text) if !digits(text) => {
            Err("msisdn: 1 to 15 digits, country code first (TS 23.003 §3.3)".into())
        }
        text => Ok(text.map(str::to_owned)),
    }
}

fn text<'a>(fields: &'a Fields<'_>, name: &str) -> Result<Option<&'a str>, String> {
    match fields.get(name) {
        None => Ok(None),
        Some(Scalar::Text(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name}: is to be a text, in quotes")),
    }
}

/// A decimal number, or a text of one, or of 0x and hexadecimal digits.
fn number(fields: &Fields<'_>, name: &str) -> Result<Option<u64>, String> {
    match fields.get(name) {
        None => Ok(None),
        Some(Scalar::Number(number)) => Ok(Some(*number)),
        Some(Scalar::Text(text)) => {
            let read = match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16),
                None => text.parse(),
            };
            read.map(Some).map_err(|_| format!("{name}: is to be a number, decimal or 0x and hexadecimal"))
        }
        Some(_) => Err(format!("{name}: is to be a number, not negative")),
    }
}

fn parsed<T: FromStr>(fields: &Fields<'_>, name: &str, what: &str) -> Result<Option<T>, String> {
    match text(fields, name)? {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| format!("{name}: is to be {what}")),
    }
}
