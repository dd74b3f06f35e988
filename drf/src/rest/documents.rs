//! `/v1/devices/{pcid}/provisioning-document`: the RNCT as an OMA Client Provisioning document, for a device management
//! centre that delivers it its own way (R11).

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use schemas::{cose, identity::Pcid, rest::Problem as ProblemShape, rnct::Rnct};
use serde::Deserialize;
use service::{
    api::Gates,
    auth::Principal,
    problem::{Path, Problem, Query},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{RestState, view};
use crate::{desk::Refused, oma, store};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.read("devices:read", routes!(document)))
}

/// How a document is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Text.
    #[default]
    Xml,
    /// WAP Binary XML, with the NETWPIN MAC in its Content-Type.
    Wbxml,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct How {
    /// How it is written.
    #[serde(default)]
    #[param(value_type = String, required = false, pattern = "^(xml|wbxml)$", default = "xml")]
    format: Format,
}

/// The RNCT as an OMA Client Provisioning 1.1 document
///
/// Of the newest trigger that is still good. WBXML comes with the MAC of NETWPIN (its key is the IMSI) as parameters `SEC`
/// and `MAC` of its Content-Type.
#[utoipa::path(get, path = "/v1/devices/{pcid}/provisioning-document", tag = "devices",
    operation_id = "getProvisioningDocument",
    params(("pcid" = Pcid, Path, description = "Its PCID"), How),
    responses((status = 200, description = "The document",
            content((String = "text/vnd.wap.connectivity-xml"), (Vec<u8> = "application/vnd.wap.connectivity-wbxml"))),
        (status = 404, description = "The device is not in the registry or not this operator's, or has no trigger that is \
            still good", body = ProblemShape, content_type = "application/problem+json")))]
async fn document(
    State(state): State<RestState>,
    who: Principal,
    Path(pcid): Path<Pcid>,
    Query(how): Query<How>,
) -> Result<Response, Problem> {
    state.desk.device(&view(&who)?, pcid).await?;
    let mut db = state.desk.db.readers.acquire().await.map_err(Refused::from)?;
    let trigger = store::latest(&mut db, pcid, state.desk.now()).await.map_err(Refused::from)?;
    drop(db);
    let none = || {
        Problem::not_found(format!("{pcid} has no trigger that is still good; POST /v1/triggers makes one"))
    };
    let trigger = trigger.ok_or_else(none)?;
    // Our own signature: what was stored is read, not judged.
    let failed = |error: &dyn std::fmt::Display| Problem::internal(error);
    let (_, payload) =
        cose::peek_chain(&trigger.rnct, schemas::rnct::CONTENT_TYPE).map_err(|error| failed(&error))?;
    let rnct = Rnct::decode(&payload).map_err(|error| failed(&error))?;
    let document = oma::document(&rnct).map_err(|error| {
        Problem::unprocessable(format!("drf.napdef or drf.m2m cannot be said in such a document: {error}"))
    })?;
    let (kind, body) = match how.format {
        Format::Xml => {
            ("text/vnd.wap.connectivity-xml; charset=utf-8".to_owned(), document.to_xml().into_bytes())
        }
        Format::Wbxml => {
            let body = document.to_wbxml();
            (oma::content_type(&oma::netwpin_mac(pcid, &body)), body)
        }
    };
    let kind = HeaderValue::from_str(&kind).map_err(|error| failed(&error))?;
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}
