//! What keeps a node from starting is said with what to do.

use oxirush_sctp::{Socket, SocketToAssociation};
use s6a::net::{Node, NodeConfig, PeerConfig, StartError};
use s6a::peer::State;

use crate::support::*;

async fn error(config: NodeConfig) -> String {
    Node::start(config, App::new(Manner::Now)).await.unwrap_err().to_string()
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

/// As the kernel itself says it.
fn kernel_has_sctp() -> bool {
    match Socket::new_v4(SocketToAssociation::OneToOne) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::EPROTONOSUPPORT), "{error}");
            false
        }
    }
}

/// Whether it listens or connects over SCTP, a node starts where the kernel has it, and says at once where it has not.
#[tokio::test]
async fn a_node_on_a_kernel_without_sctp_says_so_with_what_to_do() {
    let listening = NodeConfig { listen: vec!["sctp://127.0.0.1:0".parse().unwrap()], ..hss() };
    let connecting = mme(&"sctp://127.0.0.1:9".parse().unwrap());
    for config in [listening, connecting] {
        let started = Node::start(config, App::new(Manner::Now)).await;
        if kernel_has_sctp() {
            assert_ne!(started.unwrap().peers()[0].state, State::IOpen);
            continue;
        }
        let error = started.unwrap_err();
        assert!(matches!(error, StartError::NoSctp { .. }), "{error:?}");
        let advice = "this machine's kernel offers no SCTP: load it (modprobe sctp) or use tcp:// or tls://";
        assert!(error.to_string().starts_with("sctp://127.0.0.1:"), "{error}");
        assert!(error.to_string().ends_with(advice), "{error}");
    }
}
