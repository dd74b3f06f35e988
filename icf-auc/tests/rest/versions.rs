//! ETag, If-Match, If-None-Match: of writers that do not know of each other, one wins.

use std::sync::Arc;

use serde_json::json;

use crate::harness::{Api, profile};

const ONE: &str = "/v1/credentials/999710000000001";

#[tokio::test]
async fn a_change_of_another_version_gets_412() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    let tag = api.get(ONE).await.header("etag").to_owned();
    let patch = Some(json!({"msisdn": "1"}));
    api.ask("admin", "PATCH", ONE, &[("if-match", &tag)], patch.clone()).await.ok(200);
    api.ask("admin", "PATCH", ONE, &[("if-match", &tag)], patch.clone()).await.problem(412);
    api.ask("admin", "DELETE", ONE, &[("if-match", &tag)], None).await.problem(412);
    api.ask("admin", "PATCH", ONE, &[("if-match", "\"x\"")], patch.clone()).await.problem(412);
    api.ask("admin", "PATCH", ONE, &[("if-match", "*")], patch.clone()).await.ok(200);
    // If-Match is optional.
    api.ask("admin", "PATCH", ONE, &[], patch).await.ok(200);
    let tag = api.get(ONE).await.header("etag").to_owned();
    api.ask("admin", "DELETE", ONE, &[("if-match", &tag)], None).await.ok(204);
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    for path in [ONE, "/v1/profiles/default"] {
        let tag = api.get(path).await.header("etag").to_owned();
        let answer = api.ask("admin", "GET", path, &[("if-none-match", &tag)], None).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{path}");
        api.ask("admin", "GET", path, &[("if-none-match", "\"0\"")], None).await.ok(200);
    }
}

/// Of twenty changes that read the same version, one is done; of twenty that read none, all are.
async fn race(api: Api) {
    let api = Arc::new(api);
    api.credential("999710000000001").await;
    let tag = api.get(ONE).await.header("etag").to_owned();
    let change = |headers: Vec<(&'static str, String)>, n: u32| {
        let api = api.clone();
        tokio::spawn(async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let patch = json!({"attach_budget": n});
            api.ask("admin", "PATCH", ONE, &headers, Some(patch)).await.status.as_u16()
        })
    };
    let dependent: Vec<_> = (0..20).map(|n| change(vec![("if-match", tag.clone())], n)).collect();
    let mut statuses = Vec::new();
    for one in dependent {
        statuses.push(one.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert_eq!(statuses[1..], [412; 19]);
    let before = api.get(ONE).await.json()["version"].as_i64().unwrap();
    let free: Vec<_> = (0..8).map(|n| change(Vec::new(), n)).collect();
    for one in free {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(api.get(ONE).await.json()["version"].as_i64().unwrap(), before + 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_writers_wins_in_memory() {
    race(Api::memory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_writers_wins_in_sqlite() {
    race(Api::sqlite().await).await;
}

#[tokio::test]
async fn a_profile_is_created_once_and_replaced_by_version() {
    let api = Api::memory();
    let path = "/v1/profiles/slow";
    let only_new = [("if-none-match", "*")];
    let answer = api.ask("admin", "PUT", path, &only_new, Some(profile("slow"))).await;
    let created = answer.ok(201);
    assert_eq!(answer.header("location"), path);
    api.ask("admin", "PUT", path, &only_new, Some(profile("slow"))).await.problem(412);
    // What was read can be put back as it is; its version does what If-Match does.
    let replaced = api.put(path, created.clone()).await.ok(200);
    assert_ne!(replaced["version"], created["version"]);
    api.put(path, created).await.problem(412);
    api.put("/v1/profiles/new", replaced).await.problem(422);
    let mut elsewhere = profile("x");
    elsewhere["version"] = json!(3);
    api.put("/v1/profiles/new", elsewhere).await.problem(412);
    api.ask("admin", "PUT", "/v1/profiles/new", &[("if-match", "*")], Some(profile("x"))).await.problem(412);
}
