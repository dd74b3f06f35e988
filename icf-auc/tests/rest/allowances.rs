//! Networks that are not served and addresses outside of the pool: refused, unless the request says otherwise.

use icf_auc::{chtif::seal::Identity, networks::ServedNetworks};
use serde_json::{Value, json};

use crate::harness::{Answer, Api, K, OPC, profile};

const OTHER: &str = "001010000000001";
const ONE: &str = "/v1/credentials/999710000000001";

/// An ICF of 999-71 with a profile `pool` whose addresses are 10.1.0.0/24, and one credential of it.
async fn api() -> Api {
    let config = "[icf]\nnetworks = [\"999-71\"]\n[diameter]\norigin_host = \"icf.example\"\norigin_realm = \"example\"\n\
                  [database]\nurl = \"sqlite:///tmp/icf.db\"\n[keys]\nat_rest = { file = \"at-rest.key\" }\n";
    let config = service::config::Loader::text("icf.toml", config).load().unwrap();
    let api = Api::serving(ServedNetworks::configured(&config).unwrap());
    let mut pool = profile("internet");
    pool["address_pool"] = json!("10.1.0.0/24");
    api.put("/v1/profiles/pool", pool).await.ok(201);
    create(&api, "", credential("999710000000001", None)).await.ok(201);
    api
}

fn credential(imsi: &str, address: Option<&str>) -> Value {
    json!({"imsi": imsi, "k": K, "opc": OPC, "profile": "pool", "address": address})
}

async fn create(api: &Api, query: &str, body: Value) -> Answer {
    api.post(&format!("/v1/credentials{query}"), body).await
}

/// A 422 that names one field, and has these words for it.
fn refused(answer: &Answer, pointer: &str, words: &[&str]) {
    answer.problem(422);
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["pointer"], pointer);
    for word in words {
        assert!(errors[0]["detail"].as_str().unwrap().contains(word), "{word}: {errors:?}");
    }
}

#[tokio::test]
async fn a_credential_of_another_network_is_refused_unless_allowed() {
    let api = api().await;
    let answer = create(&api, "", credential(OTHER, None)).await;
    refused(&answer, "/imsi", &[OTHER, "99971", "icf.networks", "allow_other_networks=true"]);
    api.get(&format!("/v1/credentials/{OTHER}")).await.problem(404);
    create(&api, "?allow_other_addresses=true", credential(OTHER, None)).await.problem(422);
    create(&api, "?allow_other_networks=true", credential(OTHER, None)).await.ok(201);
}

#[tokio::test]
async fn an_address_outside_of_the_pool_is_refused_unless_allowed() {
    let api = api().await;
    for address in ["192.0.2.1", "10.1.0.0", "10.1.0.255", "10.1.1.1", "2001:db8::1"] {
        let answer = create(&api, "", credential("999710000000002", Some(address))).await;
        refused(&answer, "/address", &[address, "10.1.0.0/24", "profile pool", "allow_other_addresses=true"]);
    }
    create(&api, "", credential("999710000000002", Some("10.1.0.7"))).await.ok(201);
    let other = credential("999710000000003", Some("192.0.2.1"));
    create(&api, "?allow_other_addresses=true", other).await.ok(201);
}

#[tokio::test]
async fn a_patch_gives_an_address_of_the_pool_that_the_credential_then_has() {
    let api = api().await;
    let answer = api.patch(ONE, json!({"address": "192.0.2.1"})).await;
    refused(&answer, "/address", &["192.0.2.1", "10.1.0.0/24"]);
    assert_eq!(api.get(ONE).await.ok(200)["address"], Value::Null);
    api.patch(ONE, json!({"address": "10.1.0.9"})).await.ok(200);
    let mut other = profile("internet");
    other["address_pool"] = json!("10.2.0.0/24");
    api.put("/v1/profiles/other", other).await.ok(201);
    let answer = api.patch(ONE, json!({"address": "10.1.0.10", "profile": "other"})).await;
    refused(&answer, "/address", &["10.1.0.10", "10.2.0.0/24", "profile other"]);
    api.patch(ONE, json!({"address": "10.2.0.10", "profile": "other"})).await.ok(200);
    let path = format!("{ONE}?allow_other_addresses=true");
    assert_eq!(api.patch(&path, json!({"address": "192.0.2.1"})).await.ok(200)["address"], "192.0.2.1");
    // What it has already is no news.
    api.patch(ONE, json!({"address": "192.0.2.1"})).await.ok(200);
}

#[tokio::test]
async fn an_import_refuses_lines_of_other_networks_and_addresses_by_name_unless_allowed() {
    const PATH: &str = "/v1/credentials/import";
    const OUTSIDE: &str = "999710000000003";
    let api = api().await;
    let lines = [credential("999710000000002", Some("10.1.0.7")), credential(OTHER, None), credential(OUTSIDE, Some("192.0.2.1"))];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let import = async |query: &str| api.post_as(&format!("{PATH}{query}"), "application/x-ndjson", text.clone()).await;
    let answer = import("").await;
    answer.problem(422);
    let report = answer.json()["report"].clone();
    assert_eq!((&report["stored"], &report["refused"]), (&json!(1), &json!(2)), "{report}");
    let words: [(u64, &str, &[&str]); 2] = [
        (2, "imsi", &[OTHER, "99971", "icf.networks", "allow_other_networks=true"]),
        (3, "address", &["192.0.2.1", "10.1.0.0/24", "profile pool", "allow_other_addresses=true"]),
    ];
    for (line, field, words) in words {
        let problems = report["problems"].as_array().unwrap();
        let problem = problems.iter().find(|problem| problem["line"] == line).unwrap();
        assert_eq!(problem["field"], field, "{problem}");
        for word in words {
            assert!(problem.to_string().contains(word), "{word}: {problem}");
        }
    }
    // One flag is not the other.
    import("?skip_existing=true&allow_other_networks=true").await.problem(422);
    api.get(&format!("/v1/credentials/{OTHER}")).await.ok(200);
    api.get(&format!("/v1/credentials/{OUTSIDE}")).await.problem(404);
    let report = import("?skip_existing=true&allow_other_networks=true&allow_other_addresses=true").await.ok(200);
    assert_eq!((&report["stored"], &report["skipped"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn a_batch_that_runs_over_the_end_of_its_network_issues_nothing() {
    let api = api().await;
    let recipient = Identity::generate();
    let batch = |id: &str, first: &str, count: u64| json!({"id": id, "first": first, "count": count, "profile": "pool", "recipient": recipient.public()});
    let answer = api.post("/v1/batches", batch("over", "999719999999999", 2)).await;
    refused(&answer, "/first", &["999720000000000", "beyond the end of the network 99971"]);
    let answer = api.post("/v1/batches", batch("other", OTHER, 2)).await;
    refused(&answer, "/first", &[OTHER, "allow_other_networks=true"]);
    for id in ["over", "other"] {
        api.get(&format!("/v1/batches/{id}")).await.problem(404);
    }
    assert_eq!(api.get("/v1/credentials?total=true").await.ok(200)["total"], 1, "nothing was issued");
    let answer = api.post("/v1/batches?allow_other_networks=true", batch("other", OTHER, 2)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(api.get("/v1/credentials?total=true").await.ok(200)["total"], 3);
}
