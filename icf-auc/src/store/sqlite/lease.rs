//! Leases of SEQs: many IMSIs' in one read and one write, inside the transaction of a commit.

use std::{collections::HashMap, ops::Range};

use schemas::identity::Imsi;
use sqlx::SqliteConnection;

use super::{
    error::{damaged, json},
    rows,
};
use crate::{
    auc::sqn::Layout,
    store::{Op, StoreError},
};

/// `seq_reserved` of the IMSIs that a commit leases for.
#[derive(Default)]
pub(super) struct Ledger {
    accounts: HashMap<Imsi, Result<Account, StoreError>>,
}

struct Account {
    layout: Layout,
    seq_reserved: u64,
    changed: bool,
}

impl Ledger {
    /// Reads the accounts that `ops` need.
    pub(super) async fn load(conn: &mut SqliteConnection, ops: &[Op]) -> Result<Self, StoreError> {
        let Some(codes) = leased(ops) else { return Ok(Self::default()) };
        // One row for them all: a row costs more than what is in it.
        let (found,): (String,) = sqlx::query_as(
            "SELECT json_group_array(json_array(c.imsi, c.ind_bitlen, s.seq_reserved)) \
             FROM json_each(?1) j CROSS JOIN credential c ON c.imsi = j.value \
             CROSS JOIN sequence s ON s.imsi = c.imsi",
        )
        .bind(codes)
        .fetch_one(conn)
        .await?;
        let found: Vec<(i64, u8, u64)> = serde_json::from_str(&found).map_err(damaged)?;
        let mut accounts = HashMap::with_capacity(found.len());
        for (code, ind_bitlen, seq_reserved) in found {
            let account = Layout::new(ind_bitlen).map_err(damaged);
            let account = account.map(|layout| Account { layout, seq_reserved, changed: false });
            accounts.insert(rows::imsi(code)?, account);
        }
        Ok(Self { accounts })
    }

    /// The next `count` SEQs above what is reserved and above `above`; fewer where the number space ends.
    pub(super) fn take(
        &mut self,
        imsi: Imsi,
        count: u32,
        above: Option<u64>,
    ) -> Result<Range<u64>, StoreError> {
        let account = match self.accounts.get_mut(&imsi) {
            Some(Ok(account)) => account,
            Some(Err(error)) => return Err(error.clone()),
            None => return Err(StoreError::NotFound(format!("credential {imsi}"))),
        };
        let lease = account
            .layout
            .lease_after(account.seq_reserved.max(above.unwrap_or(0)), count)
            .map_err(|_| StoreError::SequenceExhausted(imsi))?;
        account.seq_reserved = lease.last();
        account.changed = true;
        Ok(lease.first()..lease.last() + 1)
    }

    /// Writes down what was taken.
    pub(super) async fn save(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let changed: Vec<(i64, u64)> = self
            .accounts
            .iter()
            .filter_map(|(imsi, account)| Some((imsi, account.as_ref().ok()?)))
            .filter(|(_, a)| a.changed)
            .map(|(i, a)| (rows::code(*i), a.seq_reserved))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE sequence SET seq_reserved = max(seq_reserved, j.value->>1) \
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
