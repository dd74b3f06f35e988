//! Credentials, registrations and keys for the store's tests.

#![allow(dead_code, reason = "each test binary uses some of it")]

use icf_auc::{
    model::{
        AuthMaterial, Credential, CredentialState, IssuingMode, NodeKind, NodeReport, Rat, Registration,
        ServingNode, Timestamp,
    },
    store::{
        Done, NewCredential, Op, Outgoing, OutgoingMessage, PooledVector, Store, StoreError, TakeOver,
        sealed::Keyring,
        sqlite::{OpenOptions, SequenceClock, SqliteStore},
    },
};
use schemas::{identity::Imsi, secret::Key128};

/// Address pool of the profile "default".
pub const POOL: &str = "10.45.128.0/17";

/// Two at-rest keys.
pub const KEY_1: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
pub const KEY_2: &str = "2:HxwdHhscFxgZGhUWExQREg8QDQ4LDAkKBwgFBgMEAQA=\n";

pub fn keyring(text: &str) -> Keyring {
    Keyring::parse(text).unwrap()
}

pub fn imsi(n: u64) -> Imsi {
    "999710000000000".parse::<Imsi>().unwrap().checked_add(n).unwrap()
}

pub fn credential(n: u64) -> NewCredential {
    let octet = (n % 251) as u8;
    NewCredential {
        credential: Credential {
            imsi: imsi(n),
            auth: AuthMaterial::Keys { k: Key128::new([octet; 16]), opc: Key128::new([!octet; 16]) },
            triple: None,
            amf: [0x80, 0x00],
            ind_bitlen: 5,
            state: CredentialState::Active,
            profile: "default".into(),
            expires_at: None,
            attach_budget: None,
            attaches: 0,
            address: None,
            msisdn: None,
            overrides: Default::default(),
            mode: IssuingMode::Generated,
            batch: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            version: 0,
        },
        next_seq: 1,
    }
}

pub fn credentials(numbers: std::ops::Range<u64>) -> Vec<NewCredential> {
    numbers.map(credential).collect()
}

pub fn pool_credential(n: u64) -> NewCredential {
    let mut new = credential(n);
    new.credential.auth = AuthMaterial::Pool;
    new
}

pub fn node(host: &str) -> ServingNode {
    ServingNode { host: host.into(), realm: "localdomain".into() }
}

pub fn registration(n: u64, host: &str) -> Registration {
    Registration {
        imsi: imsi(n),
        kind: NodeKind::Mme,
        node: node(host),
        visited_plmn: "999-71".parse().unwrap(),
        rat: Rat::Eutran,
        address: None,
        imei: Some("35609204079300".into()),
        registered_at: Timestamp(1_000),
        expires_at: Timestamp::now().plus(3600),
        purged: false,
        report: NodeReport::default(),
    }
}

pub fn register(n: u64, host: &str) -> Op {
    Op::Register {
        registration: Box::new(registration(n, host)),
        count_attach: true,
        pool: Some(POOL.parse().unwrap()),
        take_over: TakeOver::default(),
        notify: false,
    }
}

pub fn lease(n: u64, count: u32) -> Op {
    Op::Lease { imsi: imsi(n), count, above: None }
}

pub fn cancel_of(n: u64, host: &str) -> Outgoing {
    let message = OutgoingMessage::Cancel { cancellation_type: 0, clr_flags: Some(2) };
    Outgoing { imsi: imsi(n), node: node(host), message }
}

pub fn vector(n: u8) -> PooledVector {
    PooledVector { rand: [n; 16], xres: vec![n; 8], autn: [n ^ 1; 16], kasme: [n ^ 2; 32] }
}

/// Commits one operation.
pub async fn one(store: &dyn Store, op: Op) -> Result<Done, StoreError> {
    let mut results = store.commit(std::slice::from_ref(&op)).await.unwrap();
    assert_eq!(results.len(), 1);
    results.remove(0)
}

/// The range that one lease gives.
pub async fn leased(store: &dyn Store, op: Op) -> std::ops::Range<u64> {
    match one(store, op).await {
        Ok(Done::Lease(range)) => range,
        other => panic!("{other:?}"),
    }
}

/// The address that one registration gives.
pub async fn address(store: &dyn Store, op: Op) -> Option<std::net::IpAddr> {
    match one(store, op).await {
        Ok(Done::Registered { address, .. }) => address,
        other => panic!("{other:?}"),
    }
}

pub fn url(folder: &std::path::Path) -> String {
    format!("sqlite://{}", folder.join("icf.db").display())
}

pub async fn open(folder: &std::path::Path, keys: &str) -> Result<SqliteStore, StoreError> {
    let options = OpenOptions {
        pool: Some(POOL.parse().unwrap()),
        clock: SequenceClock::fixed(0),
        ..OpenOptions::default()
    };
    SqliteStore::open(&url(folder), keyring(keys), options).await
}
