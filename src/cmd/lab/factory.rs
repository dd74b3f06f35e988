//! The supplier's factory: a device's platform key is made in it, its public part is enrolled with the PVA, and what the
//! device needs is embedded (seed, sections 2.6 and 3.2.3).

use std::fs;

use anyhow::{Context, ensure};
use icf_auc::chtif::issued::IssuedCredential;
use reqwest::Method;
use schemas::{
    cose::{PrivateKey, Signer},
    enrolment::{self, Enrolment, Platform},
    identity::{DeviceId, SupplierId, TreId},
    octets::Octets,
    rncp::digest,
};
use serde_json::json;
use service::client::RoleClient;
use time::OffsetDateTime;
use ue_sim::tre::{DebugStatus, Manufacture, Measured, Provisional, Tre};
use uuid::Uuid;

use super::super::files::write_private;
use super::{
    roles::{Roles, SUPPLIER},
    setup::Folder,
};

/// Model of the lab's devices.
pub const MODEL: &str = "meter";
/// What they run.
const SOFTWARE: (&str, &str) = ("meter-firmware", "1.0");

/// What a device measures at its start, and what the PVA accepts.
fn measured() -> Measured {
    Measured {
        model: MODEL.to_owned(),
        hardware_version: "1".to_owned(),
        software: SOFTWARE.0.to_owned(),
        software_version: SOFTWARE.1.to_owned(),
        boot_digest: digest(b"callhome lab: firmware of a meter, 1.0"),
        verified_boot: true,
        debugging: DebugStatus::DisabledSinceBoot,
    }
}

/// Tells the PVA of supplier and accepted state. The same again changes nothing.
///
/// # Errors
/// If the PVA does not take it.
pub async fn announce(pva: &RoleClient) -> anyhow::Result<()> {
    let supplier = json!({ "name": "Acme Meters", "enrols": true });
    put(pva, &format!("/v1/suppliers/{SUPPLIER}"), &supplier).await?;
    let state = json!({
        "boot_digest": hex::encode(measured().boot_digest),
        "software": SOFTWARE.0,
        "software_version": SOFTWARE.1,
    });
    put(pva, &format!("/v1/reference-values/{SUPPLIER}/{MODEL}/released"), &state).await
}

/// PUTs JSON, and does not look at what is answered.
pub async fn put(role: &RoleClient, path: &str, body: &serde_json::Value) -> anyhow::Result<()> {
    let body = serde_json::to_vec(body)?;
    role.send(Method::PUT, path, "application/json", body).await.with_context(|| format!("PUT {path}"))?;
    Ok(())
}

/// Makes the device `name` with a provisional credential, or opens it if it has been made.
///
/// # Errors
/// Which part of it fails.
pub async fn device(
    folder: &Folder,
    roles: &Roles,
    pva: &RoleClient,
    name: &str,
    credential: &IssuedCredential,
) -> anyhow::Result<Tre> {
    let home = folder.path(&format!("devices/{name}"));
    if home.join("state").exists() {
        return Ok(Tre::open(&home)?);
    }
    folder.make("devices")?;
    // Kept until the device is made: what is enrolled once is not enrolled with another key.
    let key_file = folder.path(&format!("devices/{name}.key"));
    let key = if key_file.exists() {
        PrivateKey::from_pem(&service::config::read_private_file(&key_file)?)?
    } else {
        let key = PrivateKey::generate()?;
        write_private(&key_file, key.to_pem()?.as_bytes())?;
        key
    };
    let (device_id, tre_id): (DeviceId, TreId) = (name.parse()?, format!("tre-{name}").parse()?);
    let enrolled = enrol(roles, pva, vec![platform(&key, &device_id, &tre_id)?]).await?;
    let certificate = enrolled.into_iter().next().context("no certificate")?;
    let anchors = anchors(roles)?;
    let device = manufacture(&anchors, (device_id, tre_id), key, certificate, credential)?;
    let made = Tre::manufacture(&home, device)?;
    // The key is in the device now, and nowhere else.
    fs::remove_file(&key_file).with_context(|| key_file.display().to_string())?;
    Ok(made)
}

/// The authorities that devices trust, PEM.
///
/// # Errors
/// If there are none.
pub fn anchors(roles: &Roles) -> anyhow::Result<String> {
    fs::read_to_string(roles.pki.root().cert).context("the trust anchor")
}

/// What is embedded in a device whose key was certified.
///
/// # Errors
/// If the provisional credential cannot be read.
pub fn manufacture(
    anchors: &str,
    (device_id, tre_id): (DeviceId, TreId),
    platform_key: PrivateKey,
    certificate: Vec<u8>,
    credential: &IssuedCredential,
) -> anyhow::Result<Manufacture> {
    let (k, opc) = credential.keys()?;
    let triple = credential.triple.as_ref().map(|triple| ue_sim::tre::Triple {
        url: triple.url.clone(),
        username: triple.user.clone(),
        password: triple.password.to_string(),
    });
    Ok(Manufacture {
        device_id,
        tre_id,
        pcid: credential.imsi,
        supplier: SUPPLIER.parse()?,
        platform_key,
        platform_chain: vec![certificate],
        anchors: anchors.to_owned(),
        triple,
        provisional: Some(Provisional { k, opc }),
        measured: measured(),
    })
}

/// A platform as its supplier enrols it.
///
/// # Errors
/// If the key has no public part.
pub fn platform(key: &PrivateKey, device_id: &DeviceId, tre_id: &TreId) -> anyhow::Result<Platform> {
    Ok(Platform {
        device_id: device_id.clone(),
        tre_id: tre_id.clone(),
        model: MODEL.to_owned(),
        public_key: Octets(key.spki()?),
    })
}

/// Enrols platforms, [`enrolment::MAX_PLATFORMS`] at most; gives their certificates, DER, in the same order.
///
/// # Errors
/// If the supplier's key cannot be read, or the PVA does not take it.
pub async fn enrol(
    roles: &Roles,
    pva: &RoleClient,
    platforms: Vec<Platform>,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let supplier: SupplierId = SUPPLIER.parse()?;
    let pair = roles.pki.signing(SUPPLIER);
    let signer = Signer::from_pem(&service::config::read_private_file(&pair.key)?, &fs::read(&pair.cert)?)
        .context("the supplier's key")?;
    let count = platforms.len();
    let enrolment = Enrolment {
        version: enrolment::VERSION,
        id: Uuid::now_v7(),
        supplier,
        issued: u64::try_from(OffsetDateTime::now_utc().unix_timestamp())?,
        platforms,
    };
    let batch = signer.sign(enrolment::CONTENT_TYPE, enrolment.encode()?)?;
    let answer =
        pva.send(Method::POST, "/v1/enrolments", "application/cose", batch).await.context("enrolment")?;
    let certificates: Vec<Octets> =
        serde_json::from_slice(answer.body()).context("the PVA's certificates")?;
    let given = certificates.len();
    ensure!(given == count, "the PVA answers {given} certificates for {count} platforms");
    Ok(certificates.into_iter().map(|certificate| certificate.0).collect())
}
