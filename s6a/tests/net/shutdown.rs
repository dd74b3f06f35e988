//! Going in peace: DPR, RFC 6733 §5.4.

use std::time::Instant;

use s6a::base::DisconnectCause;
use s6a::codec::ResultCode;
use s6a::codec::dictionary::base::*;
use s6a::net::Node;

use super::Carrier;
use crate::support::*;

#[tokio::test]
async fn shutdown_waits_for_what_was_promised_and_for_the_dpa() {
    let app = App::new(Manner::Later);
    let node = Node::start(Carrier::hss(), app.clone()).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
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
    assert!(!Carrier::is_listening(&node).await, "it listens no more");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever_for_a_silent_peer() {
    let node = Node::start(Carrier::hss(), App::new(Manner::Now)).await.unwrap();
    let mut raw = Carrier::open(&node, MME).await;
    let _silent = Carrier::connect(&node).await;
    let start = Instant::now();
    node.shutdown(DisconnectCause::Busy).await;
    assert!(start.elapsed() < quick().disconnect * 3);
    assert_eq!(raw.receive().await.header().command, 282);
    raw.is_closed().await;
}
