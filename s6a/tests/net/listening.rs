//! Where a node listens.

use std::time::Duration;

use s6a::net::{Limits, Node, NodeConfig};

use super::Carrier;
use crate::support::*;

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let first = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let endpoint = first.local_endpoints()[0].clone();
    let config = NodeConfig { listen: vec![endpoint.clone()], ..hss() };
    let message = Node::start(config, App::new(Manner::Now)).await.unwrap_err().to_string();
    assert!(message.contains(&endpoint.to_string()) && message.contains("choose another port"), "{message}");
}

#[tokio::test]
async fn connections_without_a_cer_are_limited_and_keep_nobody_out() {
    let mut config = Carrier::hss();
    config.limits = Limits { unidentified: 3, unidentified_per_source: 2, ..Limits::default() };
    config.timers.capabilities = Duration::from_secs(60);
    let node = Node::start(config, App::new(Manner::Now)).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Carrier::connect(&node).await);
    }
    // All but two of a source have made room for those that came later, and a peer is let in at once.
    let mut open = Carrier::open(&node, MME).await;
    for raw in silent.iter_mut().take(18) {
        raw.is_closed().await;
    }
    assert_eq!(open.ask(&air((1, 1))).await.code(), s6a::codec::ResultCode::SUCCESS);
    // One that is open has no such place to lose.
    for _ in 0..20 {
        silent.push(Carrier::connect(&node).await);
    }
    assert_eq!(open.ask(&air((2, 2))).await.code(), s6a::codec::ResultCode::SUCCESS);
}
