//! What the store promises, on a file that is opened again for each look.

use pva::{
    judge::NonceState,
    model::{Credential, Platform, RevocationReason, Supplier},
    store::{Change, ChangeError, Enrol, EnrolError, Facts, Inquiry, Store, StoreError},
};
use schemas::rest::provisioning::ValidationCheck;
use uuid::Uuid;

struct File(tempfile::TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Store {
        Store::open(&format!("sqlite://{}", self.0.path().join("pva.db").display())).await.unwrap()
    }

    /// With a supplier, and one platform of key 1 with certificate 1.
    async fn prepared() -> (Self, Store) {
        let file = Self::new();
        let store = file.open().await;
        let supplier =
            Supplier { id: "acme".parse().unwrap(), name: "Acme".into(), enrols: true, devices: vec![] };
        assert!(store.put_supplier(&supplier).await.unwrap());
        assert!(!store.put_supplier(&supplier).await.unwrap());
        store.enrol(&batch(1, vec![(platform("m1", 1), credential("m1", 1, 1))])).await.unwrap();
        (file, store)
    }
}

fn platform(name: &str, key: u8) -> Platform {
    Platform {
        tre_id: format!("tre-{name}").parse().unwrap(),
        device_id: name.parse().unwrap(),
        supplier: "acme".parse().unwrap(),
        model: "meter".parse().unwrap(),
        public_key: vec![key],
        enrolment: Uuid::from_u128(1),
        revocation: None,
        enrolled_at: 1_000_000,
    }
}

fn credential(name: &str, key: u8, serial: u8) -> Credential {
    Credential {
        serial: vec![serial],
        tre_id: format!("tre-{name}").parse().unwrap(),
        der: vec![0xc0, serial],
        public_key: vec![key],
        issued_at: 1000,
        expires_at: 2000,
        revocation: None,
    }
}

fn batch(id: u128, platforms: Vec<(Platform, Credential)>) -> Enrol<'static> {
    static ACME: std::sync::LazyLock<schemas::identity::SupplierId> =
        std::sync::LazyLock::new(|| "acme".parse().unwrap());
    let digest = [u8::try_from(id).unwrap(); 32];
    let mut platforms = platforms;
    for (platform, _) in &mut platforms {
        platform.enrolment = Uuid::from_u128(id);
    }
    Enrol { id: Uuid::from_u128(id), supplier: &ACME, digest, at: 1_000_000, platforms }
}

#[tokio::test]
async fn an_enrolment_is_kept_whole_and_answered_alike() {
    let (file, store) = File::prepared().await;
    let two = batch(
        2,
        vec![(platform("m2", 2), credential("m2", 2, 2)), (platform("m1", 1), credential("m1", 1, 3))],
    );
    // m1 keeps the certificate that it has.
    assert_eq!(store.enrol(&two).await.unwrap(), [vec![0xc0, 2], vec![0xc0, 1]]);
    store.database().close().await;
    let store = file.open().await;
    assert_eq!(store.enrol(&two).await.unwrap(), [vec![0xc0, 2], vec![0xc0, 1]]);
    assert_eq!(store.enrolment(two.id, &two.digest).await.unwrap().unwrap().len(), 2);
    assert!(matches!(store.enrolment(two.id, &[9; 32]).await, Err(EnrolError::Reused(_))));
    assert!(store.enrolment(Uuid::from_u128(7), &[7; 32]).await.unwrap().is_none());
    // One that cannot be: nothing of the batch is there, its name neither.
    let bad = batch(
        3,
        vec![(platform("m3", 3), credential("m3", 3, 4)), (platform("m1", 9), credential("m1", 9, 5))],
    );
    let Err(EnrolError::Taken(why)) = store.enrol(&bad).await else { panic!() };
    assert_eq!(why, ["TRE tre-m1 is enrolled with another key"]);
    assert!(store.platform(&"tre-m3".parse().unwrap()).await.unwrap().is_none());
    assert!(store.enrolment(bad.id, &bad.digest).await.unwrap().is_none());
    assert_eq!(store.revocation(&[4]).await.unwrap(), None, "its certificate was never issued");
}

#[tokio::test]
async fn an_expired_certificate_is_not_given_again_by_an_enrolment() {
    let (_file, store) = File::prepared().await;
    let mut later = batch(2, vec![(platform("m1", 1), credential("m1", 1, 2))]);
    later.at = 2_000_000;
    assert_eq!(store.enrol(&later).await.unwrap(), [vec![0xc0, 2]]);
}

#[tokio::test]
async fn revocation_reaches_certificates_and_a_hold_gives_back_its_own_alone() {
    let (file, store) = File::prepared().await;
    let tre = "tre-m1".parse().unwrap();
    // A new key supersedes certificate 1; a hold and its release must not bring it back.
    store.add_credential(&[1], &credential("m1", 2, 2)).await.unwrap();
    let reason = async |store: &Store, serial: u8| {
        store.revocation(&[serial]).await.unwrap().unwrap().map(|revocation| revocation.reason)
    };
    assert_eq!(reason(&store, 1).await, Some(RevocationReason::Superseded));
    assert_eq!(reason(&store, 2).await, None);
    store.change(&tre, Change::Revoke(RevocationReason::CertificateHold), 1500).await.unwrap();
    store.database().close().await;
    let store = file.open().await;
    assert_eq!(reason(&store, 1).await, Some(RevocationReason::Superseded));
    assert_eq!(reason(&store, 2).await, Some(RevocationReason::CertificateHold));
    store.change(&tre, Change::Release, 1600).await.unwrap();
    assert_eq!(reason(&store, 1).await, Some(RevocationReason::Superseded));
    assert_eq!(reason(&store, 2).await, None);
    // From hold to for good: the time is that of the revocation.
    store.change(&tre, Change::Revoke(RevocationReason::CertificateHold), 1700).await.unwrap();
    let gone = store.change(&tre, Change::Revoke(RevocationReason::KeyCompromise), 1800).await.unwrap();
    assert_eq!(gone.revocation.unwrap().at, 1800);
    let credentials = store.credentials(&tre).await.unwrap();
    assert!(credentials.iter().any(|it| it.revocation == gone.revocation));
    let error = store.add_credential(&[2], &credential("m1", 2, 3)).await.unwrap_err();
    assert!(matches!(error, ChangeError::Revoked { .. }), "{error}");
    let nobody = "tre-x".parse().unwrap();
    assert!(matches!(store.change(&nobody, Change::Release, 0).await, Err(ChangeError::Unknown(_))));
}

#[tokio::test]
async fn a_key_that_was_replaced_meanwhile_or_is_taken_is_refused() {
    let (_file, store) = File::prepared().await;
    store.enrol(&batch(2, vec![(platform("m2", 2), credential("m2", 2, 2))])).await.unwrap();
    let error = store.add_credential(&[7], &credential("m1", 8, 3)).await.unwrap_err();
    assert!(matches!(error, ChangeError::KeyChanged(_)), "{error}");
    let error = store.add_credential(&[1], &credential("m1", 2, 3)).await.unwrap_err();
    assert!(matches!(error, ChangeError::KeyTaken(_)), "{error}");
    assert_eq!(store.credentials(&"tre-m1".parse().unwrap()).await.unwrap().len(), 1);
}

fn inquiry(session: u128, request: u8, evidence: u8, now: i64) -> Inquiry {
    Inquiry {
        session: Uuid::from_u128(session),
        check: ValidationCheck::Provisioning,
        request: [request; 32],
        nonce: vec![5; 32],
        evidence: [evidence; 32],
        tre: None,
        serial: None,
        now,
    }
}

/// Asks, and uses the nonce up; what the store said.
async fn ask(store: &Store, inquiry: Inquiry) -> Result<(&'static str, NonceState), StoreError> {
    let (tell, said) = tokio::sync::oneshot::channel();
    store
        .validate(inquiry, move |_, facts| {
            let (word, nonce, answer) = match facts {
                Facts::Answered(signed) => ("answered", NonceState::Unknown, (signed, None)),
                Facts::Otherwise(known) => ("otherwise", known.nonce, (Vec::new(), None)),
                Facts::Open(known) => {
                    ("open", known.nonce, (vec![1], Some(known.nonce == NonceState::Fresh)))
                }
            };
            tell.send((word, nonce)).unwrap();
            Ok::<_, StoreError>(answer)
        })
        .await?;
    Ok(said.await.unwrap())
}

#[tokio::test]
async fn a_nonce_is_used_once_and_a_verdict_given_once() {
    let (file, store) = File::prepared().await;
    assert_eq!(ask(&store, inquiry(1, 1, 1, 100)).await.unwrap(), ("open", NonceState::Unknown));
    store.give_nonce(&[5; 32], 1000).await.unwrap();
    assert_eq!(ask(&store, inquiry(2, 1, 1, 1001)).await.unwrap(), ("open", NonceState::Expired));
    assert_eq!(ask(&store, inquiry(3, 1, 1, 1000)).await.unwrap(), ("open", NonceState::Fresh));
    store.database().close().await;
    let store = file.open().await;
    assert_eq!(ask(&store, inquiry(3, 1, 1, 9999)).await.unwrap().0, "answered");
    assert_eq!(ask(&store, inquiry(3, 2, 1, 100)).await.unwrap(), ("otherwise", NonceState::Ours));
    assert_eq!(ask(&store, inquiry(3, 2, 2, 100)).await.unwrap(), ("otherwise", NonceState::Used));
    assert_eq!(ask(&store, inquiry(4, 1, 1, 100)).await.unwrap(), ("open", NonceState::Used));
    let mut download = inquiry(3, 1, 1, 9999);
    download.check = ValidationCheck::Download;
    assert_eq!(ask(&store, download).await.unwrap(), ("open", NonceState::Ours));
}

#[tokio::test]
async fn a_decision_that_fails_leaves_no_trace() {
    let (_file, store) = File::prepared().await;
    store.give_nonce(&[5; 32], 1000).await.unwrap();
    let failed = store.validate(inquiry(1, 1, 1, 100), |_, _| Err(StoreError::Damaged("test"))).await;
    assert!(failed.is_err());
    assert_eq!(ask(&store, inquiry(1, 1, 1, 100)).await.unwrap(), ("open", NonceState::Fresh));
}

#[tokio::test]
async fn what_is_out_of_date_is_forgotten_and_the_rest_kept() {
    let (_file, store) = File::prepared().await;
    store.give_nonce(&[5; 32], 1000).await.unwrap();
    store.give_nonce(&[6; 32], 2000).await.unwrap();
    ask(&store, inquiry(1, 1, 1, 100)).await.unwrap();
    assert_eq!(store.forget(1000, 100).await.unwrap(), (0, 0));
    assert_eq!(store.forget(1001, 101).await.unwrap(), (1, 1));
    // Forgotten is not fresh.
    assert_eq!(ask(&store, inquiry(1, 1, 1, 100)).await.unwrap(), ("open", NonceState::Unknown));
}
