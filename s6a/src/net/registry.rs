//! The peers of a node, by identity.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use super::link::Link;
use super::slot::Slot;
use super::{Destination, NodeConfig, Onward};
use crate::peer::State;

#[derive(Debug)]
pub(super) struct Registry {
    slots: RwLock<HashMap<String, Arc<Slot>>>,
}

fn key(identity: &str) -> String {
    identity.to_ascii_lowercase()
}

impl Registry {
    pub(super) fn new(config: &NodeConfig) -> Self {
        let slots = config
            .peers
            .iter()
            .map(|peer| {
                let slot = Slot::new(&config.origin_host, &peer.identity, Some(peer.clone()));
                (key(&peer.identity), Arc::new(slot))
            })
            .collect();
        Self { slots: RwLock::new(slots) }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, Arc<Slot>>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, identity: &str) -> Option<Arc<Slot>> {
        self.read().get(&key(identity)).cloned()
    }

    /// The slot of a peer that is not configured but accepted.
    pub(super) fn get_or_make(&self, local: &str, identity: &str) -> Arc<Slot> {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key(identity)).or_insert_with(|| Arc::new(Slot::new(local, identity, None))))
    }

    /// Forgets a peer that is not configured and not connected.
    pub(super) fn tidy(&self, slot: &Arc<Slot>) {
        if slot.config.is_none() {
            let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
            if slot.state() == State::Closed {
                slots.remove(&key(&slot.identity));
            }
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        self.read().values().cloned().collect()
    }

    /// RFC 6733 §6.1.4 to §6.1.6: the host itself, else a relay of its realm, else any relay. Only a relay
    /// forwards, and it says so in its CER or CEA (§2.4): a peer of the realm that is no relay and not the host
    /// would answer 3002. Where no host is named, any peer of the realm will do. Connections without doubt
    /// first. `not` is one that has just failed.
    pub(super) fn route(&self, to: Destination<'_>, not: Option<u64>) -> Option<Arc<Link>> {
        self.find(to, not, None, false)
    }

    /// As [`Self::route`], never back to where the request came from: it would come again (RFC 6733 §6.1.3).
    pub(super) fn route_onward(&self, onward: Onward<'_>, not: Option<u64>) -> Option<Arc<Link>> {
        self.find(onward.to, not, Some(onward.from), onward.direct)
    }

    fn find(
        &self,
        to: Destination<'_>,
        not: Option<u64>,
        from: Option<&str>,
        direct: bool,
    ) -> Option<Arc<Link>> {
        let host = to.host.map(key);
        let slots = self.read();
        let usable = |slot: &Arc<Slot>| {
            let back = from.is_some_and(|from| slot.identity.eq_ignore_ascii_case(from));
            slot.open().filter(|(link, _)| !back && Some(link.id) != not)
        };
        if let Some((link, _)) = host.as_ref().and_then(|host| slots.get(host)).and_then(usable) {
            return Some(link);
        }
        if direct {
            return None;
        }
        slots
            .values()
            .filter_map(usable)
            .filter_map(|(link, info)| {
                let in_realm = info.realm.eq_ignore_ascii_case(to.realm);
                let doubtful = link.doubtful.load(Ordering::Relaxed);
                let rank = match (in_realm, info.relay) {
                    (true, true) => 0,
                    (true, false) if host.is_none() => 0,
                    (false, true) => 2,
                    (_, false) => return None,
                };
                Some((rank + u8::from(doubtful), link))
            })
            .min_by_key(|(rank, link)| (*rank, link.id))
            .map(|(_, link)| link)
    }
}
