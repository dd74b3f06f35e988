//! `/v1/devices/import`: many at once, read while they come.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use futures_util::StreamExt;
use schemas::{
    identity::Pcid,
    rest::{ImportProblem, ImportReport, Object},
};
use service::{
    api::Gates,
    problem::{Json, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{RestState, types::ImportedDevice};
use crate::desk::{Description, Desk};

/// Lines of a chunk: stored whole or not at all.
const CHUNK: usize = 1000;
/// Octets of a line at most.
const MAX_LINE: usize = 16 << 10;
/// Problems that are named.
const NAMED: usize = 100;

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.write("devices:write", "devices.import", routes!(take)))
}

struct Line {
    number: u64,
    pcid: Option<Pcid>,
    device: Result<Description, String>,
}

/// Import devices
///
/// Reads `application/x-ndjson`, one object a line as `{"pcid":"999710000000001","device_id":"meter-1","supplier":"acme",
/// "claim_code":"…"}`. Chunks of 1000 lines are stored whole or not at all; devices that are there already are described
/// anew. If anything was not stored the answer is 422, and its member `report` names line and reason.
#[utoipa::path(post, path = "/v1/devices/import", tag = "devices", operation_id = "importDevices",
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, description = "All of them are stored", body = ImportReport)))]
async fn take(
    State(state): State<RestState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ImportReport>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-ndjson") {
        let detail = "the body has to be sent with Content-Type: application/x-ndjson";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(detail));
    }
    let mut report = ImportReport::default();
    let mut body = body.into_data_stream();
    let (mut rest, mut chunk, mut number) = (Vec::new(), Vec::with_capacity(CHUNK), 0_u64);
    loop {
        let ended = match body.next().await {
            Some(Ok(piece)) => {
                rest.extend_from_slice(&piece);
                false
            }
            Some(Err(_)) => {
                report.failed = Some("the body cannot be read to its end".to_owned());
                break;
            }
            None => true,
        };
        let mut start = 0;
        while let Some(end) = rest[start..].iter().position(|octet| *octet == b'\n') {
            number += 1;
            chunk.extend(read(&rest[start..start + end], number));
            start += end + 1;
            if chunk.len() >= CHUNK {
                store(&state.desk, std::mem::take(&mut chunk), &mut report).await;
            }
        }
        rest.drain(..start);
        if rest.len() > MAX_LINE {
            report.failed = Some(format!("line {} has more than {MAX_LINE} octets", number + 1));
            break;
        }
        if ended {
            chunk.extend(read(&rest, number + 1));
            break;
        }
    }
    if report.failed.is_none() {
        store(&state.desk, chunk, &mut report).await;
    } else {
        report.refused += chunk.len() as u64;
        report.records += chunk.len() as u64;
    }
    answer(report)
}

/// A line; `None` if it is empty.
fn read(octets: &[u8], number: u64) -> Option<Line> {
    let octets = octets.trim_ascii();
    if octets.is_empty() {
        return None;
    }
    Some(match serde_json::from_slice::<Object<ImportedDevice>>(octets) {
        Ok(Object(ImportedDevice { pcid, device_id, supplier, model, subscriber, claim_code })) => {
            let fits = |text: &Option<String>| {
                text.as_ref().is_none_or(|text| {
                    (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control)
                })
            };
            let device = if fits(&model) && fits(&subscriber) {
                Ok(Description { device_id, supplier, model, subscriber, claim_code })
            } else {
                Err("model, subscriber: 1 to 200 characters, none of them a control character".to_owned())
            };
            Line { number, pcid: Some(pcid), device }
        }
        Err(error) => Line { number, pcid: None, device: Err(error.to_string()) },
    })
}

fn problem(report: &mut ImportReport, line: u64, imsi: Option<Pcid>, reason: String) {
    report.problem_count += 1;
    if report.problems.len() < NAMED {
        report.problems.push(ImportProblem { line, column: None, field: None, imsi, reason });
    }
}

/// Stores a chunk, whole or not at all.
async fn store(desk: &Desk, chunk: Vec<Line>, report: &mut ImportReport) {
    let lines = chunk.len() as u64;
    report.records += lines;
    let before = report.problem_count;
    for line in &chunk {
        if let Err(reason) = &line.device {
            problem(report, line.number, line.pcid, reason.clone());
        }
    }
    if report.problem_count == before
        && let Err((line, reason)) = put(desk, &chunk).await
    {
        let pcid = chunk.iter().find(|known| known.number == line).and_then(|line| line.pcid);
        problem(report, line, pcid, reason);
    }
    if report.problem_count == before {
        report.stored += lines;
    } else {
        report.refused += lines;
    }
}

async fn put(desk: &Desk, chunk: &[Line]) -> Result<(), (u64, String)> {
    let first = chunk.first().map_or(0, |line| line.number);
    let mut tx = desk.db.write().await.map_err(|error| (first, error.to_string()))?;
    for line in chunk {
        if let (Some(pcid), Ok(device)) = (line.pcid, &line.device) {
            desk.put_in(&mut tx, pcid, device).await.map_err(|error| (line.number, error.to_string()))?;
        }
    }
    tx.commit().await.map_err(|error| (first, error.to_string()))?;
    desk.outbox.wake();
    Ok(())
}

fn answer(report: ImportReport) -> Result<Json<ImportReport>, Problem> {
    if report.problem_count == 0 && report.failed.is_none() {
        if report.records == 0 {
            return Err(Problem::unprocessable("the body holds no device"));
        }
        return Ok(Json(report));
    }
    let detail = match (&report.failed, report.problems.first()) {
        (Some(failed), _) => format!("{} stored, then it stopped: {failed}", report.stored),
        (None, first) => format!(
            "{} stored, {} not: line {}: {}; `report` lists more",
            report.stored,
            report.refused,
            first.map_or(0, |first| first.line),
            first.map_or("", |first| &first.reason)
        ),
    };
    let report = serde_json::to_value(&report).map_err(|error| Problem::internal(&error))?;
    Err(Problem::unprocessable(detail).with("report", report))
}
