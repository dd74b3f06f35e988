//! A device that is not ours: tests/python/device.py, made from docs/PROVISIONING.md and schemas/cddl, with pycose, cbor2,
//! cryptography and Python's TLS. It becomes its operator's subscriber; and whatever it does wrong is refused at the side
//! that can act, is put down there, and leaves nothing half done.

mod described;
mod identities;
mod later;
mod operators;
mod platforms;
mod rig;
mod trouble;

use anyhow::{Result, ensure};
use harness::{
    aka::{self, Subscriber},
    osmo,
    peer::Peer,
    roles::{Role, wait},
    s6a::Route,
};
use rig::{Rig, field, session_of, status};
use serde_json::{Value, json};

/// The operator's network, 999-01.
const HOME: [u8; 3] = [0x99, 0xf9, 0x10];

#[test]
fn becomes_its_operators_subscriber() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    let session = rig.authorised(&device)?;
    let manifest = rig.does(&device, "manifest", json!({}))?;
    ensure!(status(&manifest) == 200, "{manifest}");
    let digests: Vec<Value> =
        manifest["parts"].as_array().into_iter().flatten().map(|part| part["digest"].clone()).collect();
    ensure!(digests.len() > 1, "an RNCP of credentials alone negotiates nothing: {manifest}");
    // A digest that the device has does not travel; one that the manifest does not name means nothing.
    let have = json!({ "have": [digests[1], "00".repeat(32)] });
    let needed = rig.does(&device, "agree", have)?;
    ensure!(needed["json"]["needed"].as_array().is_some_and(|parts| parts.len() == digests.len() - 1));
    for digest in &digests {
        let part = rig.does(&device, "part", json!({ "digest": digest, "piece": 100 }))?;
        ensure!(status(&part) == 206 && part["digest"] == *digest, "{part}");
    }
    let installed = rig.does(&device, "install", json!({}))?;
    ensure!(installed["home"] == "999-01" && installed["apn"] == "internet", "{installed}");
    ensure!(status(&rig.does(&device, "report", json!({}))?) == 204);
    // An answer may be lost: the same report is answered alike, another is not taken.
    ensure!(status(&rig.does(&device, "report", json!({ "again": true }))?) == 204);
    let other = rig.does(&device, "report", json!({ "result": "failed", "reason": "storage-full" }))?;
    ensure!(status(&other) == 409, "{other}");
    rig.audited(Role::Dpf, "device.report", &session, "refused")?;
    wait("the session to be closed", || {
        Ok(rig.roles.get(Role::Dpf, &format!("/v1/sessions/{session}"))?["state"] == "closed")
    })?;
    let subscriptions = rig.roles.items(Role::Sho, "/v1/subscriptions?state=active")?;
    ensure!(subscriptions.len() == 1 && subscriptions[0]["imsi"] == installed["imsi"], "{subscriptions:?}");

    // What the device decrypted and what the operator's HSS knows is the same K: libosmocore computes the same AUTN.
    let octets = |name: &str| -> Result<[u8; 16]> {
        let octets = hex::decode(field(&installed, name)?)?;
        octets.try_into().map_err(|octets: Vec<u8>| anyhow::anyhow!("{name} of {} octets", octets.len()))
    };
    let subscriber = Subscriber { imsi: field(&installed, "imsi")?, k: octets("k")?, opc: octets("opc")? };
    let realm = "epc.mnc001.mcc999.3gppnetwork.org";
    let route = Route {
        host: format!("mme.{realm}"),
        realm: realm.into(),
        hss: format!("hss.{realm}"),
        hss_realm: realm.into(),
    };
    let mut mme = Peer::connect(rig.roles.hss_diameter, &route)?;
    let vector = aka::vector(&mme.air(&subscriber.imsi, HOME, 1, None)?)?;
    osmo::verify(&subscriber, &vector, HOME)?;
    Ok(())
}

/// Two sessions of a device by two triggers: what was said in one is nothing in the other.
#[test]
fn evidence_of_another_session_is_refused() -> Result<()> {
    let mut rig = Rig::start()?;
    let device = rig.device()?;
    rig.does(&device, "hello", json!({}))?;
    let first = session_of(&rig.does(&device, "start", json!({}))?)?;
    // Signed, and kept: it reaches no session but the second.
    let second = json!({ "body": { "trigger": "00000000-0000-4000-8000-000000000001" } });
    let lost = rig.does(&device, "evidence", json!({ "session": "00000000-0000-4000-8000-000000000002" }))?;
    ensure!(status(&lost) == 404, "{lost}");
    let second = session_of(&rig.does(&device, "start", second)?)?;
    ensure!(first != second);
    let replayed = rig.does(&device, "evidence", json!({ "again": true }))?;
    ensure!(status(&replayed) == 422, "{replayed}");
    ensure!(replayed["json"]["type"] == "/problems/evidence-not-of-session", "{replayed}");
    ensure!(field(&replayed["json"], "detail")?.contains("nonce"), "{replayed}");
    rig.audited(Role::Dpf, "device.evidence", &second, "another nonce")?;
    rig.nothing_done()
}
