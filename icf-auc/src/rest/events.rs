//! `/v1/events`: what happened, as pages or as a stream of server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use schemas::rest::{Event, Page};
use serde::{Deserialize, Serialize};
use service::problem::{Problem, Query};
use tokio::sync::watch;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::failure::OrProblem;
use super::gate::Gates;
use super::{RestState, page};
use crate::store::StoredEvent;

const PATH: &str = "/v1/events";
/// Events read at a time.
const CHUNK: u32 = 256;
/// A comment is sent when nothing happens, so that proxies and idle time-outs let the stream live.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.read("events:read", routes!(list)))
}

#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page; a stream has no pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this id: a page without starts at the oldest, a stream without at what happens next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i64>)]
    after: Option<String>,
}

/// List or follow events
///
/// Oldest first. With `Accept: text/event-stream` the answer is a stream that goes on with what happens next (HTML
/// §9.2); it is resumed by `Last-Event-ID`, as browsers do by themselves, and misses nothing. Else it is a page.
#[utoipa::path(get, path = PATH, tag = "events", operation_id = "listEvents",
    params(Which, ("Last-Event-ID" = Option<String>, Header, nullable = false, pattern = "^(-?[0-9]{1,18})?$",
        description = "For a stream: go on after this id")),
    responses((status = 200, description = "A page, or a stream", content(
        (Page<Event> = "application/json"), (String = "text/event-stream")))))]
async fn list(
    State(state): State<RestState>,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let after = page::cursor::<i64>(which.after.as_deref(), "the id of an event")?;
    let seen = last_event_id(&headers)?;
    if wants_stream(&headers) {
        let after = match seen.or(after) {
            Some(id) => id,
            None => state.store.last_event().await.or_problem()?,
        };
        let events = follow(state, after);
        return Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response());
    }
    let rows = state.store.events(after.unwrap_or(0), limit + 1).await.or_problem()?;
    let next = |last: &StoredEvent| Which { after: Some(last.id.to_string()), ..which.clone() };
    page::answer(PATH, limit, rows, Event::from, next, None)
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|range| {
        range.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
    })
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let text = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    match text {
        // A browser that has had no event yet sends none, or an empty one.
        None | Some("") => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|_| Problem::bad_request("Last-Event-ID: the id of an event"))
        }
    }
}

/// Where a stream is.
struct Follower {
    state: RestState,
    news: watch::Receiver<i64>,
    after: i64,
    read: VecDeque<StoredEvent>,
}

/// What happened after `after`, then what happens. Ends when the ICF does, or the store fails: the client comes back
/// with the last id it has seen.
fn follow(state: RestState, after: i64) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let news = state.control.events_notify();
    let follower = Follower { state, news, after, read: VecDeque::new() };
    stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    })
}

impl Follower {
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(stored) = self.read.pop_front() {
                self.after = stored.id;
                return shown(stored);
            }
            // Seen before the store is read: what happens meanwhile wakes us again.
            self.news.borrow_and_update();
            match self.state.store.events(self.after, CHUNK).await {
                Ok(events) => self.read = events.into(),
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ends");
                    return None;
                }
            }
            if self.read.is_empty() {
                self.news.changed().await.ok()?;
            }
        }
    }
}

fn shown(stored: StoredEvent) -> Option<sse::Event> {
    let id = stored.id.to_string();
    let kind = stored.event.kind.clone();
    let data = serde_json::to_string(&Event::from(stored)).ok()?;
    // A line end in a kind would end the field, and `event` panics of it.
    let kind: String = kind.chars().filter(|c| !c.is_control()).collect();
    Some(sse::Event::default().id(id).event(kind).data(data))
}
