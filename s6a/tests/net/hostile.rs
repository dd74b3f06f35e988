//! Peers that are silent, slow, broken or greedy: closed in time, at no cost for others.

use std::time::Duration;

use s6a::codec::ResultCode;
use s6a::net::{Down, Node, PeerConfig};

use super::Carrier;
use crate::support::*;

#[tokio::test]
async fn a_peer_that_says_nothing_is_closed() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::connect(&node).await;
    raw.is_closed_after(quick().capabilities).await;
}

#[tokio::test]
async fn garbage_and_oversize_are_closed_at_once_and_a_request_is_told_why() {
    let mut config = Carrier::hss();
    config.peers.push(PeerConfig::new("other.example"));
    let node = Node::start(config, App::new(Manner::Now)).await.unwrap();
    let mut http = Carrier::connect(&node).await;
    http.send(b"GET / HTTP/1.1\r\nHost: hss\r\n\r\n").await;
    http.is_closed().await;

    let mut huge = Carrier::open(&node, MME).await;
    let mut head = air((9, 9))[..20].to_vec();
    head[1..4].copy_from_slice(&[0xff, 0xff, 0xfc]);
    let answer = huge.ask(&head).await;
    assert_eq!((answer.code(), answer.header().hop_by_hop), (ResultCode::INVALID_MESSAGE_LENGTH, 9));
    huge.is_closed().await;

    let mut version = Carrier::open(&node, "other.example").await;
    let mut octets = air((8, 8));
    octets[0] = 2;
    assert_eq!(version.ask(&octets).await.code(), ResultCode::UNSUPPORTED_VERSION);
    version.is_closed().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_read_no_more_and_closed() {
    let app = App::new(Manner::Now);
    let mut config = Carrier::hss();
    config.limits.write_buffer = 64 << 10;
    config.peers.push(PeerConfig::new("good.example"));
    let node = Node::start(config, app.clone()).await.unwrap();
    let mut bad = Carrier::open(&node, MME).await;
    let mut good = Carrier::open(&node, "good.example").await;
    let flood: Vec<u8> = (0..1000).flat_map(|i| air((i, i))).collect();
    use tokio::io::AsyncWriteExt;
    let mut sent = 0u64;
    // More than all buffers between us hold answers for, unless the node's grow.
    while sent < 200 << 20 {
        match tokio::time::timeout(Duration::from_secs(5), bad.stream.write_all(&flood)).await {
            Ok(Ok(())) => sent += flood.len() as u64,
            Ok(Err(_)) | Err(_) => break,
        }
    }
    // What it sends after it was given up on is thrown away, not served.
    assert!((app.executed() as u64) < (200 << 20) / air((1, 1)).len() as u64, "everything was served");
    assert_eq!(good.ask(&air((1, 1))).await.code(), ResultCode::SUCCESS);
    until("closed", || app.downs.lock().unwrap().iter().any(|d| matches!(d, Down::TimedOut(_)))).await;
}

#[tokio::test]
async fn requests_beyond_those_in_flight_wait_until_some_are_answered() {
    let app = App::new(Manner::Later);
    let mut config = Carrier::hss();
    config.limits.requests_in_flight = 3;
    let node = Node::start(config, app.clone()).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let many: Vec<u8> = (0..10).flat_map(|i| air((i, i))).collect();
    raw.send(&many).await;
    until("three", || app.executed() == 3).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(app.executed(), 3);
    for _ in 0..10 {
        until("one more", || !app.laters.lock().unwrap().is_empty()).await;
        let later = app.laters.lock().unwrap().pop().unwrap();
        later.refuse(ResultCode::TOO_BUSY);
        assert_eq!(raw.receive().await.code(), ResultCode::TOO_BUSY);
    }
    assert_eq!(app.executed(), 10);
}
