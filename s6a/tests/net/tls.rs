//! TLS from the first octet with certificates on both sides, RFC 6733 §2.1 and §13.1.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use s6a::net::{Node, NodeConfig, TlsConfigs, TransportKind};

use crate::carriers::Tcp;
use crate::support::*;

struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

fn authority() -> Authority {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    Authority { certificate, issuer: rcgen::Issuer::new(params, key) }
}

impl Authority {
    /// The configurations of a node, and its certificate.
    fn node(&self, name: &str) -> (Arc<TlsConfigs>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![certificate.der().clone()];
        let key = || PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build().unwrap();
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key())
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key())
            .unwrap();
        let configs = TlsConfigs { server: Arc::new(server), client: Arc::new(client) };
        (Arc::new(configs), certificate.der().to_vec())
    }
}

/// An HSS that listens on TLS.
fn secure(authority: &Authority) -> NodeConfig {
    NodeConfig {
        listen: vec!["tls://127.0.0.1:0".parse().unwrap()],
        tls: Some(authority.node(HSS).0),
        ..hss()
    }
}

/// Whether an MME with this certificate comes to be open.
async fn comes_up(config: NodeConfig, tls: Arc<TlsConfigs>) -> bool {
    let server = App::new(Manner::Now);
    let hss = Node::start(config, server.clone()).await.unwrap();
    let client = App::new(Manner::Now);
    let config = NodeConfig { tls: Some(tls), ..mme(&hss.local_endpoints()[0]) };
    let _mme = Node::start(config, client.clone()).await.unwrap();
    for _ in 0..80 {
        if !client.events().is_empty() && !server.events().is_empty() {
            assert_eq!(hss.peers()[0].transport, Some(TransportKind::Tls));
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_peer_with_a_certificate_of_its_name_is_welcome_and_one_of_another_name_is_not() {
    let authority = authority();
    assert!(comes_up(secure(&authority), authority.node(MME).0).await);
    assert!(!comes_up(secure(&authority), authority.node("other.example").0).await);
}

#[tokio::test]
async fn the_names_and_the_fingerprint_that_are_configured_decide() {
    let authority = authority();
    let (tls, certificate) = authority.node("gateway.example");
    let mut by_name = secure(&authority);
    by_name.peers[0].certificate_names = vec!["gateway.example".to_owned()];
    assert!(comes_up(by_name, tls.clone()).await);
    let mut by_fingerprint = secure(&authority);
    use sha2::Digest;
    by_fingerprint.peers[0].certificate_sha256 = Some(sha2::Sha256::digest(certificate).into());
    assert!(comes_up(by_fingerprint.clone(), tls).await);
    assert!(!comes_up(by_fingerprint, authority.node("gateway.example").0).await);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_in_the_handshake() {
    let (ours, foreign) = (authority(), authority());
    assert!(!comes_up(secure(&ours), foreign.node(MME).0).await);
}

#[tokio::test]
async fn a_handshake_that_stalls_costs_others_nothing_and_ends_in_time() {
    let authority = authority();
    let app = App::new(Manner::Now);
    let hss = Node::start(secure(&authority), app.clone()).await.unwrap();
    let mut silent = Tcp::connect(&hss).await;
    let config = NodeConfig { tls: Some(authority.node(MME).0), ..mme(&hss.local_endpoints()[0]) };
    let _mme = Node::start(config, App::new(Manner::Now)).await.unwrap();
    up(&app, 1).await;
    silent.is_closed().await;
}
