//! Steps 11 to 13: contract, verdict, policy.

use std::sync::Arc;

use schemas::{
    identity::SupplierId,
    rest::provisioning::{ValidationCheck, ValidationRequest},
};

use super::{NoVerdict, Sho, ShoError, Step};
use crate::{
    clock::seconds,
    model::{Session, State},
    policy::refusal,
    store::{contracts, sessions},
    verdict::{Asked, check},
};

impl Sho {
    /// From received to validated, and on to what [`allocate`](Self::allocate) says: nobody is waited for between.
    pub(super) async fn validate(self: &Arc<Self>, session: &Session) -> Result<Step, ShoError> {
        let (contract, evidence) = {
            let mut reader = self.store.db.readers.acquire().await?;
            let contract = contracts::find(&mut reader, &session.device_id).await?;
            (contract, sessions::evidence(&mut reader, session.id).await?)
        };
        let Some(contract) = contract else {
            let detail = format!(
                "the operator {} has no contract for this device; its subscriber has to make one",
                self.operator.id
            );
            return self.refuse(session, refusal("no-contract", detail, false)).await;
        };
        if contract.suspended {
            let detail = "the contract for this device is suspended; its subscriber has to ask the operator";
            return self.refuse(session, refusal("contract-suspended", detail, true)).await;
        }
        let request = ValidationRequest {
            session: session.id,
            check: ValidationCheck::Provisioning,
            nonce: session.nonce.clone().into(),
            evidence: evidence.into(),
            requirements: self.policy.requirements(),
        };
        let validation = match self.validator.validate(&request).await {
            Ok(validation) => validation,
            Err(NoVerdict::Away(why)) => {
                tracing::warn!(session = %session.id, why, "no verdict yet");
                return Ok(Step::Wait("the PVA does not answer".to_owned()));
            }
            Err(NoVerdict::Refused(why)) => {
                tracing::error!(session = %session.id, why, "the PVA gives no verdict");
                let detail = "the PVA gives the operator no verdict; the operator's log says why";
                return self.refuse(session, refusal("validation-failed", detail, true)).await;
            }
        };
        let now = self.clock.now();
        let asked = Asked {
            nonce: &session.nonce,
            evidence_digest: &session.evidence_digest,
            device_id: &session.device_id,
            tre_id: &session.tre_id,
        };
        let signed = validation.verdict.as_ref();
        let verdict = match check(signed, &self.operator.anchors, &asked, seconds(now)) {
            Ok(verdict) => verdict,
            Err(fault) => {
                tracing::error!(session = %session.id, %fault, "a verdict is not to be relied upon");
                let detail = format!("what the PVA answered cannot be relied upon: {fault}");
                return self.refuse(session, refusal("verdict-not-valid", detail, true)).await;
            }
        };
        if let Err(refusal) = self.policy.decide(&verdict) {
            return self.refuse(session, refusal).await;
        }
        if let Some(supplier) = contract.supplier.as_ref().filter(|of| verdict.supplier.as_ref() != Some(*of))
        {
            let of = verdict.supplier.as_ref().map_or("nobody", SupplierId::as_str);
            let (device, id) = (&session.device_id, session.id);
            tracing::error!(%device, session = %id, %supplier, of, "a device of another supplier than the contract's");
            let detail = format!(
                "the contract is for a device of {supplier}, and this one was enrolled by {of}; \
                 if that is right, the operator has to change the supplier in the contract"
            );
            return self.refuse(session, refusal("supplier-mismatch", detail, false)).await;
        }
        let supplier = verdict.supplier.clone();
        let certificate = verdict.platform_certificate.map(|der| der.0).unwrap_or_default();
        let expires = i64::try_from(verdict.expires.saturating_mul(1000)).unwrap_or(i64::MAX);
        let (received, signed, terms) = (session.clone(), signed.to_vec(), contract.terms);
        let mut validated =
            Session { state: State::Validated, terms: Some(terms.clone()), ..session.clone() };
        validated.verdict_expires = Some(expires);
        let sho = Arc::clone(self);
        let done = self.store.db.transact(async move |tx| {
            if sho.advance(&mut *tx, &received, State::Validated).await? {
                if let Some(supplier) = &supplier {
                    contracts::pin_supplier(&mut *tx, &received.device_id, supplier).await?;
                }
                sessions::set_validated(&mut *tx, received.id, &signed, &certificate, expires, &terms)
                    .await?;
                sho.allocate_in(tx, &validated).await?;
            }
            Ok(())
        });
        self.allocated(session, done.await).await
    }

    /// Whether the PVA's verdict may still be relied upon.
    pub(super) fn in_force(&self, session: &Session) -> bool {
        session.verdict_expires.is_some_and(|expires| self.clock.now() <= expires)
    }

    /// Refuses a session whose verdict has ended while somebody was away.
    pub(super) async fn out_of_date(self: &Arc<Self>, session: &Session) -> Result<Option<Step>, ShoError> {
        if self.in_force(session) {
            return Ok(None);
        }
        let detail = "the PVA's verdict is not in force any more; the device has to bring new evidence";
        self.refuse(session, refusal("verdict-expired", detail, true)).await.map(Some)
    }
}
