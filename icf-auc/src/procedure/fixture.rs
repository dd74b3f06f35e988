//! A subscriber for the tests of procedures.

use std::sync::Arc;

use schemas::{identity::Plmn, secret::Key128};

use crate::model::{
    AuthMaterial, Credential, CredentialState, IssuingMode, NodeKind, NodeReport, Profile, Rat, Registration,
    ServingNode, Snapshot, Timestamp,
};

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000);
pub(super) const HOME: [u8; 3] = [0x99, 0xf9, 0x17];

pub(super) fn home() -> Plmn {
    Plmn::from_octets(HOME).unwrap()
}

/// Active, 10,000 attaches of which 7 are used, anywhere, E-UTRAN in all its forms; not registered.
pub(super) fn subscriber() -> Snapshot {
    subscriber_with(|_, _| {})
}

pub(super) fn subscriber_with(change: impl FnOnce(&mut Credential, &mut Profile)) -> Snapshot {
    let mut credential = Credential {
        imsi: "999710000000001".parse().unwrap(),
        auth: AuthMaterial::Keys { k: Key128::new([1; 16]), opc: Key128::new([2; 16]) },
        amf: [0x80, 0],
        ind_bitlen: 5,
        state: CredentialState::Active,
        profile: "default".into(),
        expires_at: None,
        attach_budget: None,
        attaches: 7,
        address: Some([10, 45, 0, 2].into()),
        triple: None,
        msisdn: None,
        overrides: Default::default(),
        mode: IssuingMode::Generated,
        batch: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        version: 1,
    };
    let mut profile = Profile::provisioning("default", Some("10.45.0.0/16".parse().unwrap()));
    change(&mut credential, &mut profile);
    Snapshot { credential: Arc::new(credential), profile: Arc::new(profile), registration: None, sgsn: None }
}

/// The same, registered an hour ago.
pub(super) fn registered(kind: NodeKind, host: &str) -> Snapshot {
    let mut snapshot = subscriber();
    *snapshot.registered_mut(kind) = Some(Arc::new(Registration {
        imsi: snapshot.credential.imsi,
        kind,
        node: ServingNode { host: host.into(), realm: "visited.example".into() },
        visited_plmn: home(),
        rat: Rat::Eutran,
        address: snapshot.credential.address,
        imei: Some("356938035643803".into()),
        registered_at: NOW.plus(-3600),
        expires_at: NOW.plus(3600),
        purged: false,
        report: NodeReport::default(),
    }));
    snapshot
}
