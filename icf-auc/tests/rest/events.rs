//! `/v1/events`.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures_util::StreamExt;
use serde_json::json;
use tower::ServiceExt;

use crate::harness::{Api, token};

/// A stream of server-sent events being read.
struct Stream {
    body: BodyDataStream,
    read: String,
}

impl Stream {
    async fn open(api: &Api, last: Option<i64>) -> Self {
        let mut request = Request::get("/v1/events")
            .header("authorization", format!("Bearer {}", token("events:read")))
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = api.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), read: String::new() }
    }

    /// Id and kind of the next event.
    async fn next(&mut self) -> (i64, String) {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_else(|| panic!("no {name} {event}")).trim().to_owned()
                };
                let data: serde_json::Value = serde_json::from_str(&field("data:")).unwrap();
                let id = field("id:").parse().unwrap();
                assert_eq!(data["id"], id);
                return (id, field("event:"));
            }
            let piece = tokio::time::timeout(Duration::from_secs(10), self.body.next()).await;
            let piece = piece.expect("an event in time").expect("the stream goes on").unwrap();
            self.read.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

#[tokio::test]
async fn a_stream_gives_what_happens_and_is_resumed_without_a_gap() {
    for api in [Api::memory(), Api::sqlite().await] {
        api.credential("999710000000001").await;
        // Without an id: what happens from now on.
        let mut stream = Stream::open(&api, None).await;
        api.credential("999710000000002").await;
        let (first, _) = stream.next().await;
        let newest = api.get("/v1/events").await.ok(200);
        let items = newest["items"].as_array().unwrap();
        assert_eq!(items.iter().find(|item| item["id"] == first).unwrap()["imsi"], "999710000000002");
        // The connection is lost; meanwhile more happens.
        drop(stream);
        api.patch("/v1/credentials/999710000000002", json!({"state": "blocked"})).await.ok(200);
        api.credential("999710000000003").await;
        let mut resumed = Stream::open(&api, Some(first)).await;
        let all = api.get(&format!("/v1/events?after={first}")).await.ok(200);
        let missed: Vec<i64> =
            all["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect();
        assert!(missed.len() >= 2, "{all}");
        for id in missed {
            assert_eq!(resumed.next().await.0, id);
        }
        // And it goes on.
        api.credential("999710000000004").await;
        assert!(resumed.next().await.0 > first);
    }
}

#[tokio::test]
async fn without_accept_of_a_stream_events_come_in_pages() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    let page = api.get("/v1/events").await.ok(200);
    assert!(!page["items"].as_array().unwrap().is_empty());
    for id in ["x", "\u{84}", "9223372036854775808"] {
        api.ask("admin", "GET", "/v1/events", &[("last-event-id", id)], None).await.problem(400);
    }
}
