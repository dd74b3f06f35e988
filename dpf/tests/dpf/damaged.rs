//! Sessions that cannot be read cost the others nothing.

use dpf::machine::State;
use reqwest::{Method, StatusCode};
use uuid::Uuid;

use crate::harness::World;

async fn damage(world: &World, column: &'static str, id: Uuid) {
    let statement = format!("UPDATE session SET {column} = '?' WHERE id = ?1");
    let writer = &world.started().dpf.store.database().writer;
    let done =
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id.to_string()).execute(writer).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

#[tokio::test]
async fn a_damaged_session_is_left_out_of_listings_and_ends_no_page_early() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let device = world.device(&format!("meter-{n}"), &format!("99971000000001{n}"));
        ids.push(world.open(&device, Uuid::new_v4()).await.id);
    }
    damage(&world, "refusal", ids[3]).await;
    damage(&world, "kind = kind, operator", ids[2]).await;
    let (mut next, mut found) = (Some("/v1/sessions?limit=1".to_owned()), Vec::new());
    while let Some(path) = next {
        let (status, page) = world.rest("other", Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        found
            .extend(page["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
    }
    // Newest first; the damaged operator is nobody's word, and reads as one.
    found.sort();
    let mut whole: Vec<String> = [0, 1, 4].map(|n: usize| ids[n].to_string()).into();
    whole.sort();
    assert_eq!(found, whole);
    let one = world.rest("other", Method::GET, &format!("/v1/sessions/{}", ids[3]), None).await;
    assert_eq!(one.0, StatusCode::INTERNAL_SERVER_ERROR, "it is answered by itself");
}

#[tokio::test]
async fn a_damaged_session_keeps_no_other_from_being_ended_in_time_or_resumed() {
    let mut world = World::new().await;
    let (first, second) =
        (world.device("meter-1", "999710000000011"), world.device("meter-2", "999710000000012"));
    let damaged = world.open(&first, Uuid::new_v4()).await.id;
    let whole = world.open(&second, Uuid::new_v4()).await.id;
    damage(&world, "refusal", damaged).await;
    let store = &world.started().dpf.store;
    // Both are over; the damaged one comes first.
    for (at, id) in [(1, damaged), (2, whole)] {
        sqlx::query("UPDATE session SET expires_at = ?1 WHERE id = ?2")
            .bind(at)
            .bind(id.to_string())
            .execute(&store.database().writer)
            .await
            .unwrap();
    }
    world.state(whole, State::Expired).await;
    // Steps and counts, too.
    sqlx::query("UPDATE step SET state = '?' WHERE session = ?1 AND step = 'opened'")
        .bind(whole.to_string())
        .execute(&store.database().writer)
        .await
        .unwrap();
    assert_eq!(store.steps(whole).await.unwrap().len(), 1);
    assert!(store.counts().await.unwrap().contains(&(State::Expired, 1)));
    // It starts all the same.
    world.restart().await;
    world.state(whole, State::Expired).await;
}
