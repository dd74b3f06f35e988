//! `/v1/profiles`.

use serde_json::{Value, json};

use crate::harness::{Api, profile};

const SLOW: &str = "/v1/profiles/slow";

#[tokio::test]
async fn a_profile_is_put_shown_listed_and_deleted() {
    let api = Api::memory();
    let created = api.put(SLOW, profile("slow")).await.ok(201);
    assert_eq!(created["name"], "slow");
    assert_eq!(created["allowed_plmns"], "any");
    assert_eq!(created["allowed_rats"], json!({"only": ["eutran", "eutran-nb-iot", "lte-m"]}));
    assert_eq!(created["apns"][0]["arp"]["priority"], 15);
    assert_eq!(created["network_access_mode"], "packet-and-circuit");
    assert_eq!(api.get(SLOW).await.ok(200), created);
    let names: Vec<Value> = api.get("/v1/profiles").await.ok(200)["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|profile| profile["name"].clone())
        .collect();
    assert_eq!(names, ["default", "slow"]);
    let page = api.get("/v1/profiles?limit=1").await.ok(200);
    assert_eq!(page["next"], "/v1/profiles?limit=1&after=default");
    api.delete(SLOW).await.ok(204);
    api.delete(SLOW).await.problem(404);
    api.get(SLOW).await.problem(404);
}

#[tokio::test]
async fn a_profile_in_use_is_not_deleted() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    api.delete("/v1/profiles/default").await.problem(409);
    api.get("/v1/profiles/default").await.ok(200);
}

#[tokio::test]
async fn a_profile_that_no_mme_would_take_gets_422_naming_the_field() {
    let api = Api::memory();
    let with = |field: &str, value: Value| {
        let mut profile = profile("slow");
        profile[field] = value;
        profile
    };
    let mut priority = profile("slow");
    priority["apns"][0]["arp"] = json!({"priority": 16});
    for (body, pointer) in [
        (with("apns", json!([])), "/apns"),
        (priority, "/apns/0/arp/priority"),
        (profile("not an apn"), "/apns/0/name"),
        (profile("*"), "/apns/0/name"),
        (with("stn_sr", json!("+49")), "/stn_sr"),
        (with("additional_msisdn", json!("883130000000124")), "/additional_msisdn"),
        (with("ambr", json!({"uplink": 1, "downlink": 4_294_967_296_000_u64})), "/ambr/downlink"),
        (with("lifetime", json!(0)), "/lifetime"),
        (with("address_pool", json!("fd00::/64")), "/address_pool"),
        (with("address_pool", json!("10.0.0.0/33")), "/address_pool"),
        (with("network_access_mode", json!("circuit")), "/network_access_mode"),
        (with("speed", json!(1)), "/speed"),
        (with("name", json!("fast")), "/name"),
        (with("allowed_plmns", json!({"only": ["99-971"]})), "/allowed_plmns/only/0"),
    ] {
        let answer = api.put(SLOW, body).await;
        answer.problem(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text());
    }
    api.put("/v1/profiles/a%20b", profile("slow")).await.problem(400);
    api.get(SLOW).await.problem(404);
}

#[tokio::test]
async fn a_change_of_ambr_sends_idr_to_all_that_have_the_profile() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    api.credential("999710000000002").await;
    api.register("999710000000001", "999-71").await;
    let mut profile = api.get("/v1/profiles/default").await.ok(200);
    profile["version"] = json!(0);
    profile["attach_budget"] = json!(5);
    api.put("/v1/profiles/default", profile.clone()).await.ok(200);
    assert_eq!(api.queued().await, [""; 0]);
    profile["ambr"]["uplink"] = json!(64_000);
    api.put("/v1/profiles/default", profile).await.ok(200);
    assert_eq!(api.queued().await, ["999710000000001 Insert"]);
    assert_eq!(api.control.changed.lock().unwrap().last(), Some(&None));
}

#[tokio::test]
async fn a_profile_that_no_longer_allows_a_network_sends_clr_there() {
    let api = Api::memory();
    for (n, visited) in [(1, "999-71"), (2, "262-01")] {
        let imsi = format!("99971000000000{n}");
        api.credential(&imsi).await;
        api.register(&imsi, visited).await;
    }
    let mut profile = api.get("/v1/profiles/default").await.ok(200);
    profile["allowed_plmns"] = json!({"only": ["999-71"]});
    api.put("/v1/profiles/default", profile).await.ok(200);
    assert_eq!(api.queued().await, ["999710000000002 Cancel { cancellation_type: 2, clr_flags: None }"]);
}

#[tokio::test]
async fn a_timer_that_the_profile_loses_is_withdrawn_by_dsr() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    let mut profile = api.get("/v1/profiles/default").await.ok(200);
    profile["periodic_tau"] = json!(3600);
    profile["version"] = json!(0);
    api.put("/v1/profiles/default", profile.clone()).await.ok(200);
    api.register("999710000000001", "999-71").await;
    profile["periodic_tau"] = json!(null);
    api.put("/v1/profiles/default", profile).await.ok(200);
    let queued = api.queued().await;
    // The IDR tells what is, the DSR takes away what is no more: bit 14 of DSR-Flags (TS 29.272 §7.3.25).
    assert_eq!(
        queued,
        [
            "999710000000001 Insert",
            "999710000000001 Delete { dsr_flags: 16384, edrx_rats: [], external_identifiers: [] }"
        ]
    );
}

#[tokio::test]
async fn json_of_the_wrong_shape_gets_422_with_the_field_and_what_to_write() {
    let api = Api::memory();
    let put = async |field: &str, value: serde_json::Value| {
        let mut body = profile("x");
        body[field] = value;
        api.put("/v1/profiles/x", body).await
    };
    let cases = [
        ("allowed_plmns", json!(["001-01"]), "/allowed_plmns", r#""any", or {"only": […]}"#),
        (
            "allowed_plmns",
            json!({"only": ["001-01", 7]}),
            "/allowed_plmns/only/1",
            "invalid type: integer `7`",
        ),
        ("allowed_rats", json!({"only": [["eutran"]]}), "/allowed_rats/only/0", "expected"),
        ("apns", json!({}), "/apns", "expected a sequence"),
    ];
    for (field, value, pointer, expected) in cases {
        let answer = put(field, value).await;
        let detail = answer.problem(422);
        assert!(detail.starts_with(&pointer[1..]) && detail.contains(expected), "{detail}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
    put("allowed_plmns", json!({"only": ["001-01"]})).await.ok(201);
    let text = profile("x").to_string();
    let send = async |kind: &str, body: &str| {
        let request = axum::http::Request::put("/v1/profiles/y")
            .header("authorization", format!("Bearer {}", crate::harness::token("admin")))
            .header("content-type", kind)
            .body(body.to_owned().into());
        api.send(request.unwrap()).await
    };
    send("application/json", &text[..text.len() - 1]).await.problem(400);
    send("application/json", &text.replace('[', "[[")).await.problem(400);
    send("text/plain", &text).await.problem(415);
    send("application/json", &text).await.ok(201);
}

/// The example of the documentation has every field.
#[tokio::test]
async fn a_profile_with_everything_in_it_is_stored_as_it_was_put() {
    for api in [Api::memory(), Api::sqlite().await] {
        let text = include_str!("../../../schemas/examples/profile.json");
        let asked: Value = serde_json::from_str(text).unwrap();
        let stored = api.put("/v1/profiles/full", asked.clone()).await.ok(201);
        assert_eq!(api.get("/v1/profiles/full").await.ok(200), stored);
        for (field, value) in asked.as_object().unwrap().iter().filter(|(field, _)| *field != "apns") {
            assert_eq!(&stored[field], value, "{field}");
        }
        for (stored, asked) in
            stored["apns"].as_array().unwrap().iter().zip(asked["apns"].as_array().unwrap())
        {
            for (field, value) in asked.as_object().unwrap() {
                assert_eq!(&stored[field], value, "{field}");
            }
        }
    }
}

#[tokio::test]
async fn whatever_a_serving_node_is_told_of_a_profile_sends_idr_and_what_is_gone_dsr() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    let plain = api.get("/v1/profiles/default").await.ok(200);
    api.register("999710000000001", "999-71").await;
    let mut changed = plain.clone();
    changed["version"] = json!(0);
    changed["barring"] = json!(["outgoing-calls"]);
    changed["stn_sr"] = json!("883130000000999");
    changed["edrx"] = json!([{"rat": "eutran", "cycle_length": 5}]);
    api.put("/v1/profiles/default", changed).await.ok(200);
    assert_eq!(api.queued().await, ["999710000000001 Insert"]);
    let mut back = plain;
    back["version"] = json!(0);
    api.put("/v1/profiles/default", back).await.ok(200);
    // Bit 4 of DSR-Flags is STN-SR (TS 29.272 §7.3.25).
    let delete = "999710000000001 Delete { dsr_flags: 16, edrx_rats: [1004], external_identifiers: [] }";
    assert_eq!(api.queued().await, ["999710000000001 Insert", "999710000000001 Insert", delete]);
}
