//! Group commit: all operations in one transaction. What an operation needs is read for all of them at once,
//! and written for all of them at once.

use schemas::identity::Imsi;
use serde_json::json;
use sqlx::SqliteConnection;

use super::{
    SqliteStore,
    addresses::Pools,
    lease::Ledger,
    notices,
    numbers::Used,
    queue,
    subjects::{Subjects, subject_of},
    vectors,
};
use crate::{
    model::{NodeKind, Registration, Timestamp},
    store::{Done, Event, Op, StoreError, TakeOver, sealed::Keyring},
};

/// What the numbers of a commit are given by.
pub(super) struct Numbering {
    /// The tick that floors are counted from.
    pub base: u64,
    /// Why none are given: no SEQs, and no vectors of pools.
    pub closed: Option<StoreError>,
}

/// Results in the order of the operations, and what was handed out. The outer error is for the transaction as a whole.
pub(super) async fn run(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    numbering: Numbering,
    ops: &[Op],
    now: Timestamp,
) -> Result<(Vec<Result<Done, StoreError>>, Used), StoreError> {
    let mut leases = Ledger::load(conn, ops, numbering.base).await?;
    if let Some(why) = &numbering.closed {
        leases.close(why.clone());
    }
    let mut work = Work {
        leases,
        closed: numbering.closed,
        subjects: Subjects::load(conn, ops).await?,
        pools: Pools::default(),
        events: Vec::new(),
        now,
    };
    let mut results = Vec::with_capacity(ops.len());
    for op in ops {
        results.push(work.one(conn, keys, op).await?);
    }
    let vectors = results.iter().map(|result| match result {
        Ok(Done::Vectors(vectors)) => vectors.len() as u64,
        _ => 0,
    });
    let used = Used { high: work.leases.high(), moved: work.leases.moved(), vectors: vectors.sum() };
    let Work { leases, subjects, pools, events, .. } = work;
    leases.save(conn).await?;
    subjects.save(conn).await?;
    pools.save(conn).await?;
    queue::tell(conn, &events, now).await?;
    Ok((results, used))
}

struct Work {
    leases: Ledger,
    closed: Option<StoreError>,
    subjects: Subjects,
    pools: Pools,
    events: Vec<Event>,
    now: Timestamp,
}

impl Work {
    async fn one(
        &mut self,
        conn: &mut SqliteConnection,
        keys: &Keyring,
        op: &Op,
    ) -> Result<Result<Done, StoreError>, StoreError> {
        if let Some(error) = subject_of(op).and_then(|imsi| self.subjects.unreadable(imsi)) {
            return Ok(Err(error.clone()));
        }
        Ok(match op {
            Op::Lease { imsi, count, above } => self.leases.take(*imsi, *count, *above).map(Done::Lease),
            Op::Register { registration, count_attach, pool, take_over, notify } => {
                let registered = self.register(conn, registration, *count_attach, *pool, take_over).await?;
                if let (true, Ok(Done::Registered { address: Some(address), .. })) = (*notify, &registered) {
                    notices::enqueue(conn, registration, *address, self.now).await?;
                }
                return Ok(registered);
            }
            Op::Renew { imsi, kind, host, expires_at, imei } => {
                Ok(Done::Changed(self.subjects.renew(*imsi, *kind, host, *expires_at, imei.as_deref())))
            }
            Op::Purge { imsi, host } => {
                let any = self.subjects.purge(*imsi, host);
                if any {
                    self.event("purged", *imsi, json!({ "node": host }));
                }
                Ok(Done::Changed(any))
            }
            Op::Deregister { imsi, kind, host } => Ok(Done::Changed(self.deregister(*imsi, *kind, host))),
            Op::TakeVectors { imsi, count } => match &self.closed {
                Some(why) => Err(why.clone()),
                None => match vectors::take(conn, keys, *imsi, *count).await {
                    Err(error @ StoreError::Sealed(_)) => Err(error),
                    other => Ok(Done::Vectors(other?)),
                },
            },
            Op::Sent(id) => Ok(Done::Changed(queue::sent(conn, *id).await?)),
            Op::SendLater { id, at, why } => Ok(Done::Changed(queue::later(conn, *id, *at, why).await?)),
            Op::Tell(event) => {
                self.events.push(event.clone());
                Ok(Done::Changed(true))
            }
        })
    }

    async fn register(
        &mut self,
        conn: &mut SqliteConnection,
        registration: &Registration,
        count_attach: bool,
        pool: Option<ipnet::IpNet>,
        take_over: &TakeOver,
    ) -> Result<Result<Done, StoreError>, StoreError> {
        let imsi = registration.imsi;
        let Some(known) = self.subjects.address(imsi) else {
            return Ok(Err(StoreError::NotFound(format!("credential {imsi}"))));
        };
        let address = match (known, pool) {
            (Some(address), _) => Some(address),
            (None, None) => None,
            (None, Some(pool)) => match self.pools.take(conn, pool, &self.subjects, self.now).await? {
                Some(address) => Some(address),
                None => return Ok(Err(StoreError::PoolExhausted(pool))),
            },
        };
        self.subjects.attach(imsi, address, count_attach);
        let mut registration = registration.clone();
        registration.address = address;
        let detail = json!({
            "kind": registration.kind,
            "node": registration.node.host,
            "visited_plmn": registration.visited_plmn,
            "address": address,
        });
        let mut send = Vec::new();
        for previous in self.subjects.registered(imsi) {
            if let Some(one) = take_over.notice(&previous, &registration, self.now) {
                send.push(queue::push(conn, &one, self.now).await?);
            }
            if take_over.other_kind.is_some() && previous.kind != registration.kind {
                self.deregister(imsi, previous.kind, &previous.node.host);
            }
        }
        self.subjects.put(registration);
        self.event("registered", imsi, detail);
        Ok(Ok(Done::Registered { address, send }))
    }

    /// Whether it was registered there.
    fn deregister(&mut self, imsi: Imsi, kind: NodeKind, host: &str) -> bool {
        let any = self.subjects.forget(imsi, kind, host);
        if any {
            self.event("deregistered", imsi, json!({ "kind": kind, "node": host }));
        }
        any
    }

    fn event(&mut self, kind: &str, imsi: Imsi, detail: serde_json::Value) {
        self.events.push(Event { kind: kind.to_owned(), imsi: Some(imsi), detail });
    }
}

impl SqliteStore {
    /// One attempt at a commit. If numbers cannot be secured nothing is done, and the inner error says why.
    pub(super) async fn attempt(
        &self,
        ops: &[Op],
        closed: Option<StoreError>,
    ) -> Result<Result<Vec<Result<Done, StoreError>>, StoreError>, StoreError> {
        let mut tx = self.write().await?;
        if let Some(instance) = self.instance.get() {
            instance.verify(&mut tx).await?;
        }
        let numbering = Numbering { base: self.numbers.base(), closed };
        let (results, used) = run(&mut tx, &self.keys, numbering, ops, Timestamp::now()).await?;
        if let Err(error) = self.numbers.secure(&mut tx, used).await {
            tracing::error!(%error, "no sequence numbers");
            drop(tx);
            return Ok(Err(error));
        }
        tx.commit().await?;
        Ok(Ok(results))
    }
}
