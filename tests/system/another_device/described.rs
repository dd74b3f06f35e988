//! What the DPF has for devices is as its OpenAPI document says: schemathesis asks as a device, with its certificate.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use harness::{
    programs,
    roles::{Role, Roles, wait},
    schemathesis::DeviceApi,
};
use serde_json::{Value, json};

use super::rig::{Rig, status};

#[test]
fn the_dpf_is_to_devices_as_it_is_described() -> Result<()> {
    let mut roles = Roles::new()?;
    // schemathesis waits ten seconds for an answer, whatever it has asked to be waited for.
    roles.rewrite(Role::Dpf, &[("[dpf]\n", "[dpf]\nlongest_wait = \"1s\"\n")])?;
    roles.start_all()?;
    let mut rig = Rig::with(roles)?;
    let device = rig.device()?;
    // A session whose manifest and parts can be had.
    let session = rig.begins(&device, json!({}))?;
    wait("the operator to decide", || {
        Ok(rig.does(&device, "poll", json!({ "wait": 1 }))?["json"]["state"] == "authorised")
    })?;
    ensure!(status(&rig.does(&device, "agree", json!({}))?) == 200);
    let document = std::fs::read(programs::workspace().join("schemas/openapi/dpf-device.json"))?;
    let document: Value = serde_json::from_slice(&document)?;
    let file = |extension: &str| -> PathBuf {
        rig.roles.folder().join("others").join(&device.id).with_extension(extension)
    };
    let api = DeviceApi {
        port: rig.base + 3,
        ca: rig.roles.folder().join("pki/root.crt"),
        identity: (file("crt"), file("key")),
        session: &session,
    };
    api.conforms(rig.roles.folder(), &document)?;
    ensure!(rig.roles.process(Role::Dpf)?.running().is_ok());
    Ok(())
}
