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
async fn a_retransmission_gets_the_very_same_answer_also_over_a_new_connection() {
    let app = App::new(Manner::Now);
    let node = Node::start(Carrier::hss(), app.clone()).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let mut first = raw.ask(&air((10, 500))).await;
    let mut second = raw.ask(&again((11, 500))).await;
    drop(raw);
    until("gone", || app.downs.lock().unwrap().len() == 1).await;
    let mut raw = Carrier::open(&node, MME).await;
    let mut third = raw.ask(&again((12, 500))).await;
    assert_eq!(second.header().hop_by_hop, 11);
    assert_eq!(third.header().hop_by_hop, 12);
    for answer in [&mut first, &mut second, &mut third] {
        answer.0[12..16].fill(0);
    }
    assert!(first.0 == second.0 && second.0 == third.0);
    assert_eq!(app.executed(), 1);
    // T without the original: executed.
    assert_eq!(raw.ask(&again((13, 501))).await.number(), "2");
}

#[tokio::test]
async fn another_peer_that_repeats_a_request_gets_nothing_of_its_answer() {
    let app = App::new(Manner::Now);
    let mut config = Carrier::hss();
    config.peers.push(PeerConfig::new("thief.visited.example"));
    let node = Node::start(config, app.clone()).await.unwrap();
    let mut victim = Carrier::open(&node, MME).await;
    let mut thief = Carrier::open(&node, "thief.visited.example").await;
    for id in 0..100 {
        assert_eq!(victim.ask(&air((id, id))).await.number(), (2 * id + 1).to_string());
        // The very request, as if it were the victim's: it is executed for the thief.
        assert_eq!(thief.ask(&again((id, id))).await.number(), (2 * id + 2).to_string());
        // And what the thief has caused does not become the victim's answer.
        assert_eq!(victim.ask(&again((id, id))).await.number(), (2 * id + 1).to_string());
    }
    assert_eq!(app.executed(), 200);
}

#[tokio::test]
async fn another_request_under_the_same_ids_is_not_answered_with_the_first_ones_answer() {
    let app = App::new(Manner::Now);
    let node = Node::start(Carrier::hss(), app.clone()).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    assert_eq!(raw.ask(&air((1, 700))).await.number(), "1");
    let other = request(MME, (2, 700), CommandFlags::RETRANSMITTED, |w| {
        w.str(&DESTINATION_REALM, HOME);
        w.str(&USER_NAME, "999700000000002");
    });
    assert_eq!(raw.ask(&other).await.number(), "2");
}

#[tokio::test]
async fn a_retransmission_of_what_is_under_way_is_not_executed_twice() {
    let app = App::new(Manner::Later);
    let node = Node::start(Carrier::hss(), app.clone()).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    raw.send(&air((1, 600))).await;
    until("asked", || app.executed() == 1).await;
    // The first connection is lost meanwhile.
    drop(raw);
    until("gone", || app.downs.lock().unwrap().len() == 1).await;
    let mut raw = Carrier::open(&node, MME).await;
    raw.send(&again((2, 600))).await;
    until("waits", || node.peers()[0].counters.duplicates == 1).await;
    let later = app.laters.lock().unwrap().pop().unwrap();
    let mut out = Vec::new();
    success(&later.request(), 1, &mut out);
    later.send(out);
    let answer = raw.receive().await;
    let answer = if answer.header().is_request() { raw.receive().await } else { answer };
    assert_eq!((answer.header().hop_by_hop, answer.number()), (2, "1".to_owned()));
    assert_eq!(app.executed(), 1);
}
