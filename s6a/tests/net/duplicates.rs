//! Retransmissions, RFC 6733 §3 and §5.5.4.

use s6a::codec::CommandFlags;
use s6a::codec::dictionary::base::*;
use s6a::net::{Node, PeerConfig};

use super::Carrier;
use crate::support::*;

fn again(ids: (u32, u32)) -> Vec<u8> {
    request(MME, ids, CommandFlags::RETRANSMITTED, |w| w.str(&DESTINATION_REALM, HOME))
}

#[tokio::test]
async fn a_retransmission_gets_the_very_same_answer_also_over_another_peer() {
    let app = App::new(Manner::Now);
    let mut config = Carrier::hss();
    config.peers.push(PeerConfig::new("dra.visited.example"));
    let node = Node::start(config, app.clone()).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let mut first = raw.ask(&air((10, 500))).await;
    let mut second = raw.ask(&again((11, 500))).await;
    let mut relay = Carrier::open(&node, "dra.visited.example").await;
    let mut third = relay.ask(&again((12, 500))).await;
    assert_eq!(second.header().hop_by_hop, 11);
    assert_eq!(third.header().hop_by_hop, 12);
    for answer in [&mut first, &mut second, &mut third] {
        answer.0[12..16].fill(0);
    }
    assert!(first.0 == second.0 && second.0 == third.0);
    assert_eq!(app.executed(), 1);
    // T without the original: executed.
    assert_eq!(relay.ask(&again((13, 501))).await.number(), "2");
}

#[tokio::test]
async fn a_retransmission_of_what_is_under_way_is_not_executed_twice() {
    let app = App::new(Manner::Later);
    let mut config = Carrier::hss();
    config.peers.push(PeerConfig::new("dra.visited.example"));
    let node = Node::start(config, app.clone()).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let mut relay = Carrier::open(&node, "dra.visited.example").await;
    raw.send(&air((1, 600))).await;
    until("asked", || app.executed() == 1).await;
    // The first connection is lost meanwhile.
    drop(raw);
    relay.send(&again((2, 600))).await;
    until("waits", || node.peers()[0].counters.duplicates == 1).await;
    let later = app.laters.lock().unwrap().pop().unwrap();
    let mut out = Vec::new();
    success(&later.request(), 1, &mut out);
    later.send(out);
    let answer = relay.receive().await;
    assert_eq!((answer.header().hop_by_hop, answer.number()), (2, "1".to_owned()));
    assert_eq!(app.executed(), 1);
}
