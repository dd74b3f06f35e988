//! The lab's devices: made, online, triggered, provisioned, and attached as their operator's subscribers.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use icf_auc::chtif::issued::IssuedCredential;
use reqwest::Method;
use schemas::{
    identity::{Imsi, Plmn},
    rnct::Rnct,
};
use serde_json::{Value, json};
use service::client::RoleClient;
use tokio::sync::{mpsc, watch};
use ue_sim::{
    access::{
        ip,
        s6a::{AttachEnd, Mme, MmeConfig},
    },
    device::Device,
    provision::{Events, Outcome, ProvisionEvent, RnctListener, Step, provision, resume},
    tre::Tre,
};

use super::super::files;
use super::{
    Visited,
    clients::{Clients, HOME},
    core::Core,
    factory,
    follow::{Asked, Follower},
    peering,
    roles::{
        APN, HOME_MME, HSS, HSS_REALM, ICF, MME, MME_REALM, OPERATOR, PROVISIONING_APN, Ports, REALM,
        REGISTRY_MME, Roles, SUPPLIER,
    },
    setup::Folder,
    story::{Access, Network, Story},
    subscriber, supply,
};

/// Name of the lab's batch.
const BATCH: &str = "lab";
/// First PCID: test network 999, MNC 71 for the ICF's range.
const FIRST: &str = "999710000000001";
/// The network of an operator who is nothing else to the device.
const OTHER: &str = "999-70";
/// The registry's own.
const REGISTRY: &str = "999-71";
/// What the roles tell of themselves comes within this.
const HEARSAY: Duration = Duration::from_secs(2);
/// What comes over the network comes within this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything is there for devices to begin.
pub struct Lab<'a> {
    folder: &'a Folder,
    roles: &'a Roles,
    ports: Ports,
    story: &'a Story,
    icf: RoleClient,
    hss: RoleClient,
    pva: RoleClient,
    sho: RoleClient,
    drf: RoleClient,
    dpf: RoleClient,
    credentials: PathBuf,
    core: Option<Core>,
    open5gs_hss: bool,
    visited: Visited,
    subscriber: Option<PathBuf>,
}

impl<'a> Lab<'a> {
    /// Issues the batch, and tells the roles of supplier, operator and numbers. What is there stays.
    ///
    /// # Errors
    /// Which of it could not be done.
    pub async fn prepare(
        folder: &'a Folder,
        roles: &'a Roles,
        ports: Ports,
        devices: u64,
        story: &'a Story,
    ) -> anyhow::Result<Self> {
        let clients = Clients::new(roles, ports, Duration::from_secs(10))?;
        let credentials = folder.path("credentials.ndjson");
        let issued = supply::issue(roles, ports, BATCH, (FIRST.parse()?, devices), &credentials).await?;
        story.issued(issued.first, issued.count, issued.resumed, &credentials);
        clients.introduce().await?;
        let Clients { icf, hss, pva, sho, drf, dpf, .. } = clients;
        let (core, open5gs_hss, visited) = (None, false, Visited::Other);
        let subscriber = None;
        Ok(Self {
            folder,
            roles,
            ports,
            story,
            icf,
            hss,
            pva,
            sho,
            drf,
            dpf,
            credentials,
            core,
            open5gs_hss,
            visited,
            subscriber,
        })
    }

    /// The same, with another network that lends the first attach; that of a core is its own.
    #[must_use]
    pub fn in_network(mut self, visited: Visited) -> Self {
        self.visited = visited;
        self
    }

    /// 3GPP access goes through this core, if there is one; the operator's HSS may be Open5GS's.
    pub fn through(mut self, core: Option<Core>, open5gs_hss: bool) -> Self {
        (self.core, self.open5gs_hss) = (core, open5gs_hss);
        self
    }

    /// The operator's credential of each device is written into this file, if there is one.
    #[must_use]
    pub fn handing_out(mut self, subscriber: Option<PathBuf>) -> Self {
        self.subscriber = subscriber;
        self
    }

    /// Waits until the core's MME is connected to those who authenticate its devices, if there is a core.
    ///
    /// # Errors
    /// If it does not connect.
    pub async fn core_is_connected(&self) -> anyhow::Result<()> {
        if self.core.is_none() {
            return Ok(());
        }
        peering::any(&self.icf, ICF, self.story).await?;
        // What is connected to Open5GS's own HSS is not ours to see.
        if self.open5gs_hss { Ok(()) } else { peering::any(&self.hss, HSS, self.story).await }
    }

    /// The first device of the batch that is not its operator's yet, or went not all the way.
    fn next_credential(&self) -> anyhow::Result<(String, IssuedCredential)> {
        let file =
            std::fs::File::open(&self.credentials).with_context(|| self.credentials.display().to_string())?;
        for (number, line) in (1..).zip(BufReader::new(file).lines()) {
            let line = zeroize::Zeroizing::new(line?);
            let name = format!("meter-{number}");
            if !is_done(self.folder, &name) {
                return Ok((name, supply::read(&line)?));
            }
        }
        bail!(
            "all devices of the batch are provisioned; begin anew with another --data, or a larger --devices"
        )
    }

    /// Takes one device all the way.
    ///
    /// # Errors
    /// Where it did not go on, and why.
    pub async fn take_through(&self, access: Access) -> anyhow::Result<()> {
        let (name, credential) = self.next_credential()?;
        let pcid = credential.imsi;
        self.story.begins(access, pcid, &name);
        let tre = factory::device(self.folder, self.roles, &self.pva, &name, &credential).await?;
        self.bind(&name, pcid).await?;
        let (events, told) = mpsc::unbounded_channel();
        let asked = Asked { drf: self.drf.clone(), dpf: self.dpf.clone(), sho: self.sho.clone() };
        let follower = Follower::start(asked, pcid, access, self.story.clone());
        let teller = tell(told, follower.told(), self.story.clone());
        let events = Events::to(events);
        let outcome = match access {
            Access::Eps => self.over_3gpp(&tre, &events).await,
            Access::Ip => self.over_ip(&tre, &events).await,
        };
        let closed = match &outcome {
            Ok(Outcome::Installed { reported: true, .. }) => self.closed(pcid).await,
            _ => Ok(()),
        };
        drop(events);
        follower.end().await;
        teller.await.context("the steps could not be told")?;
        match outcome? {
            Outcome::Installed { reported: false, .. } => {
                bail!("the RNCP is installed, but the DPF does not take the report")
            }
            Outcome::Installed { operator, imsi, .. } => {
                ensure!(operator.as_str() == OPERATOR, "the RNCP is of {operator}");
                closed?;
                if let Some(file) = &self.subscriber {
                    subscriber::hand_out(&tre, file)?;
                }
                self.attach_home(&tre, imsi).await?;
            }
            Outcome::Failed { reason, detail, .. } => {
                bail!("the device cannot install the RNCP: {reason}: {detail}")
            }
            Outcome::Refused(refusal) => {
                bail!("provisioning is refused: {}: {}", refusal.code, refusal.detail)
            }
            Outcome::Unfinished { why } => {
                bail!("provisioning does not come to an end: {why}; run the lab again to go on")
            }
            Outcome::NotTaken => bail!("the device has a newer RNCT than the one that it followed"),
        }
        files::write_private(&self.folder.path(&format!("devices/{name}.done")), b"")
    }

    /// The subscriber's contract: with the operator, and known to the registry.
    async fn bind(&self, name: &str, pcid: Imsi) -> anyhow::Result<()> {
        let contract = json!({ "supplier": SUPPLIER, "terms": { "plan": "meters" } });
        factory::put(&self.sho, &format!("/v1/contracts/{name}"), &contract).await.context("SHO")?;
        let device = json!({ "device_id": name, "supplier": SUPPLIER, "model": "meter" });
        factory::put(&self.drf, &format!("/v1/devices/{pcid}"), &device).await.context("DRF")?;
        let contract = json!({ "operator": OPERATOR });
        factory::put(&self.drf, &format!("/v1/devices/{pcid}/contract"), &contract).await.context("DRF")
    }

    /// Steps 1 to 8 over 3GPP access, then what the RNCT asks for.
    async fn over_3gpp(&self, tre: &Tre, events: &Events) -> anyhow::Result<Outcome> {
        if let Some(outcome) = went_on(tre, events).await {
            return Ok(outcome);
        }
        if let Some(core) = &self.core {
            return core.provision(tre, PROVISIONING_APN, self.ports.coap, events, self.story).await;
        }
        let mut device = tre.provisional()?.context("the device has no provisional credential")?;
        let (plmn, host, realm) = match self.visited {
            Visited::Other => (OTHER, MME, MME_REALM),
            Visited::Registry => (REGISTRY, REGISTRY_MME, REALM),
            Visited::Home => (HOME, HOME_MME, HSS_REALM),
        };
        let mut config = mme(ICF, self.ports.diameter, host, realm)?;
        config.visited_plmn = plmn.parse()?;
        config.destination_realm = REALM.into();
        let (mme, teller) = self.connect(config, Network::Visited).await?;
        let report = mme.attach(&mut device).await?;
        tre.keep_usim(&device)?;
        let AttachEnd::Attached { subscription } = &report.end else {
            bail!("the device is not attached: {}", serde_json::to_string(&report.end)?);
        };
        self.story.attached(&report, subscription, "the ICF");
        let address = subscription.default_apn().and_then(|apn| apn.addresses.first().copied());
        let address = address.context("the subscription assigns no address")?;
        let listener = RnctListener::bind(SocketAddr::new(address, self.ports.coap)).await;
        let listener = listener
            .with_context(|| format!("{address}, port {}: no trigger can be taken", self.ports.coap))?;
        let mut listening = listener.listen(tre.clone(), events.clone());
        let rnct = tokio::time::timeout(PATIENCE, listening.next()).await;
        let rnct: Rnct =
            rnct.context("no RNCT has come")?.context("the device takes no triggers any more")?;
        let outcome = provision(tre, &rnct, events).await;
        listening.stop().await;
        if matches!(outcome, Outcome::Installed { reported: true, .. }) {
            self.revoked(&mme, tre.pcid()).await?;
        }
        mme.shutdown().await;
        teller.await.context("the steps could not be told")?;
        Ok(outcome)
    }

    /// Steps 6 to 8 over non-3GPP access, then what the RNCT asks for.
    async fn over_ip(&self, tre: &Tre, events: &Events) -> anyhow::Result<Outcome> {
        if let Some(outcome) = went_on(tre, events).await {
            return Ok(outcome);
        }
        let drf = ip::Drf::new(tre, &format!("https://{}", self.ports.drf_device()), events.clone()).await?;
        let taken = drf.hello(None).await?;
        Ok(provision(tre, taken.rnct(), events).await)
    }

    /// Waits until the operator knows the outcome (step 19).
    async fn closed(&self, pcid: Imsi) -> anyhow::Result<()> {
        let path = format!("/v1/sessions?pcid={pcid}&limit=1");
        let closed = async {
            loop {
                let found = self.dpf.json::<(), Value>(Method::GET, &path, None).await;
                if let Ok(found) = found {
                    let first = found["items"].get(0);
                    if first.is_some_and(|session| session["state"] == "closed") {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.context("the SHO was not told of the outcome")
    }

    /// Waits until the provisional credential that did its work is withdrawn (CLR).
    async fn revoked(&self, mme: &Mme, pcid: Imsi) -> anyhow::Result<()> {
        let gone = async {
            while mme.registered(pcid).is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.context("the provisional credential was not withdrawn")
    }

    /// The device attaches in its operator's network with what the RNCP holds.
    async fn attach_home(&self, tre: &Tre, imsi: Imsi) -> anyhow::Result<()> {
        if let Some(core) = &self.core {
            let device: Device = tre.begin_session()?;
            ensure!(device.imsi == imsi, "the RNCP is of another IMSI than was reported");
            let hss = if self.open5gs_hss { "the SHO's HSS, which is Open5GS's" } else { "the SHO's HSS" };
            return core.attach_home(tre, device, APN, hss, self.story).await;
        }
        if self.open5gs_hss {
            // Its HSS answers its own MME alone, which the simulated one is not.
            self.story.line(&format!(
                "{imsi} is a subscriber of Open5GS's HSS: --mme attaches with it, at Open5GS's MME"
            ));
            return Ok(());
        }
        let mut config = mme(HSS, self.ports.hss_diameter(), HOME_MME, HSS_REALM)?;
        config.visited_plmn = HOME.parse::<Plmn>()?;
        config.destination_realm = HSS_REALM.into();
        let (mme, teller) = self.connect(config, Network::Home).await?;
        let mut device: Device = tre.begin_session()?;
        ensure!(device.imsi == imsi, "the RNCP is of another IMSI than was reported");
        let report = mme.attach(&mut device).await?;
        tre.keep_usim(&device)?;
        mme.shutdown().await;
        teller.await.context("the steps could not be told")?;
        match &report.end {
            AttachEnd::Attached { subscription } => {
                self.story.attached(&report, subscription, "the SHO's HSS");
                Ok(())
            }
            other => bail!("the device is not attached at its operator: {}", serde_json::to_string(other)?),
        }
    }

    async fn connect(
        &self,
        config: MmeConfig,
        network: Network,
    ) -> anyhow::Result<(Mme, tokio::task::JoinHandle<()>)> {
        let (events, mut told) = mpsc::unbounded_channel();
        let story = self.story.clone();
        let teller = tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                story.step(&event, network);
            }
        });
        Ok((Mme::connect(config, Some(events)).await?, teller))
    }
}

/// Whether a device of the batch went all the way: its PCID is good for nothing more.
fn is_done(folder: &Folder, name: &str) -> bool {
    folder.path(&format!("devices/{name}.done")).exists()
}

/// How many devices of the batch went all the way; they are taken in its order.
pub fn provisioned(folder: &Folder) -> usize {
    (1..).take_while(|number| is_done(folder, &format!("meter-{number}"))).count()
}

/// What was under way when the lab was stopped; or that all is done: who is provisioned has no use for its PCID, which
/// the ICF serves no more. `None` if the device is still to begin.
async fn went_on(tre: &Tre, events: &Events) -> Option<Outcome> {
    if let Some(outcome) = resume(tre, events).await {
        return Some(outcome);
    }
    let active = tre.active()?;
    Some(Outcome::Installed {
        operator: active.operator,
        rncp: active.rncp,
        imsi: active.imsi,
        reported: true,
    })
}

fn mme(peer: &str, at: SocketAddr, host: &str, realm: &str) -> anyhow::Result<MmeConfig> {
    let endpoint = format!("tcp://{at}").parse().context("an endpoint")?;
    let mut config = MmeConfig::new(peer, endpoint, OTHER.parse()?);
    config.origin_host = host.into();
    config.origin_realm = realm.into();
    Ok(config)
}

/// Tells what happens in the device, each step after what has happened before it in the roles: they are asked, and so
/// heard of a little later.
fn tell(
    mut told: mpsc::UnboundedReceiver<ProvisionEvent>,
    mut roles: watch::Receiver<u8>,
    story: Story,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(event) = told.recv().await {
            let before = match (event.seed, event.step) {
                (Some(8 | 9), _) => 7,
                (Some(16..=18), _) | (None, Step::OperatorAnswered) => 15,
                _ => 0,
            };
            let _ = tokio::time::timeout(HEARSAY, roles.wait_for(|highest| *highest >= before)).await;
            story.provision(&event);
        }
    })
}
