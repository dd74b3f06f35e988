//! What keeps a node from starting is said with what to do.

use s6a::net::{Node, NodeConfig, PeerConfig};

use crate::support::*;

async fn error(config: NodeConfig) -> String {
    Node::start(config, App::new(Manner::Now)).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let first = Node::start(hss(), App::new(Manner::Now)).await.unwrap();
    let endpoint = first.local_endpoints()[0].clone();
    let message = error(NodeConfig { listen: vec![endpoint.clone()], ..hss() }).await;
    assert!(message.contains(&endpoint.to_string()) && message.contains("choose another port"), "{message}");
}

#[tokio::test]
async fn settings_that_cannot_be_are_named() {
    let tls = NodeConfig { listen: vec!["tls://127.0.0.1:0".parse().unwrap()], ..hss() };
    assert!(error(tls).await.contains("certificate"));
    let twice =
        NodeConfig { peers: vec![PeerConfig::new("a.example"), PeerConfig::new("A.example")], ..hss() };
    assert!(error(twice).await.contains("twice"));
    let itself = NodeConfig { peers: vec![PeerConfig::new(HSS)], ..hss() };
    assert!(error(itself).await.contains("itself"));
    let name = NodeConfig { origin_host: "no name".to_owned(), ..hss() };
    assert!(error(name).await.contains("fully qualified"));
}
