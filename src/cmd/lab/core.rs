//! The lab's device through a real core: an eNB and a UE of ours towards an MME that is not (S1AP), everything after the
//! attach through the bearer.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use schemas::{identity::Plmn, rnct::Rnct};
use tokio::sync::mpsc;
use ue_sim::{
    access::s1ap::{self, Asked, Enb, EnbConfig, End, Patience, Report, S1Ue},
    device::Device,
    nas::UeOptions,
    provision::{Events, Options, Outcome, RnctListener, provision_with},
    tre::Tre,
    user_plane::{DEFAULT_MTU, Gate, Gtp, UeNet},
};

use super::story::{Network, Story};

/// What comes over the network comes within this.
const PATIENCE: Duration = Duration::from_secs(60);

/// A real core to go through.
#[derive(Debug, Clone, clap::Args)]
pub struct CoreArgs {
    /// Go through this MME (S1AP over SCTP) in place of the simulated one: a real core, as Open5GS. Its hss_map has to
    /// lead 999-71 to the ICF, and it has to be connected to it already: with --external; see open5gs-integration/.
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = crate::cmd::enb::mme)]
    mme: Option<SocketAddr>,
    /// The eNB's network, as MCC-MNC; it has to be the MME's.
    #[arg(long, default_value = "999-70", requires = "mme")]
    plmn: Plmn,
    /// The eNB's tracking area code.
    #[arg(long, default_value_t = 1, requires = "mme")]
    tac: u16,
    /// Where the eNB takes user packets (GTP-U, port 2152).
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.30", requires = "mme")]
    s1u: IpAddr,
}

impl CoreArgs {
    /// Whether there is one.
    pub fn core(&self) -> Option<Core> {
        let mme = self.mme?;
        let mut enb = EnbConfig::new(mme, self.plmn);
        enb.tac = self.tac;
        enb.user_plane = self.s1u;
        Some(Core { enb })
    }
}

/// The core, and our eNB at it.
#[derive(Debug, Clone)]
pub struct Core {
    enb: EnbConfig,
}

/// An eNB that runs, and a UE at it.
struct Cell {
    enb: Enb,
    gtp: Gtp,
    ue: S1Ue,
    teller: tokio::task::JoinHandle<()>,
}

impl Core {
    /// Our eNB, and the device at it. What its USIM accepts the TRE keeps before it is answered.
    async fn cell(
        &self,
        tre: &Tre,
        device: Device,
        apn: &str,
        network: Network,
        story: &Story,
    ) -> anyhow::Result<Cell> {
        let (sender, mut told) = mpsc::unbounded_channel();
        let story = story.clone();
        let teller = tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                story.s1(&event, network);
            }
        });
        let gtp = Gtp::bind(self.enb.user_plane).await.with_context(|| {
            format!(
                "{}, port 2152: no user packets can be taken; --s1u chooses another address",
                self.enb.user_plane
            )
        })?;
        let enb = Enb::connect(self.enb.clone(), Arc::new(gtp.clone()), s1ap::Events::to(sender)).await?;
        let options = UeOptions { apn: Some(apn.to_owned()), ..UeOptions::default() };
        let tre = tre.clone();
        let keeper =
            Box::new(move |device: &Device| tre.keep_usim(device).map_err(|error| error.to_string()));
        let ue = S1Ue::new(&enb, device, options).keeping(keeper);
        Ok(Cell { enb, gtp, ue, teller })
    }

    /// Steps 1 to 8 through the core, then what the RNCT asks for, through the bearer; then the withdrawal of the
    /// provisional credential, as the device sees it.
    ///
    /// # Errors
    /// Where it does not go on.
    pub async fn provision(
        &self,
        tre: &Tre,
        apn: &str,
        coap: u16,
        events: &Events,
        story: &Story,
    ) -> anyhow::Result<Outcome> {
        let device = tre.provisional()?.context("the device has no provisional credential")?;
        let mut cell = self.cell(tre, device, apn, Network::Visited, story).await?;
        let report = cell.ue.attach().await?;
        let net = cell.net(&report)?;
        story.attached_by_core(&report, "the ICF");
        let gate = Gate::open(net.clone()).await.context("no way through the bearer can be opened")?;
        let listener = RnctListener::in_bearer(&net, coap).await?;
        let mut listening = listener.listen(tre.clone(), events.clone());
        let rnct = cell.meanwhile(listening.next()).await?;
        let rnct: Rnct = rnct.context("the device takes no triggers any more")?;
        let options = Options { through: Some(gate.at()), ..Options::default() };
        let outcome = cell.meanwhile(provision_with(tre, &rnct, events, options)).await?;
        listening.stop().await;
        if matches!(outcome, Outcome::Installed { reported: true, .. }) {
            cell.withdrawn().await?;
        }
        cell.end().await?;
        Ok(outcome)
    }

    /// The device attaches with what the RNCP holds, and is attached until it is switched off.
    ///
    /// # Errors
    /// If it is not attached.
    pub async fn attach_home(
        &self,
        tre: &Tre,
        device: Device,
        apn: &str,
        hss: &str,
        story: &Story,
    ) -> anyhow::Result<()> {
        let mut cell = self.cell(tre, device, apn, Network::Home, story).await?;
        let report = cell.ue.attach().await?;
        ensure!(report.is_success(), "the device is not attached at its operator: {}", report.end);
        story.attached_by_core(&report, hss);
        cell.end().await
    }
}

impl Cell {
    /// The UE's stack over the bearer that it has got.
    fn net(&self, report: &Report) -> anyhow::Result<UeNet> {
        let End::Attached { bearer } = &report.end else {
            bail!("the device is not attached: {}", report.end);
        };
        let address = bearer.address.context("the network has given no IPv4 address")?;
        Ok(UeNet::new(self.gtp.port(report.imsi, bearer.mtu.unwrap_or(DEFAULT_MTU)), address))
    }

    /// Waits for `work`, while the UE answers the network: paging, releases, packets of an idle UE.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::pin!(work);
        let until = tokio::time::sleep(PATIENCE);
        tokio::pin!(until);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = &mut until => bail!("nothing has come through the bearer for {} s", PATIENCE.as_secs()),
                asked = self.ue.wait(Patience(PATIENCE)) => match asked? {
                    Some(Asked::Paged) => drop(self.ue.service_request(true).await?),
                    Some(Asked::DataWaits) => drop(self.ue.service_request(false).await?),
                    Some(Asked::Detached { cause, .. }) => {
                        bail!("the network has detached the device in the middle of it, EMM cause {cause:?}")
                    }
                    Some(Asked::Released { .. }) | None => {}
                },
            }
        }
    }

    /// The CLR of the ICF arrives as a detach by the network.
    async fn withdrawn(&mut self) -> anyhow::Result<()> {
        let until = std::time::Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(std::time::Instant::now());
            match self.ue.wait(Patience(left)).await? {
                Some(Asked::Detached { .. }) => return Ok(()),
                Some(Asked::Paged) => drop(self.ue.service_request(true).await?),
                Some(Asked::DataWaits | Asked::Released { .. }) => {}
                None => bail!(
                    "the provisional credential was withdrawn, and the network has not detached the device"
                ),
            }
        }
    }

    async fn end(self) -> anyhow::Result<()> {
        drop(self.ue);
        self.enb.shutdown().await;
        drop((self.enb, self.gtp));
        self.teller.await.context("the steps could not be told")
    }
}
