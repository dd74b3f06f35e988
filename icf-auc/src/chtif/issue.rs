//! Issuing batches (R1 mode a): the CHTIF generates credentials and hands them out to be embedded.
//!
//! What was stored is the truth: a credential leaves only after it is durable, and issuing the same batch
//! again gives the same credentials for all that are stored already and goes on behind them. So a batch
//! that was interrupted, by whatever, is completed by asking for it again.

use data_encoding::BASE32_NOPAD;
use schemas::{identity::Imsi, secret::Key128};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::issued::IssuedCredential;
use crate::{
    auc::keys::SubscriberKeys,
    model::{AuthMaterial, CallHomeTriple, Credential, CredentialState, IssuingMode, Timestamp},
    store::{Batch, CredentialFilter, IssuingTerms, NewCredential, OpcSource, Page, Store, StoreError},
};

/// Credentials stored in one transaction.
pub const CHUNK: usize = 1000;

/// What to issue.
#[derive(Debug, Clone)]
pub struct BatchRequest {
    /// Name of the batch; asking again with the same name resumes it.
    pub id: String,
    /// First IMSI.
    pub first: Imsi,
    /// How many, on from `first`.
    pub count: u64,
    /// Profile of them all.
    pub profile: String,
    /// Supplier that embeds them, free text.
    pub party: Option<String>,
    /// OP to derive OPc from; without, every credential gets a random OPc.
    pub op: Option<Key128>,
    /// AMF, TS 33.102 annex H.
    pub amf: [u8; 2],
    /// Call-home URL of the triples to issue beside them; none without.
    pub triple_url: Option<String>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Credentials emitted.
    pub done: u64,
    /// Credentials in all.
    pub count: u64,
    /// Of those emitted, how many were stored by an earlier run.
    pub resumed: u64,
}

/// Why a batch is not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The range runs out of digits.
    #[error("{count} IMSIs from {first} on do not fit into {digits} digits; take fewer, or start lower")]
    Range {
        /// First IMSI.
        first: Imsi,
        /// How many.
        count: u64,
        /// Digits of the first.
        digits: usize,
    },
    /// The batch exists with other parameters.
    #[error(
        "batch {id:?} exists already with another {what}; ask with the same to resume it, or choose another name"
    )]
    OtherBatch {
        /// Its id.
        id: String,
        /// What differs.
        what: &'static str,
    },
    /// An IMSI of the range belongs to something else.
    #[error(
        "IMSI {imsi} of this batch exists already and is not of it; nothing was issued from it on. Choose another range"
    )]
    Collision {
        /// Which.
        imsi: Imsi,
    },
    /// There is no such profile.
    #[error("profile {0:?} does not exist; create it first")]
    NoProfile(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system gives no random numbers.
    #[error("no random numbers from the operating system: {0}")]
    Random(getrandom::Error),
}

/// A batch being issued, chunk by chunk.
pub struct Issuing<'s> {
    store: &'s dyn Store,
    request: BatchRequest,
    batch: Batch,
    progress: Progress,
}

impl std::fmt::Debug for Issuing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuing({}, {:?})", self.request.id, self.progress)
    }
}

impl<'s> Issuing<'s> {
    /// Begins a batch, or resumes it. Everything that can be refused is refused here.
    ///
    /// # Errors
    /// Why nothing is issued; nothing was stored then.
    pub async fn begin(store: &'s dyn Store, request: BatchRequest) -> Result<Self, IssueError> {
        let batch = open(store, &request).await?;
        let progress = Progress { done: 0, count: request.count, resumed: 0 };
        Ok(Self { store, request, batch, progress })
    }

    /// The next chunk, durable when it is returned; `None` when all have been.
    ///
    /// # Errors
    /// Nothing of the chunk is stored then; chunks before it stay, and come again when the batch is resumed.
    pub async fn next(&mut self) -> Result<Option<Vec<IssuedCredential>>, IssueError> {
        let imsis = chunk(&self.request, self.progress.done)?;
        if imsis.is_empty() {
            return Ok(None);
        }
        let (credentials, resumed) = store_chunk(self.store, &self.request, &imsis).await?;
        self.progress.done += imsis.len() as u64;
        self.progress.resumed += resumed;
        self.batch.done = self.batch.done.max(self.progress.done);
        self.store.put_batch(self.batch.clone()).await?;
        Ok(Some(credentials.iter().filter_map(IssuedCredential::of).collect()))
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }
}

/// Finds or creates the batch record, and refuses what cannot be issued before anything is stored.
async fn open(store: &dyn Store, request: &BatchRequest) -> Result<Batch, IssueError> {
    let range =
        || IssueError::Range { first: request.first, count: request.count, digits: request.first.digits() };
    request.first.checked_add(request.count.saturating_sub(1)).ok_or_else(range)?;
    if store.profile(&request.profile).await?.is_none() {
        return Err(IssueError::NoProfile(request.profile.clone()));
    }
    if let Some(batch) = store.batch(&request.id).await? {
        let other = |what| Err(IssueError::OtherBatch { id: request.id.clone(), what });
        return match () {
            () if batch.mode != IssuingMode::Generated => other("mode"),
            () if batch.first != Some(request.first) => other("first IMSI"),
            () if batch.count != request.count => other("count"),
            () if batch.profile != request.profile => other("profile"),
            () => match differs(store, &batch, request).await? {
                Some(what) => other(what),
                None => Ok(batch),
            },
        };
    }
    let mut from = 0;
    while from < request.count {
        let imsis = chunk(request, from)?;
        if let Some(imsi) = store.existing(&imsis).await?.first() {
            return Err(IssueError::Collision { imsi: *imsi });
        }
        from += imsis.len() as u64;
    }
    let batch = Batch {
        id: request.id.clone(),
        mode: IssuingMode::Generated,
        first: Some(request.first),
        count: request.count,
        done: 0,
        profile: request.profile.clone(),
        party: request.party.clone(),
        created_at: Timestamp::now(),
        terms: Some(terms(request)),
    };
    store.put_batch(batch.clone()).await?;
    Ok(batch)
}

fn terms(request: &BatchRequest) -> IssuingTerms {
    IssuingTerms {
        opc: if request.op.is_some() { OpcSource::Op } else { OpcSource::Random },
        amf: request.amf,
        triple_url: request.triple_url.clone(),
    }
}

/// Which of the terms is another one than the batch was begun with, if any. OP is kept nowhere: it is the same if
/// the OPc of a credential of the batch comes from it.
async fn differs(
    store: &dyn Store,
    batch: &Batch,
    request: &BatchRequest,
) -> Result<Option<&'static str>, StoreError> {
    let wanted = terms(request);
    if let Some(begun) = &batch.terms {
        let what = match () {
            () if begun.opc != wanted.opc => Some("choice between OP and a random OPc"),
            () if begun.amf != wanted.amf => Some("AMF"),
            () if begun.triple_url != wanted.triple_url => Some("call-home URL"),
            () => None,
        };
        if what.is_some() {
            return Ok(what);
        }
    }
    let Some(op) = &request.op else { return Ok(None) };
    let of_it = CredentialFilter { batch: Some(batch.id.clone()), ..CredentialFilter::default() };
    let stored = store.credentials(&of_it, &Page { after: None, limit: 1 }).await?;
    let same = stored.first().is_none_or(|credential| match &credential.auth {
        AuthMaterial::Keys { k, opc } => {
            bool::from(SubscriberKeys::from_op(k.clone(), op).opc().expose().ct_eq(opc.expose()))
        }
        AuthMaterial::Pool => false,
    });
    Ok(if same { None } else { Some("OP") })
}

fn chunk(request: &BatchRequest, from: u64) -> Result<Vec<Imsi>, IssueError> {
    let to = request.count.min(from + CHUNK as u64);
    (from..to)
        .map(|offset| {
            request.first.checked_add(offset).ok_or(IssueError::Range {
                first: request.first,
                count: request.count,
                digits: request.first.digits(),
            })
        })
        .collect()
}

/// The chunk's credentials in order, those that were missing now stored; and how many were there.
async fn store_chunk(
    store: &dyn Store,
    request: &BatchRequest,
    imsis: &[Imsi],
) -> Result<(Vec<Credential>, u64), IssueError> {
    let mut there: std::collections::HashMap<Imsi, Credential> = store
        .snapshots(imsis)
        .await?
        .into_iter()
        .map(|s| (s.credential.imsi, Credential::clone(&s.credential)))
        .collect();
    if let Some(other) = there.values().find(|c| c.batch.as_deref() != Some(request.id.as_str())) {
        return Err(IssueError::Collision { imsi: other.imsi });
    }
    let resumed = there.len() as u64;
    let missing = imsis.iter().filter(|imsi| !there.contains_key(imsi));
    let new = missing.map(|imsi| generate(request, *imsi)).collect::<Result<Vec<_>, _>>()?;
    if !new.is_empty() {
        let insert = new.iter().map(|c| NewCredential { credential: c.clone(), next_seq: 0 }).collect();
        store.insert(insert).await?;
    }
    there.extend(new.into_iter().map(|c| (c.imsi, c)));
    Ok((imsis.iter().filter_map(|imsi| there.remove(imsi)).collect(), resumed))
}

fn generate(request: &BatchRequest, imsi: Imsi) -> Result<Credential, IssueError> {
    let k = random_key()?;
    let opc = match &request.op {
        Some(op) => SubscriberKeys::from_op(k.clone(), op).opc().clone(),
        None => random_key()?,
    };
    let triple = match &request.triple_url {
        Some(url) => Some(CallHomeTriple {
            url: url.clone(),
            user: imsi.to_string(),
            password: Zeroizing::new(BASE32_NOPAD.encode(random_key()?.expose()).to_ascii_lowercase()),
        }),
        None => None,
    };
    let now = Timestamp::now();
    Ok(Credential {
        imsi,
        auth: AuthMaterial::Keys { k, opc },
        amf: request.amf,
        ind_bitlen: 5,
        state: CredentialState::Active,
        profile: request.profile.clone(),
        expires_at: None,
        attach_budget: None,
        attaches: 0,
        address: None,
        triple,
        msisdn: None,
        overrides: Default::default(),
        mode: IssuingMode::Generated,
        batch: Some(request.id.clone()),
        created_at: now,
        updated_at: now,
        version: 0,
    })
}

fn random_key() -> Result<Key128, IssueError> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(IssueError::Random)?;
    Ok(Key128::new(octets))
}
