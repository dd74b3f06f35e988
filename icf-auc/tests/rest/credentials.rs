//! `/v1/credentials`.

use serde_json::json;

use crate::harness::{Api, K, OP, OPC, profile};

const IMSI: &str = "999710000000001";
const ONE: &str = "/v1/credentials/999710000000001";

#[tokio::test]
async fn a_credential_is_created_shown_and_listed() {
    let api = Api::memory();
    let answer = api.post("/v1/credentials", json!({"imsi": "999710000000001", "k": K, "opc": OPC})).await;
    let created = answer.ok(201);
    assert_eq!(answer.header("location"), ONE);
    assert_eq!(answer.header("etag"), format!("\"{}\"", created["version"]));
    assert_eq!(created["state"], "active");
    assert_eq!(created["profile"], "default");
    assert_eq!(created["amf"], "8000");
    assert_eq!(created["ind_bitlen"], 5);
    assert_eq!(created["pool"], false);
    assert_eq!(api.get(ONE).await.ok(200), created);
    assert_eq!(
        api.get("/v1/credentials?total=true").await.ok(200),
        json!({
            "items": [created], "next": null, "total": 1
        })
    );
    assert_eq!(*api.control.changed.lock().unwrap(), [Some("999710000000001".parse().unwrap())]);
}

#[tokio::test]
async fn op_is_turned_into_opc() {
    let api = Api::memory();
    // TS 35.207 §4.3: OPc of test set 1.
    api.post("/v1/credentials", json!({"imsi": "999710000000001", "k": K, "op": OP})).await.ok(201);
    let stored = api.store.credential("999710000000001".parse().unwrap()).await.unwrap().unwrap();
    let icf_auc::model::AuthMaterial::Keys { opc, .. } = &stored.auth else { panic!("no keys") };
    assert_eq!(hex::encode(opc.expose()), OPC);
}

#[tokio::test]
async fn a_credential_without_its_profile_or_keys_gets_422_naming_each_field() {
    let api = Api::memory();
    let answer = api
        .post(
            "/v1/credentials",
            json!({"imsi": "999710000000001", "profile": "gold", "amf": "80", "ind_bitlen": 17}),
        )
        .await;
    answer.problem(422);
    let pointers: Vec<String> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pointers, ["/k", "/amf", "/ind_bitlen", "/profile"]);
}

#[tokio::test]
async fn keys_that_do_not_go_together_get_422() {
    let api = Api::memory();
    for (body, pointer) in [
        (json!({"k": K}), "/opc"),
        (json!({"k": K, "opc": OPC, "op": OP}), "/op"),
        (json!({"opc": OPC}), "/k"),
        (json!({"k": K, "opc": OPC, "pool": true}), "/pool"),
        (json!({"k": "4", "opc": OPC}), "/k"),
        (json!({"k": K, "opc": 5}), "/opc"),
        (json!({"k": K, "opc": OPC, "sqn": 281_474_976_710_655_u64}), "/sqn"),
        (json!({"k": K, "opc": OPC, "msisdn": "+49"}), "/msisdn"),
        (json!({"k": K, "opc": OPC, "expires_at": "tomorrow"}), "/expires_at"),
        (json!({"k": K, "opc": OPC, "imzi": 1}), "/imzi"),
    ] {
        let mut whole = json!({"imsi": "999710000000001"});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = api.post("/v1/credentials", whole).await;
        answer.problem(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text());
    }
    api.post("/v1/credentials", json!({"imsi": "99971", "k": K, "opc": OPC})).await.problem(422);
}

#[tokio::test]
async fn an_imsi_that_is_stored_gets_409() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    let answer = api.post("/v1/credentials", json!({"imsi": "999710000000001", "k": K, "opc": OPC})).await;
    assert!(answer.problem(409).contains("999710000000001"));
}

#[tokio::test]
async fn lists_are_filtered() {
    let api = Api::memory();
    api.put("/v1/profiles/slow", profile("slow")).await.ok(201);
    for n in 1..=4 {
        api.credential(&format!("99971000000000{n}")).await;
    }
    api.credential("001010000000001").await;
    api.patch(ONE, json!({"state": "blocked"})).await.ok(200);
    api.patch("/v1/credentials/999710000000002", json!({"profile": "slow"})).await.ok(200);
    for (query, count) in [
        ("prefix=99971", 4),
        ("prefix=00101", 1),
        ("state=blocked", 1),
        ("profile=slow", 1),
        ("profile=default&state=active", 3),
        ("batch=none", 0),
    ] {
        let page = api.get(&format!("/v1/credentials?{query}&total=true")).await.ok(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(page["total"], count, "{query}");
    }
}

#[tokio::test]
async fn blocking_a_registered_credential_sends_clr_of_subscription_withdrawal() {
    for state in ["blocked", "disabled"] {
        let api = Api::memory();
        api.credential("999710000000001").await;
        api.register("999710000000001", "999-71").await;
        api.patch(ONE, json!({"state": state})).await.ok(200);
        assert_eq!(api.queued().await, [CLR], "{state}");
    }
}

const CLR: &str = "999710000000001 Cancel { cancellation_type: 2, clr_flags: None }";
const IDR: &str = "999710000000001 Insert";

#[tokio::test]
async fn expiry_in_the_past_and_deletion_send_clr() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    api.register("999710000000001", "999-71").await;
    api.patch(ONE, json!({"expires_at": "2999-01-01T00:00:00Z"})).await.ok(200);
    assert_eq!(api.queued().await, [""; 0]);
    let changed = api.patch(ONE, json!({"expires_at": "2020-01-01T00:00:00Z"})).await.ok(200);
    assert_eq!(changed["expires_at"], "2020-01-01T00:00:00Z");
    assert_eq!(api.queued().await, [CLR]);

    let api = Api::memory();
    api.credential("999710000000001").await;
    api.register("999710000000001", "999-71").await;
    api.delete(ONE).await.ok(204);
    assert_eq!(api.queued().await, [CLR]);
    api.get(ONE).await.problem(404);
    api.delete(ONE).await.problem(404);
}

#[tokio::test]
async fn another_profile_or_msisdn_sends_idr_and_a_budget_sends_nothing() {
    let api = Api::memory();
    api.put("/v1/profiles/slow", profile("slow")).await.ok(201);
    api.credential("999710000000001").await;
    api.register("999710000000001", "999-71").await;
    api.patch(ONE, json!({"attach_budget": 3})).await.ok(200);
    api.patch(ONE, json!({"profile": "default"})).await.ok(200);
    assert_eq!(api.queued().await, [""; 0]);
    api.patch(ONE, json!({"profile": "slow"})).await.ok(200);
    assert_eq!(api.queued().await, [IDR]);
}

#[tokio::test]
async fn a_patch_takes_away_what_is_null_and_leaves_what_is_missing() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    let patch = json!({"msisdn": "49123", "attach_budget": 3, "expires_at": "2999-01-01T00:00:00Z"});
    api.patch(ONE, patch).await.ok(200);
    let after = api.patch(ONE, json!({"msisdn": null})).await.ok(200);
    assert_eq!(after["msisdn"], json!(null));
    assert_eq!(after["attach_budget"], 3);
    let after = api.patch(ONE, json!({"attach_budget": null, "expires_at": null})).await.ok(200);
    assert_eq!((&after["attach_budget"], &after["expires_at"]), (&json!(null), &json!(null)));
    // A patch that changes nothing makes no new version.
    assert_eq!(api.patch(ONE, json!({})).await.ok(200)["version"], after["version"]);
}

#[tokio::test]
async fn a_patch_that_makes_no_sense_gets_422() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    for (patch, pointer) in [
        (json!({"profile": "gold"}), "/profile"),
        (json!({"msisdn": "abc"}), "/msisdn"),
        (json!({"state": "asleep"}), "/state"),
        (json!({"attach_budget": -1}), "/attach_budget"),
        (json!({"address": "10.0.0"}), "/address"),
        (json!({"k": K}), "/k"),
    ] {
        let answer = api.patch(ONE, patch).await;
        answer.problem(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text());
    }
    api.patch("/v1/credentials/999710000000009", json!({"msisdn": "1"})).await.problem(404);
    assert!(api.patch(ONE, json!([])).await.status.is_client_error());
}

#[tokio::test]
async fn disabled_is_for_good() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    api.patch(ONE, json!({"state": "blocked"})).await.ok(200);
    api.patch(ONE, json!({"state": "active"})).await.ok(200);
    api.patch(ONE, json!({"state": "disabled"})).await.ok(200);
    for state in ["active", "blocked"] {
        api.patch(ONE, json!({"state": state})).await.problem(409);
    }
    api.patch(ONE, json!({"state": "disabled"})).await.ok(200);
}

#[tokio::test]
async fn a_profile_lifetime_ends_a_new_credential() {
    let api = Api::memory();
    let mut short = profile("slow");
    short["lifetime"] = json!(3600);
    api.put("/v1/profiles/short", short).await.ok(201);
    let body = json!({"imsi": "999710000000001", "k": K, "opc": OPC, "profile": "short"});
    let stored = api.post("/v1/credentials", body).await.ok(201);
    assert!(stored["expires_at"].is_string(), "{stored}");
}

/// A profile with two APNs for dual stack, and room for what is one subscriber's.
async fn with_apns(api: &Api) {
    let rate = json!({"uplink": 1000, "downlink": 1000});
    let apn = |name: &str| json!({"name": name, "pdn_type": "ipv4v6", "ambr": rate});
    let profile = json!({"apns": [apn("internet"), apn("ims")], "ambr": rate});
    api.put("/v1/profiles/ordinary", profile).await.ok(201);
}

#[tokio::test]
async fn overrides_are_one_credentials_and_a_patch_merges_into_them() {
    for api in [Api::memory(), Api::sqlite().await] {
        with_apns(&api).await;
        let overrides = json!({"additional_msisdn": "883130000000124",
            "apns": {"ims": {"addresses": ["10.0.0.7", "2001:db8:0:7::/64"]}}});
        let new = json!({"imsi": IMSI, "k": K, "opc": OPC, "profile": "ordinary", "overrides": overrides});
        assert_eq!(api.post("/v1/credentials", new).await.ok(201)["overrides"], overrides);
        let path = format!("/v1/credentials/{IMSI}");
        assert_eq!(api.get(&path).await.ok(200)["overrides"], overrides);
        let patch = json!({"overrides": {"stn_sr": "883130000000999", "additional_msisdn": null}});
        let after = api.patch(&path, patch).await.ok(200)["overrides"].clone();
        assert_eq!(after, json!({"stn_sr": "883130000000999", "apns": overrides["apns"]}));
        let none = api.patch(&path, json!({"overrides": null})).await.ok(200);
        assert_eq!(none.get("overrides"), None);
    }
}

#[tokio::test]
async fn overrides_that_do_not_go_with_the_profile_get_422_with_their_place() {
    let api = Api::memory();
    with_apns(&api).await;
    let new = json!({"imsi": IMSI, "k": K, "opc": OPC, "profile": "ordinary"});
    api.post("/v1/credentials", new).await.ok(201);
    let path = format!("/v1/credentials/{IMSI}");
    for (overrides, pointer) in [
        (json!({"apns": {"mms": {"addresses": ["10.0.0.7"]}}}), "/overrides/apns/mms"),
        (json!({"apns": {"ims": {"addresses": ["10.0.0.7", "10.0.0.8"]}}}), "/overrides/apns/ims/addresses"),
        (json!({"stn_sr": "+49"}), "/overrides/stn_sr"),
        (json!({"lifetime": 60}), "/overrides"),
    ] {
        let answer = api.patch(&path, json!({"overrides": overrides})).await;
        answer.problem(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text());
    }
    // Nor may another profile take away the APN of an override.
    api.patch(&path, json!({"overrides": {"apns": {"ims": {"qci": 5}}}})).await.ok(200);
    api.patch(&path, json!({"profile": "default"})).await.problem(422);
}

#[tokio::test]
async fn other_overrides_send_idr_and_what_is_taken_away_dsr() {
    let api = Api::memory();
    with_apns(&api).await;
    let new = json!({"imsi": IMSI, "k": K, "opc": OPC, "profile": "ordinary", "msisdn": "883130000000123"});
    api.post("/v1/credentials", new).await.ok(201);
    api.register(IMSI, "999-71").await;
    let path = format!("/v1/credentials/{IMSI}");
    api.patch(&path, json!({"overrides": {"additional_msisdn": "883130000000124"}})).await.ok(200);
    assert_eq!(api.queued().await, [format!("{IMSI} Insert")]);
    api.patch(&path, json!({"overrides": null, "msisdn": null})).await.ok(200);
    // A-MSISDN is bit 16 of DSR-Flags, MSISDN 23 (TS 29.272 §7.3.25).
    let delete = |bit: u32| {
        format!("{IMSI} Delete {{ dsr_flags: {}, edrx_rats: [], external_identifiers: [] }}", 1u32 << bit)
    };
    let insert = format!("{IMSI} Insert");
    assert_eq!(api.queued().await, [insert.clone(), insert, delete(16), delete(23)]);
}

#[tokio::test]
async fn an_address_in_an_apn_is_one_credentials() {
    let api = Api::sqlite().await;
    with_apns(&api).await;
    let new = |n: u32, apn: &str| {
        json!({"imsi": format!("99971000000000{n}"), "k": K, "opc": OPC, "profile": "ordinary",
            "overrides": {"apns": {apn: {"addresses": ["10.0.0.7"]}}}})
    };
    api.post("/v1/credentials", new(1, "ims")).await.ok(201);
    let answer = api.post("/v1/credentials", new(2, "IMS")).await;
    answer.problem(409);
    assert!(answer.text().contains("999710000000001"), "{}", answer.text());
    api.post("/v1/credentials", new(3, "internet")).await.ok(201);
    api.delete("/v1/credentials/999710000000001").await.ok(204);
    api.post("/v1/credentials", new(2, "ims")).await.ok(201);
}
