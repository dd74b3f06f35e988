//! The DRF is told where each device is (seed, section 5 step 6): at least once, whoever of the two restarts.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use schemas::rest::provisioning::Notice;
use service::serve::{HttpLimits, HttpServer};
use tokio_util::sync::CancellationToken;

use crate::lab::{Lab, imsi, token, until};

/// A DRF that takes notices, or says that it cannot.
#[derive(Clone, Default)]
struct Drf {
    /// What it was sent, refused or not.
    heard: Arc<Mutex<Vec<Notice>>>,
    refuses: Arc<Mutex<u32>>,
}

impl Drf {
    async fn listen(&self, address: SocketAddr) -> (SocketAddr, CancellationToken) {
        let drf = self.clone();
        let take = move |headers: HeaderMap, Json(notice): Json<Notice>| async move {
            assert_eq!(headers["authorization"], format!("Bearer {}", token()).as_str());
            drf.heard.lock().unwrap().push(notice);
            let mut refuses = drf.refuses.lock().unwrap();
            if *refuses == 0 {
                return StatusCode::ACCEPTED;
            }
            *refuses -= 1;
            StatusCode::SERVICE_UNAVAILABLE
        };
        let stop = CancellationToken::new();
        let server = HttpServer::bind(address, None, HttpLimits::default()).await.unwrap();
        let address = server.local_addr();
        tokio::spawn(server.run(Router::new().route("/v1/notices", post(take)), stop.clone()));
        (address, stop)
    }

    fn heard(&self) -> Vec<Notice> {
        self.heard.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn the_drf_is_told_of_each_attach_with_the_address_that_was_assigned() {
    let (lab, drf) = (Lab::with(2).await, Drf::default());
    let (address, _stop) = drf.listen("127.0.0.1:0".parse().unwrap()).await;
    let icf = lab.start_with_drf(address).await;
    let mme = icf.mme(1).await;
    mme.attached(imsi(1)).await;
    mme.attached(imsi(2)).await;
    until("told of both", || async { drf.heard().len() == 2 }).await;
    for notice in drf.heard() {
        let credential = lab.store.credential(notice.pcid).await.unwrap().unwrap();
        assert_eq!(Some(notice.address), credential.address);
        assert_eq!(notice.serving_node, "mme1.visited.example");
    }
    icf.stop().await;
}

#[tokio::test]
async fn a_notice_outlives_a_drf_that_is_away_or_busy_and_a_restart_of_the_icf() {
    let (lab, drf) = (Lab::with(1).await, Drf::default());
    // An address where nobody listens yet.
    let (address, stop) = drf.listen("127.0.0.1:0".parse().unwrap()).await;
    stop.cancel();
    until("free", || async { std::net::TcpListener::bind(address).is_ok() }).await;
    let icf = lab.start_with_drf(address).await;
    icf.mme(1).await.attached(imsi(1)).await;
    icf.stop().await;

    *drf.refuses.lock().unwrap() = 1;
    let _stop = drf.listen(address).await;
    let icf = lab.start_with_drf(address).await;
    until("told, and told again", || async { drf.heard().len() == 2 }).await;
    let ids: HashSet<_> = drf.heard().iter().map(|notice| notice.id).collect();
    assert_eq!(ids.len(), 1, "a repetition has the same id");
    icf.stop().await;
}

#[tokio::test]
async fn without_a_drf_nothing_waits_to_be_told() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    icf.mme(1).await.attached(imsi(1)).await;
    let outbox =
        service::outbox::Outbox::new(lab.store.outbox().unwrap(), service::outbox::Policy::default());
    assert_eq!(outbox.pending().await.unwrap(), 0);
    icf.stop().await;
}
