//! What a session is, and what is put into it.

use schemas::{
    identity::{DeviceId, Imsi, OperatorId, Pcid, Plmn, TreId},
    rest::provisioning::{Generated, ProvisioningResult, Refusal},
    rncp::Kind,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::machine::{Event, State, Step};

/// A session, without its large fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its name.
    pub id: Uuid,
    /// The RNCT that it follows.
    pub trigger: Uuid,
    /// PCID of the device.
    pub pcid: Pcid,
    /// The device.
    pub device_id: DeviceId,
    /// Its TRE.
    pub tre_id: TreId,
    /// What for.
    pub kind: Kind,
    /// Whose subscriber it is to become.
    pub operator: OperatorId,
    /// Where it is.
    pub state: State,
    /// What evidence has to hold.
    pub nonce: Vec<u8>,
    /// The certificate of the connection that opened it, DER; `None`: a call-home triple.
    pub certified: Option<Vec<u8>>,
    /// SHA-256 of the evidence.
    pub evidence_digest: Option<Vec<u8>>,
    /// By whose key reports are signed, DER.
    pub platform_certificate: Option<Vec<u8>>,
    /// The RNCP.
    pub rncp: Option<Uuid>,
    /// The PVA is asked again before the first part leaves.
    pub check_download: bool,
    /// What the device reported, or what became of it.
    pub result: Option<ProvisioningResult>,
    /// The device's word, if it failed.
    pub reason: Option<String>,
    /// Why it was refused, failed or has expired.
    pub refusal: Option<Refusal>,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// When the state was entered, milliseconds since 1970 UTC.
    pub entered_at: i64,
    /// Milliseconds since 1970 UTC.
    pub expires_at: i64,
}

/// What is put into a session, with what comes along.
#[derive(Debug, Clone)]
pub enum Input {
    /// Step 9.
    Evidence {
        /// As it came.
        octets: Vec<u8>,
        /// Of the platform key, DER.
        certificate: Vec<u8>,
    },
    /// Step 15: an RNCP that was checked.
    Authorised(Box<Checked>),
    /// Step 15, R17: an RNCP that was made by the operator's rule, and what the operator is told.
    Delegated(Box<Checked>, Box<Generated>),
    /// Step 15: the operator said no.
    OperatorRefused(Refusal),
    /// R17: the operator knows.
    Announced,
    /// What came cannot be used.
    Useless(Refusal),
    /// Step 15: an RNCP that is not as it has to be, and what it calls itself.
    BadPackage(Refusal, Uuid),
    /// Step 16: the device wants parts.
    Download,
    /// The PVA finds the platform good.
    PlatformGood,
    /// It does not.
    PlatformBad(Refusal),
    /// Step 18.
    Report {
        /// As it came.
        octets: Vec<u8>,
        /// Of which RNCP; nil if the device could not tell.
        rncp: Uuid,
        /// Whether it is installed.
        installed: bool,
        /// If not, why.
        reason: Option<String>,
    },
    /// Step 19.
    OperatorKnows,
    /// Step 19: the operator will never take the report.
    ReportRefused(Refusal),
    /// The time is over.
    Time,
}

impl Input {
    /// What it means to a session as it is now.
    #[must_use]
    pub fn event(&self, session: &Session) -> Event {
        match self {
            Self::Evidence { octets, .. } => {
                let digest = schemas::rncp::digest(octets);
                Event::Evidence { same: session.evidence_digest.as_deref() == Some(&digest) }
            }
            Self::Authorised(_) => Event::Authorised,
            Self::Delegated(..) => Event::Delegated,
            Self::OperatorRefused(_) => Event::OperatorRefused,
            Self::Announced => Event::Announced,
            Self::Useless(_) | Self::BadPackage(..) => Event::Useless,
            Self::Download => Event::Download { check: session.check_download },
            Self::PlatformGood => Event::PlatformGood,
            Self::PlatformBad(_) => Event::PlatformBad,
            Self::Report { installed, reason, .. } => {
                // ECDSA makes another signature each time: what counts is what was said.
                let result =
                    if *installed { ProvisioningResult::Installed } else { ProvisioningResult::Failed };
                let same = session.result == Some(result) && session.reason == *reason;
                Event::Report { same, installed: *installed }
            }
            Self::OperatorKnows => {
                Event::OperatorKnows { installed: session.result == Some(ProvisioningResult::Installed) }
            }
            Self::ReportRefused(_) => {
                Event::ReportRefused { installed: session.result == Some(ProvisioningResult::Installed) }
            }
            Self::Time => Event::Time,
        }
    }

    /// Its name in a session's history.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Evidence { .. } => "evidence",
            Self::Authorised(_) => "authorised",
            Self::Delegated(..) => "generated",
            Self::OperatorRefused(_) => "operator-refused",
            Self::Announced => "operator-knows-what-was-generated",
            Self::Useless(_) | Self::BadPackage(..) => "failed",
            Self::Download => "parts-agreed",
            Self::PlatformGood => "platform-good",
            Self::PlatformBad(_) => "platform-refused",
            Self::Report { .. } => "reported",
            Self::OperatorKnows => "operator-told",
            Self::ReportRefused(_) => "report-refused",
            Self::Time => "expired",
        }
    }
}

/// What came of an input.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The session as it is now.
    pub session: Session,
    /// The state before.
    pub before: State,
    /// How long it was in that state, milliseconds.
    pub spent: i64,
    /// What the machine said.
    pub step: Step,
}

/// An RNCP that may be downloaded: signed by its operator, for this session, and whole.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Its name.
    pub rncp: Uuid,
    /// The signed manifest.
    pub manifest: Vec<u8>,
    /// Digest (SHA-256, hexadecimal) and octets of each part, in the manifest's order.
    pub parts: Vec<(String, Vec<u8>)>,
    /// The PVA is to be asked again before the first part leaves.
    pub check_download: bool,
    /// Not to be installed after, milliseconds since 1970 UTC.
    pub expires_at: i64,
}

/// An operator's rule: what the DPF makes RNCPs by (seed, section 4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whose.
    pub operator: OperatorId,
    /// Its name.
    pub name: String,
    /// The first IMSI of those that the operator handed over.
    pub first_imsi: Imsi,
    /// The last, of as many digits.
    pub last_imsi: Imsi,
    /// The operator's network.
    pub home_plmn: Plmn,
    /// APN of the service.
    pub apn: String,
    /// AMF (TS 33.102 annex H).
    pub amf: [u8; 2],
}

/// A refusal.
#[must_use]
pub fn refusal(code: &str, detail: impl Into<String>, retry: bool) -> Refusal {
    Refusal { code: code.to_owned(), detail: detail.into(), retry }
}

/// A refusal of another role's, as it may be passed on: a word that is one, a text that is not too long.
#[must_use]
pub fn passed_on(refusal: Refusal) -> Refusal {
    let word = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    let good = (1..=64).contains(&refusal.code.len()) && refusal.code.bytes().all(word);
    let code = if good { refusal.code } else { "operator-refused".to_owned() };
    let detail = refusal.detail.chars().filter(|c| !c.is_control()).take(500).collect();
    Refusal { code, detail, retry: refusal.retry }
}

/// Milliseconds since 1970 UTC.
#[must_use]
pub fn now() -> i64 {
    milliseconds(OffsetDateTime::now_utc())
}

/// A time as the database has it.
#[must_use]
pub fn milliseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// A time of the database.
#[must_use]
pub fn instant(milliseconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Seconds since 1970 UTC.
#[must_use]
pub fn seconds() -> u64 {
    OffsetDateTime::now_utc().unix_timestamp().unsigned_abs()
}
