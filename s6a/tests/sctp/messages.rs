//! Diameter messages inside of SCTP messages, RFC 6733 §2.1.1.

use std::net::IpAddr;
use std::time::Duration;

use oxirush_sctp::SendOptions;
use s6a::base::DisconnectCause;
use s6a::codec::dictionary::base::*;
use s6a::codec::{CommandFlags, Header, ResultCode, Writer};
use s6a::net::{Destination, Down, Limits, Node, NodeConfig};
use s6a::peer::State;

use crate::carrier::Sctp;
use crate::peer::{DIAMETER, Peer, addresses, is_unordered};
use crate::support::*;

const TWO: &str = "sctp://127.0.0.1:0,127.0.0.2:0";

fn hss_on(endpoint: &str) -> NodeConfig {
    NodeConfig { listen: vec![endpoint.parse().unwrap()], ..hss() }
}

fn clear_location(more: usize) -> impl FnOnce(&mut Vec<u8>, u32, u32) {
    move |out, hop_by_hop, end_to_end| {
        let flags = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE);
        let header = Header { length: 0, flags, command: CLR, application: S6A, hop_by_hop, end_to_end };
        let mut w = Writer::new(out, &header);
        w.str(&SESSION_ID, "a;1;2");
        w.str(&ORIGIN_HOST, HSS);
        w.str(&ORIGIN_REALM, HOME);
        w.str(&DESTINATION_HOST, MME);
        w.str(&ERROR_MESSAGE, &"x".repeat(more));
        w.finish();
    }
}

#[tokio::test]
async fn requests_go_both_ways_over_two_addresses_and_shutdown_disconnects_by_dpr() {
    let (server, client) = (App::new(Manner::Now), App::new(Manner::Now));
    let hss = Node::start(hss_on(TWO), server.clone()).await.unwrap();
    let bound = addresses(&hss);
    assert_eq!(bound.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>(), ["127.0.0.1", "127.0.0.2"]);
    assert!(bound[0].port() != 0 && bound[0].port() == bound[1].port(), "{bound:?}");

    let mme = Node::start(mme(&hss.local_endpoints()[0]), client.clone()).await.unwrap();
    up(&server, 1).await;
    up(&client, 1).await;
    assert_eq!((hss.peers()[0].state, mme.peers()[0].state), (State::ROpen, State::IOpen));

    let to_hss = Destination { host: Some(HSS), realm: HOME };
    for _ in 0..100 {
        let answer = mme
            .request(to_hss, |out, hop_by_hop, end_to_end| out.extend(air((hop_by_hop, end_to_end))))
            .await
            .unwrap();
        assert_eq!(answer.message().find(&RESULT_CODE).unwrap().u32().unwrap(), ResultCode::SUCCESS.0);
    }
    let to_mme = Destination { host: Some(MME), realm: VISITED };
    hss.request(to_mme, clear_location(0)).await.unwrap();
    assert_eq!((server.executed(), client.executed()), (100, 1));

    hss.shutdown(DisconnectCause::Rebooting).await;
    until("down", || !client.downs.lock().unwrap().is_empty()).await;
    assert_eq!(client.downs.lock().unwrap()[0], Down::Disconnected(DisconnectCause::Rebooting));
    assert_eq!(server.downs.lock().unwrap()[0], Down::Stopped(DisconnectCause::Rebooting));
}

#[tokio::test]
async fn a_message_longer_than_packets_and_reads_arrives_whole() {
    let (server, client) = (App::new(Manner::Now), App::new(Manner::Now));
    let hss = Node::start(hss_on("sctp://127.0.0.1:0"), server.clone()).await.unwrap();
    let _mme = Node::start(mme(&hss.local_endpoints()[0]), client.clone()).await.unwrap();
    up(&server, 1).await;
    let to_mme = Destination { host: Some(MME), realm: VISITED };
    for octets in [1_400, 4_096, 60_000] {
        hss.request(to_mme, clear_location(octets)).await.unwrap();
    }
    assert_eq!(client.executed(), 3);
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered_once() {
    let (server, client) = (App::new(Manner::Now), App::new(Manner::Now));
    let timers = s6a::net::Timers {
        write_stall: Duration::from_secs(10),
        request: Duration::from_secs(10),
        ..quick()
    };
    let hss = NodeConfig { timers, ..hss_on("sctp://127.0.0.1:0") };
    let hss = Node::start(hss, server.clone()).await.unwrap();
    let mme = NodeConfig { timers, ..mme(&hss.local_endpoints()[0]) };
    let mme = Node::start(mme, client.clone()).await.unwrap();
    up(&client, 1).await;
    // As long as real ones: a burst of shorter ones overruns the peer's buffer, and comes again after a second.
    let long = |ids| {
        request(MME, ids, CommandFlags(0), |w| {
            w.str(&DESTINATION_REALM, HOME);
            w.str(&ERROR_MESSAGE, &"x".repeat(200));
        })
    };
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..2000 {
        let mme = mme.clone();
        asked.spawn(async move {
            let to_hss = Destination { host: Some(HSS), realm: HOME };
            mme.request(to_hss, |out, hop_by_hop, end_to_end| out.extend(long((hop_by_hop, end_to_end))))
                .await
        });
    }
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap();
        assert!(
            answer.is_ok(),
            "{answer:?}: {:?} {:?}",
            server.downs.lock().unwrap(),
            client.downs.lock().unwrap()
        );
    }
    assert_eq!(server.executed(), 2000);
}

#[tokio::test]
async fn each_diameter_message_is_one_sctp_message_with_ppid_46() {
    let node = Node::start(hss_on(TWO), App::new(Manner::Now)).await.unwrap();
    let peer = Peer::connect(&node).await;
    assert_eq!(peer.socket.peer_addrs().unwrap().len(), 2);
    peer.send(&cer(MME, S6A, 1)).await;
    let cea = peer.receive().await;
    assert_eq!((cea.ppid(), cea.stream_id()), (Some(DIAMETER), Some(0)));
    let cea = Received(cea.payload);
    assert_eq!(cea.code(), ResultCode::SUCCESS);
    // RFC 6733 §5.3.5: every address that may be a source.
    let message = cea.message();
    let avps = message.avps().map(Result::unwrap);
    let hosts: Vec<_> =
        avps.filter(|avp| avp.is(&HOST_IP_ADDRESS)).map(|avp| avp.address().unwrap()).collect();
    assert_eq!(hosts, ["127.0.0.1".parse::<IpAddr>().unwrap(), "127.0.0.2".parse().unwrap()]);

    // Each in a message of its own, on another stream, without order, two in one, and as RFC 3588 did it (PPID 0).
    let options = SendOptions::new().ppid(DIAMETER);
    peer.socket.send(&air((1, 1)), options).await.unwrap();
    peer.socket.send(&air((2, 2)), options.stream(3)).await.unwrap();
    peer.socket.send(&air((3, 3)), options.unordered(true)).await.unwrap();
    peer.socket.send(&[air((4, 4)), air((5, 5))].concat(), options).await.unwrap();
    peer.socket.send(&air((6, 6)), SendOptions::new()).await.unwrap();
    let mut answered = Vec::new();
    for _ in 0..6 {
        let answer = peer.receive().await;
        assert_eq!(answer.ppid(), Some(DIAMETER));
        // Parsing refuses anything behind a message.
        let answer = Received(answer.payload);
        assert_eq!((answer.code(), answer.header().length as usize), (ResultCode::SUCCESS, answer.0.len()));
        answered.push(answer.header().hop_by_hop);
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 3, 4, 5, 6]);
}

/// RFC 6733 §2.1.1: unordered on stream 0, but not before the peer has shown that it is open.
#[tokio::test]
async fn a_node_that_is_connected_to_keeps_order_until_the_peer_has_said_something() {
    let node = Node::start(hss_on("sctp://127.0.0.1:0"), App::new(Manner::Now)).await.unwrap();
    let peer = Peer::connect(&node).await;
    peer.send(&cer(MME, S6A, 1)).await;
    let cea = peer.receive().await;
    assert_eq!((is_unordered(&cea), cea.stream_id()), (false, Some(0)));
    let to_mme = Destination { host: Some(MME), realm: VISITED };
    // The peer could still be waiting for its CEA.
    let (answer, ()) = tokio::join!(node.request(to_mme, clear_location(0)), async {
        let clr = peer.receive().await;
        assert!(!is_unordered(&clr));
        let clr = Received(clr.payload);
        peer.send(&answer(&clr.message(), ResultCode::SUCCESS)).await;
    });
    answer.unwrap();
    peer.send(&air((1, 1))).await;
    let aia = peer.receive().await;
    assert_eq!((is_unordered(&aia), aia.stream_id(), aia.ppid()), (true, Some(0), Some(DIAMETER)));
}

#[tokio::test]
async fn a_node_that_connects_keeps_order_until_it_has_its_cea() {
    let (listener, endpoint) = Sctp::listen().await;
    let app = App::new(Manner::Now);
    let node = Node::start(mme(&endpoint), app.clone()).await.unwrap();
    let peer = Peer { socket: listener.association().await };
    let received = peer.receive().await;
    assert_eq!((is_unordered(&received), received.ppid()), (false, Some(DIAMETER)));
    let received = Received(received.payload);
    assert_eq!(received.header().command, 257);
    peer.send(&cea(&received.header())).await;
    up(&app, 1).await;
    let to_hss = Destination { host: Some(HSS), realm: HOME };
    let ask = node.request(to_hss, |out, hop_by_hop, end_to_end| out.extend(air((hop_by_hop, end_to_end))));
    let (answered, ()) = tokio::join!(ask, async {
        let sent = peer.receive().await;
        assert_eq!((is_unordered(&sent), sent.stream_id(), sent.ppid()), (true, Some(0), Some(DIAMETER)));
        let sent = Received(sent.payload);
        peer.send(&answer(&sent.message(), ResultCode::SUCCESS)).await;
    });
    answered.unwrap();
}

/// RFC 9260 §9.1. Otherwise the kernel would keep what is left of it for minutes.
#[tokio::test]
async fn an_association_that_is_cut_is_aborted_and_one_that_is_closed_is_shut_down() {
    let node = Node::start(hss_on("sctp://127.0.0.1:0"), App::new(Manner::Now)).await.unwrap();
    let peer = Peer::open(&node).await;
    drop(node);
    assert_eq!(peer.next().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);

    let node = Node::start(hss_on("sctp://127.0.0.1:0"), App::new(Manner::Now)).await.unwrap();
    let stranger = Peer::connect(&node).await;
    stranger.send(&cer("stranger.example", S6A, 1)).await;
    assert_eq!(Received(stranger.receive().await.payload).code(), ResultCode::UNKNOWN_PEER);
    assert!(stranger.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_peer_that_goes_away_is_noticed_and_may_come_back() {
    let app = App::new(Manner::Now);
    let node = Node::start(hss_on(TWO), app.clone()).await.unwrap();
    let goes = |times: usize| {
        let app = app.clone();
        async move { until("down", || app.downs.lock().unwrap().len() == times).await }
    };
    // By SHUTDOWN (RFC 9260 §9.2).
    drop(Peer::open(&node).await);
    goes(1).await;
    // By ABORT (§9.1).
    Peer::open(&node).await.socket.abort(b"").unwrap();
    goes(2).await;
    let downs = app.downs.lock().unwrap().clone();
    assert!(downs[0] == Down::Closed && matches!(downs[1], Down::Transport(_)), "{downs:?}");

    let peer = Peer::open(&node).await;
    peer.send(&air((1, 1))).await;
    assert_eq!(Received(peer.receive().await.payload).code(), ResultCode::SUCCESS);
}

#[tokio::test]
async fn a_lost_node_is_connected_to_again_on_the_same_port() {
    let (server, client) = (App::new(Manner::Now), App::new(Manner::Now));
    let hss = Node::start(hss_on(TWO), server.clone()).await.unwrap();
    let endpoint = hss.local_endpoints()[0].clone();
    let _mme = Node::start(mme(&endpoint), client.clone()).await.unwrap();
    up(&client, 1).await;
    drop(hss);
    until("down", || !client.downs.lock().unwrap().is_empty()).await;
    let _hss = Node::start(hss_on(&endpoint.to_string()), server.clone()).await.unwrap();
    up(&client, 2).await;
}

#[tokio::test]
async fn a_message_that_ends_in_the_middle_ends_the_association_and_no_other() {
    let app = App::new(Manner::Now);
    let node = Node::start(hss_on("sctp://127.0.0.1:0"), app.clone()).await.unwrap();
    let peer = Peer::open(&node).await;
    let whole = air((1, 1));
    peer.send(&whole[..whole.len() - 4]).await;
    peer.is_closed().await;
    let why = app.downs.lock().unwrap()[0].to_string();
    assert!(why.contains("ends inside of a Diameter message"), "{why}");
    assert_eq!(app.executed(), 0);

    let peer = Peer::open(&node).await;
    peer.socket.send(&whole, SendOptions::new().ppid(47)).await.unwrap();
    peer.is_closed().await;
    let why = app.downs.lock().unwrap()[1].to_string();
    assert!(why.contains("DTLS"), "{why}");
    assert_eq!(app.executed(), 0);

    let peer = Peer::open(&node).await;
    peer.send(&whole).await;
    assert_eq!(Received(peer.receive().await.payload).code(), ResultCode::SUCCESS);
}

#[tokio::test]
async fn a_message_that_is_too_long_gets_5015_and_one_far_too_long_the_end() {
    let app = App::new(Manner::Now);
    let node = Node::start(hss_on("sctp://127.0.0.1:0"), app.clone()).await.unwrap();
    let long = |octets: usize| {
        request(MME, (1, 1), CommandFlags(0), |w| {
            w.str(&ERROR_MESSAGE, &"x".repeat(octets));
        })
    };
    let max = Limits::default().max_message;
    let peer = Peer::open(&node).await;
    peer.send(&long(max)).await;
    assert_eq!(Received(peer.receive().await.payload).code(), ResultCode::INVALID_MESSAGE_LENGTH);
    peer.is_closed().await;

    let peer = Peer::open(&node).await;
    peer.send(&long(2 * max)).await;
    peer.is_closed().await;
    assert_eq!(app.executed(), 0);
}
