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
async fn connections_without_a_cer_are_limited_and_do_not_keep_peers_out_for_long() {
    let mut config = Carrier::hss();
    config.limits = Limits { unidentified: 2, ..Limits::default() };
    let node = Node::start(config, App::new(Manner::Now)).await.unwrap();
    let mut silent = [Carrier::connect(&node).await, Carrier::connect(&node).await];
    let mut third = Carrier::connect(&node).await;
    third.is_closed().await;
    for raw in &mut silent {
        raw.is_closed().await;
    }
    drop(silent);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _open = Carrier::open(&node, MME).await;
}
