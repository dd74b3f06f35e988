//! What REST asks of the running ICF.

use std::sync::Arc;

use async_trait::async_trait;
use s6a::{net::Node, peer::State};
use schemas::{
    identity::{Imsi, Plmn},
    rest::{Peer, PeerState, ResetResult},
};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::{memory::Memory, nodes::Nodes, wake::Wake};
use crate::{
    auc::{
        random::{OsRand, RandSource},
        vector::EutranVector,
    },
    rest::{Control, NoVectors},
    store::{PooledVector, StoreError},
};

/// The running ICF, for REST.
#[derive(Debug)]
pub struct Running {
    /// Cache and store.
    pub memory: Arc<Memory>,
    /// Our Diameter node.
    pub node: Arc<Node>,
    /// Requesting nodes and their INDs.
    pub nodes: Arc<Nodes>,
    /// Wakes the outbox.
    pub wake: Arc<Wake>,
    /// Our Origin-Host and Origin-Realm.
    pub origin: (String, String),
    /// Id of the newest event.
    pub newest: watch::Receiver<i64>,
}

/// The name under which vectors that are handed out in advance have their IND (TS 33.102 §C.1.2): no
/// DiameterIdentity has a space.
const EXPORT: &str = "handed out in advance";

#[async_trait]
impl Control for Running {
    fn changed(&self, imsi: Option<Imsi>) {
        match imsi {
            Some(imsi) => self.memory.subscribers().invalidate(imsi),
            None => self.memory.subscribers().invalidate_all(),
        }
        self.wake.queued();
    }

    fn peers(&self) -> Vec<Peer> {
        self.node
            .peers()
            .into_iter()
            .map(|peer| Peer {
                identity: peer.identity,
                realm: peer.realm,
                state: match peer.state {
                    State::Closed => PeerState::Down,
                    State::ROpen | State::IOpen if peer.suspect => PeerState::Suspect,
                    State::ROpen | State::IOpen => PeerState::Open,
                    State::Closing => PeerState::Closing,
                    _ => PeerState::Connecting,
                },
                address: peer.address.map(|address| match peer.transport {
                    Some(transport) => format!("{transport}://{address}"),
                    None => address.to_string(),
                }),
                since: peer.since.map(OffsetDateTime::from),
            })
            .collect()
    }

    async fn vectors(&self, imsi: Imsi, visited: Plmn, count: u32) -> Result<Vec<PooledVector>, NoVectors> {
        let unavailable = |e: &dyn std::fmt::Display| NoVectors::Store(StoreError::Database(e.to_string()));
        let subscriber = self.memory.subscriber(imsi).await.map_err(|e| unavailable(&e))?;
        let subscriber = subscriber.ok_or(NoVectors::Unknown(imsi))?;
        let keys = subscriber.keys.as_ref().ok_or(NoVectors::NoKeys(imsi))?;
        crate::procedure::air::may_have_vectors(
            &subscriber.snapshot(),
            visited,
            crate::model::Timestamp::now(),
        )
        .map_err(|cause| NoVectors::NotAllowed(cause.to_string()))?;
        let node = self.nodes.own(EXPORT).await.map_err(|e| unavailable(&e))?;
        let seqs = self.memory.seqs(imsi, &subscriber, count).await.map_err(|e| unavailable(&e))?;
        seqs.map(|seq| {
            let sqn = subscriber.sqn(seq, node.ind).ok_or(StoreError::SequenceExhausted(imsi))?;
            let rand = OsRand.rand().map_err(|e| unavailable(&e))?;
            let vector = EutranVector::generate(keys, rand, sqn, subscriber.amf, visited);
            Ok(PooledVector {
                rand: vector.rand,
                xres: vector.xres.to_vec(),
                autn: vector.autn,
                kasme: vector.kasme,
            })
        })
        .collect()
    }

    async fn reset(&self, user_ids: &[String]) -> Vec<ResetResult> {
        super::reset::reset(&self.node, &self.origin, user_ids).await
    }

    fn events_notify(&self) -> watch::Receiver<i64> {
        self.newest.clone()
    }
}
