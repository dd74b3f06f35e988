//! Steps 6 to 8 and 19: nothing is lost, nothing is done twice.

use axum::http::StatusCode;
use drf::coap::{
    message::{Code, Kind, Message},
    option,
};
use serde_json::json;
use tokio::net::UdpSocket;
use uuid::Uuid;

use crate::harness::{PCID, World, notice, refused};

/// A device that listens.
async fn listener() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// The next request, and how to answer it.
async fn heard(socket: &UdpSocket) -> (Message, std::net::SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
    (Message::decode(&buffer[..length]).unwrap(), from)
}

fn answer(request: &Message, code: Code) -> Vec<u8> {
    let (id, token) = (request.id, request.token.clone());
    let message = Message { kind: Kind::Acknowledgement, code, id, token, options: vec![], payload: vec![] };
    message.encode().unwrap()
}

#[tokio::test]
async fn a_notice_sent_again_makes_one_trigger_and_another_with_its_id_is_refused() {
    let (socket, port) = listener().await;
    let world = World::with(port, "revoke").await;
    world.contract(PCID, "sho-a").await;
    let id = Uuid::new_v4();
    for _ in 0..5 {
        world.notice(id, "127.0.0.1").await.unwrap();
    }
    let (request, from) = heard(&socket).await;
    assert_eq!((request.kind, request.code), (Kind::Confirmable, Code::POST));
    assert_eq!(request.option(option::URI_PATH), Some(&b"rnct"[..]));
    assert_eq!(request.option(option::CONTENT_FORMAT), Some(&[18][..]));
    let rnct = world.open(&request.payload);
    assert_eq!((rnct.pcid.to_string(), rnct.operator.as_str()), (PCID.to_owned(), "sho-a"));
    assert!(rnct.napdef.is_some() && rnct.dpf == "https://127.0.0.1:9443");
    socket.send_to(&answer(&request, Code::CHANGED), from).await.unwrap();
    let trigger = world.trigger_in("acknowledged").await;
    assert_eq!(trigger["sequence"], rnct.sequence);
    assert_eq!(world.triggers().await.len(), 1);
    let other = world.notice(id, "127.0.0.2").await;
    assert_eq!(refused(other), StatusCode::CONFLICT);
    // Another notice: a newer RNCT.
    world.notice(Uuid::new_v4(), "127.0.0.1").await.unwrap();
    let again = loop {
        let (heard, _) = heard(&socket).await;
        let again = world.open(&heard.payload);
        // The first, sent again before our acknowledgement came.
        if again.id != rnct.id {
            break again;
        }
    };
    assert!(again.sequence > rnct.sequence);
}

#[tokio::test]
async fn a_notice_waits_for_the_binding_whichever_way_it_comes() {
    for way in ["contract", "claim", "rule", "registration"] {
        let (socket, port) = listener().await;
        let mut world = World::with(port, "revoke").await;
        if way == "registration" {
            let rule = json!({"priority": 1, "supplier": "acme", "operator": "sho-a"});
            world.put("/v1/rules/acme", rule).await.unwrap();
            let path = format!("/v1/devices/{PCID}");
            world.call("admin", axum::http::Method::DELETE, &path, None).await.unwrap();
        }
        world.notice(Uuid::new_v4(), "127.0.0.1").await.unwrap();
        assert!(world.triggers().await.is_empty());
        world.stop().await;
        world.start().await;
        assert!(world.triggers().await.is_empty());
        match way {
            "contract" => world.contract(PCID, "sho-a").await,
            "claim" => {
                let claim = json!({"pcid": PCID, "claim_code": "K7F2-9QXA", "operator": "sho-a"});
                world.post("/v1/claims", claim).await.map(drop).unwrap();
            }
            "rule" => {
                let rule = json!({"priority": 1, "supplier": "acme", "operator": "sho-a"});
                world.put("/v1/rules/acme", rule).await.map(drop).unwrap();
            }
            _ => world.register(PCID, "meter-1").await,
        }
        let (request, from) = heard(&socket).await;
        assert_eq!(world.open(&request.payload).operator.as_str(), "sho-a", "{way}");
        socket.send_to(&answer(&request, Code::CHANGED), from).await.unwrap();
        world.trigger_in("acknowledged").await;
        assert_eq!(world.triggers().await.len(), 1, "{way}");
    }
}

#[tokio::test]
async fn a_restart_repeats_the_same_rnct_until_it_is_acknowledged() {
    let (socket, port) = listener().await;
    let mut world = World::with(port, "revoke").await;
    world.contract(PCID, "sho-a").await;
    world.notice(Uuid::new_v4(), "127.0.0.1").await.unwrap();
    // Sent, and never answered.
    let (first, _) = heard(&socket).await;
    world.stop().await;
    world.start().await;
    let again = loop {
        let (request, from) = heard(&socket).await;
        if request.token != first.token {
            // It was taken the first time; the device says so by 4.09.
            socket.send_to(&answer(&request, Code::of(4, 9)), from).await.unwrap();
            break request;
        }
    };
    assert_eq!(again.payload, first.payload);
    world.trigger_in("acknowledged").await;
    world.stop().await;
    world.start().await;
    assert_eq!(world.triggers().await.len(), 1);
    assert_eq!(world.drf().desk.outbox.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn what_the_device_refuses_is_final_and_written_down() {
    let (socket, port) = listener().await;
    let world = World::with(port, "revoke").await;
    world.contract(PCID, "sho-a").await;
    world.notice(Uuid::new_v4(), "127.0.0.1").await.unwrap();
    let (request, from) = heard(&socket).await;
    socket.send_to(&answer(&request, Code::FORBIDDEN), from).await.unwrap();
    let trigger = world.trigger_in("rejected").await;
    assert!(trigger["last_error"].as_str().unwrap().starts_with("4.03"), "{trigger}");
    assert!(world.audited("rnct.take", PCID, "4.03").await);
}

#[tokio::test]
async fn a_device_of_the_registration_operator_keeps_its_pcid() {
    let world = World::new().await;
    world.contract(PCID, "registry").await;
    world.notice(Uuid::new_v4(), "127.0.0.1").await.unwrap();
    let told = world.icf_told().await;
    assert_eq!(told, [(format!("/v1/credentials/{PCID}"), json!({"profile": "full"}))]);
    assert!(world.triggers().await.is_empty());
    let device = world.get(&format!("/v1/devices/{PCID}")).await.unwrap();
    assert_eq!(device["current_operator"], "registry");
}

#[tokio::test]
async fn a_provisioned_device_is_its_operators_and_its_credential_is_revoked_once_or_kept() {
    for (policy, told) in [("revoke", Some("disabled")), ("block", Some("blocked")), ("keep", None)] {
        let mut world = World::with(5683, policy).await;
        let session = Uuid::new_v4();
        let body = |result: &str| json!({"session": session, "operator": "sho-b", "result": result, "at": "2026-11-23T12:00:00Z"});
        let path = format!("/v1/devices/{PCID}/provisioned");
        for _ in 0..3 {
            world.post(&path, body("installed")).await.unwrap();
            world.stop().await;
            world.start().await;
        }
        assert_eq!(refused(world.post(&path, body("failed")).await), StatusCode::CONFLICT);
        let wanted: Vec<_> = told
            .map(|state| (format!("/v1/credentials/{PCID}"), json!({"state": state})))
            .into_iter()
            .collect();
        assert_eq!(world.icf_told().await, wanted, "{policy}");
        let device = world.get(&format!("/v1/devices/{PCID}")).await.unwrap();
        assert_eq!(device["current_operator"], "sho-b");
    }
}

#[tokio::test]
async fn a_credential_is_revoked_although_the_token_at_the_icf_was_wrong_for_a_while() {
    let world = World::with(5683, "revoke").await;
    *world.icf.1.lock().unwrap() = 2;
    let body = json!({"session": Uuid::new_v4(), "operator": "sho-b", "result": "installed",
        "at": "2026-11-23T12:00:00Z"});
    world.post(&format!("/v1/devices/{PCID}/provisioned"), body).await.unwrap();
    let told = world.icf_told().await;
    assert_eq!(told, [(format!("/v1/credentials/{PCID}"), json!({"state": "disabled"}))]);
    assert_eq!(*world.icf.1.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_device_that_names_anothers_pcid_costs_the_other_nothing() {
    let world = World::with(5683, "revoke").await;
    let path = format!("/v1/devices/{PCID}/provisioned");
    let body = |device: &str| {
        json!({"session": Uuid::new_v4(), "device_id": device, "operator": "sho-b",
        "result": "installed", "at": "2026-11-23T12:00:00Z"})
    };
    assert_eq!(refused(world.post(&path, body("somebody-else")).await), StatusCode::CONFLICT);
    let device = world.get(&format!("/v1/devices/{PCID}")).await.unwrap();
    assert!(device["current_operator"].is_null(), "{device}");
    assert!(world.audited("devices.provisioned", PCID, "another device is registered").await);
    world.post(&path, body(device["device_id"].as_str().unwrap())).await.unwrap();
    // The one that counts, and nothing before it.
    assert_eq!(world.icf_told().await.len(), 1);
}

#[tokio::test]
async fn an_operator_that_the_device_does_not_belong_to_triggers_nothing() {
    let world = World::new().await;
    world.contract(PCID, "sho-a").await;
    let request = |operator: &str| {
        json!({"id": Uuid::new_v4(), "pcid": PCID, "kind": "update",
        "operator": operator})
    };
    assert_eq!(refused(world.post("/v1/triggers", request("sho-b")).await), StatusCode::CONFLICT);
    assert!(world.triggers().await.is_empty());
    world.post("/v1/triggers", request("sho-a")).await.unwrap();
}

#[tokio::test]
async fn the_dpf_triggers_again_by_request_once() {
    let (socket, port) = listener().await;
    let world = World::with_config(5683, "revoke", |config| {
        config.drf.trigger_networks = vec!["127.0.0.0/30".parse().unwrap()];
    })
    .await;
    let request = json!({"id": Uuid::new_v4(), "pcid": PCID, "kind": "update",
        "address": format!("127.0.0.1:{port}")});
    assert_eq!(refused(world.post("/v1/triggers", request.clone()).await), StatusCode::CONFLICT);
    world.contract(PCID, "sho-a").await;
    let first = world.post("/v1/triggers", request.clone()).await.unwrap();
    let again = world.post("/v1/triggers", request).await.unwrap();
    assert_eq!(first["id"], again["id"]);
    let (heard, _) = heard(&socket).await;
    assert_eq!(world.open(&heard.payload).kind, schemas::rncp::Kind::Update);
    let mut malformed = notice(Uuid::new_v4(), "127.0.0.1");
    malformed["pcid"] = json!("12");
    assert_eq!(refused(world.post("/v1/notices", malformed).await), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_trigger_goes_where_the_device_was_or_where_the_configuration_lets_it_and_nowhere_else() {
    let world = World::with_config(9, "revoke", |config| {
        config.drf.trigger_networks = vec!["127.0.7.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()];
    })
    .await;
    world.contract(PCID, "sho-a").await;
    world.notice(Uuid::new_v4(), "127.0.0.9").await.unwrap();
    let ask = |address: &str| {
        let request = json!({"id": Uuid::new_v4(), "pcid": PCID, "kind": "update", "operator": "sho-a",
            "address": address});
        world.call("triggers:write", axum::http::Method::POST, "/v1/triggers", Some(request))
    };
    for good in ["127.0.0.9:9", "127.0.0.9:10", "[::ffff:127.0.0.9]:9", "127.0.7.1:9", "[fd00::1]:9"] {
        let trigger = ask(good).await.unwrap();
        assert!(trigger["id"].is_string(), "{good}");
    }
    let sent = world.triggers().await.len();
    for bad in ["127.0.0.1:9", "127.0.8.1:9", "[fd00:0:0:1::1]:9", "255.255.255.255:9", "[ff02::1]:9"] {
        assert_eq!(refused(ask(bad).await), StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    assert_eq!(world.triggers().await.len(), sent);
    assert!(
        world.audited("triggers.create", PCID, "422").await || world.audited("triggers", PCID, "422").await
    );
}
