//! The RNCT as an OMA Client Provisioning document over REST (R11).

use axum::http::{Method, StatusCode};
use drf::oma;
use service::client::{CallError, RoleClient};
use uuid::Uuid;

use crate::harness::{PCID, World, refused};

async fn ask(client: &RoleClient, path: &str) -> Result<(String, Vec<u8>), CallError> {
    let answer = client.send(Method::GET, path, "", Vec::new()).await?;
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    Ok((kind, answer.into_body().to_vec()))
}

#[tokio::test]
async fn a_devices_rnct_is_also_a_provisioning_document_in_xml_and_wbxml() {
    let world = World::new().await;
    let path = format!("/v1/devices/{PCID}/provisioning-document");
    assert_eq!(refused(world.get(&path).await), StatusCode::NOT_FOUND, "no such device");
    world.register(PCID, "meter-1").await;
    assert_eq!(refused(world.get(&path).await), StatusCode::NOT_FOUND, "no trigger");
    world.contract(PCID, "sho-a").await;
    // A port of the discard protocol: nobody answers, and the trigger stays open.
    world.notice(Uuid::from_u128(7), "127.0.0.9").await.unwrap();

    let client = world.client();
    let (kind, xml) = ask(client, &path).await.unwrap();
    assert_eq!(kind, "text/vnd.wap.connectivity-xml; charset=utf-8");
    assert!(String::from_utf8(xml.clone()).unwrap().contains("<wap-provisioningdoc version=\"1.1\">"));
    let (kind, wbxml) = ask(client, &format!("{path}?format=wbxml")).await.unwrap();
    let mac = oma::bootstrap::parse_content_type(&kind).unwrap();
    assert!(oma::bootstrap::netwpin_verify(PCID.parse().unwrap(), &wbxml, &mac));
    let document = oma::decode(&wbxml).unwrap();
    assert_eq!(document.to_xml().into_bytes(), xml, "both say the same");
    let rnct = oma::read(&document).unwrap();
    assert_eq!((rnct.pcid.to_string().as_str(), rnct.operator.as_str()), (PCID, "sho-a"));
}
