//! Step 19: whose subscriber a device is now.

use schemas::{
    identity::Pcid,
    rest::{
        credential::{CredentialPatch, CredentialState},
        provisioning::{Provisioned, ProvisioningResult},
    },
};
use service::api::audit;
use sqlx::SqliteConnection;

use super::{Desk, Refused};
use crate::{config::AfterSuccess, store};

impl Desk {
    /// The DPF tells how provisioning ended. The same session again changes nothing.
    ///
    /// # Errors
    /// No such device or operator; another result of the same session; the database's.
    pub async fn provisioned(&self, pcid: Pcid, told: &Provisioned) -> Result<(), Refused> {
        let result = match told.result {
            ProvisioningResult::Installed => "installed",
            ProvisioningResult::Failed => "failed",
            ProvisioningResult::Refused => "refused",
            ProvisioningResult::Expired => "expired",
        };
        let (desk, ended) = (self.clone(), told.clone());
        let done = self.db.transact(async move |tx| desk.provisioned_in(tx, pcid, &ended, result).await);
        if done.await? {
            self.outbox.wake();
            self.metrics.provisioned.with_label_values(&[result]).inc();
            tracing::info!(%pcid, operator = %told.operator, result, session = %told.session, "provisioned");
        }
        Ok(())
    }

    /// As [`provisioned`](Self::provisioned), in the caller's transaction. `false`: it was told before.
    async fn provisioned_in(
        &self,
        tx: &mut SqliteConnection,
        pcid: Pcid,
        told: &Provisioned,
        result: &str,
    ) -> Result<bool, Refused> {
        if let Some((of, operator, before)) = store::provisioned(&mut *tx, told.session).await? {
            let same = of == pcid.to_string() && operator == told.operator.as_str() && before == result;
            return if same {
                Ok(false)
            } else {
                Err(Refused::Conflict(format!("this session has ended as {before} before, of {of}")))
            };
        }
        let gone = || Refused::NotFound(format!("{pcid} is not in the registry"));
        let device = store::device(&mut *tx, pcid).await?.ok_or_else(gone)?;
        // A genuine device may name another's PCID to a DPF: that must not cost the other its credential.
        if told.device_id.as_ref().is_some_and(|id| *id != device.device_id) {
            return Err(Refused::Conflict(format!("another device is registered with {pcid}")));
        }
        if store::operator(&mut *tx, &told.operator).await?.is_none() {
            let detail = format!("{} is not in the directory: PUT /v1/operators/{0} first", told.operator);
            return Err(Refused::Field { pointer: "/operator", detail });
        }
        let now = self.now();
        if let Some(detail) = &told.detail {
            let detail: String = detail.chars().filter(|c| !c.is_control()).take(1000).collect();
            let (action, target) = ("provisioning.ended", format!("{pcid} by session {}", told.session));
            audit(&mut *tx, ["dpf", action, &target, &format!("{result}: {detail}")], now).await?;
        }
        store::put_provisioned(&mut *tx, pcid, told, result, now).await?;
        if told.result == ProvisioningResult::Installed {
            store::set_current(&mut *tx, pcid, &told.operator, now).await?;
            store::close_open(&mut *tx, pcid, "the device is provisioned", now).await?;
            let state = match self.policy.after_success {
                AfterSuccess::Revoke => Some(CredentialState::Disabled),
                AfterSuccess::Block => Some(CredentialState::Blocked),
                AfterSuccess::Keep => None,
            };
            if let Some(state) = state {
                let patch = CredentialPatch { state: Some(state), ..CredentialPatch::default() };
                self.tell_icf(&mut *tx, &format!("revoke/{}", told.session), pcid, patch).await?;
            }
        }
        Ok(true)
    }
}
