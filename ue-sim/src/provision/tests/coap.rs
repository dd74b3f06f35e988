//! RNCTs over CoAP, RFC 7252 and RFC 7959, against real datagrams.

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType};
use schemas::{
    rnct::{self, CONTENT_FORMAT, Rnct},
    trust::Purpose,
};
use tokio::net::UdpSocket;

use super::*;
use crate::{
    provision::{Listening, RnctListener},
    test_dpf::World,
};

/// A device that listens, and a DRF's socket.
struct Line {
    bench: Bench,
    listening: Listening,
    events: mpsc::UnboundedReceiver<ProvisionEvent>,
    socket: UdpSocket,
    id: u16,
}

impl Line {
    async fn new() -> Self {
        Self::of(Bench::new().await).await
    }

    async fn of(bench: Bench) -> Self {
        let listener = RnctListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let listening = listener.listen(bench.tre.clone(), Events::to(sender));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(listening.local_addr()).await.unwrap();
        Self { bench, listening, events, socket, id: 100 }
    }

    fn request(&mut self, payload: Vec<u8>) -> Packet {
        self.id += 1;
        let mut packet = Packet::new();
        packet.header.set_type(MessageType::Confirmable);
        packet.header.code = MessageClass::Request(RequestType::Post);
        packet.header.message_id = self.id;
        packet.set_token(vec![1, 2, 3, 4]);
        packet.add_option(CoapOption::UriPath, b"rnct".to_vec());
        packet.add_option(CoapOption::ContentFormat, vec![CONTENT_FORMAT as u8]);
        packet.payload = payload;
        packet
    }

    async fn exchange(&self, datagram: &[u8]) -> Vec<u8> {
        self.socket.send(datagram).await.unwrap();
        let mut answer = vec![0; 2000];
        let received = tokio::time::timeout(Duration::from_secs(10), self.socket.recv(&mut answer)).await;
        answer.truncate(received.unwrap().unwrap());
        answer
    }

    async fn send(&self, packet: &Packet) -> Packet {
        let answer = self.exchange(&packet.to_bytes_unlimited().unwrap()).await;
        Packet::from_bytes(&answer).unwrap()
    }

    /// Code and diagnostic payload of the acknowledgement of an RNCT.
    async fn post(&mut self, payload: Vec<u8>) -> (String, String) {
        let request = self.request(payload);
        let answer = self.send(&request).await;
        assert_eq!(answer.header.get_type(), MessageType::Acknowledgement);
        assert_eq!(answer.header.message_id, request.header.message_id);
        assert_eq!(answer.get_token(), request.get_token());
        (answer.header.code.to_string(), String::from_utf8(answer.payload).unwrap())
    }

    fn signed(&self, rnct: &Rnct) -> Vec<u8> {
        self.bench.server.world.sign_rnct(rnct)
    }
}

#[tokio::test]
async fn an_rnct_is_kept_before_it_is_acknowledged_and_then_followed() {
    let mut line = Line::new().await;
    let (rnct, signed) = line.bench.server.rnct(1, 7);
    assert_eq!(line.post(signed.clone()).await, ("2.04".into(), String::new()));
    assert_eq!(line.listening.next().await.unwrap(), rnct);
    let event = line.events.recv().await.unwrap();
    assert_eq!((event.step, event.seed), (Step::TriggerTaken, Some(8)));
    let wire = event.wire.unwrap();
    assert_eq!((wire.answer.as_str(), wire.received), ("2.04", signed.len() as u64));

    // The device is switched off and on, and goes on with it.
    let Line { bench: Bench { folder, server, tre, .. }, listening, .. } = line;
    let mut listening = listening;
    listening.stop().await;
    drop((listening, tre));
    let tre = Tre::open(folder.path().join("device")).unwrap();
    let outcome = crate::provision::provision(&tre, &rnct, &Events::none()).await;
    assert!(matches!(outcome, Outcome::Installed { .. }), "{outcome:?}");
    assert_eq!(server.seen().sessions[0].opened.trigger, rnct.id);
    let again = crate::provision::provision(&tre, &rnct, &Events::none()).await;
    assert_eq!(again, Outcome::NotTaken);
}

#[tokio::test]
async fn a_retransmission_gets_the_same_answer_and_nothing_happens_twice() {
    let mut line = Line::new().await;
    let (_, signed) = line.bench.server.rnct(1, 7);
    let datagram = line.request(signed.clone()).to_bytes_unlimited().unwrap();
    let first = line.exchange(&datagram).await;
    assert_eq!(line.exchange(&datagram).await, first);
    // A new exchange with the same RNCT: its acknowledgement was lost for too long. Nothing starts twice either.
    assert_eq!(line.post(signed).await.0, "2.04");
    assert_eq!(line.events.recv().await.unwrap().step, Step::TriggerTaken);
    assert!(line.events.try_recv().is_err());
    // A refusal is remembered as well.
    let bad = line.request(b"nonsense".to_vec()).to_bytes_unlimited().unwrap();
    let refused = line.exchange(&bad).await;
    assert_eq!(line.exchange(&bad).await, refused);
    assert_eq!(line.events.recv().await.unwrap().step, Step::TriggerRefused);
    assert!(line.events.try_recv().is_err());
}

#[tokio::test]
async fn an_rnct_that_is_not_right_gets_its_code_and_is_not_followed() {
    let mut line = Line::new().await;
    let world = line.bench.server.world.clone();
    let good = line.bench.server.rnct(1, 7).0;
    let with = |change: fn(&mut Rnct)| {
        let mut rnct = good.clone();
        change(&mut rnct);
        rnct
    };
    let encoded = good.encode().unwrap();
    let payload_signer = world.root.signer("sho-a", Purpose::Payload);
    let mut changed = line.signed(&good);
    *changed.last_mut().unwrap() ^= 1;
    let cases = [
        ("forged", World::new().sign_rnct(&good), "4.03", "bad-signature"),
        (
            "by an SHO",
            payload_signer.sign(rnct::CONTENT_TYPE, encoded.clone()).unwrap(),
            "4.03",
            "bad-signature",
        ),
        ("changed", changed, "4.03", "bad-signature"),
        ("for another PCID", line.signed(&with(|rnct| rnct.pcid = World::pcid(2))), "4.03", "not-for-me"),
        ("no COSE", b"nonsense".to_vec(), "4.00", "malformed"),
        ("another type", world.drf.sign("application/cbor", encoded).unwrap(), "4.00", "malformed"),
        ("no https", line.signed(&with(|rnct| rnct.dpf = "http://dpf".into())), "4.00", "malformed"),
        ("version 2", line.signed(&with(|rnct| rnct.version = 2)), "4.06", "unsupported-version"),
        ("expired", line.signed(&with(|rnct| rnct.expires = now() - 1)), "4.09", "expired"),
    ];
    for (what, octets, code, word) in cases {
        let (found, diagnostic) = line.post(octets).await;
        assert_eq!(found, code, "{what}");
        assert!(diagnostic.starts_with(&format!("{word}: ")), "{what}: {diagnostic}");
        assert_eq!(line.events.recv().await.unwrap().step, Step::TriggerRefused, "{what}");
    }
    assert!(line.bench.run_nothing().await);
    assert_eq!(line.post(line.signed(&good)).await.0, "2.04");
}

#[tokio::test]
async fn an_older_rnct_is_a_replay_also_after_a_restart() {
    let mut line = Line::new().await;
    let older = line.bench.server.rnct(1, 6).1;
    let newer = line.bench.server.rnct(1, 7).1;
    let equal = line.bench.server.rnct(1, 7).1;
    assert_eq!(line.post(older.clone()).await.0, "2.04");
    assert_eq!(line.post(newer).await.0, "2.04");
    let Line { mut bench, mut listening, .. } = line;
    listening.stop().await;
    drop(listening);
    let path = bench.path();
    drop(bench.tre);
    bench.tre = Tre::open(path).unwrap();
    let mut line = Line::of(bench).await;
    for replayed in [older, equal] {
        let (code, diagnostic) = line.post(replayed).await;
        assert_eq!(code, "4.09");
        assert!(diagnostic.starts_with("replayed: "), "{diagnostic}");
    }
}

#[tokio::test]
async fn an_rnct_in_blocks_is_put_together() {
    let mut line = Line::new().await;
    let (rnct, signed) = line.bench.server.rnct(1, 7);
    let blocks: Vec<Vec<u8>> = signed.chunks(256).map(<[u8]>::to_vec).collect();
    let last = blocks.len() - 1;
    assert!(last > 1);
    for (number, block) in blocks.into_iter().enumerate() {
        let mut packet = line.request(block);
        // NUM, M, SZX 4: 256 octets.
        let value = (number << 4 | usize::from(number < last) << 3 | 4) as u8;
        packet.add_option(CoapOption::Block1, vec![value]);
        let answer = line.send(&packet).await;
        let code = answer.header.code.to_string();
        assert_eq!(code, if number < last { "2.31" } else { "2.04" }, "block {number}");
        assert_eq!(answer.get_first_option(CoapOption::Block1), Some(&vec![value]));
    }
    assert_eq!(line.listening.next().await.unwrap(), rnct);
}

#[tokio::test]
async fn other_requests_get_what_rfc_7252_says() {
    let mut line = Line::new().await;
    let signed = line.bench.server.rnct(1, 7).1;
    type Change = fn(&mut Packet);
    let cases: [(&str, Change); 7] = [
        ("4.05", |packet| packet.header.code = MessageClass::Request(RequestType::Get)),
        ("4.04", |packet| packet.clear_option(CoapOption::UriPath)),
        ("4.04", |packet| packet.add_option(CoapOption::UriPath, b"more".to_vec())),
        ("4.15", |packet| packet.clear_option(CoapOption::ContentFormat)),
        ("4.02", |packet| packet.add_option(CoapOption::Unknown(2049), vec![1])),
        ("5.05", |packet| packet.add_option(CoapOption::ProxyUri, b"coap://x".to_vec())),
        ("4.13", |packet| packet.payload = vec![0; 20_000]),
    ];
    for (code, change) in cases {
        let mut packet = line.request(signed.clone());
        change(&mut packet);
        assert_eq!(line.send(&packet).await.header.code.to_string(), code);
    }
    // A ping (§4.3) and what cannot be read (§4.2) are reset; a non-confirmable request gets no acknowledgement.
    assert_eq!(line.exchange(&[0x40, 0, 0x12, 0x34]).await, [0x70, 0, 0x12, 0x34]);
    assert_eq!(line.exchange(&[0x4f, 1, 0x12, 0x35, 0xff]).await, [0x70, 0, 0x12, 0x35]);
    let mut packet = line.request(signed);
    packet.header.set_type(MessageType::NonConfirmable);
    let answer = line.send(&packet).await;
    assert_eq!(answer.header.get_type(), MessageType::NonConfirmable);
    assert_eq!(answer.header.code.to_string(), "2.04");
}
