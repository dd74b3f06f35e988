//! A fleet before it goes out: credentials, platform keys and certificates, contracts, the registry. Each in bulk, as a
//! factory and an operator do it.

use std::{
    io::{BufRead, BufReader},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::{StreamExt, stream};
use icf_auc::chtif::issued::IssuedCredential;
use reqwest::Method;
use schemas::{
    cose::PrivateKey,
    identity::{DeviceId, Imsi, TreId},
};
use serde::Serialize;
use serde_json::json;
use ue_sim::fleet::FleetDevice;
use zeroize::Zeroizing;

use super::progress::Line;
use crate::cmd::lab::{
    clients::Clients,
    factory,
    roles::{OPERATOR, Ports, Roles, SUPPLIER},
    setup::Folder,
    supply,
};

/// Platforms of an enrolment: a request that does not take long.
const ENROLLED_AT_ONCE: usize = 250;
/// Contracts that are concluded at a time; the SHO takes them one by one.
const CONTRACTS_AT_ONCE: usize = 16;
/// PCIDs of the first fleet: above all those of the lab's own batch, which has up to ten million.
const FIRST_MSIN: u64 = 1_000_000_001;
/// PCIDs that a fleet may have.
const MSINS: u64 = 100_000;
/// Fleets of one lab: as the MSIN has ten digits.
const FLEETS: u64 = 89_999;

/// What is to be made.
#[derive(Debug)]
pub struct Fleet<'a> {
    /// The lab's data.
    pub folder: &'a Folder,
    /// Its roles.
    pub roles: &'a Roles,
    /// Where they are.
    pub ports: Ports,
    /// And how to ask them.
    pub clients: &'a Clients,
    /// How many devices.
    pub count: u64,
}

/// It is made, but for the devices themselves.
#[derive(Debug)]
pub struct Prepared {
    /// Its name, which its devices' names begin with.
    pub name: String,
    /// What is to be manufactured.
    pub devices: Vec<FleetDevice>,
    /// How long it took.
    pub took: Took,
}

/// Seconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Took {
    /// Provisional credentials at the CHTIF.
    pub issued: f64,
    /// Keys made, platforms enrolled with the PVA.
    pub enrolled: f64,
    /// Contracts at the SHO.
    pub contracts: f64,
    /// Devices and their rule at the DRF.
    pub registered: f64,
}

struct Device {
    name: DeviceId,
    tre: TreId,
    key: PrivateKey,
    credential: IssuedCredential,
}

impl Fleet<'_> {
    /// Makes it known to all roles, in a folder of its own under `fleets/`.
    ///
    /// # Errors
    /// Which role did not take it.
    pub async fn prepare(&self, line: &Line) -> anyhow::Result<Prepared> {
        let number = self.number()?;
        let name = format!("fleet-{number}");
        let mut took = Took::default();

        line.says("issuing provisional credentials");
        let mut since = Instant::now();
        let first: Imsi = format!("99971{:010}", FIRST_MSIN + number * MSINS).parse()?;
        let file = self.folder.path(&format!("fleets/{number}/credentials.ndjson"));
        let issued = supply::issue(self.roles, self.ports, &name, (first, self.count), &file).await?;
        ensure!(issued.resumed == 0, "there is a batch {name} already; begin anew with another --data");
        let mut credentials = Vec::new();
        for text in BufReader::new(std::fs::File::open(&file)?).lines() {
            credentials.push(supply::read(&Zeroizing::new(text?))?);
        }
        took.issued = lap(&mut since);

        let (devices, certificates) = self.enrol(&name, credentials, line).await.context("PVA")?;
        took.enrolled = lap(&mut since);
        self.contract(&devices, line).await.context("SHO")?;
        took.contracts = lap(&mut since);
        line.says("registering the devices");
        self.register(&name, &devices).await.context("DRF")?;
        took.registered = lap(&mut since);

        let anchors = factory::anchors(self.roles)?;
        let devices = devices.into_iter().zip(certificates).map(|(one, certificate)| {
            let folder = self.folder.path(&format!("fleets/{number}/{}", one.name));
            let Device { name, tre, key, credential } = one;
            let device = factory::manufacture(&anchors, (name, tre), key, certificate, &credential)?;
            Ok(FleetDevice { folder, device })
        });
        Ok(Prepared { name, devices: devices.collect::<anyhow::Result<_>>()?, took })
    }

    /// A number that no fleet of this lab has had; its folder is made.
    fn number(&self) -> anyhow::Result<u64> {
        self.folder.make("fleets")?;
        let free = (0..FLEETS).find(|number| !self.folder.path(&format!("fleets/{number}")).exists());
        let number = free.context("this lab has had all its fleets; begin anew with another --data")?;
        self.folder.make(&format!("fleets/{number}"))?;
        Ok(number)
    }

    /// Makes the platform keys, and has them enrolled.
    async fn enrol(
        &self,
        fleet: &str,
        credentials: Vec<IssuedCredential>,
        line: &Line,
    ) -> anyhow::Result<(Vec<Device>, Vec<Vec<u8>>)> {
        let fleet = fleet.to_owned();
        let made = tokio::task::spawn_blocking(move || {
            let device = |(number, credential): (u64, IssuedCredential)| {
                let name = format!("{fleet}-{number}");
                anyhow::Ok(Device {
                    tre: format!("tre-{name}").parse()?,
                    name: name.parse()?,
                    key: PrivateKey::generate()?,
                    credential,
                })
            };
            (1..).zip(credentials).map(device).collect::<anyhow::Result<Vec<_>>>()
        });
        let devices = made.await??;
        let mut certificates = Vec::with_capacity(devices.len());
        for batch in devices.chunks(ENROLLED_AT_ONCE) {
            line.reached("enrolling platforms", certificates.len() as u64);
            let platforms = batch.iter().map(|one| factory::platform(&one.key, &one.name, &one.tre));
            let platforms = platforms.collect::<anyhow::Result<_>>()?;
            certificates.extend(factory::enrol(self.roles, &self.clients.pva, platforms).await?);
        }
        Ok((devices, certificates))
    }

    /// Each device's contract with the operator.
    async fn contract(&self, devices: &[Device], line: &Line) -> anyhow::Result<()> {
        let contract = json!({ "terms": { "plan": "meters" } });
        let puts = devices.iter().map(|one| {
            let path = format!("/v1/contracts/{}", one.name);
            let contract = &contract;
            async move { factory::put(&self.clients.sho, &path, contract).await }
        });
        let mut done = stream::iter(puts).buffer_unordered(CONTRACTS_AT_ONCE).zip(stream::iter(1..));
        while let Some((put, count)) = done.next().await {
            put?;
            line.reached("concluding contracts", count);
        }
        Ok(())
    }

    /// The devices in the registry, and a rule that says whose they are.
    async fn register(&self, fleet: &str, devices: &[Device]) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        for Device { name, credential, .. } in devices {
            let device = json!({
                "pcid": credential.imsi, "device_id": name, "supplier": SUPPLIER, "model": factory::MODEL,
            });
            serde_json::to_writer(&mut lines, &device)?;
            lines.push(b'\n');
        }
        let drf = &self.clients.drf;
        drf.send(Method::POST, "/v1/devices/import", "application/x-ndjson", lines).await?;
        let (Some(first), Some(last)) = (devices.first(), devices.last()) else { return Ok(()) };
        let rule = json!({
            "priority": 100,
            "supplier": SUPPLIER,
            "range": { "first": first.credential.imsi, "last": last.credential.imsi },
            "operator": OPERATOR,
        });
        factory::put(drf, &format!("/v1/rules/{fleet}"), &rule).await
    }
}

/// Seconds since then; from now on anew.
fn lap(since: &mut Instant) -> f64 {
    let took: Duration = since.elapsed();
    *since = Instant::now();
    took.as_secs_f64()
}
