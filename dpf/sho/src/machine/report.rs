//! Step 19: how it went, as the DPF reports and the device has signed.

use std::sync::Arc;

use schemas::{
    cose,
    identity::Imsi,
    report::{CONTENT_TYPE, InstallReport, InstallResult},
    rest::provisioning::{ProvisioningReport, ProvisioningResult},
    trust::Leaf,
};
use uuid::Uuid;

use super::{Sho, ShoError, settle_later};
use crate::{
    model::{Session, State},
    policy::refusal,
    store::{StoreError, sessions, subscriptions},
};

/// What came of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// It is known now, or was.
    Known,
    /// There is no such session.
    Unknown,
    /// It contradicts what is known.
    Conflict(&'static str),
    /// It is not what the device signed; what is wrong.
    NotBelieved(String),
}

impl Sho {
    /// Takes a report, as often as it comes.
    ///
    /// # Errors
    /// If we fail.
    pub async fn report(
        self: &Arc<Self>,
        id: Uuid,
        report: &ProvisioningReport,
    ) -> Result<Reported, ShoError> {
        let _turn = self.sessions.take(id).await;
        let found = {
            let mut reader = self.store.db.readers.acquire().await?;
            sessions::find(&mut reader, id).await?
        };
        let Some(session) = found else { return Ok(Reported::Unknown) };
        let result = result_word(report.result);
        let taken = match self.take_report(&session, report).await? {
            // Its transaction has written it down.
            None => return Ok(Reported::Known),
            Some(taken) => taken,
        };
        let outcome = match &taken {
            Reported::Known => known(result),
            Reported::Conflict(what) => format!("report {result} refused: {what}"),
            Reported::NotBelieved(what) => format!("report {result} not believed: {what}"),
            Reported::Unknown => return Ok(taken),
        };
        self.audit(&session.device_id, ACTION, id, &outcome).await;
        Ok(taken)
    }

    /// `None`: it is new.
    async fn take_report(
        self: &Arc<Self>,
        session: &Session,
        report: &ProvisioningReport,
    ) -> Result<Option<Reported>, ShoError> {
        let installed = report.result == ProvisioningResult::Installed;
        let signed = match believe(session, report) {
            Ok(signed) => signed,
            Err(what) => return Ok(Some(Reported::NotBelieved(what))),
        };
        let conflict = |what| Ok(Some(Reported::Conflict(what)));
        match session.state {
            State::Answered if installed => {
                let imsi =
                    session.imsi.ok_or_else(|| StoreError::Damaged("a session without an IMSI".into()))?;
                self.installed(session, imsi).await?;
            }
            State::Reported | State::Closed if installed => return Ok(Some(Reported::Known)),
            State::Reported | State::Closed => return conflict("it was reported as installed before"),
            State::Withdrawing | State::Withdrawn | State::Refused if installed => {
                return conflict("the operator has taken it back; the device has to be provisioned anew");
            }
            State::Withdrawing | State::Withdrawn | State::Refused => return Ok(Some(Reported::Known)),
            _ if installed => return conflict("the operator has not authorised it yet"),
            _ => {
                let result = result_word(report.result);
                let detail = report.detail.as_deref().unwrap_or("the DPF gave no reason");
                let detail: String = detail.chars().take(500).collect();
                // The device itself says that it has not got it, or the DPF that it never let it have it.
                let surely_not = signed || report.result == ProvisioningResult::Refused;
                let spent = session.answered_at.is_some() && !surely_not;
                let why = refusal(result, detail, true);
                self.finish(session, why, spent, ACTION, known(result)).await?;
            }
        }
        Ok(None)
    }

    async fn installed(self: &Arc<Self>, session: &Session, imsi: Imsi) -> Result<(), ShoError> {
        let session = session.clone();
        let done = self.transact(async move |sho, tx| {
            if !sho.advance(&mut *tx, &session, State::Reported).await? {
                return Ok(());
            }
            subscriptions::activate(&mut *tx, &session, imsi, sho.clock.now()).await?;
            if let Some(old) = session.replaces_imsi {
                subscriptions::withdraw(&mut *tx, old, sho.clock.now()).await?;
            }
            settle_later(&mut *tx, session.id).await?;
            sho.note(tx, &session, ACTION, &known(result_word(ProvisioningResult::Installed))).await
        });
        done.await?;
        self.outbox.wake();
        Ok(())
    }
}

/// In the audit log.
const ACTION: &str = "provisioning.report";

fn known(result: &str) -> String {
    format!("reported: {result}")
}

fn result_word(result: ProvisioningResult) -> &'static str {
    match result {
        ProvisioningResult::Installed => "installed",
        ProvisioningResult::Failed => "failed",
        ProvisioningResult::Refused => "refused",
        ProvisioningResult::Expired => "expired",
    }
}

/// Whether the device signed it; that it was installed is believed of the device alone.
fn believe(session: &Session, report: &ProvisioningReport) -> Result<bool, String> {
    let installed = report.result == ProvisioningResult::Installed;
    if session.rncp.is_some_and(|rncp| rncp != report.rncp) && (installed || session.answered_at.is_some()) {
        return Err("it is on another RNCP than this session's".to_owned());
    }
    let Some(signed) = &report.report else {
        return if installed {
            Err("a device that has installed signs a report: it is missing".to_owned())
        } else {
            Ok(false)
        };
    };
    let certificate = session.platform_certificate.as_deref().unwrap_or_default();
    let leaf = Leaf::parse(certificate).map_err(|_| "the session has no platform certificate".to_owned())?;
    let payload = cose::verify_with(signed.as_ref(), CONTENT_TYPE, &leaf.key)
        .map_err(|error| format!("the device's report: {error}"))?;
    let said = InstallReport::decode(&payload).map_err(|error| format!("the device's report: {error}"))?;
    // A device that could not read the manifest cannot name the RNCP (docs/PROVISIONING.md): nil, and never installed.
    let unnamed = said.result == InstallResult::Failed && said.rncp.is_nil();
    if said.session != session.id || !(unnamed || Some(said.rncp) == session.rncp) {
        return Err("the device's report is on another session or RNCP".to_owned());
    }
    if said.device_id != session.device_id || said.tre_id != session.tre_id {
        return Err("the device's report is of another device or TRE".to_owned());
    }
    match (said.result, report.result) {
        (InstallResult::Installed, ProvisioningResult::Installed) => Ok(true),
        (InstallResult::Failed, ProvisioningResult::Failed) => Ok(true),
        _ => Err("the device's report says otherwise".to_owned()),
    }
}
