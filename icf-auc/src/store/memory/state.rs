//! What the memory store holds, and its administration.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use schemas::identity::Imsi;
use serde_json::json;

use crate::{
    model::{AuthMaterial, Credential, NodeKind, Profile, Registration, Snapshot, Timestamp},
    store::{
        AuditEntry, Batch, CredentialFilter, CredentialPatch, Event, KeptAnswer, NewCredential, Outgoing,
        OutgoingMessage, PooledVector, Queued, StoreError, StoredEvent,
    },
};

/// A vector of a pool, or the RAND of one that was handed out.
pub(super) type Slot = ([u8; 16], Option<PooledVector>);

#[derive(Default)]
pub(super) struct State {
    pub(super) credentials: BTreeMap<Imsi, Credential>,
    pub(super) profiles: BTreeMap<String, Profile>,
    pub(super) sequences: HashMap<Imsi, u64>,
    pub(super) registrations: BTreeMap<Imsi, Vec<Registration>>,
    pub(super) outgoing: BTreeMap<i64, (Timestamp, Queued)>,
    pub(super) last_outgoing: i64,
    /// Why the last try of an outgoing message failed, by its id.
    pub(super) failures: HashMap<i64, String>,
    pub(super) events: Vec<StoredEvent>,
    pub(super) inds: HashMap<(String, String), u8>,
    pub(super) vectors: HashMap<Imsi, Vec<Slot>>,
    pub(super) batches: BTreeMap<String, Batch>,
    pub(super) audit: Vec<AuditEntry>,
    pub(super) answers: HashMap<(String, String), KeptAnswer>,
}

impl State {
    pub(super) fn all_registrations(&self) -> impl Iterator<Item = &Registration> {
        self.registrations.values().flatten()
    }

    pub(super) fn snapshot(&self, imsi: Imsi, now: Timestamp) -> Option<Snapshot> {
        let credential = self.credentials.get(&imsi)?;
        let profile = self.profiles.get(&credential.profile)?;
        let of = |kind| {
            let live = |r: &&Registration| r.kind == kind && !r.purged && r.expires_at > now;
            let found = self.registrations.get(&imsi).and_then(|all| all.iter().find(live));
            found.cloned().map(Arc::new)
        };
        Some(Snapshot {
            credential: Arc::new(credential.clone()),
            profile: credential.effective(Arc::new(profile.clone())),
            registration: of(NodeKind::Mme),
            sgsn: of(NodeKind::Sgsn),
        })
    }

    pub(super) fn tell(&mut self, kind: &str, imsi: Option<Imsi>, detail: serde_json::Value, now: Timestamp) {
        self.push_event(Event { kind: kind.to_owned(), imsi, detail }, now);
    }

    pub(super) fn push_event(&mut self, event: Event, now: Timestamp) {
        let id = self.events.last().map_or(0, |e| e.id) + 1;
        self.events.push(StoredEvent { id, at: now, event });
    }

    pub(super) fn push_outgoing(&mut self, outgoing: Outgoing, now: Timestamp) -> i64 {
        self.last_outgoing += 1;
        let id = self.last_outgoing;
        self.outgoing.insert(id, (now, Queued { id, attempts: 0, outgoing }));
        id
    }

    /// With a CLR, the registration there is over.
    fn push_effect(&mut self, one: Outgoing, now: Timestamp) {
        if matches!(one.message, OutgoingMessage::Cancel { .. })
            && let Some(all) = self.registrations.get_mut(&one.imsi)
        {
            all.retain(|r| r.node != one.node);
        }
        self.push_outgoing(one, now);
    }

    pub(super) fn filtered(
        &self,
        filter: &CredentialFilter,
    ) -> Result<impl Iterator<Item = &Credential>, StoreError> {
        let filter = filter.clone();
        if let Some(prefix) = filter.prefix.as_deref().filter(|p| !p.bytes().all(|c| c.is_ascii_digit())) {
            return Err(StoreError::Conflict(format!("prefix {prefix:?}: digits only")));
        }
        Ok(self.credentials.values().filter(move |c| {
            filter.prefix.as_deref().is_none_or(|prefix| c.imsi.has_prefix(prefix))
                && filter.state.is_none_or(|state| c.state == state)
                && filter.profile.as_ref().is_none_or(|profile| c.profile == *profile)
                && filter.batch.as_ref().is_none_or(|batch| c.batch.as_ref() == Some(batch))
        }))
    }

    pub(super) fn insert(&mut self, new: Vec<NewCredential>, now: Timestamp) -> Result<(), StoreError> {
        let (mut imsis, mut addresses) = (HashSet::new(), HashSet::new());
        for NewCredential { credential: c, .. } in &new {
            if !imsis.insert(c.imsi) {
                return Err(StoreError::Conflict(format!("credential {} is given twice", c.imsi)));
            }
            if self.credentials.contains_key(&c.imsi) {
                return Err(StoreError::Conflict(format!("credential {} is stored already", c.imsi)));
            }
            if !self.profiles.contains_key(&c.profile) {
                return Err(StoreError::NotFound(format!("profile {}", c.profile)));
            }
            if let Some(address) = c.address
                && (!addresses.insert(address)
                    || self.credentials.values().any(|o| o.address == Some(address)))
            {
                return Err(StoreError::Conflict(format!("address {address} belongs to another credential")));
            }
        }
        let imsis: Vec<Imsi> = new.iter().map(|n| n.credential.imsi).collect();
        for NewCredential { mut credential, next_seq } in new {
            let lifetime = self.profiles.get(&credential.profile).and_then(|p| p.lifetime);
            credential.expires_at = credential.expires_at.or(lifetime.map(|seconds| now.plus(seconds)));
            (credential.version, credential.attaches) = (1, 0);
            (credential.created_at, credential.updated_at) = (now, now);
            let reserved = self.sequences.entry(credential.imsi).or_default();
            *reserved = (*reserved).max(next_seq.saturating_sub(1));
            self.credentials.insert(credential.imsi, credential);
        }
        if let Some(first) = imsis.first() {
            let one = (imsis.len() == 1).then_some(*first);
            self.tell("credentials-added", one, json!({ "count": imsis.len(), "imsis": imsis }), now);
        }
        Ok(())
    }

    fn for_change(&self, imsi: Imsi, version: Option<i64>) -> Result<&Credential, StoreError> {
        let Some(credential) = self.credentials.get(&imsi) else {
            return Err(StoreError::NotFound(format!("credential {imsi}")));
        };
        if version.is_some_and(|v| v != credential.version) {
            return Err(StoreError::Conflict(format!("credential {imsi} has changed since it was read")));
        }
        Ok(credential)
    }

    pub(super) fn update(
        &mut self,
        imsi: Imsi,
        version: Option<i64>,
        patch: CredentialPatch,
        send: Vec<Outgoing>,
        now: Timestamp,
    ) -> Result<Credential, StoreError> {
        let mut changed = self.for_change(imsi, version)?.clone();
        patch.apply(&mut changed);
        if !self.profiles.contains_key(&changed.profile) {
            return Err(StoreError::NotFound(format!("profile {}", changed.profile)));
        }
        if let Some(address) = changed.address
            && self.credentials.values().any(|o| o.imsi != imsi && o.address == Some(address))
        {
            return Err(StoreError::Conflict(format!("address {address} belongs to another credential")));
        }
        changed.version += 1;
        changed.updated_at = now;
        self.credentials.insert(imsi, changed.clone());
        self.finish(imsi, "credential-changed", send, now);
        Ok(changed)
    }

    pub(super) fn delete(
        &mut self,
        imsi: Imsi,
        version: Option<i64>,
        send: Vec<Outgoing>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.for_change(imsi, version)?;
        self.credentials.remove(&imsi);
        self.registrations.remove(&imsi);
        self.vectors.entry(imsi).or_default().retain(|(_, vector)| vector.is_none());
        self.finish(imsi, "credential-deleted", send, now);
        Ok(())
    }

    pub(super) fn cancel(&mut self, imsi: Imsi, send: Vec<Outgoing>, now: Timestamp) -> bool {
        let any = self.registrations.remove(&imsi).is_some_and(|all| !all.is_empty());
        if any {
            self.finish(imsi, "cancelled", send, now);
        }
        any
    }

    fn finish(&mut self, imsi: Imsi, kind: &str, send: Vec<Outgoing>, now: Timestamp) {
        for one in send {
            self.push_effect(one, now);
        }
        self.tell(kind, Some(imsi), json!({}), now);
    }

    pub(super) fn put_profile(
        &mut self,
        mut profile: Profile,
        version: Option<i64>,
        send: Vec<Outgoing>,
        now: Timestamp,
    ) -> Result<Profile, StoreError> {
        let name = profile.name.clone();
        let known = self.profiles.get(&name).map(|p| p.version);
        check_version(&name, known, version)?;
        profile.version = known.unwrap_or(0) + 1;
        self.profiles.insert(name.clone(), profile.clone());
        for one in send {
            self.push_effect(one, now);
        }
        self.tell("profile-changed", None, json!({ "profile": name }), now);
        Ok(profile)
    }

    pub(super) fn delete_profile(
        &mut self,
        name: &str,
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(profile) = self.profiles.get(name) else {
            return Err(StoreError::NotFound(format!("profile {name}")));
        };
        check_version(name, Some(profile.version), version)?;
        if self.credentials.values().any(|c| c.profile == name) {
            return Err(StoreError::Conflict(format!("profile {name} is used by credentials")));
        }
        self.profiles.remove(name);
        self.tell("profile-deleted", None, json!({ "profile": name }), now);
        Ok(())
    }

    pub(super) fn add_vectors(
        &mut self,
        imsi: Imsi,
        vectors: Vec<PooledVector>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        match self.credentials.get(&imsi).map(|c| &c.auth) {
            None => return Err(StoreError::NotFound(format!("credential {imsi}"))),
            Some(AuthMaterial::Keys { .. }) => {
                return Err(StoreError::Conflict(format!("credential {imsi} has keys")));
            }
            Some(AuthMaterial::Pool) => {}
        }
        let pool = self.vectors.entry(imsi).or_default();
        let mut rands: HashSet<[u8; 16]> = pool.iter().map(|(rand, _)| *rand).collect();
        if vectors.iter().any(|v| !rands.insert(v.rand) || !(4..=16).contains(&v.xres.len())) {
            return Err(StoreError::Conflict(format!(
                "a RAND is or was in the pool of {imsi}, or an XRES is wrong"
            )));
        }
        let added = vectors.len() as u64;
        pool.extend(vectors.into_iter().map(|v| (v.rand, Some(v))));
        self.tell("vectors-added", Some(imsi), json!({ "count": added }), now);
        Ok(added)
    }

    pub(super) fn level(&self, imsi: Imsi) -> Option<(u64, u64)> {
        self.credentials.get(&imsi).filter(|c| c.auth == AuthMaterial::Pool)?;
        let pool = self.vectors.get(&imsi).map_or(&[][..], Vec::as_slice);
        let left = pool.iter().filter(|(_, vector)| vector.is_some()).count() as u64;
        Some((left, pool.len() as u64 - left))
    }
}

fn check_version(name: &str, known: Option<i64>, wanted: Option<i64>) -> Result<(), StoreError> {
    match (known, wanted) {
        (None, Some(v)) if v != 0 => Err(StoreError::NotFound(format!("profile {name}"))),
        (Some(k), Some(w)) if k != w => Err(StoreError::Conflict(format!(
            "profile {name} exists already or has changed since it was read"
        ))),
        _ => Ok(()),
    }
}
