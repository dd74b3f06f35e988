//! Watchdog, DPR and connecting again.

use std::time::{Duration, Instant};

use s6a::base::DisconnectCause;
use s6a::codec::dictionary::base::*;
use s6a::codec::{CommandFlags, Message, ResultCode};
use s6a::net::{Down, Endpoint, Node};
use tokio::net::TcpListener;

use crate::support::*;

/// A listener that plays the HSS towards a node.
async fn hss_by_hand() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    (listener, endpoint)
}

/// Accepts the node's connection and answers its CER.
async fn accept(listener: &TcpListener) -> Raw<tokio::net::TcpStream> {
    let accepted = tokio::time::timeout(Duration::from_secs(5), listener.accept()).await;
    let (stream, _) = accepted.expect("the node connects").unwrap();
    let mut raw = Raw { stream };
    let cer = raw.receive().await;
    assert_eq!((cer.header().command, cer.header().is_request()), (257, true));
    let mut cea = crate::support::cer(HSS, S6A, 7);
    // The same AVPs, as an answer with Result-Code.
    cea[4] = 0;
    cea[12..20].copy_from_slice(&cer.0[12..20]);
    s6a::codec::Writer::avps(&mut cea).u32(&RESULT_CODE, 2001);
    let length = cea.len() as u32;
    cea[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    raw.send(&cea).await;
    raw
}

fn dpr(cause: u32) -> Vec<u8> {
    let mut octets = request(HSS, (3, 3), CommandFlags(0), |w| w.u32(&DISCONNECT_CAUSE, cause));
    octets[4..12].copy_from_slice(&[0x80, 0, 1, 26, 0, 0, 0, 0]);
    octets
}

#[tokio::test]
async fn a_lost_peer_is_connected_to_again_and_again() {
    let (listener, endpoint) = hss_by_hand().await;
    let app = App::new(Manner::Now);
    let _node = Node::start(mme(&endpoint), app.clone()).await.unwrap();
    for times in 1..4 {
        let raw = accept(&listener).await;
        up(&app, times).await;
        drop(raw);
    }
}

#[tokio::test]
async fn attempts_that_fail_are_made_at_growing_intervals() {
    let (listener, endpoint) = hss_by_hand().await;
    let _node = Node::start(mme(&endpoint), App::new(Manner::Now)).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..6 {
        drop(listener.accept().await.unwrap());
        times.push(Instant::now());
    }
    // 50, 100, 200, 200 … ms with a quarter of jitter.
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] >= Duration::from_millis(35), "{waits:?}");
    assert!(waits[3] >= Duration::from_millis(145) && waits[4] >= Duration::from_millis(145), "{waits:?}");
}

#[tokio::test]
async fn a_dpr_is_answered_and_after_rebooting_the_node_comes_back() {
    let (listener, endpoint) = hss_by_hand().await;
    let app = App::new(Manner::Now);
    let _node = Node::start(mme(&endpoint), app.clone()).await.unwrap();
    let mut raw = accept(&listener).await;
    up(&app, 1).await;
    let dpa = raw.ask(&dpr(0)).await;
    assert_eq!((dpa.code(), dpa.header().command), (ResultCode::SUCCESS, 282));
    drop(raw);
    until("down", || app.downs.lock().unwrap().len() == 1).await;
    assert_eq!(app.downs.lock().unwrap()[0], Down::Disconnected(DisconnectCause::Rebooting));
    accept(&listener).await;
}

#[tokio::test]
async fn after_do_not_want_to_talk_to_you_the_node_stays_away() {
    let (listener, endpoint) = hss_by_hand().await;
    let app = App::new(Manner::Now);
    let _node = Node::start(mme(&endpoint), app.clone()).await.unwrap();
    let mut raw = accept(&listener).await;
    raw.ask(&dpr(2)).await;
    drop(raw);
    let again = tokio::time::timeout(Duration::from_millis(800), listener.accept()).await;
    assert!(again.is_err(), "the node came back");
}

#[tokio::test]
async fn shutdown_waits_for_what_was_promised_and_for_the_dpa() {
    let app = App::new(Manner::Later);
    let node = Node::start(hss(), app.clone()).await.unwrap();
    let mut raw = Raw::open(&node, MME).await;
    raw.send(&air((1, 1))).await;
    until("asked", || app.executed() == 1).await;
    let ((), ()) = tokio::join!(node.shutdown(DisconnectCause::DoNotWantToTalkToYou), async {
        let dpr = raw.receive().await;
        assert_eq!(dpr.header().command, 282);
        assert_eq!(dpr.message().find(&DISCONNECT_CAUSE).unwrap().u32().unwrap(), 2);
        raw.send(&answer(&dpr.message(), ResultCode::SUCCESS)).await;
        let later = app.laters.lock().unwrap().pop().unwrap();
        let mut out = Vec::new();
        success(&later.request(), 1, &mut out);
        later.send(out);
        assert_eq!(raw.receive().await.code(), ResultCode::SUCCESS);
        raw.is_closed().await;
    });
    assert!(tokio::net::TcpStream::connect(tcp_address(&node)).await.is_err(), "it listens no more");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever_for_a_silent_peer() {
    let node = Node::start(hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Raw::open(&node, MME).await;
    let _silent = Raw::connect(&node).await;
    let start = Instant::now();
    node.shutdown(DisconnectCause::Busy).await;
    assert!(start.elapsed() < quick().disconnect * 3);
    assert_eq!(raw.receive().await.header().command, 282);
    raw.is_closed().await;
}

/// RFC 3539 §3.4.1 in virtual time: asked after Tw, suspect after two, closed after three.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_the_watchdog_is_closed() {
    let app = App::new(Manner::Now);
    let mut config = hss();
    config.listen.clear();
    config.timers = s6a::net::Timers::default();
    let node = Node::start(config, app.clone()).await.unwrap();
    let (ours, theirs) = tokio::io::duplex(4096);
    node.accept(ours);
    let mut raw = Raw { stream: theirs };
    raw.exchange_capabilities(MME).await;
    let start = tokio::time::Instant::now();
    let dwr = tokio::time::timeout(Duration::from_secs(40), async {
        let mut octets = [0; 20];
        tokio::io::AsyncReadExt::read_exact(&mut raw.stream, &mut octets).await.unwrap();
        octets
    });
    let octets = dwr.await.expect("a DWR within Tw");
    assert_eq!(octets[5..8], [0, 1, 24]);
    assert!(start.elapsed() >= Duration::from_secs(28));
    let gone = async {
        while app.downs.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(80), gone).await.expect("closed within three intervals");
    assert_eq!(app.downs.lock().unwrap()[0], Down::Watchdog);
    assert!(start.elapsed() >= Duration::from_secs(84));
    assert!(Message::parse(&octets).is_err(), "only the header was read");
}
