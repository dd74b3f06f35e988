//! CER and CEA, RFC 6733 §5.3.

use s6a::base::CapabilitiesExchangeAnswer;
use s6a::codec::{CommandFlags, ResultCode};
use s6a::net::{Node, PeerConfig};

use super::Carrier;
use crate::support::*;

#[tokio::test]
async fn a_cea_holds_what_rfc_6733_wants() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::connect(&node).await;
    let received = raw.ask(&cer(MME, S6A, 1)).await;
    let message = received.message();
    let cea = CapabilitiesExchangeAnswer::decode(&message).unwrap();
    assert_eq!((cea.result_code, cea.origin_host, cea.origin_realm), (ResultCode::SUCCESS, HSS, HOME));
    assert_eq!(cea.host_ip_address.iter().next().unwrap().to_string(), "127.0.0.1");
    assert!(cea.origin_state_id.unwrap() > 1_700_000_000, "seconds since 1970 (RFC 6733 §8.16)");
    assert_eq!(cea.supported_vendor_id.iter().collect::<Vec<_>>(), [10415]);
    assert_eq!(cea.inband_security_id.iter().collect::<Vec<_>>(), [0]);
    let application = cea.vendor_specific_application_id.iter().next().unwrap();
    assert_eq!((application.vendor_id, application.auth_application_id), (10415, Some(S6A)));
}

#[tokio::test]
async fn an_unknown_peer_gets_3010_and_is_closed() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::connect(&node).await;
    let cea = raw.ask(&cer("stranger.example", S6A, 1)).await;
    assert_eq!((cea.code(), cea.has_e_bit()), (ResultCode::UNKNOWN_PEER, true));
    raw.is_closed().await;
}

#[tokio::test]
async fn a_peer_from_another_address_or_realm_gets_3010() {
    let mut elsewhere = Carrier::hss();
    elsewhere.peers[0].addresses = vec!["192.0.2.1".parse().unwrap()];
    let mut other_realm = Carrier::hss();
    other_realm.peers[0].realm = Some("other.example".to_owned());
    let mut by_certificate = Carrier::hss();
    by_certificate.peers[0].certificate_names = vec![MME.to_owned()];
    let mut configs = vec![other_realm, by_certificate];
    if Carrier::HAS_ADDRESSES {
        configs.push(elsewhere);
    }
    for config in configs {
        let node = Node::start(config, App::new(Manner::Now)).await.unwrap();
        let mut raw = Carrier::connect(&node).await;
        assert_eq!(raw.ask(&cer(MME, S6A, 1)).await.code(), ResultCode::UNKNOWN_PEER);
        raw.is_closed().await;
    }
}

#[tokio::test]
async fn a_peer_without_a_common_application_gets_5010_and_is_closed() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::connect(&node).await;
    let cea = raw.ask(&cer(MME, 16_777_238, 1)).await;
    assert_eq!((cea.code(), cea.has_e_bit()), (ResultCode::NO_COMMON_APPLICATION, false));
    raw.is_closed().await;
}

#[tokio::test]
async fn a_relay_is_welcome() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::connect(&node).await;
    assert_eq!(raw.ask(&cer(MME, u32::MAX, 1)).await.code(), ResultCode::SUCCESS);
}

#[tokio::test]
async fn unknown_peers_are_accepted_only_where_that_is_wanted_and_forgotten_after() {
    let mut config = Carrier::hss();
    config.accept_unknown_peers = true;
    let node = Node::start(config, App::new(Manner::Now)).await.unwrap();
    let raw = Carrier::open(&node, "stranger.example").await;
    assert_eq!(node.peers().len(), 2);
    drop(raw);
    until("forgotten", || node.peers().len() == 1).await;
}

#[tokio::test]
async fn a_second_connection_of_an_open_peer_is_refused_and_the_first_goes_on() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut first = Carrier::open(&node, MME).await;
    let mut second = Carrier::connect(&node).await;
    assert_eq!(second.ask(&cer(MME, S6A, 1)).await.code(), ResultCode::ELECTION_LOST);
    second.is_closed().await;
    // The first is asked for a sign of life, since the peer seems to think it dead.
    assert_eq!(first.receive().await.header().command, 280);
    assert_eq!(first.ask(&air((5, 5))).await.code(), ResultCode::SUCCESS);
}

#[tokio::test]
async fn a_restarted_peer_takes_the_place_of_its_old_connection() {
    let app = App::new(Manner::Now);
    let node = Node::start(Carrier::hss(), app.clone()).await.unwrap();
    let mut old = Carrier::open(&node, MME).await;
    let mut new = Carrier::connect(&node).await;
    // RFC 6733 §8.16: a later Origin-State-Id tells of a restart.
    assert_eq!(new.ask(&cer(MME, S6A, 2)).await.code(), ResultCode::SUCCESS);
    old.is_closed().await;
    assert_eq!(new.ask(&air((5, 5))).await.code(), ResultCode::SUCCESS);
    until("old one down", || app.events().len() == 3).await;
    assert_eq!(node.peers()[0].origin_state_id, Some(2));
}

#[tokio::test]
async fn a_peer_whose_old_connection_is_dead_gets_in_after_one_probe() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    // It answers nothing any more, but its socket is there.
    let _dead = Carrier::open(&node, MME).await;
    let mut refused = 0;
    loop {
        let mut raw = Carrier::connect(&node).await;
        if raw.ask(&cer(MME, S6A, 1)).await.code() == ResultCode::SUCCESS {
            break;
        }
        refused += 1;
        assert!(refused < 40, "locked out");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn the_first_message_has_to_be_a_cer() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::connect(&node).await;
    raw.send(&air((1, 1))).await;
    raw.is_closed().await;
}

#[tokio::test]
async fn a_cer_without_what_it_needs_is_told_what_is_missing() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::connect(&node).await;
    let mut octets = request(MME, (1, 1), CommandFlags(0), |_| ());
    octets[4..12].copy_from_slice(&[0x80, 0, 1, 1, 0, 0, 0, 0]);
    assert_eq!(raw.ask(&octets).await.code(), ResultCode::MISSING_AVP);
    raw.is_closed().await;
}

#[tokio::test]
async fn many_peers_are_open_at_once() {
    let mut config = Carrier::hss();
    let name = |i| format!("mme{i}.visited.example");
    config.peers = (0..64).map(|i| PeerConfig::new(name(i))).collect();
    let node = Node::start(config, App::new(Manner::Now)).await.unwrap();
    let mut raws = Vec::new();
    for i in 0..64 {
        raws.push(Carrier::open(&node, &name(i)).await);
    }
    for raw in &mut raws {
        assert_eq!(raw.ask(&air((9, 9))).await.code(), ResultCode::SUCCESS);
    }
}
