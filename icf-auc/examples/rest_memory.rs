//! The REST API over a store in memory, for tools that judge it from outside:
//! `cargo run -p icf-auc --example rest_memory -- [ADDRESS]`. Prints where it is and the one token it knows; ends with
//! Ctrl-C. There is no Diameter, hence no peers.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use icf_auc::auc::random::{OsRand, RandSource};
use icf_auc::auc::sqn::Layout;
use icf_auc::auc::vector::EutranVector;
use icf_auc::auc::{amf::Amf, keys::SubscriberKeys};
use icf_auc::chtif::issuer::StoreIssuer;
use icf_auc::model::{AuthMaterial, CredentialState};
use icf_auc::rest::{Control, NoVectors, RestState, SCOPES, router};
use icf_auc::store::memory::MemoryStore;
use icf_auc::store::{Done, Op, PooledVector, Store, StoreError};
use schemas::identity::{Imsi, Plmn};
use schemas::rest::{Peer, ResetResult};
use service::auth::{Guard, Scope, Token, TokenConfig, Tokens};
use service::serve::{HttpLimits, HttpServer};
use tokio::sync::watch;

struct Bare {
    store: Arc<dyn Store>,
    news: watch::Sender<i64>,
}

#[async_trait]
impl Control for Bare {
    fn changed(&self, _: Option<Imsi>) {
        self.news.send_modify(|id| *id += 1);
    }

    fn peers(&self) -> Vec<Peer> {
        Vec::new()
    }

    async fn vectors(&self, imsi: Imsi, visited: Plmn, count: u32) -> Result<Vec<PooledVector>, NoVectors> {
        let credential = self.store.credential(imsi).await?.ok_or(NoVectors::Unknown(imsi))?;
        let AuthMaterial::Keys { k, opc } = &credential.auth else { return Err(NoVectors::NoKeys(imsi)) };
        if credential.state != CredentialState::Active {
            return Err(NoVectors::NotAllowed("it is not active".to_owned()));
        }
        let failed = |error: &dyn std::fmt::Display| StoreError::Database(error.to_string());
        let keys = SubscriberKeys::from_opc(k.clone(), opc.clone()).prepare();
        let layout = Layout::new(credential.ind_bitlen).map_err(|error| failed(&error))?;
        let lease = Op::Lease { imsi, count, above: None };
        let Some(done) = self.store.commit(&[lease]).await?.pop() else { return Ok(Vec::new()) };
        let Done::Lease(seqs) = done? else { return Ok(Vec::new()) };
        seqs.map(|seq| {
            let sqn = layout.sqn(seq, 0).ok_or(StoreError::SequenceExhausted(imsi))?;
            let rand = OsRand.rand().map_err(|error| failed(&error))?;
            let vector = EutranVector::generate(&keys, rand, sqn, Amf::new(credential.amf), visited);
            Ok(PooledVector { rand, xres: vector.xres.to_vec(), autn: vector.autn, kasme: vector.kasme })
        })
        .collect()
    }

    async fn reset(&self, _: &[String]) -> Vec<ResetResult> {
        Vec::new()
    }

    fn events_notify(&self) -> watch::Receiver<i64> {
        self.news.subscribe()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address: SocketAddr = std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:0").parse()?;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Some("10.45.0.0/16".parse()?)));
    let token = Token::generate()?;
    let hash = serde_json::from_value(serde_json::Value::from(token.hash().to_string()))?;
    let admin = TokenConfig {
        name: "admin".to_owned(),
        hash: Some(hash),
        token: None,
        scopes: vec![Scope::parse("admin")?],
    };
    let guard = Guard::new(Tokens::new(&[admin], SCOPES)?);
    let control = Arc::new(Bare { store: store.clone(), news: watch::Sender::new(0) });
    let state = RestState::new(store.clone(), control).with_issuer(Arc::new(StoreIssuer::new(store)));
    let server = HttpServer::bind(address, None, HttpLimits::default()).await?;
    println!("{} {}", server.url(), token.expose());
    server.run(router(state, &guard), service::shutdown::on_signal()?).await;
    Ok(())
}
