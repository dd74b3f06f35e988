//! REST under `/v1`: what people and scripts use the ICF by.
//!
//! Every route asks for a scope ([`SCOPES`]); errors are problems (RFC 9457); listings come in pages with a
//! `Link` to the next (RFC 8288); a resource's version is its `ETag`, and `If-Match` is honoured where it is
//! sent (RFC 9110 §13.1.1); creations take an `Idempotency-Key`. Every write is in the audit log. K, OP and OPc
//! are taken and never given.

#![allow(clippy::result_large_err, reason = "a problem ends its request: it is made once and sent")]

mod allowances;
mod audit;
mod av_pools;
mod batches;
mod chtif;
mod convert;
mod credentials;
mod effects;
mod etag;
mod events;
mod extract;
mod failure;
mod gate;
mod idempotency;
mod import;
mod openapi;
mod outgoing;
mod page;
mod peers;
mod profiles;
mod registrations;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use schemas::identity::{Imsi, Plmn};
use schemas::rest::{IssueRequest, Peer, ResetResult};
use service::auth::Guard;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

use crate::networks::ServedNetworks;
use crate::store::{PooledVector, Store, StoreError};

pub use gate::SCOPES;
pub use openapi::document;

/// What the API asks of the running ICF.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Something was changed in the store, of this subscriber or, with `None`, of many: forget what is cached,
    /// send what is queued. Called after the change is durable.
    fn changed(&self, imsi: Option<Imsi>);

    /// The Diameter peers as they are now.
    fn peers(&self) -> Vec<Peer>;

    /// Makes `count` vectors, at least 1, for the network `visited`; their SQNs are leased and durable before
    /// it returns, and lie in an IND that no serving node of ours has (TS 33.102 §C.1.2).
    ///
    /// # Errors
    /// Why there are none.
    async fn vectors(&self, imsi: Imsi, visited: Plmn, count: u32) -> Result<Vec<PooledVector>, NoVectors>;

    /// Asks every open peer to send ULR again for the subscribers whose IMSIs begin with one of `user_ids`, for
    /// all if there is none (RSR, TS 29.272 §5.2.4.1), and waits for the answers.
    async fn reset(&self, user_ids: &[String]) -> Vec<ResetResult>;

    /// Id of the newest event, changing with every new one.
    fn events_notify(&self) -> watch::Receiver<i64>;
}

/// Why no vectors can be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoVectors {
    /// No such credential.
    #[error("{0} does not exist")]
    Unknown(Imsi),
    /// It is served from a pool; K is not here.
    #[error("K of {0} is not here: its vectors come from a pool and cannot be made")]
    NoKeys(Imsi),
    /// Blocked, disabled, expired, or not allowed in that network.
    #[error("{0}")]
    NotAllowed(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Issues batches of credentials (R1a): the CHTIF.
#[async_trait]
pub trait Issuer: Send + Sync + 'static {
    /// Begins the batch, or goes on with it where it stopped. What is streamed is encrypted to the recipient:
    /// K leaves in no other form.
    ///
    /// # Errors
    /// Why nothing is issued; then nothing was stored.
    async fn issue(&self, who: &str, request: IssueRequest) -> Result<Issued, NotIssued>;
}

/// A batch being issued.
pub struct Issued {
    /// The sealed batch, for its recipient alone. An error cuts it short, which a reader notices; the request can
    /// be sent again.
    pub lines: BoxStream<'static, Result<Bytes, NotIssued>>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issued(…)")
    }
}

/// Why a batch is not issued.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotIssued {
    /// A field of the request, and what is wrong with it.
    #[error("{field}: {detail}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// IMSIs of the range are taken, or the batch is there with another content.
    #[error("{0}")]
    Conflict(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the routes work on.
#[derive(Clone)]
pub struct RestState {
    /// The memory.
    pub store: Arc<dyn Store>,
    /// The running ICF.
    pub control: Arc<dyn Control>,
    /// Who issues batches; without, there is no such route.
    pub issuer: Option<Arc<dyn Issuer>>,
    /// Networks whose credentials are stored.
    pub networks: ServedNetworks,
    flights: idempotency::Flights,
}

impl RestState {
    /// Works on these, issuing no batches; takes credentials of every network.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, control: Arc<dyn Control>) -> Self {
        let flights = idempotency::Flights::default();
        Self { store, control, issuer: None, networks: ServedNetworks::any(), flights }
    }

    /// Takes credentials of these networks only.
    #[must_use]
    pub fn with_networks(mut self, networks: ServedNetworks) -> Self {
        self.networks = networks;
        self
    }

    /// Issues batches too.
    #[must_use]
    pub fn with_issuer(mut self, issuer: Arc<dyn Issuer>) -> Self {
        self.issuer = Some(issuer);
        self
    }
}

impl fmt::Debug for RestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestState(…)")
    }
}

/// All routes, guarded. `/openapi.json` and `/docs` hold no data and need no token; everything else does.
pub fn router(state: RestState, guard: &Guard) -> Router {
    service::api::finish(routes(&state, guard), state)
}

/// The routes with their description.
fn routes(state: &RestState, guard: &Guard) -> OpenApiRouter<RestState> {
    let gates = gate::Gates::new(state, guard);
    OpenApiRouter::with_openapi(service::api::preamble(&openapi::ABOUT))
        .merge(credentials::routes(&gates))
        .merge(profiles::routes(&gates))
        .merge(batches::routes(&gates, state.issuer.is_some()))
        .merge(chtif::routes(&gates))
        .merge(registrations::routes(&gates))
        .merge(outgoing::routes(&gates))
        .merge(peers::routes(&gates))
        .merge(av_pools::routes(&gates))
        .merge(events::routes(&gates))
        .merge(audit::routes(&gates))
}
