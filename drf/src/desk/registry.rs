//! Devices as they are described, and who sees them.

use schemas::identity::{DeviceId, OperatorId, Pcid, SupplierId};

use super::{Desk, Refused, resolve};
use crate::{
    claim::{self, ClaimCode},
    resolution::Why,
    store::{self, Device},
};

/// Whose devices somebody sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// Everybody's: the registry's own people and roles.
    All,
    /// Those of this operator alone.
    Operator(OperatorId),
}

impl View {
    /// Whether what belongs to `operator` is there for it; what belongs to nobody is not an operator's.
    #[must_use]
    pub fn sees(&self, operator: Option<&OperatorId>) -> bool {
        match self {
            Self::All => true,
            Self::Operator(own) => operator == Some(own),
        }
    }

    /// The operator, if it is one.
    #[must_use]
    pub fn operator(&self) -> Option<&OperatorId> {
        match self {
            Self::All => None,
            Self::Operator(own) => Some(own),
        }
    }
}

/// A device, as who registers it describes it.
#[derive(Debug, Clone)]
pub struct Description {
    /// Who it is.
    pub device_id: DeviceId,
    /// Who made it.
    pub supplier: SupplierId,
    /// What it is.
    pub model: Option<String>,
    /// Whose it is.
    pub subscriber: Option<String>,
    /// What its subscriber proves ownership with; without, a stored one stays.
    pub claim_code: Option<ClaimCode>,
}

/// What to change of a device; the outer `None` leaves it, the inner takes it away.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Who it is.
    pub device_id: Option<DeviceId>,
    /// Who made it.
    pub supplier: Option<SupplierId>,
    /// What it is.
    pub model: Option<Option<String>>,
    /// Whose it is.
    pub subscriber: Option<Option<String>>,
    /// What its subscriber proves ownership with.
    pub claim_code: Option<Option<ClaimCode>>,
}

/// A device and where it goes.
pub type Found = (Device, Option<(OperatorId, Why)>);

fn taken(error: sqlx::Error) -> Refused {
    if error.as_database_error().is_some_and(|error| error.is_unique_violation()) {
        return Refused::Conflict("another device has this device_id, or this PCID".to_owned());
    }
    error.into()
}

impl Desk {
    /// The device with this PCID, if it is there for who asks.
    ///
    /// # Errors
    /// It is not; the database's.
    pub async fn device(&self, view: &View, pcid: Pcid) -> Result<Found, Refused> {
        let mut db = self.db.readers.acquire().await?;
        let gone = || Refused::NotFound(format!("{pcid} is not in the registry"));
        let device = store::device(&mut db, pcid).await?.ok_or_else(gone)?;
        let rules = store::deciding_rules(&mut db).await?;
        let bound = resolve(&device, &rules).map(|(operator, why)| (operator.clone(), why));
        if view.sees(bound.as_ref().map(|(operator, _)| operator)) {
            Ok((device, bound))
        } else {
            Err(gone())
        }
    }

    /// Devices with PCIDs above `after`; and where to go on, if there may be more. For an operator a page can hold
    /// fewer than `limit` and not be the last.
    ///
    /// # Errors
    /// The database's.
    pub async fn devices(
        &self,
        view: &View,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Found>, Option<String>), Refused> {
        /// Rows read at most for one page.
        const READ: usize = 10_000;
        let mut db = self.db.readers.acquire().await?;
        let rules = store::deciding_rules(&mut db).await?;
        let (mut found, mut at, mut read) = (Vec::new(), after.map(str::to_owned), 0);
        loop {
            let rows = store::devices(&mut db, at.as_deref(), view.operator(), limit.max(500)).await?;
            if rows.is_empty() {
                return Ok((found, None));
            }
            read += rows.len();
            for device in rows {
                // A full page, and one more is there.
                let bound = resolve(&device, &rules).map(|(operator, why)| (operator.clone(), why));
                if view.sees(bound.as_ref().map(|(operator, _)| operator)) {
                    if found.len() >= limit as usize {
                        return Ok((found, at));
                    }
                    at = Some(device.pcid.to_string());
                    found.push((device, bound));
                } else {
                    at = Some(device.pcid.to_string());
                }
            }
            if read >= READ {
                return Ok((found, at));
            }
        }
    }

    /// Registers a device, or describes it anew; `true` if it is new.
    ///
    /// # Errors
    /// Another device has the identity; the database's.
    pub async fn put_device(&self, pcid: Pcid, description: &Description) -> Result<bool, Refused> {
        let mut tx = self.db.write().await?;
        let new = self.put_in(&mut tx, pcid, description).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(new)
    }

    /// As [`put_device`](Self::put_device), in a transaction.
    ///
    /// # Errors
    /// As there.
    pub async fn put_in(
        &self,
        tx: &mut sqlx::SqliteConnection,
        pcid: Pcid,
        description: &Description,
    ) -> Result<bool, Refused> {
        let before = store::device(&mut *tx, pcid).await?;
        let now = self.now();
        let code =
            description.claim_code.as_ref().map(|code| claim::seal(&self.keys, pcid, code)).transpose()?;
        let Description { device_id, supplier, model, subscriber, .. } = description.clone();
        let device = Device {
            pcid,
            device_id,
            supplier,
            model,
            subscriber,
            claim_code: code.or_else(|| before.as_ref().and_then(|before| before.claim_code.clone())),
            contract: None,
            claimed: None,
            current: None,
            created_at: now,
            updated_at: now,
        };
        match &before {
            None => store::insert_device(&mut *tx, &device).await.map_err(taken)?,
            Some(_) => store::update_device(&mut *tx, &device).await.map_err(taken)?,
        }
        // A notice may have come before the device was registered, or its supplier's rule may hold now.
        self.follow(tx, pcid).await?;
        Ok(before.is_none())
    }

    /// Changes what is said of a device.
    ///
    /// # Errors
    /// It is not there, another device has the identity; the database's.
    pub async fn patch_device(&self, pcid: Pcid, changes: &Changes) -> Result<(), Refused> {
        let mut tx = self.db.write().await?;
        let gone = || Refused::NotFound(format!("{pcid} is not in the registry"));
        let mut device = store::device(&mut tx, pcid).await?.ok_or_else(gone)?;
        let changes = changes.clone();
        device.device_id = changes.device_id.unwrap_or(device.device_id);
        device.supplier = changes.supplier.unwrap_or(device.supplier);
        device.model = changes.model.unwrap_or(device.model);
        device.subscriber = changes.subscriber.unwrap_or(device.subscriber);
        if let Some(code) = changes.claim_code {
            device.claim_code = code.map(|code| claim::seal(&self.keys, pcid, &code)).transpose()?;
        }
        device.updated_at = self.now();
        store::update_device(&mut tx, &device).await.map_err(taken)?;
        self.follow(&mut tx, pcid).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(())
    }

    /// Takes a device out of the registry; what was on its way to it is taken back.
    ///
    /// # Errors
    /// It is not there; the database's.
    pub async fn delete_device(&self, pcid: Pcid) -> Result<(), Refused> {
        let mut tx = self.db.write().await?;
        if !store::delete_device(&mut tx, pcid).await? {
            return Err(Refused::NotFound(format!("{pcid} is not in the registry")));
        }
        tx.commit().await?;
        Ok(())
    }
}
