//! Addresses from a pool, each given to one credential at a time. Free ones are found by an index: first
//! those that came back, then the next that was never given out, at last those of expired credentials.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::IpAddr,
};

use ipnet::IpNet;
use schemas::{identity::Imsi, subscription::Overrides};
use sqlx::SqliteConnection;

use super::{rows, subjects::Subjects};
use crate::{
    model::Timestamp,
    store::{StoreError, pool},
};

/// How many addresses are looked at in one query.
const BLOCK: u32 = 256;

/// The pools that a commit takes addresses from.
#[derive(Default)]
pub(super) struct Pools {
    pools: HashMap<IpNet, Pool>,
}

struct Pool {
    first: IpAddr,
    last: IpAddr,
    /// Next that was never given out; `None` when there is none.
    next: Option<IpAddr>,
    /// Taken out of the database and not given to anybody yet.
    ready: VecDeque<IpAddr>,
    free_left: bool,
    reclaimed: bool,
}

impl Pools {
    /// An address of `net` that nobody has; `None` when it is used up.
    pub(super) async fn take(
        &mut self,
        conn: &mut SqliteConnection,
        net: IpNet,
        subjects: &Subjects,
        now: Timestamp,
    ) -> Result<Option<IpAddr>, StoreError> {
        let pool = match self.pools.entry(net) {
            std::collections::hash_map::Entry::Occupied(pool) => pool.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(Pool::load(conn, net).await?),
        };
        loop {
            if let Some(address) = pool.ready.pop_front() {
                return Ok(Some(address));
            }
            if pool.free_left {
                pool.take_free(&mut *conn).await?;
            } else if let Some(next) = pool.next {
                pool.take_next(&mut *conn, next).await?;
            } else if !pool.reclaimed {
                pool.reclaim(&mut *conn, subjects, now).await?;
            } else {
                return Ok(None);
            }
        }
    }

    /// Writes down what is left.
    pub(super) async fn save(self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        for (net, pool) in self.pools {
            sqlx::query(
                "INSERT INTO address_pool (pool, next) VALUES (?1, ?2) \
                 ON CONFLICT (pool) DO UPDATE SET next = excluded.next WHERE next IS NOT excluded.next",
            )
            .bind(net.to_string())
            .bind(pool.next.map(rows::address_blob))
            .execute(&mut *conn)
            .await?;
            for address in pool.ready {
                free(&mut *conn, address).await?;
            }
        }
        Ok(())
    }
}

impl Pool {
    async fn load(conn: &mut SqliteConnection, net: IpNet) -> Result<Self, StoreError> {
        let (first, last) = pool::usable(net);
        let stored: Option<(Option<Vec<u8>>,)> =
            sqlx::query_as("SELECT next FROM address_pool WHERE pool = ?1")
                .bind(net.to_string())
                .fetch_optional(conn)
                .await?;
        let next = match stored {
            None => Some(first),
            Some((next,)) => next.as_deref().map(rows::address).transpose()?,
        };
        Ok(Self { first, last, next, ready: VecDeque::new(), free_left: true, reclaimed: false })
    }

    async fn take_free(&mut self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let found: Vec<(Vec<u8>,)> = sqlx::query_as(
            "DELETE FROM address_free WHERE address IN \
             (SELECT address FROM address_free WHERE address BETWEEN ?1 AND ?2 \
              AND address NOT IN (SELECT address FROM apn_address) ORDER BY address LIMIT 1) \
             RETURNING address",
        )
        .bind(rows::address_blob(self.first))
        .bind(rows::address_blob(self.last))
        .fetch_all(conn)
        .await?;
        self.free_left = !found.is_empty();
        for (blob,) in found {
            self.ready.push_back(rows::address(&blob)?);
        }
        Ok(())
    }

    /// Skips those that a person has assigned.
    async fn take_next(&mut self, conn: &mut SqliteConnection, next: IpAddr) -> Result<(), StoreError> {
        let end = pool::plus(next, BLOCK - 1).map_or(self.last, |end| end.min(self.last));
        let taken: Vec<(Vec<u8>,)> = sqlx::query_as(
            "SELECT address FROM credential WHERE address BETWEEN ?1 AND ?2 \
                 UNION SELECT address FROM apn_address WHERE address BETWEEN ?1 AND ?2",
        )
        .bind(rows::address_blob(next))
        .bind(rows::address_blob(end))
        .fetch_all(conn)
        .await?;
        let taken: HashSet<Vec<u8>> = taken.into_iter().map(|(blob,)| blob).collect();
        let mut at = Some(next);
        while let Some(address) = at.filter(|a| *a <= end) {
            at = pool::plus(address, 1);
            if !taken.contains(&rows::address_blob(address)) {
                self.ready.push_back(address);
                break;
            }
        }
        self.next = at.filter(|a| *a <= self.last);
        Ok(())
    }

    /// Not from those that the commit at hand is about.
    async fn reclaim(
        &mut self,
        conn: &mut SqliteConnection,
        subjects: &Subjects,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.reclaimed = true;
        let from: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT imsi, address FROM ( \
               SELECT imsi, address FROM credential \
               WHERE address IS NOT NULL AND expires_at IS NOT NULL AND expires_at <= ?1 \
               UNION SELECT imsi, address FROM credential WHERE address IS NOT NULL AND state = 'disabled') e \
             WHERE address BETWEEN ?2 AND ?3 AND NOT EXISTS (SELECT 1 FROM registration r WHERE r.imsi = e.imsi) \
             LIMIT ?4",
        )
        .bind(now.0)
        .bind(rows::address_blob(self.first))
        .bind(rows::address_blob(self.last))
        .bind(BLOCK)
        .fetch_all(&mut *conn)
        .await?;
        for (imsi, blob) in from {
            if subjects.address(rows::imsi(imsi)?).is_some() {
                continue;
            }
            sqlx::query("UPDATE credential SET address = NULL WHERE imsi = ?1")
                .bind(imsi)
                .execute(&mut *conn)
                .await?;
            self.ready.push_back(rows::address(&blob)?);
        }
        Ok(())
    }
}

/// Notes that an address is free again.
pub(super) async fn free(conn: &mut SqliteConnection, address: IpAddr) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO address_free (address) VALUES (?1) ON CONFLICT DO NOTHING")
        .bind(rows::address_blob(address))
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes that a person has assigned an address.
pub(super) async fn assigned(conn: &mut SqliteConnection, address: IpAddr) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM address_free WHERE address = ?1")
        .bind(rows::address_blob(address))
        .execute(conn)
        .await?;
    Ok(())
}

/// Replaces the static addresses that a subscriber has in APNs.
///
/// # Errors
/// [`StoreError::Conflict`] if another subscriber has one of them in the same APN.
pub(super) async fn set_of_apns(
    conn: &mut SqliteConnection,
    imsi: Imsi,
    overrides: &Overrides,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM apn_address WHERE imsi = ?1").bind(rows::code(imsi)).execute(&mut *conn).await?;
    for (apn, addresses) in overrides.addresses() {
        for address in addresses {
            let (owner,): (i64,) = sqlx::query_as(
                "INSERT INTO apn_address (apn, address, imsi) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (apn, address) DO UPDATE SET imsi = imsi RETURNING imsi",
            )
            .bind(&apn)
            .bind(rows::address_blob(address.0))
            .bind(rows::code(imsi))
            .fetch_one(&mut *conn)
            .await?;
            let owner = rows::imsi(owner)?;
            if owner != imsi {
                return Err(StoreError::Conflict(format!(
                    "address {address} of APN {apn} belongs to credential {owner}"
                )));
            }
        }
    }
    Ok(())
}
