//! The operations of the request path, one after another.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;
use schemas::identity::Imsi;
use serde_json::json;

use super::state::State;
use crate::{
    auc::sqn::Layout,
    model::{CredentialState, NodeKind, Registration, Timestamp},
    store::{Done, Op, StoreError, TakeOver, pool},
};

impl State {
    pub(super) fn carry_out(&mut self, op: &Op, now: Timestamp) -> Result<Done, StoreError> {
        match op {
            Op::Lease { imsi, count, above } => {
                let missing = || StoreError::NotFound(format!("credential {imsi}"));
                let bits = self.credentials.get(imsi).ok_or_else(missing)?.ind_bitlen;
                let layout = Layout::new(bits).map_err(|e| StoreError::Database(e.to_string()))?;
                let reserved = self.sequences.entry(*imsi).or_default();
                let lease = layout
                    .lease_after((*reserved).max(above.unwrap_or(0)), *count)
                    .map_err(|_| StoreError::SequenceExhausted(*imsi))?;
                *reserved = lease.last();
                Ok(Done::Lease(lease.first()..lease.last() + 1))
            }
            Op::Register { registration, count_attach, pool, take_over, notify: _ } => {
                self.register(registration, *count_attach, *pool, take_over, now)
            }
            Op::Renew { imsi, kind, host, expires_at, imei } => {
                let mut all = self.registrations.get_mut(imsi).into_iter().flatten();
                let with = all.find(|r| r.kind == *kind && r.node.is(host) && !r.purged);
                Ok(Done::Changed(with.is_some_and(|registration| {
                    registration.expires_at = *expires_at;
                    if imei.is_some() {
                        registration.imei.clone_from(imei);
                    }
                    true
                })))
            }
            Op::Purge { imsi, host } => {
                let mut any = false;
                for r in self.registrations.entry(*imsi).or_default().iter_mut() {
                    if r.node.is(host) && !r.purged {
                        r.purged = true;
                        any = true;
                    }
                }
                if any {
                    self.tell("purged", Some(*imsi), json!({ "node": host }), now);
                }
                Ok(Done::Changed(any))
            }
            Op::Deregister { imsi, kind, host } => {
                Ok(Done::Changed(self.deregister(*imsi, *kind, host, now)))
            }
            Op::TakeVectors { imsi, count } => {
                let slots = self.vectors.entry(*imsi).or_default().iter_mut();
                Ok(Done::Vectors(
                    slots.filter_map(|(_, vector)| vector.take()).take(*count as usize).collect(),
                ))
            }
            Op::Sent(id) => {
                self.failures.remove(id);
                Ok(Done::Changed(self.outgoing.remove(id).is_some()))
            }
            Op::SendLater { id, at, why } => Ok(Done::Changed(match self.outgoing.get_mut(id) {
                Some((due, one)) => {
                    self.failures.insert(*id, why.clone());
                    *due = *at;
                    one.attempts += 1;
                    true
                }
                None => false,
            })),
            Op::Tell(event) => {
                self.push_event(event.clone(), now);
                Ok(Done::Changed(true))
            }
        }
    }

    fn register(
        &mut self,
        registration: &Registration,
        count_attach: bool,
        pool: Option<IpNet>,
        take_over: &TakeOver,
        now: Timestamp,
    ) -> Result<Done, StoreError> {
        let imsi = registration.imsi;
        let missing = || StoreError::NotFound(format!("credential {imsi}"));
        let known = self.credentials.get(&imsi).ok_or_else(missing)?.address;
        let address = match (known, pool) {
            (None, Some(pool)) => Some(self.free_address(pool, now).ok_or(StoreError::PoolExhausted(pool))?),
            (known, _) => known,
        };
        if let Some(credential) = self.credentials.get_mut(&imsi) {
            credential.address = address;
            credential.attaches += u32::from(count_attach);
        }
        let registration = Registration { address, ..registration.clone() };
        let detail = json!({
            "kind": registration.kind,
            "node": registration.node.host,
            "visited_plmn": registration.visited_plmn,
            "address": address,
        });
        let mut send = Vec::new();
        for previous in self.registrations.get(&imsi).cloned().unwrap_or_default() {
            if let Some(one) = take_over.notice(&previous, &registration, now) {
                send.push(self.push_outgoing(one, now));
            }
            if take_over.other_kind.is_some() && previous.kind != registration.kind {
                self.deregister(imsi, previous.kind, &previous.node.host, now);
            }
        }
        let all = self.registrations.entry(imsi).or_default();
        all.retain(|r| r.kind != registration.kind);
        all.push(registration);
        all.sort_by_key(|r| r.kind as u8);
        self.tell("registered", Some(imsi), detail, now);
        Ok(Done::Registered { address, send })
    }

    /// Whether it was registered there.
    fn deregister(&mut self, imsi: Imsi, kind: NodeKind, host: &str, now: Timestamp) -> bool {
        let all = self.registrations.entry(imsi).or_default();
        let before = all.len();
        all.retain(|r| r.kind != kind || !r.node.is(host));
        let any = all.len() < before;
        if any {
            self.tell("deregistered", Some(imsi), json!({ "kind": kind, "node": host }), now);
        }
        any
    }

    fn free_address(&mut self, net: IpNet, now: Timestamp) -> Option<IpAddr> {
        let (first, last) = pool::usable(net);
        let taken: HashSet<IpAddr> = self.credentials.values().filter_map(|c| c.address).collect();
        let mut at = Some(first);
        while let Some(address) = at.filter(|a| *a <= last) {
            if !taken.contains(&address) {
                return Some(address);
            }
            at = pool::plus(address, 1);
        }
        // Of one that has ended and is registered no more.
        let registered = &self.registrations;
        let ended = self.credentials.values_mut().find(|c| {
            let over = c.state == CredentialState::Disabled || c.expires_at.is_some_and(|at| at <= now);
            let inside = c.address.is_some_and(|a| (first..=last).contains(&a));
            over && inside && registered.get(&c.imsi).is_none_or(Vec::is_empty)
        });
        ended.and_then(|c| c.address.take())
    }
}
