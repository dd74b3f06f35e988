//! Every role does what its OpenAPI document says, and the document says all that it does: schemathesis judges.

use anyhow::{Result, ensure};
use harness::{
    aka::Subscriber,
    icf::{Icf, MME, Settings},
    programs,
    role::Role,
    schemathesis::Api,
    wire::SUCCESS,
};
use serde_json::{Value, json};

use crate::PLMN;

/// An ICF with something of everything: the credentials that tests/schemathesis.toml names, of which two have pools and
/// one is registered.
fn icf() -> Result<Icf> {
    let subscribers: Vec<Subscriber> = (1..=4).map(Subscriber::random).collect::<Result<_>>()?;
    let icf = Icf::with(&Settings::default(), &subscribers)?;
    for imsi in ["999710000000005", "999710000000006"] {
        icf.rest_ok("POST", "/v1/credentials", Some(&json!({"imsi": imsi, "pool": true})))?;
    }
    ensure!(icf.connect(MME)?.ulr(&subscribers[0].imsi, PLMN)?.result()? == SUCCESS);
    Ok(icf)
}

fn api(icf: &Icf) -> Api<'_> {
    Api { port: icf.rest, token: &icf.token }
}

#[test]
fn the_icf_is_as_it_is_described() -> Result<()> {
    let mut icf = icf()?;
    api(&icf).conforms(icf.folder())?;
    ensure!(icf.stop()?.success(), "{}", icf.log());
    Ok(())
}

/// Starts a role and has its document judged.
fn role_is_as_described(name: &str) -> Result<()> {
    let mut role = Role::start(name)?;
    Api { port: role.rest, token: &role.token }.conforms(role.folder())?;
    role.running()
}

#[test]
fn the_drf_is_as_it_is_described() -> Result<()> {
    role_is_as_described("drf")
}

#[test]
fn the_dpf_is_as_it_is_described() -> Result<()> {
    role_is_as_described("dpf")
}

#[test]
fn the_sho_is_as_it_is_described() -> Result<()> {
    role_is_as_described("sho")
}

#[test]
fn the_pva_is_as_it_is_described() -> Result<()> {
    role_is_as_described("pva")
}

/// Each document that is checked in has a test that judges it: above, and for devices `another_device::described`.
#[test]
fn no_document_is_left_out() -> Result<()> {
    let folder = programs::workspace().join("schemas/openapi");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    let judged = ["dpf-device.json", "dpf.json", "drf.json", "icf.json", "pva.json", "sho.json"];
    ensure!(names == judged, "judged are {judged:?}, there are {names:?}");
    Ok(())
}

/// A change of the document that makes it wrong, the operation that it is about, and the code of what schemathesis is to object
/// (`schemathesis explain CODE`).
type Lie = (&'static str, fn(&mut Value), &'static str, &'static str);

#[test]
fn a_document_that_is_wrong_would_be_noticed() -> Result<()> {
    let lies: [Lie; 6] = [
        (
            "an answer has a member of another type",
            |document| {
                document["components"]["schemas"]["Credential"]["properties"]["amf"] =
                    json!({"type": "integer"})
            },
            "getCredential",
            "ST108",
        ),
        (
            "a refusal is not mentioned",
            |document| {
                let responses = &mut document["paths"]["/v1/batches/{id}"]["get"]["responses"];
                responses.as_object_mut().and_then(|responses| responses.remove("404"));
            },
            "getBatch",
            "ST103",
        ),
        (
            "an answer is of another media type",
            |document| {
                let answer = &mut document["paths"]["/v1/peers"]["get"]["responses"]["200"];
                *answer =
                    json!({"description": "all", "content": {"text/plain": {"schema": {"type": "string"}}}});
            },
            "listPeers",
            "ST105",
        ),
        (
            "more is promised than is taken",
            |document| {
                let limit = &mut document["paths"]["/v1/audit"]["get"]["parameters"][0]["schema"];
                *limit = json!({"type": "integer", "minimum": 0});
            },
            "listAudit",
            "ST202",
        ),
        (
            "less is promised than is taken",
            |document| {
                let limit = &mut document["paths"]["/v1/audit"]["get"]["parameters"][0]["schema"];
                *limit = json!({"type": "integer", "minimum": 1, "maximum": 10});
            },
            "listAudit",
            "ST201",
        ),
        (
            "a token is asked for that is not needed",
            |document| {
                document["paths"]["/healthz"] = json!({"get": {
                    "operationId": "health", "security": [{"token": []}],
                    "responses": {"200": {"description": "alive"}, "401": {"description": "who are you"}},
                }});
            },
            "health",
            "ST401",
        ),
    ];
    let icf = icf()?;
    let truth = api(&icf).document()?;
    for (lie, tell, operation, objection) in lies {
        let mut document = truth.clone();
        tell(&mut document);
        ensure!(document != truth, "{lie}: the document has changed, and this test has to");
        let report = api(&icf).judged_by(icf.folder(), &document, &[operation])?;
        ensure!(
            !report.clean && report.text.contains(objection),
            "{lie}, and nobody objects:\n{}",
            report.text
        );
    }
    Ok(())
}
