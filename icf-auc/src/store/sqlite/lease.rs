//! Leases of SEQs: many IMSIs' in one read and one write, inside the transaction of a commit.

use std::{collections::HashMap, ops::Range};

use schemas::identity::Imsi;
use sqlx::SqliteConnection;

use super::{
    error::{damaged, json},
    rows,
};
use crate::{
    auc::{
        clock::{Account, LeaseRefused},
        sqn::Layout,
    },
    store::{Op, StoreError},
};

/// The accounts of the IMSIs that a commit leases for.
#[derive(Default)]
pub(super) struct Ledger {
    accounts: HashMap<Imsi, Result<Entry, StoreError>>,
    /// The tick that floors are counted from.
    base: u64,
    /// What a resynchronisation skips above SEQ_MS.
    margin: u64,
    /// Why no numbers are given.
    closed: Option<StoreError>,
}

/// The account of an IMSI, as it was read and as it is now.
#[derive(Clone, Copy)]
struct Entry {
    read: Account,
    now: Account,
}

impl Entry {
    fn changed(&self) -> bool {
        self.read != self.now
    }
}

impl Ledger {
    /// Reads the accounts that `ops` need.
    pub(super) async fn load(conn: &mut SqliteConnection, ops: &[Op], base: u64) -> Result<Self, StoreError> {
        let Some(codes) = leased(ops) else { return Ok(Self::default()) };
        // One row for them all: a row costs more than what is in it.
        let (found, known, margin): (String, i64, i64) = sqlx::query_as(
            "SELECT json_group_array(json_array(c.imsi, c.ind_bitlen, s.seq_reserved, s.seq_offset)), \
             coalesce((SELECT base FROM sequence_clock), 0), coalesce((SELECT margin FROM sequence_clock), 0) \
             FROM json_each(?1) j CROSS JOIN credential c ON c.imsi = j.value \
             CROSS JOIN sequence s ON s.imsi = c.imsi",
        )
        .bind(codes)
        .fetch_one(conn)
        .await?;
        let found: Vec<(i64, u8, u64, i64)> = serde_json::from_str(&found).map_err(damaged)?;
        let mut accounts = HashMap::with_capacity(found.len());
        for (code, ind_bitlen, seq_reserved, offset) in found {
            let account = Layout::new(ind_bitlen).map_err(damaged);
            let account = account.map(|layout| Account { layout, seq_reserved, offset });
            accounts.insert(rows::imsi(code)?, account.map(|read| Entry { read, now: read }));
        }
        let base = base.max(known.cast_unsigned());
        Ok(Self { accounts, base, margin: margin.cast_unsigned(), closed: None })
    }

    /// Gives no numbers, for this reason.
    pub(super) fn close(&mut self, why: StoreError) {
        self.closed = Some(why);
    }

    /// The highest tick that a SEQ given here stands for, 0 without.
    pub(super) fn high(&self) -> u64 {
        let given = self.accounts.values().flatten().filter(|entry| entry.changed());
        given.map(|entry| entry.now.high()).max().unwrap_or(0)
    }

    /// The IMSIs whose offset was moved here, each with the new one.
    pub(super) fn moved(&self) -> Vec<(Imsi, i64)> {
        let entries = self.accounts.iter().filter_map(|(imsi, entry)| Some((imsi, entry.as_ref().ok()?)));
        let moved = entries.filter(|(_, entry)| entry.read.offset != entry.now.offset);
        moved.map(|(imsi, entry)| (*imsi, entry.now.offset)).collect()
    }

    /// The next `count` SEQs above what is reserved, above the floor by time and above `above`; fewer where the number
    /// space ends.
    pub(super) fn take(
        &mut self,
        imsi: Imsi,
        count: u32,
        above: Option<u64>,
    ) -> Result<Range<u64>, StoreError> {
        if let Some(why) = &self.closed {
            return Err(why.clone());
        }
        let account = match self.accounts.get_mut(&imsi) {
            Some(Ok(entry)) => &mut entry.now,
            Some(Err(error)) => return Err(error.clone()),
            None => return Err(StoreError::NotFound(format!("credential {imsi}"))),
        };
        let above = above.map(|seq_ms| seq_ms.saturating_add(self.margin));
        let lease = account.lease(self.base, count, above).map_err(|refused| match refused {
            LeaseRefused::Exhausted => StoreError::SequenceExhausted(imsi),
            LeaseRefused::AheadOfClock => StoreError::AheadOfClock(imsi),
        })?;
        Ok(lease.first()..lease.last() + 1)
    }

    /// Writes down what was taken.
    pub(super) async fn save(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let changed: Vec<(i64, u64, i64)> = self
            .accounts
            .iter()
            .filter_map(|(imsi, entry)| Some((imsi, entry.as_ref().ok()?)))
            .filter(|(_, entry)| entry.changed())
            .map(|(imsi, entry)| (rows::code(*imsi), entry.now.seq_reserved, entry.now.offset))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE sequence SET seq_reserved = max(seq_reserved, j.value->>1), \
             seq_offset = max(seq_offset, j.value->>2) \
             FROM json_each(?1) j WHERE sequence.imsi = j.value->>0",
        )
        .bind(json(&changed)?)
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// The codes of the IMSIs that leases are asked for; `None` if none is.
fn leased(ops: &[Op]) -> Option<String> {
    let mut imsis = Vec::new();
    for op in ops {
        if let Op::Lease { imsi, .. } = op {
            imsis.push(*imsi);
        }
    }
    if imsis.is_empty() { None } else { Some(rows::codes(imsis.into_iter())) }
}
