//! Nodes over the kernel's SCTP, RFC 6733 §2.1.1: with each other, and with a peer that sees SCTP's messages.
//!
//! Where the kernel has no SCTP, each test asserts that a node says so instead, and prints "skipped: no kernel SCTP".
//! On such a machine the exchange itself can be seen in User Mode Linux over the host's files (Debian's packages
//! user-mode-linux and busybox), with this as the script `init` and `$TEST` the binary that
//! `cargo test -p s6a --test sctp --no-run` names:
//!
//! ```sh
//! #!/bin/bash
//! mount -t proc proc /proc; mount -t tmpfs tmpfs /dev/shm
//! M=/usr/lib/uml/modules/$(uname -r)
//! # What sctp.ko needs, in its order; listening also wants hmac.
//! for m in $(grep kernel/net/sctp/sctp.ko: $M/modules.dep | tr -d : | tr ' ' '\n' | tac) kernel/crypto/hmac.ko; do
//!     busybox insmod $M/$m
//! done
//! ip link set lo up
//! $TEST --nocapture; echo "exit $?"
//! echo o > /proc/sysrq-trigger; sleep 2
//! ```
//!
//! ```sh
//! TMPDIR=/dev/shm linux.uml mem=512M rootfstype=hostfs rootflags=/ rw init=$PWD/init con=null con0=fd:0,fd:1 quiet </dev/null
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, outside of test functions"
)]

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use oxirush_sctp::{
    ConnectedSocket, NotificationOrData, ReceivedData, SendOptions, Socket, SocketToAssociation,
};
use s6a::base::DisconnectCause;
use s6a::codec::dictionary::base::*;
use s6a::codec::{CommandFlags, Header, ResultCode, Writer};
use s6a::net::{Destination, Down, Endpoint, Limits, Node, NodeConfig, StartError};
use s6a::peer::State;

use support::*;

#[path = "net/support.rs"]
#[allow(dead_code, reason = "shared with the tests over TCP and TLS")]
mod support;

const TWO: &str = "sctp://127.0.0.1:0,127.0.0.2:0";
const DIAMETER: u32 = 46;

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

/// A node, or none where the kernel has no SCTP: the node has said so then, with what to do.
async fn start(config: NodeConfig, app: Arc<App>) -> Option<Node> {
    let started = Node::start(config, app).await;
    if kernel_has_sctp() {
        return Some(started.unwrap());
    }
    let error = started.unwrap_err();
    assert!(matches!(error, StartError::NoSctp { .. }), "{error:?}");
    let advice = "this machine's kernel offers no SCTP: load it (modprobe sctp) or use tcp:// or tls://";
    assert!(error.to_string().starts_with("sctp://127.0.0.1:"), "{error}");
    assert!(error.to_string().ends_with(advice), "{error}");
    eprintln!("skipped: no kernel SCTP");
    None
}

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

/// A peer without a state machine, that sees and makes single SCTP messages.
struct Peer {
    socket: ConnectedSocket,
}

fn addresses(node: &Node) -> Vec<std::net::SocketAddr> {
    match &node.local_endpoints()[0] {
        Endpoint::Sctp(addresses) => addresses.clone(),
        other => panic!("{other} is not SCTP"),
    }
}

impl Peer {
    async fn connect(node: &Node) -> Self {
        let socket = Socket::new_v4(SocketToAssociation::OneToOne).unwrap();
        let (socket, _) = socket.connectx(&addresses(node)).await.unwrap();
        Self { socket }
    }

    /// Connected, with CER and CEA done.
    async fn open(node: &Node) -> Self {
        let peer = Self::connect(node).await;
        peer.send(&cer(MME, S6A, 1)).await;
        assert_eq!(Received(peer.receive().await.payload).code(), ResultCode::SUCCESS);
        peer
    }

    async fn send(&self, octets: &[u8]) {
        self.socket.send(octets, SendOptions::new().ppid(DIAMETER)).await.unwrap();
    }

    /// The next message, or the end. A peer that comes back is asked to prove itself by DWR (RFC 3539 §3.4.1): that is
    /// not what is waited for.
    async fn next(&self) -> io::Result<Option<ReceivedData>> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), self.socket.recv());
            match next.await.expect("a message or the end")? {
                Some(NotificationOrData::Data(message)) if message.payload[4..8] == [0x80, 0, 1, 24] => {}
                Some(NotificationOrData::Data(message)) => return Ok(Some(message)),
                Some(other) => panic!("{other:?}"),
                None => return Ok(None),
            }
        }
    }

    async fn receive(&self) -> ReceivedData {
        self.next().await.unwrap().expect("a message")
    }

    async fn is_closed(&self) {
        if let Ok(Some(message)) = self.next().await {
            panic!("the association is open: {message:?}");
        }
    }
}

#[tokio::test]
async fn a_node_that_only_connects_over_sctp_is_told_too_when_there_is_none() {
    let nobody: Endpoint = "sctp://127.0.0.1:9".parse().unwrap();
    if let Some(node) = start(mme(&nobody), App::new(Manner::Now)).await {
        assert_ne!(node.peers()[0].state, State::IOpen);
    }
}

#[tokio::test]
async fn requests_go_both_ways_over_two_addresses_and_shutdown_disconnects_by_dpr() {
    let (server, client) = (App::new(Manner::Now), App::new(Manner::Now));
    let Some(hss) = start(hss_on(TWO), server.clone()).await else { return };
    let bound = addresses(&hss);
    assert_eq!(bound.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>(), ["127.0.0.1", "127.0.0.2"]);
    assert!(bound[0].port() != 0 && bound[0].port() == bound[1].port(), "{bound:?}");

    let mme = start(mme(&hss.local_endpoints()[0]), client.clone()).await.unwrap();
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
    let Some(hss) = start(hss_on("sctp://127.0.0.1:0"), server.clone()).await else { return };
    let _mme = start(mme(&hss.local_endpoints()[0]), client.clone()).await.unwrap();
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
    let Some(hss) = start(hss, server.clone()).await else { return };
    let mme = NodeConfig { timers, ..mme(&hss.local_endpoints()[0]) };
    let mme = start(mme, client.clone()).await.unwrap();
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
    let Some(node) = start(hss_on(TWO), App::new(Manner::Now)).await else { return };
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

#[tokio::test]
async fn a_peer_that_goes_away_is_noticed_and_may_come_back() {
    let app = App::new(Manner::Now);
    let Some(node) = start(hss_on(TWO), app.clone()).await else { return };
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
    let Some(hss) = start(hss_on(TWO), server.clone()).await else { return };
    let endpoint = hss.local_endpoints()[0].clone();
    let _mme = start(mme(&endpoint), client.clone()).await.unwrap();
    up(&client, 1).await;
    drop(hss);
    until("down", || !client.downs.lock().unwrap().is_empty()).await;
    let _hss = start(hss_on(&endpoint.to_string()), server.clone()).await.unwrap();
    up(&client, 2).await;
}

#[tokio::test]
async fn a_message_that_ends_in_the_middle_ends_the_association_and_no_other() {
    let app = App::new(Manner::Now);
    let Some(node) = start(hss_on("sctp://127.0.0.1:0"), app.clone()).await else { return };
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
    let Some(node) = start(hss_on("sctp://127.0.0.1:0"), app.clone()).await else { return };
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

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let Some(first) = start(hss_on(TWO), App::new(Manner::Now)).await else { return };
    let endpoint = first.local_endpoints()[0].clone();
    let second = Node::start(hss_on(&endpoint.to_string()), App::new(Manner::Now)).await;
    let message = second.unwrap_err().to_string();
    assert!(message.contains(&endpoint.to_string()) && message.contains("choose another port"), "{message}");
}
