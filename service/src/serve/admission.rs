//! Which connections a listener has, and which of them is closed for a new one.
//!
//! A full server does not keep new clients waiting: whoever holds connections and does nothing would hold the door shut. For
//! each new connection beyond a limit the least useful one goes: of those that are least useful ([`Usefulness`]), of the source
//! that has the most of them, the one that has been idle for longest.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    activity::{Activity, Usefulness},
    limits::HttpLimits,
};
use crate::throttle::source;

/// A handshake younger than this does not make room for another one of its own source: it is about to end.
const YOUNG_HANDSHAKE: Duration = Duration::from_secs(1);
/// One part in so many of the connections is always to be had by those that have not authenticated yet.
const SHARE_OF_NEWCOMERS: usize = 4;

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Admission {
    limits: HttpLimits,
    pools: [Mutex<Pool>; 2],
}

/// Connections that share room: those of known networks, and the others.
#[derive(Debug, Default)]
struct Pool {
    next: u64,
    open: HashMap<u64, Arc<Activity>>,
    by_source: HashMap<IpAddr, usize>,
    handshakes: usize,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    id: u64,
    known: bool,
    admission: Arc<Admission>,
    /// What happens on the connection.
    pub activity: Arc<Activity>,
}

impl Admission {
    pub fn new(limits: HttpLimits) -> Arc<Self> {
        Arc::new(Self { limits, pools: Default::default() })
    }

    fn pool(&self, known: bool) -> std::sync::MutexGuard<'_, Pool> {
        self.pools[usize::from(known)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new connection, and evicts another one if there is no room; `None`: all others are of more use. `tls`: it
    /// begins with a handshake.
    pub fn admit(self: &Arc<Self>, address: IpAddr, tls: bool) -> Option<Admitted> {
        let known = self.limits.knows(address);
        let source = source(address);
        let mut pool = self.pool(known);
        if tls && pool.handshakes >= self.limits.pending_handshakes.max(1) {
            let victim = pool.longest_handshake(source)?;
            pool.evict(victim);
        }
        let per_source = self.limits.connections_per_source;
        if !known && per_source > 0 && pool.by_source.get(&source).is_some_and(|count| *count >= per_source) {
            let victim = pool.least_useful(per_source, |activity| activity.source == source)?;
            pool.evict(victim);
        }
        let connections = self.limits.connections.max(1);
        if pool.open.len() >= connections {
            let victim = pool.least_useful(connections, |_| true)?;
            pool.evict(victim);
        }
        let activity = Activity::new(source, tls);
        let id = pool.next;
        pool.next += 1;
        pool.open.insert(id, Arc::clone(&activity));
        *pool.by_source.entry(source).or_default() += 1;
        pool.handshakes += usize::from(tls);
        drop(pool);
        Some(Admitted { id, known, admission: Arc::clone(self), activity })
    }

    /// Closes one connection that is of little use, of strangers before known ones: the process can open no more.
    pub fn make_room(&self) {
        for known in [false, true] {
            let mut pool = self.pool(known);
            if let Some(victim) = pool.least_useful(0, |_| true) {
                pool.evict(victim);
                return;
            }
        }
    }
}

impl Pool {
    fn remove(&mut self, id: u64) -> Option<Arc<Activity>> {
        let activity = self.open.remove(&id)?;
        if let Some(count) = self.by_source.get_mut(&activity.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&activity.source);
            }
        }
        if activity.end_handshake() {
            self.handshakes = self.handshakes.saturating_sub(1);
        }
        Some(activity)
    }

    fn evict(&mut self, id: u64) {
        if let Some(activity) = self.remove(id) {
            tracing::info!(source = %activity.source, useful = ?activity.usefulness(), "a connection was closed to make room");
            activity.evicted.cancel();
        }
    }

    /// The oldest handshake of the source that has the most of them. `None`: that is the newcomer's own source, and all are
    /// young.
    fn longest_handshake(&self, newcomer: IpAddr) -> Option<u64> {
        let handshakes = || self.open.iter().filter(|(_, activity)| activity.is_handshaking());
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (_, activity) in handshakes() {
            *counts.entry(activity.source).or_default() += 1;
        }
        let (id, activity) = handshakes()
            .max_by_key(|(_, activity)| (counts.get(&activity.source).copied(), activity.age()))?;
        (activity.source != newcomer || activity.age() >= YOUNG_HANDSHAKE).then_some(*id)
    }

    /// The least useful of those that `among` says; `room`: how many there may be of these.
    fn least_useful(&self, room: usize, among: impl Fn(&Activity) -> bool) -> Option<u64> {
        let authenticated = |activity: &Activity| activity.usefulness() == Usefulness::Authenticated;
        let candidates = || self.open.iter().filter(|(_, activity)| among(activity));
        let expendable = || {
            candidates()
                .filter(|(_, activity)| !(authenticated(activity) && activity.has_requests()))
                .map(|(id, activity)| (*id, activity, activity.usefulness()))
        };
        // Where all are authenticated and idle, those who have yet to authenticate would close each other's connections.
        let newcomers = candidates().filter(|(_, activity)| !authenticated(activity)).count();
        let few_newcomers = newcomers < room / SHARE_OF_NEWCOMERS;
        let rank = if few_newcomers {
            expendable().map(|(.., usefulness)| usefulness).max()
        } else {
            expendable().map(|(.., usefulness)| usefulness).min()
        }?;
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (_, activity, _) in expendable().filter(|(.., usefulness)| *usefulness == rank) {
            *counts.entry(activity.source).or_default() += 1;
        }
        let of_rank = expendable().filter(|(.., usefulness)| *usefulness == rank);
        let order = |activity: &Activity| -> (Option<usize>, Reverse<Instant>) {
            (counts.get(&activity.source).copied(), Reverse(activity.last_useful()))
        };
        of_rank.max_by_key(|(_, activity, _)| order(activity)).map(|(id, ..)| id)
    }
}

impl Admitted {
    /// The TLS handshake is over.
    pub fn end_handshake(&self) {
        let mut pool = self.admission.pool(self.known);
        if self.activity.end_handshake() {
            pool.handshakes = pool.handshakes.saturating_sub(1);
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.pool(self.known).remove(self.id);
    }
}

#[cfg(test)]
mod tests;
