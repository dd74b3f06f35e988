//! What devices reach, and who they have to be.

use axum::http::StatusCode;
use drf::coap::{
    message::{Code, Kind, Message},
    option,
};
use schemas::octets::Octets;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use uuid::Uuid;

use crate::harness::{PCID, World};

fn hello() -> Value {
    json!({"pcid": PCID, "device_id": "meter-1"})
}

#[tokio::test]
async fn hello_gives_the_rnct_to_the_device_of_the_certificate_or_the_triple_and_to_nobody_else() {
    let world = World::new().await;
    let url = format!("{}/device/v1/hello", world.drf().device_url.as_ref().unwrap());
    let own = world.device(Some("meter-1"));
    let early = own.post(&url).json(&hello()).send().await.unwrap();
    assert_eq!(early.status(), StatusCode::CONFLICT, "it has no operator yet");
    world.contract(PCID, "sho-a").await;
    let mut rncts = Vec::new();
    for _ in 0..2 {
        let answer = own.post(&url).json(&hello()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = answer.json().await.unwrap();
        let octets: Octets = serde_json::from_value(answer["rnct"].clone()).unwrap();
        rncts.push(world.open(&octets.0));
    }
    assert_eq!(rncts[0], rncts[1], "asked again, the same");
    assert_eq!(rncts[0].napdef, None, "it is connected already");
    let fetch = format!("{}/device/v1/rnct?pcid={PCID}", world.drf().device_url.as_ref().unwrap());
    let fetched = own.get(&fetch).send().await.unwrap();
    assert_eq!(fetched.headers()["content-type"], "application/cose; cose-type=\"cose-sign1\"");
    assert_eq!(world.open(&fetched.bytes().await.unwrap()), rncts[0]);

    let stranger = world.device(Some("meter-2"));
    let nobody = world.device(None);
    let tls = [(stranger.clone(), None, 403), (nobody.clone(), None, 401)];
    let triples = [("u1", "p1", 200), ("u1", "wrong", 403), ("other", "p1", 403)];
    let cases = tls.into_iter().chain(triples.map(|(u, p, s)| (nobody.clone(), Some((u, p)), s)));
    for (client, triple, status) in cases {
        for request in [client.post(&url).json(&hello()), client.get(&fetch)] {
            let request = match triple {
                Some((user, password)) => request.basic_auth(user, Some(password)),
                None => request,
            };
            assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{triple:?}");
        }
    }
    // The right triple does not open another device's door.
    let other = json!({"pcid": PCID, "device_id": "meter-2"});
    let answer = nobody.post(&url).basic_auth("u1", Some("p1")).json(&other).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(world.audited("device.hello", PCID, "certificate is of another device").await);
}

/// Asks, and echoes what it is told to (RFC 9175 §2.3).
async fn ask(from: &UdpSocket, world: &World, id: u16) -> Message {
    let answer = ask_once(from, world, id, None).await;
    match answer.option(option::ECHO) {
        Some(value) => {
            assert_eq!(answer.code, Code::UNAUTHORIZED);
            ask_once(from, world, id | 0x8000, Some(value.to_vec())).await
        }
        None => answer,
    }
}

async fn ask_once(from: &UdpSocket, world: &World, id: u16, echo: Option<Vec<u8>>) -> Message {
    let query = format!("pcid={PCID}").into_bytes();
    let mut options = vec![(option::URI_PATH, b"rnct".to_vec()), (option::URI_QUERY, query)];
    options.extend(echo.map(|value| (option::ECHO, value)));
    let token = vec![id as u8];
    let get = Message { kind: Kind::Confirmable, code: Code::GET, id, token, options, payload: vec![] };
    from.send_to(&get.encode().unwrap(), world.coap()).await.unwrap();
    let mut buffer = [0; 2048];
    let length = from.recv(&mut buffer).await.unwrap();
    Message::decode(&buffer[..length]).unwrap()
}

#[tokio::test]
async fn a_forged_address_gets_no_more_than_was_sent_and_nothing_is_written_down() {
    let world = World::with(9, "revoke").await;
    // The device itself, whose address others write into their datagrams.
    let device = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    world.contract(PCID, "sho-a").await;
    world.notice(Uuid::new_v4(), "127.0.0.3").await.unwrap();
    for id in 0..20 {
        let answer = ask_once(&device, &world, id, None).await;
        let query = format!("pcid={PCID}").into_bytes();
        let options = vec![(option::URI_PATH, b"rnct".to_vec()), (option::URI_QUERY, query)];
        let sent = Message { code: Code::GET, options, ..answer.clone() }.encode().unwrap().len();
        assert_eq!((answer.code, answer.payload.len()), (Code::UNAUTHORIZED, 0));
        assert!(answer.encode().unwrap().len() <= sent, "{} for {sent}", answer.encode().unwrap().len());
    }
    // An echo of another endpoint is none.
    let other = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    let value = ask_once(&other, &world, 100, None).await.option(option::ECHO).unwrap().to_vec();
    assert_eq!(ask_once(&device, &world, 101, Some(value.clone())).await.code, Code::UNAUTHORIZED);
    assert_eq!(ask_once(&other, &world, 102, Some(value)).await.code, Code::CONTENT);
    let stranger = UdpSocket::bind("127.0.0.4:0").await.unwrap();
    for id in 0..20 {
        assert_eq!(ask_once(&stranger, &world, id, None).await.code, Code::UNAUTHORIZED);
    }
    assert!(!world.audited("coap.rnct", PCID, "not at this address").await);
}

#[tokio::test]
async fn coap_gives_the_rnct_to_the_address_of_the_last_notice_alone() {
    let world = World::with(9, "revoke").await;
    let device = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    let forger = UdpSocket::bind("127.0.0.4:0").await.unwrap();
    assert_eq!(ask(&device, &world, 1).await.code, Code::FORBIDDEN, "no notice yet");
    world.notice(Uuid::new_v4(), "127.0.0.3").await.unwrap();
    assert_eq!(ask(&device, &world, 2).await.code, Code::NOT_FOUND, "no operator yet");
    world.contract(PCID, "sho-a").await;
    let found = ask(&device, &world, 3).await;
    assert_eq!((found.kind, found.id, found.token.clone()), (Kind::Acknowledgement, 3, vec![3]));
    assert!(found.payload.len() > 200, "many times the request");
    assert_eq!(world.open(&found.payload).operator.as_str(), "sho-a");
    let refused = ask(&forger, &world, 4).await;
    assert_eq!((refused.code, refused.payload.len()), (Code::FORBIDDEN, 0));
    assert!(world.audited("coap.rnct", PCID, "not at this address").await);
    // A duplicate gets the same octets, also when the answer would be another by now.
    world.notice(Uuid::new_v4(), "127.0.0.5").await.unwrap();
    assert_eq!(ask(&device, &world, 3).await, found);
    assert_eq!(ask(&device, &world, 5).await.code, Code::FORBIDDEN, "it is elsewhere now");
}

#[tokio::test]
async fn pings_and_what_is_malformed_are_reset_and_nonsense_is_ignored() {
    let world = World::new().await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for octets in [&b"\x40\x00\x12\x34"[..], b"\x49\x01\x12\x34", b"\x40\x45\x12\x34", b"\x40\xe1\x12\x34"] {
        // Ignored, so that the answer is that to what follows.
        for ignored in
            [&b""[..], b"\x80\x01\x00\x01", b"\x50\x00\x00\x02", b"\x70\x00\x00\x03", b"\x60\x45\x00\x04"]
        {
            client.send_to(ignored, world.coap()).await.unwrap();
        }
        client.send_to(octets, world.coap()).await.unwrap();
        let mut buffer = [0; 64];
        let length = client.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"\x70\x00\x12\x34", "{octets:02x?}");
    }
}

#[tokio::test]
async fn a_device_that_another_supplier_enrolled_is_not_the_registered_one() {
    let world = World::new().await;
    world.contract(PCID, "sho-a").await;
    let base = world.drf().device_url.clone().unwrap();
    let (post, fetch) = (format!("{base}/device/v1/hello"), format!("{base}/device/v1/rnct?pcid={PCID}"));
    let both = async |client: &reqwest::Client| {
        let answers = [client.post(&post).json(&hello()).send().await, client.get(&fetch).send().await];
        answers.map(|answer| answer.unwrap().status().as_u16())
    };
    // The registry has it from acme. Another supplier can enrol whatever identities a PVA lets it: the certificate is good,
    // and its device identity is the registered one.
    let rogue = world.device_of(Some("meter-1"), Some("rogue"));
    assert_eq!(both(&rogue).await, [403, 403]);
    for action in ["device.hello", "device.rnct"] {
        assert!(world.audited(action, PCID, "another supplier's device").await, "{action}");
    }
    assert_eq!(world.triggers().await.len(), 0, "nothing was made for it");
    let place: Option<String> = sqlx::query_scalar("SELECT address FROM place")
        .fetch_optional(&world.drf().desk.db.readers)
        .await
        .unwrap();
    assert_eq!(place, None, "nor is it where that device is");
    let own = world.device_of(Some("meter-1"), Some("acme"));
    assert_eq!(both(&own).await, [200, 200]);
    // The registry is corrected: from then on it is the other way round.
    let body = json!({"device_id": "meter-1", "supplier": "rogue", "claim_code": "K7F2-9QXA"});
    world.put(&format!("/v1/devices/{PCID}"), body).await.unwrap();
    assert_eq!(both(&own).await, [403, 403]);
    assert_eq!(both(&rogue).await, [200, 200]);
}
