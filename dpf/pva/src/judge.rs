//! Whether a platform is genuine, whole and in an accepted state (seed, section 5 steps 12 and 13): the decision, from
//! what was sent and what is known. No clock, no database, no keys.

use schemas::{
    evidence::{Debugging, Evidence},
    identity::SupplierId,
    rest::provisioning::Requirements,
    trust::Leaf,
    verdict::Reason,
};

use crate::model::{Credential, Platform, ReferenceValue, Revocation};

/// Evidence, as far as it can be read and its signature holds.
#[derive(Debug, Clone)]
pub enum Claimed {
    /// It is not evidence; why.
    Unreadable(String),
    /// It says it is of a TRE that is not enrolled.
    Unknown(Evidence),
    /// It says it is of an enrolled TRE and is signed by another key than that TRE's; why.
    Forged(String),
    /// Signed by the key that is enrolled for its TRE.
    Signed {
        /// What it says.
        evidence: Box<Evidence>,
        /// Its certificate, if that leads to the platform CA and is in force; else why not.
        certificate: Result<Box<Leaf>, String>,
    },
}

/// A nonce, for one session and one piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceState {
    /// Not one that was given here, or forgotten since.
    Unknown,
    /// Given, and not used in time.
    Expired,
    /// Given, and not used.
    Fresh,
    /// Used by this session with this evidence: another check of the same.
    Ours,
    /// Used by another session, or with other evidence.
    Used,
}

/// What is known to the PVA of what is claimed.
#[derive(Debug, Clone)]
pub struct Known {
    /// The platform of the TRE that the evidence names.
    pub platform: Option<Platform>,
    /// The certificate with the serial number that the evidence came with.
    pub credential: Option<Credential>,
    /// The nonce that the relying party asked about.
    pub nonce: NonceState,
    /// Accepted states of the platform's model.
    pub references: Vec<ReferenceValue>,
}

/// What is asked, and when.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The nonce that the evidence has to hold.
    pub nonce: &'a [u8],
    /// What the relying party requires.
    pub requirements: &'a Requirements,
    /// Now, seconds since 1970 UTC.
    pub now: i64,
    /// Evidence may be this old where the relying party says nothing, seconds.
    pub max_age: u32,
    /// Evidence may be this far in the future, seconds: clocks differ.
    pub clock_skew: u32,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// Why not; empty if good.
    pub reasons: Vec<Reason>,
    /// Words for people, one sentence or more for each reason.
    pub detail: Vec<String>,
    /// Name of the reference value that matched.
    pub state: Option<String>,
    /// Whether the evidence is signed by its platform, so that it can be said who it is.
    pub authentic: bool,
    /// Whether the nonce is used up by this.
    pub uses_nonce: bool,
}

impl Judgement {
    /// Whether the platform is to be trusted now.
    #[must_use]
    pub fn good(&self) -> bool {
        self.reasons.is_empty()
    }

    fn add(&mut self, reason: Reason, detail: impl Into<String>) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
        self.detail.push(detail.into());
    }
}

/// Judges. Of evidence that is not by its platform nothing is believed, and that reason stands alone; else all reasons
/// are told.
#[must_use]
pub fn judge(claimed: &Claimed, known: &Known, question: &Question<'_>) -> Judgement {
    let mut judgement = Judgement::default();
    let (evidence, certificate) = match claimed {
        Claimed::Unreadable(why) => {
            judgement.add(Reason::Malformed, format!("the evidence cannot be read: {why}"));
            return judgement;
        }
        Claimed::Unknown(evidence) => {
            judgement.add(
                Reason::UnknownPlatform,
                format!("TRE {} is not enrolled here; its supplier has to enrol it", evidence.tre_id),
            );
            return judgement;
        }
        Claimed::Forged(why) => {
            judgement.add(Reason::WrongSignature, format!("not signed by the enrolled platform key: {why}"));
            return judgement;
        }
        Claimed::Signed { evidence, certificate } => (evidence.as_ref(), certificate),
    };
    let Some(platform) = &known.platform else {
        judgement.add(Reason::UnknownPlatform, format!("TRE {} is not enrolled here", evidence.tre_id));
        return judgement;
    };
    judgement.authentic = true;
    credential(&mut judgement, platform, certificate, known.credential.as_ref());
    nonce(&mut judgement, evidence, known.nonce, question);
    age(&mut judgement, evidence, question);
    state(&mut judgement, evidence, &known.references, &question.requirements.states);
    security(&mut judgement, evidence);
    identities(&mut judgement, evidence, platform, &question.requirements.suppliers);
    judgement
}

/// The platform's certificate: of our CA, in force, issued here, for this TRE, not revoked.
fn credential(
    judgement: &mut Judgement,
    platform: &Platform,
    certificate: &Result<Box<Leaf>, String>,
    issued: Option<&Credential>,
) {
    if let Some(revocation) = platform.revocation {
        judgement.add(Reason::Revoked, format!("the platform is revoked: {}", shown(revocation)));
    }
    let leaf = match certificate {
        Ok(leaf) => leaf,
        Err(why) => {
            judgement.add(
                Reason::CertificateNotGood,
                format!("{why}; POST /v1/platforms/{}/certificate gives a new one", platform.tre_id),
            );
            return;
        }
    };
    match issued {
        None => judgement.add(
            Reason::CertificateNotGood,
            "the certificate is of the platform CA, but was not issued by this PVA".to_owned(),
        ),
        Some(issued) if issued.der != leaf.der || issued.tre_id != platform.tre_id => judgement
            .add(Reason::CertificateNotGood, "the certificate is not the one that was issued".to_owned()),
        Some(issued) => {
            if let Some(revocation) = issued.revocation {
                judgement.add(Reason::Revoked, format!("its certificate is revoked: {}", shown(revocation)));
            }
        }
    }
}

fn shown(revocation: Revocation) -> String {
    let since = time::OffsetDateTime::from_unix_timestamp(revocation.at).ok();
    let since = since.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
    format!("{} since {}", revocation.reason.name(), since.unwrap_or_default())
}

/// RFC 9711 §4.1: the nonce is the verifier's, and for one use.
fn nonce(judgement: &mut Judgement, evidence: &Evidence, state: NonceState, question: &Question<'_>) {
    if evidence.nonce.0 != question.nonce {
        judgement.add(Reason::Replayed, "the evidence holds another nonce than the one asked about");
        return;
    }
    match state {
        NonceState::Unknown => {
            judgement.add(Reason::Replayed, "the nonce was not given by this PVA: POST /v1/nonces gives one");
        }
        NonceState::Used => {
            judgement
                .add(Reason::Replayed, "the nonce has been used already, in another session or evidence");
        }
        NonceState::Expired => {
            judgement.add(Reason::Stale, "the nonce has expired: ask for another, and for new evidence");
        }
        NonceState::Fresh | NonceState::Ours => judgement.uses_nonce = true,
    }
}

/// `iat` (RFC 8392 §3.1.6): neither too old nor from the future.
fn age(judgement: &mut Judgement, evidence: &Evidence, question: &Question<'_>) {
    let now = question.now.unsigned_abs();
    let max_age = question.requirements.max_age.unwrap_or(question.max_age);
    if evidence.issued > now.saturating_add(question.clock_skew.into()) {
        let ahead = evidence.issued - now;
        judgement
            .add(Reason::Stale, format!("the evidence is of {ahead} s from now: set the device's clock"));
    } else if now.saturating_sub(evidence.issued) > max_age.into() {
        let age = now.saturating_sub(evidence.issued);
        judgement.add(Reason::Stale, format!("the evidence is {age} s old, {max_age} s are allowed"));
    }
}

/// Measured state against accepted states.
fn state(judgement: &mut Judgement, evidence: &Evidence, references: &[ReferenceValue], wanted: &[String]) {
    let matching: Vec<&str> = references
        .iter()
        .filter(|reference| {
            reference.boot_digest == evidence.boot_digest
                && reference.software == evidence.software
                && reference.software_version == evidence.software_version
                && reference.hardware_version.as_ref().is_none_or(|hw| *hw == evidence.hardware_version)
        })
        .map(|reference| reference.name.as_str())
        .collect();
    let accepted = matching.iter().find(|name| wanted.is_empty() || wanted.iter().any(|w| w == *name));
    judgement.state = accepted.map(|name| (*name).to_owned());
    match (accepted, matching.first()) {
        (Some(_), _) => {}
        (None, Some(name)) => judgement.add(
            Reason::StateNotAccepted,
            format!("it is in state {name:?}, which the relying party does not accept"),
        ),
        (None, None) => judgement.add(
            Reason::StateNotAccepted,
            format!(
                "no reference value is {} {} with boot digest {}",
                short(&evidence.software),
                short(&evidence.software_version),
                hex::encode(evidence.boot_digest)
            ),
        ),
    }
}

/// A claimed text, safe for a log: cut, and without control characters.
fn short(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

/// `dbgstat` (RFC 9711 §4.2.9) and verified boot.
fn security(judgement: &mut Judgement, evidence: &Evidence) {
    if evidence.debugging == Debugging::Enabled {
        judgement.add(Reason::NotSecure, "debugging is enabled (dbgstat, RFC 9711 §4.2.9)");
    }
    if !evidence.verified_boot {
        judgement.add(Reason::NotSecure, "the boot was not a verified one");
    }
}

/// Who it says it is against who is enrolled, and against whom the relying party accepts.
fn identities(judgement: &mut Judgement, evidence: &Evidence, platform: &Platform, suppliers: &[SupplierId]) {
    if evidence.device_id != platform.device_id {
        judgement.add(
            Reason::IdentityMismatch,
            format!("TRE {} is enrolled with device {}", platform.tre_id, platform.device_id),
        );
    }
    if evidence.supplier != platform.supplier || evidence.model != platform.model.as_str() {
        judgement.add(
            Reason::IdentityMismatch,
            format!("enrolled is a {} of {}", platform.model, platform.supplier),
        );
    }
    if !suppliers.is_empty() && !suppliers.contains(&platform.supplier) {
        judgement.add(
            Reason::IdentityMismatch,
            format!("supplier {} is not one that the relying party accepts", platform.supplier),
        );
    }
}
