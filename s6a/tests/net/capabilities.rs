//! CER and CEA, RFC 6733 §5.3.

use s6a::base::CapabilitiesExchangeAnswer;
use s6a::codec::dictionary::base::*;
use s6a::codec::{CommandFlags, Header, ResultCode, Writer};
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

/// A CER or CEA of an older peer: what `more` writes stands in place of the applications.
fn older(flags: u8, more: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let header = Header {
        length: 0,
        flags: CommandFlags(flags),
        command: 257,
        application: 0,
        hop_by_hop: 1,
        end_to_end: 1,
    };
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out, &header);
    w.str(&ORIGIN_HOST, MME);
    w.str(&ORIGIN_REALM, VISITED);
    w.u32(&VENDOR_ID, 0);
    more(&mut w);
    w.finish();
    out
}

/// Vendor-Specific-Application-Id with two Vendor-Ids, as RFC 3588 §6.11 allowed.
fn two_vendor_ids(w: &mut Writer<'_>) {
    w.group(&VENDOR_SPECIFIC_APPLICATION_ID, |w| {
        w.u32(&VENDOR_ID, 10415);
        w.u32(&VENDOR_ID, 13365);
        w.u32(&AUTH_APPLICATION_ID, S6A);
    });
}

fn usual(w: &mut Writer<'_>) {
    w.address(&HOST_IP_ADDRESS, [127, 0, 0, 1].into());
    w.str(&PRODUCT_NAME, "older");
}

#[tokio::test]
async fn harmless_oddities_of_older_peers_are_accepted_in_a_cer() {
    const REQUEST: u8 = 0x80;
    let odd: [(&str, Vec<u8>); 8] = [
        (
            "two Vendor-Ids",
            older(REQUEST, |w| {
                usual(w);
                two_vendor_ids(w);
            }),
        ),
        (
            "no Vendor-Id beside the application",
            older(REQUEST, |w| {
                usual(w);
                w.group(&VENDOR_SPECIFIC_APPLICATION_ID, |w| w.u32(&AUTH_APPLICATION_ID, S6A));
            }),
        ),
        (
            "the application twice, for accounting and twice again",
            older(REQUEST, |w| {
                usual(w);
                w.group(&VENDOR_SPECIFIC_APPLICATION_ID, |w| {
                    w.u32(&VENDOR_ID, 10415);
                    w.u32(&AUTH_APPLICATION_ID, S6A);
                    w.u32(&AUTH_APPLICATION_ID, S6A);
                    w.u32(&ACCT_APPLICATION_ID, S6A);
                });
                w.u32(&ACCT_APPLICATION_ID, 3);
                w.u32(&AUTH_APPLICATION_ID, 1);
            }),
        ),
        (
            "an address of family E.164, and one cut short",
            older(REQUEST, |w| {
                w.octets(&HOST_IP_ADDRESS, &[0, 8, b'4', b'9']);
                w.octets(&HOST_IP_ADDRESS, &[0, 1, 127]);
                w.str(&PRODUCT_NAME, "older");
                two_vendor_ids(w);
            }),
        ),
        (
            "a Product-Name in Latin-1, and a second one",
            older(REQUEST, |w| {
                usual(w);
                w.octets(&PRODUCT_NAME, b"Vermittlungsger\xe4t");
                two_vendor_ids(w);
            }),
        ),
        (
            "what is known told twice",
            older(REQUEST, |w| {
                usual(w);
                w.str(&ORIGIN_HOST, "MME.visited.example");
                w.str(&ORIGIN_REALM, VISITED);
                w.u32(&ORIGIN_STATE_ID, 5);
                w.u32(&ORIGIN_STATE_ID, 5);
                w.u32(&FIRMWARE_REVISION, 1);
                w.u32(&FIRMWARE_REVISION, 2);
                w.u32(&INBAND_SECURITY_ID, 1);
                w.u32(&INBAND_SECURITY_ID, 0);
                w.u32(&SUPPORTED_VENDOR_ID, 4711);
                two_vendor_ids(w);
            }),
        ),
        (
            "the P bit",
            older(REQUEST | 0x40, |w| {
                usual(w);
                two_vendor_ids(w);
            }),
        ),
        ("padding that is not zero, other M bits", {
            let mut octets = older(REQUEST, |w| {
                w.address(&HOST_IP_ADDRESS, [127, 0, 0, 1].into());
                two_vendor_ids(w);
                w.str(&PRODUCT_NAME, "older");
            });
            let length = octets.len();
            octets[length - 3..].fill(0xff);
            // Product-Name with M, Origin-Host without.
            octets[length - 12] = 0x40;
            octets[24] = 0;
            octets
        }),
    ];
    for (what, cer) in odd {
        let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
        let mut raw = Carrier::connect(&node).await;
        assert_eq!(raw.ask(&cer).await.code(), ResultCode::SUCCESS, "{what}");
        assert_eq!(raw.ask(&air((9, 9))).await.code(), ResultCode::SUCCESS, "{what}");
    }
}

#[tokio::test]
async fn what_is_ambiguous_or_unknown_and_mandatory_is_refused_with_the_avp() {
    let strange = [0, 0, 3, 0xe7, 0xc0, 0, 0, 12, 0, 0, 7, 0xdb];
    let refused: [(ResultCode, &str, Vec<u8>); 4] = [
        (
            ResultCode::AVP_UNSUPPORTED,
            "AVP 999 of vendor 2011",
            older(0x80, |w| {
                usual(w);
                two_vendor_ids(w);
                w.raw(&strange);
            }),
        ),
        (
            ResultCode::AVP_OCCURS_TOO_MANY_TIMES,
            "Origin-Host (264)",
            older(0x80, |w| {
                usual(w);
                two_vendor_ids(w);
                w.str(&ORIGIN_HOST, "mme2.visited.example");
            }),
        ),
        (
            ResultCode::MISSING_AVP,
            "Product-Name (269)",
            older(0x80, |w| {
                w.address(&HOST_IP_ADDRESS, [127, 0, 0, 1].into());
                two_vendor_ids(w);
            }),
        ),
        (
            ResultCode::NO_COMMON_APPLICATION,
            "16777238, 4, and 3 for accounting",
            older(0x80, |w| {
                usual(w);
                w.group(&VENDOR_SPECIFIC_APPLICATION_ID, |w| {
                    w.u32(&VENDOR_ID, 10415);
                    w.u32(&AUTH_APPLICATION_ID, 16_777_238);
                });
                w.u32(&AUTH_APPLICATION_ID, 4);
                w.u32(&ACCT_APPLICATION_ID, 3);
            }),
        ),
    ];
    for (code, why, cer) in refused {
        let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
        let mut raw = Carrier::connect(&node).await;
        let cea = raw.ask(&cer).await;
        assert_eq!(cea.code(), code, "{why}");
        let message = cea.message();
        let text = message.find(&ERROR_MESSAGE).unwrap().str().unwrap();
        assert!(text.contains(why), "{text}");
    }
}

#[tokio::test]
async fn a_watchdog_request_of_an_older_peer_is_a_sign_of_life_however_it_looks() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let dwr = |flags: u8, more: &dyn Fn(&mut Writer<'_>)| {
        let flags = CommandFlags(flags);
        let header = Header { length: 0, flags, command: 280, application: 0, hop_by_hop: 7, end_to_end: 7 };
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, &header);
        more(&mut w);
        w.finish();
        out
    };
    let odd: [Vec<u8>; 3] = [
        dwr(0x80, &|w| w.str(&ORIGIN_HOST, MME)),
        dwr(0xc0, &|_| ()),
        dwr(0x80, &|w| {
            w.u32(&ORIGIN_STATE_ID, 1);
            w.u32(&ORIGIN_STATE_ID, 2);
        }),
    ];
    for octets in odd {
        assert_eq!(raw.ask(&octets).await.code(), ResultCode::SUCCESS);
    }
    let unknown = dwr(0x80, &|w| w.raw(&[0, 0, 3, 0xe7, 0xc0, 0, 0, 12, 0, 0, 7, 0xdb]));
    assert_eq!(raw.ask(&unknown).await.code(), ResultCode::AVP_UNSUPPORTED);
}

#[tokio::test]
async fn a_peer_that_dies_silently_again_and_again_is_let_in_within_seconds() {
    let mut config = Carrier::hss();
    // As in operation: without a probe, REOPEN would last for two of these.
    config.timers.watchdog = std::time::Duration::from_secs(30);
    let app = App::new(Manner::Now);
    let node = Node::start(config, app.clone()).await.unwrap();
    let start = std::time::Instant::now();
    // Its sockets are there, and nothing comes from them.
    let mut dead = Vec::new();
    dead.push(Carrier::open(&node, MME).await);
    for _ in 0..3 {
        let mut refused = 0;
        loop {
            let mut raw = Carrier::connect(&node).await;
            // Its Origin-State-Id does not rise: it has no clock.
            if raw.ask(&cer(MME, S6A, 1)).await.code() == ResultCode::SUCCESS {
                dead.push(raw);
                break;
            }
            refused += 1;
            assert!(refused < 200, "locked out");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_peer_that_reconnects_right_after_its_dpa_is_let_in() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    for round in 0..20 {
        let mut old = Carrier::open(&node, MME).await;
        let mut dpr = request(MME, (3, 3), CommandFlags(0), |w| w.u32(&DISCONNECT_CAUSE, 0));
        dpr[4..12].copy_from_slice(&[0x80, 0, 1, 26, 0, 0, 0, 0]);
        assert_eq!(old.ask(&dpr).await.code(), ResultCode::SUCCESS);
        // The old connection is there still.
        let mut new = Carrier::connect(&node).await;
        assert_eq!(new.ask(&cer(MME, S6A, 1)).await.code(), ResultCode::SUCCESS, "round {round}");
        assert_eq!(new.ask(&air((5, 5))).await.code(), ResultCode::SUCCESS);
        drop(old);
        assert_eq!(new.ask(&air((6, 6))).await.code(), ResultCode::SUCCESS);
        let mut dpr = request(MME, (3, 3), CommandFlags(0), |w| w.u32(&DISCONNECT_CAUSE, 0));
        dpr[4..12].copy_from_slice(&[0x80, 0, 1, 26, 0, 0, 0, 0]);
        assert_eq!(new.ask(&dpr).await.code(), ResultCode::SUCCESS);
    }
}
