//! The watchdog in virtual time, over memory.

use std::time::Duration;

use s6a::codec::Message;
use s6a::net::{Down, Node};

use crate::support::*;

/// RFC 3539 §3.4.1 in virtual time: asked after Tw, suspect after two, closed after three.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_the_watchdog_is_closed() {
    let app = App::new(Manner::Now);
    let mut config = hss();
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
