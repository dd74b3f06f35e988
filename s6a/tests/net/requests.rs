//! Requests and what comes back, RFC 6733 §6.1 and §7.1.3.

use s6a::codec::dictionary::base::*;
use s6a::codec::{CommandFlags, ResultCode};
use s6a::net::{Destination, Node, Onward, RequestError};

use super::Carrier;
use crate::support::*;

const NO: CommandFlags = CommandFlags(0);

#[tokio::test]
async fn what_is_not_for_this_node_is_refused_with_the_e_bit_and_never_executed() {
    let app = App::new(Manner::Now);
    let node = Node::start(Carrier::hss(), app.clone()).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let mut other_command = air((2, 2));
    other_command[7] = 99;
    let mut other_application = air((3, 3));
    other_application[11] ^= 1;
    let cases = [
        (request(MME, (1, 1), CommandFlags::ERROR, |_| ()), ResultCode::INVALID_HDR_BITS),
        (other_command, ResultCode::COMMAND_UNSUPPORTED),
        (other_application, ResultCode::APPLICATION_UNSUPPORTED),
        (request(MME, (4, 4), NO, |w| w.str(&ROUTE_RECORD, HSS)), ResultCode::LOOP_DETECTED),
        (
            request(MME, (5, 5), NO, |w| w.str(&DESTINATION_HOST, "x.home.example")),
            ResultCode::UNABLE_TO_DELIVER,
        ),
        (request(MME, (6, 6), NO, |w| w.str(&DESTINATION_REALM, "x.example")), ResultCode::REALM_NOT_SERVED),
    ];
    for (octets, code) in cases {
        let answer = raw.ask(&octets).await;
        assert_eq!((answer.code(), answer.has_e_bit()), (code, true));
        assert_eq!(answer.header().hop_by_hop.to_be_bytes(), octets[12..16]);
    }
    assert_eq!(app.executed(), 0);
    assert_eq!(raw.ask(&air((7, 7))).await.code(), ResultCode::SUCCESS);
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_each() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let many: Vec<u8> = (0..50).flat_map(|i| air((i, i))).collect();
    raw.send(&many).await;
    let mut answered = Vec::new();
    for _ in 0..50 {
        answered.push(raw.receive().await.header().hop_by_hop);
    }
    if !Carrier::KEEPS_ORDER {
        answered.sort_unstable();
    }
    assert!(answered.into_iter().eq(0..50));
}

#[tokio::test]
async fn an_application_that_answers_nothing_or_nonsense_leaves_the_peer_with_5012() {
    for manner in [Manner::DropAnswer, Manner::DropLater, Manner::Garbage] {
        let node = Node::start(Carrier::hss(), App::new(manner)).await.unwrap();
        let mut raw = Carrier::open(&node, MME).await;
        let answer = raw.ask(&air((3, 3))).await;
        assert_eq!((answer.code(), answer.has_e_bit()), (ResultCode::UNABLE_TO_COMPLY, false), "{manner:?}");
        assert_eq!(answer.message().find(&SESSION_ID).unwrap().data, b"mme.visited.example;1;2");
    }
}

#[tokio::test]
async fn answers_leave_in_whatever_order_they_are_ready() {
    let app = App::new(Manner::Later);
    let node = Node::start(Carrier::hss(), app.clone()).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    raw.send(&[air((1, 1)), air((2, 2))].concat()).await;
    until("both asked", || app.executed() == 2).await;
    let laters = std::mem::take(&mut *app.laters.lock().unwrap());
    for (number, later) in laters.into_iter().enumerate().rev() {
        let mut out = Vec::new();
        success(&later.request(), number, &mut out);
        later.send(out);
    }
    assert_eq!(raw.receive().await.header().hop_by_hop, 2);
    assert_eq!(raw.receive().await.header().hop_by_hop, 1);
    let counters = node.peers()[0].counters;
    // CER and two requests.
    assert_eq!((counters.requests_received, counters.answers_sent), (3, 3));
}

#[tokio::test]
async fn watchdog_requests_are_answered() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let mut dwr = request(MME, (8, 8), NO, |_| ());
    dwr[4..12].copy_from_slice(&[0x80, 0, 1, 24, 0, 0, 0, 0]);
    let dwa = raw.ask(&dwr).await;
    assert_eq!((dwa.code(), dwa.header().command, dwa.header().hop_by_hop), (ResultCode::SUCCESS, 280, 8));
    assert!(dwa.message().find(&ORIGIN_STATE_ID).is_some());
}

#[tokio::test]
async fn an_answer_nobody_waits_for_is_dropped_and_counted() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let request = air((123, 5));
    let message = s6a::codec::Message::parse(&request).unwrap();
    raw.send(&answer(&message, ResultCode::SUCCESS)).await;
    assert_eq!(raw.ask(&air((6, 6))).await.code(), ResultCode::SUCCESS);
    until("counted", || node.peers()[0].counters.answers_unmatched == 1).await;
}

fn clr(out: &mut Vec<u8>, hop_by_hop: u32, end_to_end: u32) {
    out.extend(request(HSS, (hop_by_hop, end_to_end), NO, |w| w.str(&DESTINATION_HOST, MME)));
}

const TO_MME: Destination<'_> = Destination { host: Some(MME), realm: VISITED };

#[tokio::test]
async fn a_request_of_ours_that_is_not_answered_times_out() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let start = std::time::Instant::now();
    assert_eq!(node.request(TO_MME, clr).await.unwrap_err(), RequestError::TimedOut);
    assert!(start.elapsed() >= quick().request && start.elapsed() < quick().request * 4);
    // The answer that comes too late is nobody's.
    let late = raw.receive().await;
    raw.send(&answer(&late.message(), ResultCode::SUCCESS)).await;
    until("counted", || node.peers()[0].counters.answers_unmatched == 1).await;
}

#[tokio::test]
async fn a_request_of_ours_ends_with_its_connection() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let (result, ()) = tokio::join!(node.request(TO_MME, clr), async {
        raw.receive().await;
        drop(raw);
    });
    assert_eq!(result.unwrap_err(), RequestError::Disconnected);
    assert_eq!(node.request(TO_MME, |_, _, _| ()).await.unwrap_err(), RequestError::NoPeer);
}

#[tokio::test]
async fn a_request_goes_to_another_connection_with_the_t_bit_when_the_first_is_lost() {
    let mut config = Carrier::hss();
    config.accept_unknown_peers = true;
    let node = Node::start(config, App::new(Manner::Now)).await.unwrap();
    let mut first = Carrier::open(&node, MME).await;
    let mut relay = Carrier::connect(&node).await;
    assert_eq!(relay.ask(&cer("dra.visited.example", u32::MAX, 1)).await.code(), ResultCode::SUCCESS);
    let (result, ()) = tokio::join!(node.request(TO_MME, clr), async {
        let sent = first.receive().await;
        assert!(!sent.header().flags.has(CommandFlags::RETRANSMITTED));
        drop(first);
        let again = relay.receive().await;
        assert!(again.header().flags.has(CommandFlags::RETRANSMITTED));
        assert_eq!(again.header().end_to_end, sent.header().end_to_end);
        relay.send(&answer(&again.message(), ResultCode::SUCCESS)).await;
    });
    assert!(result.is_ok());
}

/// RFC 6733 §2.4, §6.1.6: only a relay forwards, and it says so by its application.
#[tokio::test]
async fn a_request_for_an_absent_host_goes_to_a_relay_and_never_to_its_sibling() {
    let mut config = Carrier::hss();
    config.accept_unknown_peers = true;
    let node = Node::start(config, App::new(Manner::Now)).await.unwrap();
    let mut sibling = Carrier::open(&node, "mme2.visited.example").await;
    for absent in [MME, "mme3.visited.example"] {
        let to = Destination { host: Some(absent), realm: VISITED };
        assert_eq!(node.request(to, |_, _, _| ()).await.unwrap_err(), RequestError::NoPeer, "{absent}");
    }
    let mut relay = Carrier::connect(&node).await;
    assert_eq!(relay.ask(&cer("dra.visited.example", u32::MAX, 1)).await.code(), ResultCode::SUCCESS);
    let (result, ()) = tokio::join!(node.request(TO_MME, clr), async {
        let sent = relay.receive().await;
        relay.send(&answer(&sent.message(), ResultCode::SUCCESS)).await;
    });
    assert!(result.is_ok());
    // The sibling has got none of it: the next that it receives is the answer to its own request.
    assert_eq!(sibling.ask(&air((9, 9))).await.code(), ResultCode::SUCCESS);
    // For whoever is in the realm it will do.
    let to = Destination { host: None, realm: VISITED };
    drop(relay);
    until("the relay gone", || node.peers().iter().filter(|peer| peer.since.is_some()).count() == 1).await;
    let (result, ()) = tokio::join!(node.request(to, clr), async {
        let sent = sibling.receive().await;
        sibling.send(&answer(&sent.message(), ResultCode::SUCCESS)).await;
    });
    assert!(result.is_ok());
}

/// RFC 6733 §6.1.3: what goes back comes again. A relay that has sent a request is none that leads to its destination.
#[tokio::test]
async fn a_request_that_is_passed_on_never_goes_back_and_only_to_the_host_where_that_is_wanted() {
    const RELAY: &str = "dra.visited.example";
    let mut config = Carrier::hss();
    config.accept_unknown_peers = true;
    let app = App::new(Manner::Now);
    let node = Node::start(config, app).await.unwrap();
    let mut relay = Carrier::connect(&node).await;
    assert_eq!(relay.ask(&cer(RELAY, u32::MAX, 1)).await.code(), ResultCode::SUCCESS);
    let within = std::time::Duration::from_millis(300);
    let write = |out: &mut Vec<u8>, hop_by_hop: u32| clr(out, hop_by_hop, 77);
    for (from, direct) in [(RELAY, false), ("DRA.Visited.Example", false), ("x.y", true)] {
        let onward = Onward { to: TO_MME, from, direct, within };
        assert_eq!(node.pass_on(onward, write).await.unwrap_err(), RequestError::NoPeer, "{from} {direct}");
    }
    let onward = Onward { to: TO_MME, from: "x.y", direct: false, within };
    let (result, ()) = tokio::join!(node.pass_on(onward, write), async {
        let sent = relay.receive().await;
        assert_eq!(sent.header().end_to_end, 77);
        relay.send(&answer(&sent.message(), ResultCode::SUCCESS)).await;
    });
    assert!(result.is_ok());
    // And its answer has its own time, not that of the node's own requests.
    let start = std::time::Instant::now();
    assert_eq!(node.pass_on(onward, write).await.unwrap_err(), RequestError::TimedOut);
    assert!(start.elapsed() >= within && start.elapsed() < quick().request);
}
