//! Binding devices to operators: by contract, by claim, by rule.

use schemas::identity::{DeviceId, OperatorId, Pcid};

use super::{Desk, Refused, View, resolve};
use crate::{
    claim::{self, ClaimCode, FAILURES, MAX_COUNTED, WINDOW},
    resolution::Rule,
    store::{self, Device},
};

/// Which device is claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// By its PCID.
    Pcid(Pcid),
    /// By its identity.
    Device(DeviceId),
}

/// A subscriber's choice.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Which device.
    pub subject: Subject,
    /// Proof that it is theirs.
    pub code: ClaimCode,
    /// Whom they choose.
    pub operator: OperatorId,
}

fn not_claimed() -> Refused {
    Refused::NotFound("there is no device with that identity and claim code".to_owned())
}

fn no_device(pcid: Pcid) -> Refused {
    Refused::NotFound(format!("{pcid} is not in the registry"))
}

impl Desk {
    /// An operator has a contract with the device. Whoever sees one operator's devices alone can bind to that one
    /// alone, and what is another's is not there for it. A device that does not go to that operator already, by a rule of
    /// the registry or by its subscriber's choice, is bound with its claim code alone: that nobody has a contract yet does
    /// not make it anybody's. `who` bears the token: wrong codes are counted for each bearer.
    ///
    /// # Errors
    /// No such device or operator, no or a wrong code where one is needed, too many tries, another contract; the
    /// database's.
    pub async fn set_contract(
        &self,
        view: &View,
        who: &str,
        pcid: Pcid,
        operator: &OperatorId,
        code: Option<&ClaimCode>,
    ) -> Result<Device, Refused> {
        if !view.sees(Some(operator)) {
            let detail = "this token binds devices to its own operator alone".to_owned();
            return Err(Refused::Field { pointer: "/operator", detail });
        }
        let mut tx = self.db.write().await?;
        let device = store::device(&mut tx, pcid).await?;
        let rules = store::deciding_rules(&mut tx).await?;
        let bound = device.as_ref().and_then(|device| resolve(device, &rules)).map(|(operator, _)| operator);
        if bound.is_some() && !view.sees(bound) {
            return Err(no_device(pcid));
        }
        let device = if bound.is_some() || matches!(view, View::All) {
            device.ok_or_else(|| no_device(pcid))?
        } else {
            let code = code.ok_or_else(|| no_device(pcid))?;
            match self.proven(&mut tx, who, device, format!("pcid {pcid}"), code).await? {
                Some(device) => device,
                None => {
                    tx.commit().await?;
                    return Err(no_device(pcid));
                }
            }
        };
        if let Some(other) = device.contract.as_ref().filter(|other| *other != operator) {
            return Err(Refused::Conflict(format!("{other} has a contract: it has to end first (DELETE)")));
        }
        self.known_operator(&mut tx, operator).await?;
        store::set_contract(&mut tx, pcid, Some(operator), self.now()).await?;
        self.follow(&mut tx, pcid).await?;
        let device = store::device(&mut tx, pcid).await?.ok_or_else(|| no_device(pcid))?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(device)
    }

    /// The contract has ended.
    ///
    /// # Errors
    /// No such device, no contract; the database's.
    pub async fn end_contract(&self, view: &View, pcid: Pcid) -> Result<(), Refused> {
        let mut tx = self.db.write().await?;
        let device = store::device(&mut tx, pcid).await?.filter(|device| {
            matches!(view, View::All) || (device.contract.is_some() && view.sees(device.contract.as_ref()))
        });
        let device = device.ok_or_else(|| no_device(pcid))?;
        if device.contract.is_none() {
            return Err(Refused::NotFound("nobody has a contract with it".to_owned()));
        }
        let now = self.now();
        store::set_contract(&mut tx, pcid, None, now).await?;
        let device = Device { contract: None, ..device };
        if self.resolved(&mut tx, &device).await?.is_none() {
            store::close_open(&mut tx, pcid, "the contract has ended", now).await?;
        }
        self.follow(&mut tx, pcid).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(())
    }

    /// A subscriber chooses. Wrong codes are counted for each device and each bearer of a token, `who`: no more than a few
    /// are tried, and nobody is kept out by the wrong codes of others.
    ///
    /// # Errors
    /// No such device or code, too many tries, another contract, no such operator; the database's.
    pub async fn claim(&self, view: &View, who: &str, claim: &Claim) -> Result<Device, Refused> {
        if !view.sees(Some(&claim.operator)) {
            let detail = "this token binds devices to its own operator alone".to_owned();
            return Err(Refused::Field { pointer: "/operator", detail });
        }
        let now = self.now();
        let mut tx = self.db.write().await?;
        let (device, named) = match &claim.subject {
            Subject::Pcid(pcid) => (store::device(&mut tx, *pcid).await?, format!("pcid {pcid}")),
            Subject::Device(id) => (store::device_by_identity(&mut tx, id).await?, format!("device {id}")),
        };
        let Some(device) = self.proven(&mut tx, who, device, named, &claim.code).await? else {
            tx.commit().await?;
            return Err(not_claimed());
        };
        if let Some(other) = device.contract.as_ref().filter(|other| **other != claim.operator) {
            // Who holds the code is the subscriber, and may know; another operator may not.
            return Err(match view {
                View::All => {
                    Refused::Conflict(format!("{other} has a contract with the device: end it first"))
                }
                View::Operator(_) => not_claimed(),
            });
        }
        self.known_operator(&mut tx, &claim.operator).await?;
        store::set_claim(&mut tx, device.pcid, &claim.operator, now).await?;
        self.follow(&mut tx, device.pcid).await?;
        let device = store::device(&mut tx, device.pcid).await?.ok_or_else(not_claimed)?;
        tx.commit().await?;
        self.outbox.wake();
        self.metrics.claims.with_label_values(&["done"]).inc();
        Ok(device)
    }

    /// The device, if this is its claim code. A wrong one is counted, in the caller's transaction: to be committed.
    ///
    /// # Errors
    /// Too many wrong ones before; the database's.
    async fn proven(
        &self,
        tx: &mut sqlx::SqliteConnection,
        who: &str,
        device: Option<Device>,
        named: String,
        code: &ClaimCode,
    ) -> Result<Option<Device>, Refused> {
        let now = self.now();
        // One count for a device by whichever name, and for what is no device too: the answers tell no difference.
        // For each token, of which there are as many as the configuration has: a code of eight characters is not guessed by
        // all of them together in a lifetime, and nobody's wrong codes are held against another.
        let target = device.as_ref().map_or(named, |device| format!("pcid {}", device.pcid));
        let target = (who, target.as_str());
        if let Some((failures, since)) = store::failures(&mut *tx, target).await? {
            let left = since.saturating_add(WINDOW).saturating_sub(now);
            if failures >= FAILURES && left > 0 {
                return Err(Refused::Throttled(left.unsigned_abs().div_ceil(1000)));
            }
        }
        let nobody = Pcid::from_digits(b"000000").map_err(Refused::internal)?;
        let (pcid, stored) = device.as_ref().map_or((nobody, None), |d| (d.pcid, d.claim_code.as_deref()));
        let good = claim::matches(&self.keys, pcid, stored, code)?;
        let device = device.filter(|_| good);
        if device.is_some() {
            store::clear_failures(tx, target).await?;
        } else {
            store::note_failure(tx, target, now, now.saturating_sub(WINDOW), MAX_COUNTED).await?;
            self.metrics.claims.with_label_values(&["refused"]).inc();
        }
        Ok(device)
    }

    /// Stores a rule; `true` if it is new. Devices that wait for it are triggered.
    ///
    /// # Errors
    /// No such operator, a range that is none; the database's.
    pub async fn put_rule(&self, rule: &Rule) -> Result<bool, Refused> {
        if let Some(range) = rule.range {
            range
                .check()
                .map_err(|detail| Refused::Field { pointer: "/range", detail: detail.to_owned() })?;
        }
        let mut tx = self.db.write().await?;
        self.known_operator(&mut tx, &rule.operator).await?;
        let new = store::put_rule(&mut tx, rule).await?;
        tx.commit().await?;
        self.sweep().await?;
        Ok(new)
    }

    /// Takes a rule out.
    ///
    /// # Errors
    /// It is not there; the database's.
    pub async fn delete_rule(&self, id: &str) -> Result<(), Refused> {
        let mut tx = self.db.write().await?;
        if !store::delete_rule(&mut tx, id).await? {
            return Err(Refused::NotFound(format!("there is no rule {id}")));
        }
        tx.commit().await?;
        self.sweep().await
    }

    async fn known_operator(
        &self,
        tx: &mut sqlx::SqliteConnection,
        operator: &OperatorId,
    ) -> Result<(), Refused> {
        if store::operator(tx, operator).await?.is_some() {
            return Ok(());
        }
        let detail = format!("{operator} is not in the directory: PUT /v1/operators/{operator} first");
        Err(Refused::Field { pointer: "/operator", detail })
    }
}
