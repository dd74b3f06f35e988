//! Bearers that the network sets up, changes and takes away: TS 24.301 §6.4, TS 36.413 §8.2, §8.3.4.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::rig::{Rig, run};

#[test]
fn a_dedicated_bearer_comes_changes_and_goes() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.order(json!({ "do": "erab_setup", "imsi": phone.imsi, "qci": 1 })).await?;
        let response = rig.mme.s1ap("E-RABSetupResponse").await?;
        ensure!(response.to_string().contains("E-RABSetupItemBearerSURes"), "{response}");
        rig.mme.nas("ESMActDediEPSBearerCtxtAccept").await?;
        let state = phone.until("with two bearers", |state| state.bearers.len() == 2).await?;
        let bearer = &state.bearers[1];
        ensure!(bearer.ebi == 6 && bearer.linked == Some(5) && bearer.qci == Some(1), "{bearer:?}");

        rig.mme.order(json!({ "do": "erab_modify", "imsi": phone.imsi, "qci": 2 })).await?;
        rig.mme.s1ap("E-RABModifyResponse").await?;
        rig.mme.nas("ESMModifyEPSBearerCtxtAccept").await?;
        phone.until("of QCI 2", |state| state.bearers.iter().any(|bearer| bearer.qci == Some(2))).await?;

        // Idle and back: both bearers come again.
        phone.idle().await?;
        ensure!(phone.service(false).await?.is_success());

        rig.mme.order(json!({ "do": "erab_release", "imsi": phone.imsi })).await?;
        rig.mme.s1ap("E-RABReleaseResponse").await?;
        rig.mme.nas("ESMDeactEPSBearerCtxtAccept").await?;
        phone.until("with one bearer", |state| state.bearers.len() == 1).await?;
        Ok(())
    })
}

/// §6.4.2.4, §6.4.4.5: bearers that there are not.
#[test]
fn a_bearer_that_there_is_not_is_answered_with_its_cause() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        let order = |message: &str, more: serde_json::Value| {
            let mut order = json!({ "do": "nas", "imsi": phone.imsi, "message": message });
            for (key, value) in more.as_object().into_iter().flatten() {
                order[key] = value.clone();
            }
            order
        };
        // #43, invalid EPS bearer identity.
        rig.mme.order(order("dedicated_bearer", json!({ "ebi": 6, "linked": 9 }))).await?;
        let answer = rig
            .mme
            .event("nas", |event| event["name"].as_str().is_some_and(|n| n.starts_with("ESM")))
            .await?;
        ensure!(answer["name"] == "ESMActDediEPSBearerCtxtReject" && answer["cause"] == 43, "{answer}");
        rig.mme.order(order("modify_bearer", json!({ "ebi": 9 }))).await?;
        let answer = rig
            .mme
            .event("nas", |event| event["name"].as_str().is_some_and(|n| n.starts_with("ESM")))
            .await?;
        ensure!(
            answer["name"].as_str().is_some_and(|name| name.ends_with("Reject")) && answer["cause"] == 43,
            "{answer}"
        );
        // A deactivation of what is gone already is confirmed (§6.4.4.6).
        rig.mme.order(order("deactivate_bearer", json!({ "ebi": 9 }))).await?;
        rig.mme.nas("ESMDeactEPSBearerCtxtAccept").await?;
        ensure!(phone.state().bearers.len() == 1);
        Ok(())
    })
}

/// An E-RAB that the eNB does not have is named as failed, with its cause (TS 36.413 §8.2.2.2, §8.2.3.2).
#[test]
fn e_rabs_that_the_enb_does_not_have_are_named_as_failed() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.order(json!({ "do": "erab_modify", "imsi": phone.imsi, "ebi": 9 })).await?;
        let response = rig.mme.s1ap("E-RABModifyResponse").await?.to_string();
        ensure!(response.contains("unknown-E-RAB-ID"), "{response}");
        rig.mme.order(json!({ "do": "erab_release", "imsi": phone.imsi, "ebi": 9 })).await?;
        let response = rig.mme.s1ap("E-RABReleaseResponse").await?.to_string();
        ensure!(response.contains("unknown-E-RAB-ID"), "{response}");
        rig.mme.order(json!({ "do": "erab_setup", "imsi": phone.imsi, "ebi": 5 })).await?;
        let response = rig.mme.s1ap("E-RABSetupResponse").await?.to_string();
        ensure!(response.contains("multiple-E-RAB-ID-instances"), "{response}");
        Ok(())
    })
}

#[test]
fn a_context_modification_is_answered() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.order(json!({ "do": "context_modification", "imsi": phone.imsi })).await?;
        rig.mme.s1ap("UEContextModificationResponse").await?;
        ensure!(phone.state().connected);
        Ok(())
    })
}

/// TS 36.413 §8.2.3.2.2, TS 24.301 §6.4.4.6: the eNB gives a dedicated bearer up and says so; the UE drops it and says
/// nothing.
#[test]
fn a_bearer_that_the_enb_gives_up_is_indicated() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.order(json!({ "do": "erab_setup", "imsi": phone.imsi })).await?;
        phone.until("with a dedicated bearer", |state| state.bearers.len() == 2).await?;
        rig.mme.nas("ESMActDediEPSBearerCtxtAccept").await?;
        rig.mme.forget_events();
        phone.release_bearer(6).await?;
        let told = rig.mme.s1ap("E-RABReleaseIndication").await?.to_string();
        ensure!(told.contains("\"e-RAB-ID\":6") && told.contains("user-inactivity"), "{told}");
        ensure!(phone.state().bearers.len() == 1);
        ensure!(rig.mme.left("nas", |event| event["way"] == "up") == 0);
        // Not twice, and not the default bearer.
        for ebi in [6, 5] {
            let refused = phone.release_bearer(ebi).await;
            ensure!(refused.is_err_and(|error| error.to_string().contains("cannot give up")), "{ebi}");
        }
        // It can be set up again.
        rig.mme.order(json!({ "do": "erab_setup", "imsi": phone.imsi })).await?;
        phone.until("with a dedicated bearer", |state| state.bearers.len() == 2).await?;
        Ok(())
    })
}

/// TS 36.413 §8.6.2.4: the UE is lost, and the MME goes on sending to it.
#[test]
fn nas_for_a_ue_that_is_lost_comes_back() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "update": { "guti": true }, "keep_lost": true })).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.order(json!({ "do": "release", "imsi": phone.imsi })).await?;
        phone.until("idle", |state| !state.connected).await?;
        rig.mme.s1ap("UEContextReleaseComplete").await?;
        rig.mme.forget_events();
        // After the update the network does not release the connection, and the UE lets go by itself (T3440).
        rig.mme.policy(json!({ "silent": ["EMMTrackingAreaUpdateComplete"] })).await?;
        ensure!(phone.update(false, false).await?.is_success());
        let request = rig.mme.s1ap("UEContextReleaseRequest").await?;
        ensure!(
            request["ies"]["Cause"] == json!(["radioNetwork", "radio-connection-with-ue-lost"]),
            "{request}"
        );
        phone.until("idle", |state| !state.connected).await?;
        rig.mme.forget_events();
        let order = json!({ "do": "nas", "imsi": phone.imsi, "message": "identity_request", "type": 1 });
        rig.mme.order(order).await?;
        let back = rig.mme.s1ap("NASNonDeliveryIndication").await?;
        ensure!(back["ies"]["Cause"] == json!(["radioNetwork", "radio-connection-with-ue-lost"]), "{back}");
        let sent =
            rig.mme.event("nas", |event| event["way"] == "down" && event["imsi"] == phone.imsi).await?;
        ensure!(
            back["ies"]["NAS-PDU"] == sent["octets"] && back["stream"].as_u64() > Some(0),
            "{back} {sent}"
        );
        // Once it is released, it is nobody's.
        rig.mme.order(json!({ "do": "release", "imsi": phone.imsi })).await?;
        rig.mme.s1ap("UEContextReleaseComplete").await?;
        ensure!(phone.service(false).await?.is_success());
        Ok(())
    })
}
