//! The store in memory, for tests and trials: it keeps every promise except to last.

mod path;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ipnet::IpNet;
use schemas::identity::Imsi;

use super::{
    AuditEntry, Batch, CredentialFilter, CredentialPatch, Done, KeptAnswer, NewCredential, Op, Outgoing,
    Page, PooledVector, Queued, Store, StoreError, StoredEvent, Unreadable, Waiting,
};
use crate::model::{Credential, CredentialState, Profile, Registration, Snapshot, Timestamp};
use state::State;

/// A [`Store`] in memory.
pub struct MemoryStore(Mutex<State>);

impl MemoryStore {
    /// Empty but for the profile "default", which assigns addresses from `pool`.
    #[must_use]
    pub fn new(pool: Option<IpNet>) -> Self {
        let mut state = State::default();
        let profile = Profile { version: 1, ..Profile::provisioning("default", pool) };
        state.profiles.insert(profile.name.clone(), profile);
        Self(Mutex::new(state))
    }

    /// Whoever panicked holding the lock left a state in which each value is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn after(page: &Page) -> Result<Option<Imsi>, StoreError> {
    page.after.as_deref().map(str::parse).transpose().map_err(|e| StoreError::Conflict(format!("after: {e}")))
}

fn limit(page: &Page) -> usize {
    page.limit as usize
}

#[async_trait]
impl Store for MemoryStore {
    async fn each_snapshot(&self, imsis: &[Imsi]) -> Result<Vec<Result<Snapshot, Unreadable>>, StoreError> {
        let (state, now) = (self.state(), Timestamp::now());
        Ok(imsis.iter().filter_map(|imsi| state.snapshot(*imsi, now).map(Ok)).collect())
    }

    async fn commit(&self, ops: &[Op]) -> Result<Vec<Result<Done, StoreError>>, StoreError> {
        let (mut state, now) = (self.state(), Timestamp::now());
        Ok(ops.iter().map(|op| state.carry_out(op, now)).collect())
    }

    async fn ind(&self, instance: &str, node: &str) -> Result<u8, StoreError> {
        let mut state = self.state();
        let next = (state.inds.len() % 32) as u8;
        Ok(*state.inds.entry((instance.to_owned(), node.to_ascii_lowercase())).or_insert(next))
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Queued>, StoreError> {
        let state = self.state();
        let mut due: Vec<_> = state.outgoing.values().filter(|(at, _)| *at <= now).collect();
        due.sort_by_key(|(at, one)| (*at, one.id));
        Ok(due.into_iter().take(limit as usize).map(|(_, one)| one.clone()).collect())
    }

    async fn due_nodes(&self, now: Timestamp, limit: u32) -> Result<Vec<String>, StoreError> {
        let mut nodes = Vec::new();
        for one in self.due(now, u32::MAX).await? {
            let host = one.outgoing.node.host;
            let new = !nodes.iter().any(|known: &String| known.eq_ignore_ascii_case(&host));
            if nodes.len() < limit as usize && new {
                nodes.push(host);
            }
        }
        Ok(nodes)
    }

    async fn due_for(&self, host: &str, now: Timestamp, limit: u32) -> Result<Vec<Queued>, StoreError> {
        let mut due = self.due(now, u32::MAX).await?;
        due.retain(|one| one.outgoing.node.is(host));
        due.truncate(limit as usize);
        Ok(due)
    }

    async fn waiting(&self, page: &Page) -> Result<Vec<Waiting>, StoreError> {
        let after: i64 = match page.after.as_deref() {
            None => 0,
            Some(text) => text.parse().map_err(|_| StoreError::Conflict("after: an id".into()))?,
        };
        let state = self.state();
        let of = |(due_at, queued): &(Timestamp, Queued)| Waiting {
            queued: queued.clone(),
            due_at: *due_at,
            why: state.failures.get(&queued.id).cloned(),
        };
        Ok(state.outgoing.range(after + 1..).take(page.limit as usize).map(|(_, one)| of(one)).collect())
    }

    async fn waiting_level(&self) -> Result<(u64, u64), StoreError> {
        let state = self.state();
        let failed = state.outgoing.values().filter(|(_, queued)| queued.attempts > 0).count();
        Ok((state.outgoing.len() as u64, failed as u64))
    }

    async fn lapsed(&self, now: Timestamp, limit: u32) -> Result<Vec<Registration>, StoreError> {
        let state = self.state();
        let mut found: Vec<_> = state.all_registrations().filter(|r| r.expires_at <= now).cloned().collect();
        found.sort_by_key(|r| r.expires_at);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn revocable(&self, now: Timestamp, limit: u32) -> Result<Vec<Registration>, StoreError> {
        let state = self.state();
        let ended = |r: &&Registration| {
            let credential = state.credentials.get(&r.imsi);
            !r.purged
                && credential.is_some_and(|c| {
                    c.state != CredentialState::Active || c.expires_at.is_some_and(|at| at <= now)
                })
        };
        Ok(state.all_registrations().filter(ended).take(limit as usize).cloned().collect())
    }

    async fn events(&self, after: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let state = self.state();
        Ok(state.events.iter().filter(|e| e.id > after).take(limit as usize).cloned().collect())
    }

    async fn last_event(&self) -> Result<i64, StoreError> {
        Ok(self.state().events.last().map_or(0, |e| e.id))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn insert(&self, new: Vec<NewCredential>) -> Result<(), StoreError> {
        self.state().insert(new, Timestamp::now())
    }

    async fn existing(&self, imsis: &[Imsi]) -> Result<Vec<Imsi>, StoreError> {
        let state = self.state();
        Ok(imsis.iter().copied().filter(|imsi| state.credentials.contains_key(imsi)).collect())
    }

    async fn credential(&self, imsi: Imsi) -> Result<Option<Credential>, StoreError> {
        Ok(self.state().credentials.get(&imsi).cloned())
    }

    async fn credentials(
        &self,
        filter: &CredentialFilter,
        page: &Page,
    ) -> Result<Vec<Credential>, StoreError> {
        let (state, after) = (self.state(), after(page)?);
        let found = state.filtered(filter)?.filter(|c| after.is_none_or(|a| c.imsi > a));
        Ok(found.take(limit(page)).cloned().collect())
    }

    async fn count(&self, filter: &CredentialFilter) -> Result<u64, StoreError> {
        Ok(self.state().filtered(filter)?.count() as u64)
    }

    async fn update(
        &self,
        imsi: Imsi,
        version: Option<i64>,
        patch: CredentialPatch,
        send: Vec<Outgoing>,
    ) -> Result<Credential, StoreError> {
        self.state().update(imsi, version, patch, send, Timestamp::now())
    }

    async fn delete(&self, imsi: Imsi, version: Option<i64>, send: Vec<Outgoing>) -> Result<(), StoreError> {
        self.state().delete(imsi, version, send, Timestamp::now())
    }

    async fn profile(&self, name: &str) -> Result<Option<Profile>, StoreError> {
        Ok(self.state().profiles.get(name).cloned())
    }

    async fn profiles(&self) -> Result<Vec<Profile>, StoreError> {
        Ok(self.state().profiles.values().cloned().collect())
    }

    async fn put_profile(
        &self,
        profile: Profile,
        version: Option<i64>,
        send: Vec<Outgoing>,
    ) -> Result<Profile, StoreError> {
        self.state().put_profile(profile, version, send, Timestamp::now())
    }

    async fn delete_profile(&self, name: &str, version: Option<i64>) -> Result<(), StoreError> {
        self.state().delete_profile(name, version, Timestamp::now())
    }

    async fn registration(&self, imsi: Imsi) -> Result<Vec<Registration>, StoreError> {
        Ok(self.state().registrations.get(&imsi).cloned().unwrap_or_default())
    }

    async fn registrations(&self, page: &Page) -> Result<Vec<Registration>, StoreError> {
        let (state, after) = (self.state(), after(page)?);
        let found =
            state.registrations.iter().filter(|(i, r)| !r.is_empty() && after.is_none_or(|a| **i > a));
        Ok(found.take(limit(page)).flat_map(|(_, r)| r).cloned().collect())
    }

    async fn registrations_of_profile(&self, profile: &str) -> Result<Vec<Registration>, StoreError> {
        let state = self.state();
        let of = |r: &&Registration| state.credentials.get(&r.imsi).is_some_and(|c| c.profile == profile);
        Ok(state.all_registrations().filter(of).cloned().collect())
    }

    async fn cancel(&self, imsi: Imsi, send: Vec<Outgoing>) -> Result<bool, StoreError> {
        Ok(self.state().cancel(imsi, send, Timestamp::now()))
    }

    async fn put_batch(&self, batch: Batch) -> Result<(), StoreError> {
        self.state().batches.insert(batch.id.clone(), batch);
        Ok(())
    }

    async fn batch(&self, id: &str) -> Result<Option<Batch>, StoreError> {
        Ok(self.state().batches.get(id).cloned())
    }

    async fn batches(&self, page: &Page) -> Result<Vec<Batch>, StoreError> {
        let state = self.state();
        let after = page.after.as_deref().unwrap_or("");
        let found = state.batches.values().filter(|b| b.id.as_str() > after);
        Ok(found.take(limit(page)).cloned().collect())
    }

    async fn add_vectors(&self, imsi: Imsi, vectors: Vec<PooledVector>) -> Result<u64, StoreError> {
        self.state().add_vectors(imsi, vectors, Timestamp::now())
    }

    async fn pool_level(&self, imsi: Imsi) -> Result<Option<(u64, u64)>, StoreError> {
        Ok(self.state().level(imsi))
    }

    async fn pools(&self, page: &Page) -> Result<Vec<(Imsi, u64, u64)>, StoreError> {
        let (state, after) = (self.state(), after(page)?);
        let imsis = state.credentials.keys().filter(|i| after.is_none_or(|a| **i > a));
        let found = imsis.filter_map(|i| state.level(*i).map(|(left, out)| (*i, left, out)));
        Ok(found.take(limit(page)).collect())
    }

    async fn audit(&self, who: &str, action: &str, target: &str, outcome: &str) -> Result<(), StoreError> {
        let mut state = self.state();
        let id = state.audit.last().map_or(0, |e| e.id) + 1;
        let [who, action, target, outcome] = [who, action, target, outcome].map(str::to_owned);
        state.audit.push(AuditEntry { id, at: Timestamp::now(), who, action, target, outcome });
        Ok(())
    }

    async fn audit_log(&self, page: &Page) -> Result<Vec<AuditEntry>, StoreError> {
        let below = match page.after.as_deref() {
            None => i64::MAX,
            Some(text) => {
                text.parse().map_err(|_| StoreError::Conflict(format!("after: {text:?} is not an id")))?
            }
        };
        let state = self.state();
        Ok(state.audit.iter().rev().filter(|e| e.id < below).take(limit(page)).cloned().collect())
    }

    async fn kept_answer(&self, who: &str, key: &str) -> Result<Option<KeptAnswer>, StoreError> {
        Ok(self.state().answers.get(&(who.to_owned(), key.to_owned())).cloned())
    }

    async fn keep_answer(&self, who: &str, key: &str, answer: KeptAnswer) -> Result<(), StoreError> {
        self.state().answers.insert((who.to_owned(), key.to_owned()), answer);
        Ok(())
    }

    async fn rotate(&self, _limit: u32) -> Result<u64, StoreError> {
        // Nothing here is sealed.
        Ok(0)
    }
}
