//! Where messages come as a stream of octets, cut anywhere: TCP, and memory. In SCTP each is whole.

use std::time::{Duration, Instant};

use s6a::codec::ResultCode;
use s6a::net::{Down, Node, PeerConfig};
use tokio::io::AsyncWriteExt;

use super::Carrier;
use crate::support::*;

#[tokio::test]
async fn a_request_in_single_octets_is_answered_as_any() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    for octet in air((77, 77)) {
        raw.send(&[octet]).await;
    }
    assert_eq!(raw.receive().await.header().hop_by_hop, 77);
}

#[tokio::test]
async fn a_peer_that_stops_in_the_middle_of_a_message_is_closed_and_others_are_served() {
    let app = App::new(Manner::Now);
    let mut config = Carrier::hss();
    config.peers.push(PeerConfig::new("good.example"));
    let node = Node::start(config, app.clone()).await.unwrap();
    let mut bad = Carrier::open(&node, MME).await;
    let mut good = Carrier::open(&node, "good.example").await;
    bad.send(&air((1, 1))[..30]).await;
    assert_eq!(good.ask(&air((1, 1))).await.code(), ResultCode::SUCCESS);
    bad.is_closed_after(quick().idle_message - Duration::from_millis(100)).await;
    assert!(matches!(app.downs.lock().unwrap()[0], Down::TimedOut(_)));
    assert_eq!(good.ask(&air((2, 2))).await.code(), ResultCode::SUCCESS);
}

#[tokio::test]
async fn a_slow_loris_is_closed_although_octets_come() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let start = Instant::now();
    for octet in air((1, 1)) {
        if raw.stream.write_all(&[octet]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        if start.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    raw.is_closed().await;
    assert!(start.elapsed() < Duration::from_secs(3));
}
