//! The decision by itself: limits, and what stands beside what.

use pva::{
    judge::{Claimed, Judgement, Known, NonceState, Question, judge},
    model::{Credential, Platform, ReferenceValue, Revocation, RevocationReason},
};
use schemas::{
    evidence::{Debugging, Evidence},
    octets::Octets,
    rest::provisioning::Requirements,
    trust::Leaf,
    verdict::Reason,
};
use uuid::Uuid;

use crate::harness::{BOOT, authority, claims};

const NOW: i64 = 1_800_000_000;

/// All that a judgement is made of, good as it is.
#[derive(Clone)]
struct Case {
    evidence: Evidence,
    certificate: Result<Box<Leaf>, String>,
    known: Known,
    requirements: Requirements,
}

impl Case {
    fn good() -> Self {
        let (pem, _) = authority("platforms").issue("tre-m1", |_| ());
        let der = schemas::trust::chain_from_pem(pem.as_bytes()).unwrap()[0].to_vec();
        let leaf = Leaf::parse(&der).unwrap();
        let mut evidence = claims("m1", &Octets(vec![7; 32]));
        evidence.issued = NOW as u64;
        let platform = Platform {
            tre_id: evidence.tre_id.clone(),
            device_id: evidence.device_id.clone(),
            supplier: evidence.supplier.clone(),
            model: "meter".parse().unwrap(),
            public_key: vec![1],
            enrolment: Uuid::nil(),
            revocation: None,
            enrolled_at: 0,
        };
        let credential = Credential {
            serial: leaf.serial.clone(),
            tre_id: platform.tre_id.clone(),
            der,
            public_key: vec![1],
            issued_at: NOW - 10,
            expires_at: NOW + 10,
            revocation: None,
        };
        let reference = |name: &str, boot_digest| ReferenceValue {
            supplier: platform.supplier.clone(),
            model: platform.model.clone(),
            name: name.parse().unwrap(),
            boot_digest,
            software: "fw".into(),
            software_version: "1.0".into(),
            hardware_version: None,
        };
        let references = vec![reference("other", [1; 32]), reference("stable", BOOT)];
        Self {
            evidence,
            certificate: Ok(Box::new(leaf)),
            known: Known {
                platform: Some(platform),
                credential: Some(credential),
                nonce: NonceState::Fresh,
                references,
            },
            requirements: Requirements::default(),
        }
    }

    fn judge(&self) -> Judgement {
        let claimed = Claimed::Signed {
            evidence: Box::new(self.evidence.clone()),
            certificate: self.certificate.clone(),
        };
        self.judge_as(&claimed)
    }

    fn judge_as(&self, claimed: &Claimed) -> Judgement {
        let question = Question {
            nonce: &[7; 32],
            requirements: &self.requirements,
            now: NOW,
            max_age: 300,
            clock_skew: 30,
        };
        judge(claimed, &self.known, &question)
    }
}

/// One case for each reason or more; the good one first.
#[test]
fn each_reason_is_found_by_itself() {
    type Change = fn(&mut Case);
    let held = Revocation { at: NOW - 5, reason: RevocationReason::CertificateHold };
    assert_eq!(held.reason.code(), 6);
    let table: &[(&str, Change, Option<Reason>)] = &[
        ("good", |_| (), None),
        ("as old as is allowed", |c| c.evidence.issued -= 300, None),
        ("too old", |c| c.evidence.issued -= 301, Some(Reason::Stale)),
        ("as early as is allowed", |c| c.evidence.issued += 30, None),
        ("from the future", |c| c.evidence.issued += 31, Some(Reason::Stale)),
        ("of the end of time", |c| c.evidence.issued = u64::MAX, Some(Reason::Stale)),
        (
            "the relying party wants it fresher",
            |c| {
                c.requirements.max_age = Some(10);
                c.evidence.issued -= 11;
            },
            Some(Reason::Stale),
        ),
        (
            "the relying party takes it older",
            |c| {
                c.requirements.max_age = Some(400);
                c.evidence.issued -= 400;
            },
            None,
        ),
        ("nonce never given", |c| c.known.nonce = NonceState::Unknown, Some(Reason::Replayed)),
        ("nonce used elsewhere", |c| c.known.nonce = NonceState::Used, Some(Reason::Replayed)),
        ("nonce of the same session", |c| c.known.nonce = NonceState::Ours, None),
        ("nonce expired", |c| c.known.nonce = NonceState::Expired, Some(Reason::Stale)),
        ("another nonce inside", |c| c.evidence.nonce = Octets(vec![8; 32]), Some(Reason::Replayed)),
        (
            "platform revoked",
            |c| {
                let revocation = Revocation { at: NOW, reason: RevocationReason::KeyCompromise };
                c.known.platform.as_mut().unwrap().revocation = Some(revocation);
            },
            Some(Reason::Revoked),
        ),
        (
            "certificate revoked",
            |c| {
                let revocation = Revocation { at: NOW, reason: RevocationReason::Superseded };
                c.known.credential.as_mut().unwrap().revocation = Some(revocation);
            },
            Some(Reason::Revoked),
        ),
        (
            "certificate of another CA, or expired",
            |c| c.certificate = Err("x".into()),
            Some(Reason::CertificateNotGood),
        ),
        (
            "certificate that was not issued here",
            |c| c.known.credential = None,
            Some(Reason::CertificateNotGood),
        ),
        (
            "certificate of another platform",
            |c| {
                c.known.credential.as_mut().unwrap().tre_id = "tre-m2".parse().unwrap();
            },
            Some(Reason::CertificateNotGood),
        ),
        (
            "another certificate of that serial number",
            |c| c.known.credential.as_mut().unwrap().der[20] ^= 1,
            Some(Reason::CertificateNotGood),
        ),
        ("boot digest", |c| c.evidence.boot_digest[0] ^= 1, Some(Reason::StateNotAccepted)),
        ("software", |c| c.evidence.software = "other".into(), Some(Reason::StateNotAccepted)),
        ("version", |c| c.evidence.software_version = "0.9".into(), Some(Reason::StateNotAccepted)),
        (
            "hardware that the reference names",
            |c| {
                c.known.references[1].hardware_version = Some("1".into());
            },
            None,
        ),
        (
            "hardware that it does not",
            |c| {
                c.known.references[1].hardware_version = Some("2".into());
            },
            Some(Reason::StateNotAccepted),
        ),
        ("no reference values", |c| c.known.references.clear(), Some(Reason::StateNotAccepted)),
        ("a state that is wanted", |c| c.requirements.states = vec!["x".into(), "stable".into()], None),
        (
            "a state that is not",
            |c| c.requirements.states = vec!["other".into()],
            Some(Reason::StateNotAccepted),
        ),
        ("debugging", |c| c.evidence.debugging = Debugging::Enabled, Some(Reason::NotSecure)),
        ("debugging disabled for now", |c| c.evidence.debugging = Debugging::Disabled, None),
        ("boot not verified", |c| c.evidence.verified_boot = false, Some(Reason::NotSecure)),
        ("device", |c| c.evidence.device_id = "m2".parse().unwrap(), Some(Reason::IdentityMismatch)),
        ("supplier", |c| c.evidence.supplier = "other".parse().unwrap(), Some(Reason::IdentityMismatch)),
        ("model", |c| c.evidence.model = "valve".into(), Some(Reason::IdentityMismatch)),
        ("a supplier that is wanted", |c| c.requirements.suppliers = vec!["acme".parse().unwrap()], None),
        (
            "a supplier that is not",
            |c| c.requirements.suppliers = vec!["other".parse().unwrap()],
            Some(Reason::IdentityMismatch),
        ),
        ("platform gone", |c| c.known.platform = None, Some(Reason::UnknownPlatform)),
    ];
    for (name, change, reason) in table {
        let mut case = Case::good();
        change(&mut case);
        let judgement = case.judge();
        assert_eq!(judgement.reasons, reason.iter().copied().collect::<Vec<_>>(), "{name}: {judgement:?}");
        assert_eq!(judgement.detail.len(), judgement.reasons.len(), "{name}: each reason is put into words");
        assert_eq!(judgement.good(), reason.is_none(), "{name}");
        assert_eq!(
            judgement.state.is_some(),
            *reason != Some(Reason::StateNotAccepted) && *reason != Some(Reason::UnknownPlatform),
            "{name}"
        );
    }
}

#[test]
fn of_evidence_that_is_not_by_its_platform_nothing_is_believed() {
    let case = Case::good();
    let evidence = case.evidence.clone();
    for (claimed, reason) in [
        (Claimed::Unreadable("x".into()), Reason::Malformed),
        (Claimed::Unknown(evidence), Reason::UnknownPlatform),
        (Claimed::Forged("x".into()), Reason::WrongSignature),
    ] {
        let judgement = case.judge_as(&claimed);
        assert_eq!(judgement.reasons, [reason]);
        assert!(!judgement.authentic && !judgement.uses_nonce && judgement.state.is_none(), "{reason:?}");
    }
    assert!(case.judge().authentic && case.judge().uses_nonce);
}

#[test]
fn several_reasons_are_told_at_once_and_each_once() {
    let mut case = Case::good();
    case.evidence.debugging = Debugging::Enabled;
    case.evidence.verified_boot = false;
    case.evidence.issued -= 1000;
    case.known.nonce = NonceState::Used;
    let judgement = case.judge();
    assert_eq!(judgement.reasons, [Reason::Replayed, Reason::Stale, Reason::NotSecure]);
    assert_eq!(judgement.detail.len(), 4);
    assert!(!judgement.uses_nonce, "a nonce that is used is not used anew");
}

#[test]
fn a_claimed_text_cannot_forge_a_line_of_a_log() {
    let mut case = Case::good();
    case.evidence.software = format!("fw\n2026 ERROR {}", "x".repeat(1000));
    let detail = case.judge().detail.join("");
    assert!(!detail.contains('\n') && detail.len() < 400, "{detail}");
}
