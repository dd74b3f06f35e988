//! One record, from its fields to a credential.

use std::str::FromStr;

use schemas::{identity::Imsi, secret::Key128};
use zeroize::Zeroizing;

use super::{
    Options, SubscriptionFrom,
    fields::{Fields, Scalar},
    names::Field,
    numbers::{self, SqnNotation},
    subscription::{self, Numbers, Subscription},
    wrong::Wrong,
};
use crate::{
    auc::{
        keys::SubscriberKeys,
        sqn::{Layout, Sqn},
    },
    model::{AuthMaterial, CallHomeTriple, Credential, CredentialState, IssuingMode, Timestamp},
    store::NewCredential,
};

/// Reads a record.
///
/// # Errors
/// What is wrong with it, and with which field.
pub(super) fn read(
    fields: &Fields<'_>,
    options: &Options,
    notation: &mut SqnNotation,
    line: u64,
) -> Result<(NewCredential, Subscription), Wrong> {
    let reader = Reader { fields, options };
    let imsi = reader.imsi()?;
    reader.credential(imsi, notation, line).map_err(|wrong| Wrong { imsi: Some(imsi), ..wrong })
}

struct Reader<'f, 'a> {
    fields: &'f Fields<'a>,
    options: &'f Options,
}

impl Reader<'_, '_> {
    fn wrong(&self, field: Field, what: impl std::fmt::Display) -> Wrong {
        Wrong::of(field, format!("{}: {what}", self.fields.label(field)))
    }

    /// With the marks taken off that a spreadsheet is told "this is text" by: `="…"` and `'…`.
    fn text(&self, field: Field) -> Result<Option<&str>, Wrong> {
        match self.fields.get(field) {
            None => Ok(None),
            Some(Scalar::Text(text)) => {
                let text = text.trim();
                let formula = text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"'));
                let text = formula.unwrap_or(text).trim_start_matches('\'').trim();
                Ok((!text.is_empty()).then_some(text))
            }
            Some(_) => Err(self.wrong(field, "is to be a text, in quotes")),
        }
    }

    fn imsi(&self) -> Result<Imsi, Wrong> {
        let field = Field::Imsi;
        if let Some(Scalar::Number(number)) = self.fields.get(field) {
            let text = number.to_string();
            if text.len() != Imsi::MAX_DIGITS {
                let what = "is a number of other than 15 digits, so that zeros in front may be lost; write it in quotes";
                return Err(self.wrong(field, what));
            }
            return text.parse().map_err(|e| self.wrong(field, e));
        }
        let text = self.text(field)?.ok_or_else(|| self.wrong(field, "is missing"))?;
        if numbers::is_scientific(text) {
            let what = "was changed by a spreadsheet (a number with E), and digits are lost; export it again, the column \
                        formatted as text";
            return Err(self.wrong(field, what));
        }
        // A SUPI (TS 23.003 §2.2A, TS 29.571 §5.3.2).
        text.strip_prefix("imsi-").unwrap_or(text).parse().map_err(|e| self.wrong(field, e))
    }

    fn key(&self, field: Field) -> Result<Option<Key128>, Wrong> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        // Open5GS's WebUI writes keys in groups.
        let digits = Zeroizing::new(text.split_ascii_whitespace().collect::<String>());
        Key128::from_hex(&digits).map(Some).map_err(|e| self.wrong(field, e))
    }

    fn number(&self, field: Field) -> Result<Option<u64>, Wrong> {
        match self.fields.get(field) {
            None => Ok(None),
            Some(Scalar::Number(number)) => Ok(Some(*number)),
            Some(Scalar::Text(text)) => {
                numbers::number(text.trim()).map(Some).map_err(|e| self.wrong(field, e))
            }
            Some(_) => Err(self.wrong(field, "is to be a whole number, not negative")),
        }
    }

    fn parsed<T: FromStr>(&self, field: Field, what: &str) -> Result<Option<T>, Wrong> {
        match self.text(field)? {
            None => Ok(None),
            Some(text) => {
                text.parse().map(Some).map_err(|_| self.wrong(field, format_args!("is to be {what}")))
            }
        }
    }

    fn credential(
        &self,
        imsi: Imsi,
        notation: &mut SqnNotation,
        line: u64,
    ) -> Result<(NewCredential, Subscription), Wrong> {
        self.check_algorithm()?;
        let (k, opc) = self.keys()?;
        let ind_bitlen = self
            .number(Field::IndBitlen)?
            .map_or(Ok(5), |n| u8::try_from(n).map_err(|_| self.wrong(Field::IndBitlen, IND_BITLEN)))?;
        let layout = Layout::new(ind_bitlen).map_err(|_| self.wrong(Field::IndBitlen, IND_BITLEN))?;
        let next_seq = self.next_seq(layout, notation, line)?;
        let (state, subscription) = self.subscription()?;
        let credential = Credential {
            imsi,
            auth: AuthMaterial::Keys { k, opc },
            triple: self.triple()?,
            amf: self.amf()?,
            ind_bitlen,
            state,
            profile: self.text(Field::Profile)?.unwrap_or(&self.options.profile).to_owned(),
            expires_at: self
                .parsed::<Timestamp>(Field::ExpiresAt, "a time as 2026-11-23T17:40:00Z (RFC 3339)")?,
            attach_budget: self
                .number(Field::AttachBudget)?
                .map(|n| u32::try_from(n).map_err(|_| self.wrong(Field::AttachBudget, "at most 4294967295")))
                .transpose()?,
            attaches: 0,
            address: match self.text(Field::Ip)? {
                // srsEPC.
                Some("dynamic") => None,
                _ => self.parsed(Field::Ip, "an IPv4 or IPv6 address")?,
            },
            msisdn: self.msisdn(0)?,
            overrides: subscription.overrides.clone(),
            mode: match self.text(Field::Mode)? {
                None => self.options.mode,
                Some("generated") => IssuingMode::Generated,
                Some("supplier") => IssuingMode::Supplier,
                Some("subscriber") => IssuingMode::Subscriber,
                Some(_) => return Err(self.wrong(Field::Mode, "generated, supplier or subscriber")),
            },
            batch: self.options.batch.clone(),
            // The store sets these.
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            version: 0,
        };
        Ok((NewCredential { credential, next_seq }, subscription))
    }

    fn check_algorithm(&self) -> Result<(), Wrong> {
        let algorithm = match self.fields.get(Field::Algorithm) {
            Some(Scalar::Text(text)) => text.trim().to_ascii_lowercase(),
            _ => String::new(),
        };
        if ["xor", "tuak", "comp128"].iter().any(|other| algorithm.contains(other)) {
            return Err(self.wrong(Field::Algorithm, "only Milenage is computed here (TS 35.206)"));
        }
        match self.fields.get(Field::Encryption) {
            None | Some(Scalar::Number(0)) => Ok(()),
            Some(Scalar::Text(text)) if text.trim() == "0" => Ok(()),
            Some(_) => {
                Err(self.wrong(Field::Encryption, "the key is encrypted; decrypt it before it is imported"))
            }
        }
    }

    /// K and OPc.
    fn keys(&self) -> Result<(Key128, Key128), Wrong> {
        let k = self.key(Field::K)?.ok_or_else(|| Wrong::of(Field::K, self.missing_k()))?;
        if !self.fields.is_foreign() && [Field::Opc, Field::Op].iter().all(|f| self.fields.get(*f).is_some())
        {
            return Err(Wrong::of(Field::Op, "opc, op: one of them is to be given, not both".into()));
        }
        let (mut opc, mut op) = (self.key(Field::Opc)?, self.key(Field::Op)?);
        if let Some(either) = self.key(Field::OpOrOpc)? {
            match self.text(Field::OpType)?.map(str::to_ascii_lowercase).as_deref() {
                Some("opc") if opc.is_none() => opc = Some(either),
                Some("op") if op.is_none() => op = Some(either),
                _ => return Err(self.wrong(Field::OpType, "op or opc: what the column of the key is")),
            }
        }
        let keys = match (opc, op) {
            // Open5GS and free5GC use OPc where there is one.
            (Some(opc), _) => SubscriberKeys::from_opc(k, opc),
            (None, Some(op)) => SubscriberKeys::from_op(k, &op),
            (None, None) => {
                let what = format!("{}: is missing; give it, or op", self.fields.label(Field::Opc));
                return Err(Wrong::of(Field::Opc, what));
            }
        };
        Ok((keys.k().clone(), keys.opc().clone()))
    }

    fn missing_k(&self) -> String {
        let has = |name: &str| self.fields.not_taken.iter().any(|there| there == name);
        if self.fields.is_renamed(Field::K) {
            format!("{}: is missing", self.fields.label(Field::K))
        } else if has("default_apn") || has("apn_list") {
            "k: is missing: this is a subscriber of PyHSS, whose keys are in its AUC; export /auc/list"
                .to_owned()
        } else if self.fields.is_foreign() {
            "k: is missing (Open5GS: security.k); export the whole document, with its keys".to_owned()
        } else {
            "k: is missing".to_owned()
        }
    }

    fn amf(&self) -> Result<[u8; 2], Wrong> {
        let mut amf = [0x80, 0];
        // JSON's 8000 could be meant as 0x1f40.
        if let Some(Scalar::Number(number)) = self.fields.get(Field::Amf) {
            return Err(self.wrong(Field::Amf, format_args!("is to be a text, in quotes: \"{number}\"")));
        }
        if let Some(text) = self.text(Field::Amf)? {
            let digits = text.strip_prefix("0x").unwrap_or(text);
            hex::decode_to_slice(digits, &mut amf).map_err(|_| {
                self.wrong(Field::Amf, "four hexadecimal digits, as 8000 (TS 33.102 annex H)")
            })?;
        }
        Ok(amf)
    }

    /// The SEQ to go on with after SQN, SEQ ‖ IND (TS 33.102 C.1.1.1).
    fn next_seq(&self, layout: Layout, notation: &mut SqnNotation, line: u64) -> Result<u64, Wrong> {
        let (field, seq) = match (self.fields.get(Field::Sqn), self.number(Field::Seq)?) {
            (None, None) => return Ok(1),
            (None, Some(seq)) => (Field::Seq, seq),
            (Some(_), Some(_)) => {
                return Err(Wrong::of(Field::Sqn, "sqn, seq: one of them is to be given, not both".into()));
            }
            (Some(sqn), None) => {
                let sqn = match sqn {
                    Scalar::Number(number) => *number,
                    Scalar::Text(text) => self.sqn(text.trim(), notation, line)?,
                    _ => return Err(self.wrong(Field::Sqn, "is to be a whole number, not negative")),
                };
                let sqn = Sqn::new(sqn).ok_or_else(|| self.wrong(Field::Sqn, "has more than 48 bits"))?;
                (Field::Sqn, layout.seq(sqn))
            }
        };
        if seq >= layout.max_seq() {
            return Err(self.wrong(field, "no sequence number is left above it (TS 33.102 C.2.1)"));
        }
        Ok(seq + 1)
    }

    fn sqn(&self, text: &str, notation: &mut SqnNotation, line: u64) -> Result<u64, Wrong> {
        // srsEPC's columns, and Sqn of TS 29.503 as free5GC and OAI's UDM have it.
        let label = super::names::normalise(self.fields.label(Field::Sqn));
        let read = if self.fields.sqn_is_hexadecimal || label.contains("sequencenumber") {
            match text.strip_prefix('{') {
                Some(_) => sqn_of_object(text),
                None => numbers::hexadecimal(text),
            }
        } else {
            notation.read(text, line)
        };
        read.map_err(|e| self.wrong(Field::Sqn, e))
    }

    fn triple(&self) -> Result<Option<CallHomeTriple>, Wrong> {
        let parts = [Field::TripleUrl, Field::TripleUser, Field::TriplePassword];
        let [url, user, password] = parts.map(|field| self.text(field));
        match (url?, user?, password?) {
            (None, None, None) => Ok(None),
            (Some(url), Some(user), Some(password)) => {
                if !url.starts_with("https://") {
                    return Err(
                        self.wrong(Field::TripleUrl, "a device calls home over https; give an https:// URL")
                    );
                }
                Ok(Some(CallHomeTriple {
                    url: url.to_owned(),
                    user: user.to_owned(),
                    password: Zeroizing::new(password.to_owned()),
                }))
            }
            _ => Err(Wrong::of(Field::TripleUrl, "triple: url, user and password belong together".into())),
        }
    }

    /// Whether it may be used, and what the file says of its subscription. Subscriber-Status 1 is
    /// `OPERATOR_DETERMINED_BARRING` (TS 29.272 §7.3.29); who is barred from all packet services, or from what is not said,
    /// is blocked.
    fn subscription(&self) -> Result<(CredentialState, Subscription), Wrong> {
        let field = Field::SubscriberStatus;
        let status = self.number(field)?.unwrap_or(0);
        if self.options.subscription == SubscriptionFrom::Profile {
            let not_taken = self.fields.of_subscription();
            let subscription = Subscription { not_taken, ..Subscription::default() };
            return Ok((self.state(status == 1), subscription));
        }
        if status > 1 {
            return Err(self.wrong(field, "is to be 0, service granted, or 1, barred (TS 29.272 §7.3.29)"));
        }
        let mask = self.number(Field::OperatorDeterminedBarring)?;
        let numbers = Numbers {
            access_restriction_data: self.number(Field::AccessRestrictionData)?,
            network_access_mode: self.number(Field::NetworkAccessMode)?,
            rau_tau_timer: self.number(Field::RauTauTimer)?,
            barring: mask.filter(|_| status == 1),
            additional_msisdn: self.msisdn(1)?,
        };
        let mut subscription = subscription::read(self.fields, &numbers)?;
        if status == 0 && mask.is_some_and(|mask| mask != 0) {
            subscription.not_taken.push(Field::OperatorDeterminedBarring.name().to_owned());
        }
        let all_packet_services = mask.is_none_or(|mask| mask == 0 || mask & 1 != 0);
        Ok((self.state(status == 1 && all_packet_services), subscription))
    }

    fn state(&self, barred: bool) -> CredentialState {
        let disabled = match self.fields.get(Field::Enabled) {
            Some(Scalar::Truth(enabled)) => !enabled,
            Some(Scalar::Number(number)) => *number == 0,
            Some(Scalar::Text(text)) => text == "0" || text.eq_ignore_ascii_case("false"),
            _ => false,
        };
        if barred || disabled { CredentialState::Blocked } else { CredentialState::Active }
    }

    /// MSISDN, or of place 1 A-MSISDN: the first two of a list.
    fn msisdn(&self, place: usize) -> Result<Option<String>, Wrong> {
        // A list, as mongoexport writes it into a column.
        if let Some(Scalar::Text(text)) = self.fields.get(Field::Msisdn)
            && text.starts_with('[')
        {
            let what = "is to be digits, or a JSON list of them";
            let list: Vec<String> =
                serde_json::from_str(text).map_err(|_| self.wrong(Field::Msisdn, what))?;
            let digits = list.get(place).filter(|text| !text.is_empty());
            return digits.map(|text| self.digits(Field::Msisdn, text)).transpose();
        }
        self.one_msisdn(if place == 0 { Field::Msisdn } else { Field::AdditionalMsisdn })
    }

    fn one_msisdn(&self, field: Field) -> Result<Option<String>, Wrong> {
        let number;
        let text = match self.fields.get(field) {
            Some(Scalar::Number(n)) => {
                number = n.to_string();
                Some(number.as_str())
            }
            _ => self.text(field)?,
        };
        text.map(|text| self.digits(field, text)).transpose()
    }

    fn digits(&self, field: Field, text: &str) -> Result<String, Wrong> {
        if numbers::is_scientific(text) {
            return Err(self.wrong(
                field,
                "was changed by a spreadsheet; export it again, the column formatted as text",
            ));
        }
        let digits = text.strip_prefix('+').unwrap_or(text);
        if !(1..=15).contains(&digits.len()) || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return Err(self.wrong(field, "1 to 15 digits, country code first (TS 23.003 §3.3)"));
        }
        Ok(digits.to_owned())
    }
}

const IND_BITLEN: &str = "0 to 16 (TS 33.102 C.3 has 5)";

/// SQN of TS 29.505 `SequenceNumber`, as a column of SQL holds it.
fn sqn_of_object(text: &str) -> Result<u64, String> {
    let object: serde_json::Value =
        serde_json::from_str(text).map_err(|_| "is to be a JSON object that has sqn (TS 29.505)")?;
    let sqn = object.get("sqn").and_then(serde_json::Value::as_str);
    numbers::hexadecimal(sqn.ok_or("is to be a JSON object that has sqn (TS 29.505)")?)
}
