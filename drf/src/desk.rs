//! What the DRF does, each as one transaction: notices taken, devices bound, triggers made, results registered.

mod bind;
mod errors;
mod issue;
mod registry;
mod results;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ipnet::IpNet;
use schemas::{
    cose::Signer,
    identity::{OperatorId, Pcid},
    rest::provisioning::{Hello, Notice, TriggerRequest},
};
use service::{
    api::{AuditTable, Trail},
    database::{Database, DatabaseError, is_temporary},
    outbox::Outbox,
    sealed::Keyring,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::{
    config::AfterSuccess,
    metrics::Metrics,
    resolution::{self, Known, Rule, Why},
    store::{self, Device, NoticeRow, Operator, Place},
    trigger::{Terms, Trigger},
};

pub use bind::{Claim, Subject};
pub use errors::Refused;
pub use registry::{Changes, Description, Found, View};

/// How long a change of a credential is tried at the ICF.
const ICF_PATIENCE: Duration = Duration::from_secs(7 * 86_400);
/// Notices, triggers and results are remembered for this long, milliseconds: as the outbox of who sends them tries.
const MEMORY: i64 = 30 * 86_400_000;

/// What the configuration says.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The registration operator.
    pub operator: OperatorId,
    /// What RNCTs hold.
    pub terms: Terms,
    /// What becomes of provisional credentials that did their work.
    pub after_success: AfterSuccess,
    /// The ICF's profile for devices that keep their PCID.
    pub full_profile: String,
    /// Where devices of a notice take triggers.
    pub device_port: u16,
    /// Whether there is an ICF to tell.
    pub icf: bool,
    /// Where triggers may be sent besides where the device was last.
    pub trigger_networks: Vec<IpNet>,
}

/// Milliseconds since 1970 UTC.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The time of the system.
#[must_use]
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Everything that is worked with.
#[derive(Clone)]
pub struct Desk {
    /// The registry.
    pub db: Database,
    /// What goes out.
    pub outbox: Outbox,
    /// What claim codes are sealed with.
    pub keys: Arc<Keyring>,
    /// What signs RNCTs.
    pub signer: Signer,
    /// What the configuration says.
    pub policy: Arc<Policy>,
    /// What time it is.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk(…)")
    }
}

/// Where a device goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Whose subscriber it is to become.
    pub operator: Operator,
    /// By what.
    pub why: Why,
}

impl Desk {
    /// Milliseconds since 1970 UTC.
    #[must_use]
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Writes down a refusal; where that fails, the log has it.
    pub async fn audit(&self, who: &str, action: &str, target: &str, outcome: &str) {
        if let Err(error) = AuditTable(self.db.clone()).record(who, action, target, outcome).await {
            tracing::error!(who, action, target, outcome, error, "the audit log cannot be written");
        }
    }

    /// Whose this device is (step 7).
    ///
    /// # Errors
    /// The database's.
    pub async fn resolved(
        &self,
        db: &mut SqliteConnection,
        device: &Device,
    ) -> Result<Option<Resolved>, sqlx::Error> {
        let rules = store::deciding_rules(&mut *db).await?;
        let Some((operator, why)) = resolve(device, &rules) else { return Ok(None) };
        // A reference holds it there; a directory without it would be a damaged one.
        Ok(store::operator(db, operator).await?.map(|operator| Resolved { operator, why }))
    }

    /// The DPF of an operator.
    #[must_use]
    pub fn dpf(&self, operator: &Operator) -> String {
        operator.dpf.clone().unwrap_or_else(|| self.policy.terms.dpf.clone())
    }

    /// Step 6: a device is attached with its PCID. Durable when it returns; sent again, it changes nothing.
    ///
    /// # Errors
    /// Another notice had this id; the database's.
    pub async fn notice(&self, notice: &Notice) -> Result<(), Refused> {
        let content = serde_json::to_string(notice).map_err(Refused::internal)?;
        let address = SocketAddr::new(notice.address, self.policy.device_port);
        let row = NoticeRow { id: notice.id, pcid: notice.pcid, address, content, over_3gpp: true };
        let desk = self.clone();
        let taken = self.db.transact(async move |tx| match store::known_notice(&mut *tx, row.id).await? {
            Some(known) if known == row.content => Ok("repeated"),
            Some(_) => Err(Refused::Conflict("another notice had this id: give each its own".to_owned())),
            None => Ok(if desk.arrived(tx, &row).await? { "resolved" } else { "waiting" }),
        });
        let outcome = taken.await?;
        self.outbox.wake();
        self.metrics.notices.with_label_values(&[outcome]).inc();
        tracing::info!(pcid = %notice.pcid, address = %notice.address, outcome, "notice");
        Ok(())
    }

    /// A device is there: whatever was waiting is old, and its binding decides. `false`: it has none.
    async fn arrived(&self, tx: &mut SqliteConnection, row: &NoticeRow) -> Result<bool, Refused> {
        let now = self.now();
        store::supersede_waiting(&mut *tx, row.pcid).await?;
        store::insert_notice(&mut *tx, row, now).await?;
        let place = Place { address: row.address, over_3gpp: row.over_3gpp };
        store::set_place(&mut *tx, row.pcid, place, now).await?;
        self.follow(tx, row.pcid).await
    }

    /// Step 6 in non-3GPP access, of a device that has shown who it is: gives its RNCT; the same while it may still
    /// take it.
    ///
    /// # Errors
    /// No operator is known; the database's.
    pub async fn hello(&self, hello: &Hello, from: IpAddr) -> Result<Vec<u8>, Refused> {
        let (desk, hello) = (self.clone(), hello.clone());
        let taken = self.db.transact(async move |tx| desk.hello_in(tx, &hello, from).await);
        let rnct = taken.await?.ok_or(Refused::NoOperator)?;
        self.metrics.triggers.with_label_values(&["delivered"]).inc();
        Ok(rnct)
    }

    /// As [`hello`](Self::hello), in the caller's transaction. `None`: no operator is known.
    async fn hello_in(
        &self,
        tx: &mut SqliteConnection,
        hello: &Hello,
        from: IpAddr,
    ) -> Result<Option<Vec<u8>>, Refused> {
        let device = store::device(&mut *tx, hello.pcid).await?.filter(|d| d.device_id == hello.device_id);
        let device = device.ok_or_else(|| Refused::NotFound("no such device".to_owned()))?;
        let now = self.now();
        // Without a port the device takes no triggers; port 0 reaches nobody.
        let address = SocketAddr::new(from, hello.coap_port.unwrap_or(0));
        store::set_place(&mut *tx, hello.pcid, Place { address, over_3gpp: false }, now).await?;
        let Some(resolved) = self.resolved(&mut *tx, &device).await? else {
            let content = serde_json::to_string(hello).map_err(Refused::internal)?;
            let row = NoticeRow { id: Uuid::new_v4(), pcid: hello.pcid, address, content, over_3gpp: false };
            store::forget_own_waiting(&mut *tx, hello.pcid).await?;
            store::supersede_waiting(&mut *tx, hello.pcid).await?;
            if hello.coap_port.is_some() {
                store::insert_notice(tx, &row, now).await?;
            }
            return Ok(None);
        };
        let open = store::open_trigger(&mut *tx, hello.pcid, now).await?;
        let trigger = match open {
            Some(open) if open.operator == resolved.operator.id && !open.over_3gpp => open,
            _ => self.issue(&mut *tx, &device, &resolved.operator, issue::Ask::answer()).await?,
        };
        store::end(tx, trigger.id, crate::trigger::State::Delivered, None, now).await?;
        Ok(Some(trigger.rnct))
    }

    /// The RNCT of a device that asks and has shown who it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn fetch(&self, pcid: Pcid) -> Result<Option<Vec<u8>>, Refused> {
        let now = self.now();
        let mut tx = self.db.readers.acquire().await?;
        let Some(trigger) = store::latest(&mut tx, pcid, now).await? else { return Ok(None) };
        drop(tx);
        if trigger.state == crate::trigger::State::Pending {
            let mut tx = self.db.write().await?;
            store::end(&mut tx, trigger.id, crate::trigger::State::Delivered, None, now).await?;
            tx.commit().await?;
            self.metrics.triggers.with_label_values(&["delivered"]).inc();
        }
        Ok(Some(trigger.rnct))
    }

    /// As [`fetch`](Self::fetch), for whoever is where the last notice said that the device is; `None`: it is not there.
    ///
    /// # Errors
    /// The database's.
    pub async fn fetch_from(&self, pcid: Pcid, from: IpAddr) -> Result<Option<Option<Vec<u8>>>, Refused> {
        let mut db = self.db.readers.acquire().await?;
        let place = store::place(&mut db, pcid).await?;
        drop(db);
        if place.is_none_or(|place| place.address.ip().to_canonical() != from.to_canonical()) {
            return Ok(None);
        }
        self.fetch(pcid).await.map(Some)
    }

    /// Triggers a device because the DPF asks; the same request again gives the same trigger.
    ///
    /// # Errors
    /// No such device, no operator, another request with this id; the database's.
    pub async fn trigger(&self, request: &TriggerRequest) -> Result<Trigger, Refused> {
        let mut tx = self.db.write().await?;
        if let Some(known) = store::trigger_by_request(&mut tx, request.id).await? {
            return if known.pcid == request.pcid && known.kind == request.kind {
                Ok(known)
            } else {
                Err(Refused::Conflict("another trigger had this id: give each its own".to_owned()))
            };
        }
        let gone = || Refused::NotFound(format!("{} is not in the registry", request.pcid));
        let device = store::device(&mut tx, request.pcid).await?.ok_or_else(gone)?;
        let resolved = self.resolved(&mut tx, &device).await?.ok_or(Refused::NoOperator)?;
        // An operator that the device has left has no business with it any more.
        if request.operator.as_ref().is_some_and(|asks| *asks != resolved.operator.id) {
            return Err(Refused::Conflict(format!(
                "{} does not belong to the operator that asks",
                request.pcid
            )));
        }
        let place = store::place(&mut tx, request.pcid).await?;
        if let Some(asked) = request.address.filter(|asked| !self.may_send_to(asked.ip(), place)) {
            return Err(Refused::Field {
                pointer: "/address",
                detail: format!(
                    "{} is neither where the device was last nor in drf.trigger_networks of the DRF's configuration",
                    asked.ip()
                ),
            });
        }
        let address = request.address.or(place.map(|place| place.address)).filter(|at| at.port() != 0);
        let ask = issue::Ask {
            kind: Some(request.kind),
            address,
            over_3gpp: place.is_some_and(|place| place.over_3gpp),
            request: Some(request.id),
        };
        let trigger = self.issue(&mut tx, &device, &resolved.operator, ask).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(trigger)
    }

    /// Whether a trigger may go to an address that somebody names: a DRF that sends where it is told floods others.
    fn may_send_to(&self, address: IpAddr, place: Option<Place>) -> bool {
        let address = address.to_canonical();
        place.is_some_and(|place| place.address.ip().to_canonical() == address)
            || self.policy.trigger_networks.iter().any(|network| network.contains(&address))
    }

    /// Looks for notices that wait though their devices are bound by now: a rule has changed, or a process ended
    /// between the two. Forgets what is old.
    ///
    /// # Errors
    /// The database's, or the signer's.
    pub async fn sweep(&self) -> Result<(), Refused> {
        const AT_A_TIME: u32 = 256;
        let mut after = String::new();
        loop {
            let mut db = self.db.readers.acquire().await?;
            let pcids = store::waiting_pcids(&mut db, &after, AT_A_TIME).await?;
            drop(db);
            let Some(last) = pcids.last() else { break };
            after = last.to_string();
            for pcid in pcids {
                // One that cannot be followed keeps none of the others, unless it is the database that fails.
                match self.follow_waiting(pcid).await {
                    Err(Refused::Database(DatabaseError::Statement(error))) if is_temporary(&error) => {
                        return Err(error.into());
                    }
                    Err(error) => {
                        tracing::error!(%pcid, %error, "what waits for a device cannot be followed")
                    }
                    Ok(()) => {}
                }
            }
        }
        let mut tx = self.db.write().await?;
        store::forget_old(&mut tx, self.now().saturating_sub(MEMORY)).await?;
        tx.commit().await?;
        loop {
            let mut tx = self.db.write().await?;
            let forgotten = store::forget_notices(&mut tx).await?;
            tx.commit().await?;
            if forgotten == 0 {
                return Ok(());
            }
        }
    }

    async fn follow_waiting(&self, pcid: Pcid) -> Result<(), Refused> {
        let mut tx = self.db.write().await?;
        if self.follow(&mut tx, pcid).await? {
            tx.commit().await?;
            self.outbox.wake();
        }
        Ok(())
    }
}

/// Step 7, of a device and the rules.
#[must_use]
pub fn resolve<'a>(device: &'a Device, rules: &'a [Rule]) -> Option<(&'a OperatorId, Why)> {
    let known = Known {
        pcid: device.pcid,
        supplier: Some(&device.supplier),
        contract: device.contract.as_ref(),
        claim: device.claimed.as_ref(),
    };
    resolution::resolve(known, rules)
}
