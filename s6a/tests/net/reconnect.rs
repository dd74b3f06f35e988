//! Connecting again, and not.

use std::time::{Duration, Instant};

use s6a::base::DisconnectCause;
use s6a::codec::dictionary::base::*;
use s6a::codec::{CommandFlags, ResultCode};
use s6a::net::{Down, Node};

use super::Carrier;
use crate::support::*;

/// Accepts the node's connection and answers its CER.
async fn accept(listener: &Carrier) -> Raw<<Carrier as Transport>::Stream> {
    let accepted = tokio::time::timeout(Duration::from_secs(5), listener.accept()).await;
    let mut raw = accepted.expect("the node connects");
    let cer = raw.receive().await;
    assert_eq!((cer.header().command, cer.header().is_request()), (257, true));
    raw.send(&cea(&cer.header())).await;
    raw
}

fn dpr(cause: u32) -> Vec<u8> {
    let mut octets = request(HSS, (3, 3), CommandFlags(0), |w| w.u32(&DISCONNECT_CAUSE, cause));
    octets[4..12].copy_from_slice(&[0x80, 0, 1, 26, 0, 0, 0, 0]);
    octets
}

#[tokio::test]
async fn a_lost_peer_is_connected_to_again_and_again() {
    let (listener, endpoint) = Carrier::listen().await;
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
    let (listener, endpoint) = Carrier::listen().await;
    let _node = Node::start(mme(&endpoint), App::new(Manner::Now)).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..6 {
        drop(listener.accept().await);
        times.push(Instant::now());
    }
    // 50, 100, 200, 200 … ms with a quarter of jitter.
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] >= Duration::from_millis(35), "{waits:?}");
    assert!(waits[3] >= Duration::from_millis(145) && waits[4] >= Duration::from_millis(145), "{waits:?}");
}

#[tokio::test]
async fn a_dpr_is_answered_and_after_rebooting_the_node_comes_back() {
    let (listener, endpoint) = Carrier::listen().await;
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
    let (listener, endpoint) = Carrier::listen().await;
    let app = App::new(Manner::Now);
    let _node = Node::start(mme(&endpoint), app.clone()).await.unwrap();
    let mut raw = accept(&listener).await;
    raw.ask(&dpr(2)).await;
    drop(raw);
    let again = tokio::time::timeout(Duration::from_millis(800), listener.accept()).await;
    assert!(again.is_err(), "the node came back");
}

#[tokio::test]
async fn harmless_oddities_of_older_peers_are_accepted_in_a_cea() {
    let (listener, endpoint) = Carrier::listen().await;
    let app = App::new(Manner::Now);
    let _node = Node::start(mme(&endpoint), app.clone()).await.unwrap();
    let accepted = tokio::time::timeout(Duration::from_secs(5), listener.accept()).await;
    let mut raw = accepted.expect("the node connects");
    let cer = raw.receive().await;
    let mut octets = cea(&cer.header());
    // RFC 3588 §6.11: two Vendor-Ids; an address of another family; the P bit.
    let mut more = s6a::codec::Writer::avps(&mut octets);
    more.group(&VENDOR_SPECIFIC_APPLICATION_ID, |w| {
        w.u32(&VENDOR_ID, 10415);
        w.u32(&VENDOR_ID, 13365);
        w.u32(&AUTH_APPLICATION_ID, S6A);
    });
    more.octets(&HOST_IP_ADDRESS, &[0, 8, b'4', b'9']);
    let length = octets.len() as u32;
    octets[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    octets[4] |= CommandFlags::PROXIABLE.0;
    raw.send(&octets).await;
    up(&app, 1).await;
}
