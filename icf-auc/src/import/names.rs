//! What the fields of a credential are called, here and by others.

/// A field of a credential that a record can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// PCID.
    Imsi,
    /// K.
    K,
    /// OPc (TS 35.206 §4.1).
    Opc,
    /// OP.
    Op,
    /// OP or OPc, as [`Field::OpType`] says (srsEPC).
    OpOrOpc,
    /// `op` or `opc`.
    OpType,
    /// AMF (TS 33.102 annex H).
    Amf,
    /// The last SQN used.
    Sqn,
    /// The last SEQ used.
    Seq,
    /// Bits of IND.
    IndBitlen,
    /// Profile.
    Profile,
    /// When it expires.
    ExpiresAt,
    /// Attaches it is good for.
    AttachBudget,
    /// MSISDN.
    Msisdn,
    /// IP address.
    Ip,
    /// Issuing mode.
    Mode,
    /// Call-home URL.
    TripleUrl,
    /// User name of the call-home triple.
    TripleUser,
    /// Password of the call-home triple.
    TriplePassword,
    /// Subscriber-Status (TS 29.272 §7.3.29): 1 is barred.
    SubscriberStatus,
    /// Whether it may be used (PyHSS).
    Enabled,
    /// Authentication algorithm; only Milenage is computed here.
    Algorithm,
    /// That K is encrypted: an algorithm's number (free5GC) or a parameter's name (TS 29.505).
    Encryption,
    /// Slices of Open5GS, the first of which has the APNs.
    Slice,
    /// APNs of Open5GS before release 2.3.
    Pdn,
    /// UE-AMBR (Open5GS).
    Ambr,
    /// Access-Restriction-Data (TS 29.272 §7.3.31).
    AccessRestrictionData,
    /// Network-Access-Mode (TS 29.272 §7.3.21).
    NetworkAccessMode,
    /// Subscribed-Periodic-RAU-TAU-Timer (TS 29.272 §7.3.134), minutes.
    RauTauTimer,
    /// Operator-Determined-Barring (TS 29.272 §7.3.30).
    OperatorDeterminedBarring,
    /// A-MSISDN (TS 29.272 §7.3.157).
    AdditionalMsisdn,
}

impl Field {
    /// How many there are.
    pub(super) const COUNT: usize = Self::AdditionalMsisdn as usize + 1;
    /// What a document of Open5GS says of a subscription besides `slice`, `ambr` and `pdn`.
    pub(super) const OF_SUBSCRIPTION: [Self; 5] = [
        Self::AccessRestrictionData,
        Self::NetworkAccessMode,
        Self::RauTauTimer,
        Self::OperatorDeterminedBarring,
        Self::AdditionalMsisdn,
    ];

    /// Its own name, as in a line of NDJSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Imsi => "imsi",
            Self::K => "k",
            Self::Opc => "opc",
            Self::Op => "op",
            Self::OpOrOpc => "op/opc",
            Self::OpType => "op_type",
            Self::Amf => "amf",
            Self::Sqn => "sqn",
            Self::Seq => "seq",
            Self::IndBitlen => "ind_bitlen",
            Self::Profile => "profile",
            Self::ExpiresAt => "expires_at",
            Self::AttachBudget => "attach_budget",
            Self::Msisdn => "msisdn",
            Self::Ip => "ip",
            Self::Mode => "mode",
            Self::TripleUrl => "triple.url",
            Self::TripleUser => "triple.user",
            Self::TriplePassword => "triple.password",
            Self::SubscriberStatus => "subscriber_status",
            Self::Enabled => "enabled",
            Self::Algorithm => "algorithm",
            Self::Encryption => "encryption",
            Self::Slice => "slice",
            Self::Pdn => "pdn",
            Self::Ambr => "ambr",
            Self::AccessRestrictionData => "access_restriction_data",
            Self::NetworkAccessMode => "network_access_mode",
            Self::RauTauTimer => "subscribed_rau_tau_timer",
            Self::OperatorDeterminedBarring => "operator_determined_barring",
            Self::AdditionalMsisdn => "msisdn.1",
        }
    }
}

/// The names to choose from, for an error.
pub(super) const OUR_NAMES: &str = "imsi, k, opc, op, amf, sqn, seq, ind_bitlen, profile, expires_at, attach_budget, \
                                    msisdn, ip, mode, triple";

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A field by the name that this program uses.
    Ours(Field),
    /// A field by somebody else's name.
    Theirs(Field),
    /// APNs or rates of Open5GS, or a value in them (`ambr.downlink.value`).
    Document(Field),
    /// Something that others export and that has no effect here.
    Known,
    /// Bookkeeping of a database, which says nothing about the subscriber.
    Bookkeeping,
    /// What Open5GS's HSS notes about the serving node, also in a document that it makes for an IMSI it does not have.
    ServingNode,
    /// A key that is encrypted with a transport key.
    EncryptedKey,
    /// Nothing that is known.
    Unknown,
}

/// Compares without regard to case, blanks, `_` and `-`: `IND bitlen`, `ind_bitlen` and `IndBitlen` are one name.
pub(super) fn normalise(name: &str) -> String {
    let keep = |c: &char| !matches!(c, ' ' | '_' | '-' | '\t' | '\u{a0}');
    name.trim().chars().filter(keep).map(|c| c.to_ascii_lowercase()).collect()
}

/// Looks a name up: a column, or the path of a JSON member with dots between (`security.k`, `msisdn.0`).
pub(super) fn meaning(name: &str) -> Meaning {
    let normal = normalise(name);
    let name = normal.strip_prefix("authenticationsubscription.").unwrap_or(&normal);
    if let Some(field) = ours(name) {
        return Meaning::Ours(field);
    }
    if let Some(field) = theirs(name) {
        return Meaning::Theirs(field);
    }
    if matches!(
        name,
        "eki" | "encki" | "kienc" | "encryptedki" | "ekey" | "enck" | "eopc" | "encopc" | "encryptedopc"
    ) {
        return Meaning::EncryptedKey;
    }
    match name.split('.').next().unwrap_or_default() {
        "slice" => Meaning::Document(Field::Slice),
        "pdn" => Meaning::Document(Field::Pdn),
        "ambr" => Meaning::Document(Field::Ambr),
        "id" | "v" | "schemaversion" | "aucid" | "subscriberid" | "lastmodified" | "createdat"
        | "updatedat" | "usernumber" | "tenantid" | "plmnid" | "servingplmnid" => Meaning::Bookkeeping,
        "mmehost" | "mmerealm" | "mmetimestamp" | "purgeflag" | "imeisv" => Meaning::ServingNode,
        first if KNOWN.contains(&first) => Meaning::Known,
        _ => Meaning::Unknown,
    }
}

/// Whether a member of a document holds no credential however much is in it: it is not flattened.
pub(super) fn is_left_alone(name: &str) -> bool {
    let name = normalise(name);
    matches!(&*name, "slice" | "ambr" | "pdn" | "flowrules" | "qosflows" | "chargingdatas")
        || name.ends_with("subscriptiondata")
        || name.ends_with("subscriptiondatalist")
        || name.ends_with("policydata")
}

fn ours(name: &str) -> Option<Field> {
    Some(match name {
        "imsi" => Field::Imsi,
        "k" => Field::K,
        "opc" => Field::Opc,
        "op" => Field::Op,
        "amf" => Field::Amf,
        "sqn" => Field::Sqn,
        "seq" => Field::Seq,
        "indbitlen" => Field::IndBitlen,
        "profile" => Field::Profile,
        "expiresat" => Field::ExpiresAt,
        "attachbudget" => Field::AttachBudget,
        "msisdn" | "msisdn.0" => Field::Msisdn,
        "ip" | "address" => Field::Ip,
        "mode" => Field::Mode,
        "triple.url" => Field::TripleUrl,
        "triple.user" => Field::TripleUser,
        "triple.password" => Field::TriplePassword,
        _ => return None,
    })
}

/// By whom: Open5GS (`security.…`), free5GC and OAI's UDM (TS 29.505), PyHSS and card vendors (`ki`), OAI's HSS (`key`),
/// srsEPC (`op/opc`), osmo-hlr.
fn theirs(name: &str) -> Option<Field> {
    Some(match name {
        "ueid" | "supi" => Field::Imsi,
        "ki" | "key" | "security.k" | "permanentkey.permanentkeyvalue" | "encpermanentkey" => Field::K,
        "security.opc" | "opc.opcvalue" | "encopckey" => Field::Opc,
        "security.op" | "milenage.op.opvalue" => Field::Op,
        "op/opc" | "opc/op" => Field::OpOrOpc,
        "optype" => Field::OpType,
        "security.amf" | "authenticationmanagementfield" => Field::Amf,
        "security.sqn" | "sequencenumber" | "sequencenumber.sqn" => Field::Sqn,
        "ipalloc" => Field::Ip,
        "subscriberstatus" => Field::SubscriberStatus,
        "accessrestrictiondata" => Field::AccessRestrictionData,
        "networkaccessmode" => Field::NetworkAccessMode,
        "subscribedrautautimer" => Field::RauTauTimer,
        "operatordeterminedbarring" => Field::OperatorDeterminedBarring,
        "msisdn.1" => Field::AdditionalMsisdn,
        "enabled" => Field::Enabled,
        "auth" | "algo" | "algorithm" | "algorithmid" | "algoid3g" | "aud3g" | "authenticationmethod" => {
            Field::Algorithm
        }
        "protectionparameterid" | "permanentkey.encryptionalgorithm" | "opc.encryptionalgorithm" => {
            Field::Encryption
        }
        _ => return None,
    })
}

/// First parts of names, normalised, that HSSs and card vendors export.
const KNOWN: &[&str] = &[
    // Open5GS.
    "security",
    "msisdn",
    "imsis",
    "title",
    "lbo",
    "sst",
    "sd",
    // Cards.
    "name",
    "iccid",
    "acc",
    "pin",
    "pin1",
    "pin2",
    "puk",
    "puk1",
    "puk2",
    "adm",
    "adm1",
    "adm2",
    "adm3",
    "adm4",
    "eid",
    "smsp",
    "spn",
    "imei",
    "mcc",
    "mnc",
    "type",
    "status",
    "kic",
    "kic1",
    "kic2",
    "kic3",
    "kid",
    "kid1",
    "kid2",
    "kid3",
    "kik",
    "kik1",
    "kik2",
    "kik3",
    "otakey",
    "c1",
    "c2",
    "c3",
    "c4",
    "c5",
    "r1",
    "r2",
    "r3",
    "r4",
    "r5",
    // PyHSS.
    "batchname",
    "simvendor",
    "esim",
    "lpa",
    "psk",
    "des",
    "misc1",
    "misc2",
    "misc3",
    "misc4",
    "defaultapn",
    "apnlist",
    "ueambrdl",
    "ueambrul",
    "nam",
    "roamingenabled",
    "roamingrulelist",
    "servingmme",
    "servingmmetimestamp",
    "servingmmerealm",
    "servingmmepeer",
    // free5GC and TS 29.505.
    "permanentkey",
    "milenage",
    "opc",
    "tuak",
    "sequencenumber",
    "enctopckey",
    "topc",
    "vectorgenerationinhss",
    "n5gcauthmethod",
    "rgauthenticationind",
    "akmaallowed",
    "routingid",
    "accessandmobilitysubscriptiondata",
    "sessionmanagementsubscriptiondata",
    "sessionmanagementsubscriptiondatalist",
    "smfselectionsubscriptiondata",
    "ampolicydata",
    "smpolicydata",
    "flowrules",
    "qosflows",
    "chargingdatas",
    // OAI's HSS.
    "imeisv",
    "mspsstatus",
    "rautautimer",
    "ueambrul",
    "ueambrdl",
    "accessrestriction",
    "mmecap",
    "mmeidentityidmmeidentity",
    "idmmeidentity",
    "rfspindex",
    "urrpmme",
    "rand",
    "uereachability",
    "subscriptiondata",
    "lteimei",
    "niddvalidity",
    "visitedplmnid",
    // srsEPC, osmo-hlr.
    "qci",
    "namcs",
    "namps",
    "vlrnumber",
    "sgsnnumber",
    "msisdn",
    "lmsi",
    "periodicludt",
    "periodicrautautimer",
    "mspurgedcs",
    "mspurgedps",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_regard_to_case_blanks_and_dashes() {
        for (name, wanted) in [
            ("imsi", Meaning::Ours(Field::Imsi)),
            (" IMSI ", Meaning::Ours(Field::Imsi)),
            ("IND bitlen", Meaning::Ours(Field::IndBitlen)),
            ("Ki", Meaning::Theirs(Field::K)),
            ("security.k", Meaning::Theirs(Field::K)),
            ("AuthenticationSubscription.permanentKey.permanentKeyValue", Meaning::Theirs(Field::K)),
            ("encPermanentKey", Meaning::Theirs(Field::K)),
            ("OP/OPc", Meaning::Theirs(Field::OpOrOpc)),
            ("security.rand", Meaning::Known),
            ("slice.0.session.0.name", Meaning::Document(Field::Slice)),
            ("access_restriction_data", Meaning::Theirs(Field::AccessRestrictionData)),
            ("ICCID", Meaning::Known),
            ("_id", Meaning::Bookkeeping),
            ("__v", Meaning::Bookkeeping),
            ("mme_host", Meaning::ServingNode),
            ("eKi", Meaning::EncryptedKey),
            ("colour", Meaning::Unknown),
        ] {
            assert_eq!(meaning(name), wanted, "{name}");
        }
    }
}
