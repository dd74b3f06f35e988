//! Rows that cannot be read cost the others nothing.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{PCID, World, notice};

async fn damage(world: &World, statement: &'static str) {
    let done = sqlx::query(statement).execute(&world.drf().desk.db.writer).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
}

/// All of a listing, read page by page.
async fn listed(world: &World, path: &str, field: &str) -> Vec<String> {
    let (mut next, mut all) = (Some(path.to_owned()), Vec::new());
    while let Some(path) = next {
        let page = world.get(&path).await.unwrap();
        let items = page["items"].as_array().unwrap();
        all.extend(items.iter().map(|item| item[field].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
    }
    all
}

async fn operator_of(world: &World, pcid: &str) -> Option<Value> {
    Some(world.get(&format!("/v1/devices/{pcid}/resolution")).await.ok()?["operator"].clone())
}

#[tokio::test]
async fn a_damaged_row_is_left_out_of_listings_and_ends_no_page_early() {
    let world = World::new().await;
    let pcids: Vec<String> = (1..=5).map(|n| format!("99971000000000{n}")).collect();
    for (n, pcid) in pcids.iter().enumerate() {
        world.register(pcid, &format!("meter-{}", n + 1)).await;
        world.contract(pcid, "sho-a").await;
        let mut body = notice(Uuid::from_u128(n as u128 + 1), "127.0.0.1");
        body["pcid"] = json!(pcid);
        world.call("notices:write", Method::POST, "/v1/notices", Some(body)).await.unwrap();
    }
    for id in ["a", "b"] {
        let rule = json!({"priority": 1, "supplier": id, "operator": "sho-a"});
        world.put(&format!("/v1/rules/{id}"), rule).await.unwrap();
    }
    damage(&world, "UPDATE device SET device_id = '' WHERE pcid IN ('999710000000002', '999710000000003')")
        .await;
    damage(&world, "UPDATE trigger_sent SET state = '?' WHERE pcid = '999710000000004'").await;
    damage(&world, "UPDATE operator SET plmns = '?' WHERE id = 'sho-b'").await;
    damage(&world, "UPDATE rule SET supplier = '' WHERE id = 'a'").await;

    let whole = [&pcids[0], &pcids[3], &pcids[4]];
    assert_eq!(listed(&world, "/v1/devices?limit=2", "pcid").await.iter().collect::<Vec<_>>(), whole);
    let mut triggered = listed(&world, "/v1/triggers?limit=2", "pcid").await;
    triggered.sort();
    assert_eq!(triggered.iter().collect::<Vec<_>>(), [&pcids[0], &pcids[1], &pcids[2], &pcids[4]]);
    assert_eq!(listed(&world, "/v1/operators", "id").await, ["sho-a"]);
    assert_eq!(listed(&world, "/v1/rules", "id").await, ["b"]);
    // What is damaged itself is answered by itself.
    assert!(world.get(&format!("/v1/devices/{}", pcids[1])).await.is_err());
    assert!(world.get(&format!("/v1/devices/{}", pcids[0])).await.is_ok());
}

#[tokio::test]
async fn behind_a_rule_that_cannot_be_read_no_rule_decides_and_all_else_does() {
    let world = World::new().await;
    let (bound, other) = ("999710000000002", "999710000000003");
    world.register(bound, "meter-2").await;
    world.register(other, "meter-3").await;
    world.contract(bound, "sho-a").await;
    let range = json!({"first": other, "last": other});
    let rules = [
        ("first", json!({"priority": 1, "range": range, "operator": "sho-a"})),
        ("second", json!({"priority": 2, "supplier": "acme", "operator": "sho-a"})),
        ("third", json!({"priority": 3, "operator": "sho-b"})),
    ];
    for (id, rule) in &rules {
        world.put(&format!("/v1/rules/{id}"), rule.clone()).await.unwrap();
    }
    assert_eq!(operator_of(&world, PCID).await, Some(json!("sho-a")));
    damage(&world, "UPDATE rule SET supplier = '' WHERE id = 'second'").await;
    assert_eq!(operator_of(&world, PCID).await, None, "it must not go to sho-b");
    assert_eq!(operator_of(&world, bound).await, Some(json!("sho-a")), "by its contract");
    assert_eq!(operator_of(&world, other).await, Some(json!("sho-a")), "by the rule before");
    // Written again it is whole.
    world.put("/v1/rules/second", rules[1].1.clone()).await.unwrap();
    assert_eq!(operator_of(&world, PCID).await, Some(json!("sho-a")));
}

#[tokio::test]
async fn a_damaged_notice_keeps_no_other_waiting_and_is_counted() {
    let world = World::new().await;
    world.notice(Uuid::from_u128(1), "127.0.0.1").await.unwrap();
    let other = "INSERT INTO notice SELECT '00000000-0000-0000-0000-00000000000' || n, p, address, content, \
                 over_3gpp, state, received_at FROM notice, \
                 (SELECT 2 AS n, '?' AS p UNION SELECT 3, '000710000000001')";
    damage(&world, other).await;
    // The device of this one is damaged.
    damage(
        &world,
        "INSERT INTO device (pcid, device_id, supplier, created_at, updated_at) \
                    VALUES ('000710000000001', '', 'acme', 0, 0)",
    )
    .await;
    damage(&world, "UPDATE device SET contract = 'sho-a'").await;
    world.drf().desk.sweep().await.unwrap();
    let triggers = world.triggers().await;
    assert_eq!(triggers.len(), 1);
    assert_eq!(triggers[0]["pcid"], PCID);
    let url = format!("{}/metrics", world.drf().rest_url.as_ref().unwrap());
    let metrics =
        world.device(None).get(url).bearer_auth(crate::harness::token("admin")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let count =
        metrics.lines().find_map(|line| line.strip_prefix("callhome_database_unreadable_rows_total "));
    assert!(count.unwrap().parse::<u64>().unwrap() >= 1, "{metrics}");
}
