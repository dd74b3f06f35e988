//! `/v1/credentials/import`: many at once, read while they come.

use std::io;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::TryStreamExt;
use schemas::rest::{ImportReport, IssuingMode};
use serde::Deserialize;
use service::problem::{Json, Problem, Query};
use tokio_util::io::StreamReader;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::RestState;
use super::allowances;
use super::failure::OrProblem;
use super::gate::{Gates, Target, Write};
use crate::import::{self, Format, OnExisting, Options, Report, SubscriptionFrom};
use crate::model::Timestamp;
use crate::store::Batch;

/// Most octets of one import.
const MAX_IMPORT: u64 = 4 << 30;

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    let write = Write::plain("credentials.import");
    OpenApiRouter::new().routes(gates.write("credentials:write", write, routes!(take)))
}

/// How the body is written.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Written {
    /// JSON, one object a line.
    Ndjson,
    /// CSV with a header.
    Csv,
    /// Open5GS's subscriber documents as `mongoexport` writes them.
    Open5gs,
}

#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct How {
    /// How the body is written, if not as its Content-Type says.
    #[param(inline)]
    format: Option<Written>,
    /// Profile of lines that name none.
    profile: Option<String>,
    /// Issuing mode of lines that name none.
    #[param(inline)]
    mode: Option<IssuingMode>,
    /// What decides on the subscription where a line says something of it, as Open5GS's documents do: `file`, as overrides
    /// of the credential, or `profile`.
    #[serde(default)]
    #[param(inline, required = false)]
    subscription: SubscriptionFrom,
    /// Batch that they are to belong to.
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    batch: Option<String>,
    /// Pass over lines that are stored already and the same: to go on with an import that was cut short.
    #[serde(default)]
    #[param(required = false)]
    skip_existing: bool,
    /// Check everything and store nothing; `stored` is what would be.
    #[serde(default)]
    #[param(required = false)]
    dry_run: bool,
    /// Take IMSIs of networks that are not served here (`icf.networks`).
    #[serde(default)]
    #[param(required = false)]
    allow_other_networks: bool,
    /// Take addresses outside the pool of the line's profile.
    #[serde(default)]
    #[param(required = false)]
    allow_other_addresses: bool,
}

/// Import credentials
///
/// Reads `application/x-ndjson`, one object a line as `{"imsi":"999710000000001","k":"…","opc":"…","amf":"8000",
/// "profile":"default"}`, or `text/csv` with a header of the same names, or as `application/json` whichever it is: also
/// what `mongoexport`, PyHSS, free5GC, srsEPC and card vendors write (docs/ICF.md). Each line is stored or refused by
/// itself. If anything was refused the answer is 422, and its member `report` names line, field and reason; what has no
/// effect here is counted in its `notes`.
#[utoipa::path(post, path = "/v1/credentials/import", tag = "credentials", operation_id = "importCredentials",
    params(How),
    request_body(content((String = "application/x-ndjson"), (String = "text/csv"), (String = "application/json"))),
    responses((status = 200, description = "All of them are stored", body = ImportReport)))]
async fn take(
    State(state): State<RestState>,
    Extension(target): Extension<Target>,
    Query(how): Query<How>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ImportReport>, Problem> {
    let format = format(&how, &headers)?;
    let batch = match &how.batch {
        Some(id) if !how.dry_run => Some(opened(&state, id, &how).await?),
        _ => None,
    };
    target.is(how.batch.as_deref().unwrap_or("-"));
    let defaults = Options::default();
    let options = Options {
        profile: how.profile.unwrap_or(defaults.profile),
        mode: how.mode.map_or(defaults.mode, Into::into),
        subscription: how.subscription,
        batch: how.batch,
        on_existing: if how.skip_existing { OnExisting::Skip } else { OnExisting::Refuse },
        networks: allowances::networks(&state.networks, how.allow_other_networks),
        allow_other_addresses: how.allow_other_addresses,
        dry_run: how.dry_run,
        ..Options::default()
    };
    let mut octets = 0_u64;
    let pieces = body.into_data_stream().map_err(io::Error::other).and_then(move |piece| {
        octets = octets.saturating_add(piece.len() as u64);
        std::future::ready(if octets > MAX_IMPORT {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, "the body is longer than this server takes"))
        } else {
            Ok(piece)
        })
    });
    let reader = StreamReader::new(Box::pin(pieces));
    let report = import::run(reader, format, &options, &*state.store, |_| {}).await;
    if report.stored > 0 && !report.dry_run {
        state.control.changed(None);
    }
    if let Some(mut batch) = batch.filter(|_| !report.dry_run) {
        batch.count += report.stored;
        batch.done += report.stored;
        state.store.put_batch(batch).await.or_problem()?;
    }
    answer(report)
}

fn answer(report: Report) -> Result<Json<ImportReport>, Problem> {
    let complete = report.is_complete();
    if complete && report.records == 0 {
        return Err(Problem::unprocessable("the body holds no credential"));
    }
    let report = ImportReport::from(report);
    if complete {
        return Ok(Json(report));
    }
    let detail = match (&report.failed, report.problems.first()) {
        (Some(failed), _) => format!("{} stored, then it stopped: {failed}", report.stored),
        (None, Some(first)) => format!(
            "{} {}, {} not: line {}: {}; `report` lists more",
            report.stored,
            if report.dry_run { "would be stored" } else { "stored" },
            report.refused,
            first.line,
            first.reason
        ),
        (None, None) => format!("{} stored, {} not", report.stored, report.refused),
    };
    let report = serde_json::to_value(&report).map_err(|error| Problem::internal(&error))?;
    Err(Problem::unprocessable(detail).with("report", report))
}

/// By the parameter, else by the media type.
fn format(how: &How, headers: &HeaderMap) -> Result<Format, Problem> {
    if let Some(written) = how.format {
        return Ok(match written {
            Written::Ndjson => Format::Ndjson,
            Written::Csv => Format::Csv,
            Written::Open5gs => Format::Open5gs,
        });
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Format::Ndjson),
        "text/csv" => Ok(Format::Csv),
        "application/json" => Ok(Format::Auto),
        _ => Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(
            "Content-Type has to be application/x-ndjson, text/csv, or application/json; or say ?format=",
        )),
    }
}

/// The batch they are to belong to, begun if it is not there.
async fn opened(state: &RestState, id: &str, how: &How) -> Result<Batch, Problem> {
    let fit = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
    if !(1..=64).contains(&id.len()) || !id.bytes().all(fit) {
        return Err(Problem::bad_request("batch: 1 to 64 letters, digits, dots, dashes and underscores"));
    }
    if let Some(batch) = state.store.batch(id).await.or_problem()? {
        return Ok(batch);
    }
    let defaults = Options::default();
    let batch = Batch {
        id: id.to_owned(),
        mode: how.mode.map_or(defaults.mode, Into::into),
        first: None,
        count: 0,
        done: 0,
        profile: how.profile.clone().unwrap_or(defaults.profile),
        party: None,
        created_at: Timestamp::now(),
        terms: None,
    };
    state.store.put_batch(batch.clone()).await.or_problem()?;
    Ok(batch)
}
