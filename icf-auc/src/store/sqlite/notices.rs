//! Notices to the DRF (seed, section 5 step 6): written in the transaction that registers the device, so that none is
//! lost and none is told of a registration that was not.

use std::{net::IpAddr, time::Duration};

use schemas::rest::provisioning::Notice;
use service::outbox::{self, Message};
use sqlx::SqliteConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::json;
use crate::{
    model::{Registration, Timestamp},
    store::{NOTICES, StoreError},
};

/// A device that was away from the DRF for so long is found again by its next attach.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Queues the notice of a registration with an address.
pub(super) async fn enqueue(
    conn: &mut SqliteConnection,
    registration: &Registration,
    address: IpAddr,
    now: Timestamp,
) -> Result<(), StoreError> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now.0) * 1_000_000);
    let notice = Notice {
        id: Uuid::now_v7(),
        pcid: registration.imsi,
        address,
        visited_plmn: registration.visited_plmn,
        serving_node: registration.node.host.clone(),
        imei: registration.imei.clone(),
        at: at.unwrap_or(OffsetDateTime::UNIX_EPOCH),
    };
    let body = json(&notice)?;
    let message = Message {
        topic: NOTICES,
        key: &notice.id.to_string(),
        body: body.as_bytes(),
        give_up_after: GIVE_UP_AFTER,
    };
    outbox::enqueue(conn, &message).await?;
    Ok(())
}
