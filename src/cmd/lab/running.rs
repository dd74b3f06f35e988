//! The roles in this process. They talk over their public interfaces all the same.

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::roles::Roles;

/// All of them.
pub struct Running {
    icf: icf_auc::start::Started,
    hss: icf_auc::start::Started,
    pva: pva::start::Started,
    sho: sho::start::Started,
    dpf: dpf::start::Started,
    drf: drf::start::Started,
}

impl Running {
    /// Starts them, those first that others ask.
    ///
    /// # Errors
    /// Which could not be started, and what to do.
    pub async fn start(roles: &Roles, stop: &CancellationToken) -> anyhow::Result<Self> {
        let read = crate::cmd::config::load;
        let token = || stop.child_token();
        Ok(Self {
            hss: icf_auc::start::start(read(&roles.hss)?, token()).await.context("HSS of the SHO")?,
            icf: icf_auc::start::start(read(&roles.icf)?, token()).await.context("ICF")?,
            pva: pva::start::start(crate::cmd::config::read(&roles.pva)?, token()).await.context("PVA")?,
            sho: sho::start::start(crate::cmd::config::read(&roles.sho)?, token()).await.context("SHO")?,
            dpf: dpf::start::start(crate::cmd::config::read(&roles.dpf)?, token()).await.context("DPF")?,
            drf: drf::start::start(crate::cmd::config::read(&roles.drf)?, token()).await.context("DRF")?,
        })
    }

    /// Where they listen.
    pub fn banners(&self) -> Vec<Vec<String>> {
        let mut hss = self.hss.banner();
        if let Some(first) = hss.first_mut() {
            *first = format!("HSS of the SHO: {first}");
        }
        vec![
            self.icf.banner(),
            self.drf.banner(),
            self.dpf.banner(),
            self.pva.banner(),
            self.sho.banner(),
            hss,
        ]
    }

    /// Waits until all have ended.
    pub async fn wait(self) {
        // Who asks others ends before them.
        let (icf, hss, ..) = tokio::join!(
            self.icf.wait(),
            self.hss.wait(),
            self.drf.wait(),
            self.dpf.wait(),
            self.sho.wait(),
            self.pva.wait(),
        );
        for error in [icf.err(), hss.err()].into_iter().flatten() {
            tracing::error!(%error, "an ICF has ended");
        }
    }
}
