//! The security mode, TS 24.301 §5.4.3, and what it is for: §4.4.4.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use ue_sim::{access::s1ap::End, nas::EmmState};

use crate::rig::{Rig, run};

/// §5.4.3.5: the attach comes to nothing, and the MME hears the cause.
async fn refused(smc: Value, causes: &[u64]) -> Result<()> {
    let mut rig = Rig::new(json!({ "smc": smc })).await?;
    let phone = rig.phone()?;
    let report = phone.attach().await?;
    ensure!(matches!(report.end, End::Released { .. }), "{smc}: {report:?}");
    ensure!(report.algorithms.is_none() && phone.state().emm != EmmState::Registered, "{smc}: {report:?}");
    let reject = rig.mme.nas("EMMSecurityModeReject").await?;
    ensure!(reject["cause"].as_u64().is_some_and(|cause| causes.contains(&cause)), "{smc}: {reject}");
    // Without new keys it is sent as it was before: plain.
    ensure!(reject["header"] == 0, "{reject}");
    // It is no prejudice to the next attach.
    rig.mme.policy(json!({ "smc": {} })).await?;
    phone.attached().await?;
    Ok(())
}

#[test]
fn capabilities_that_somebody_has_changed_are_refused_with_23() -> Result<()> {
    run(async {
        for capabilities in ["8040", "f060", "e070", "f0707070", "f0f0"] {
            refused(json!({ "capabilities": capabilities }), &[23]).await?;
        }
        Ok(())
    })
}

#[test]
fn eia0_is_refused_with_24() -> Result<()> {
    run(async {
        refused(json!({ "eia": 0 }), &[24]).await?;
        refused(json!({ "eia": 0, "eea": 0 }), &[24]).await
    })
}

#[test]
fn a_command_with_a_wrong_mac_is_refused_with_24() -> Result<()> {
    run(refused(json!({ "wrong_mac": true }), &[24]))
}

/// §5.4.3.3, TS 33.401 annex I.2: the MME says what it has got as the initial message.
#[test]
fn the_initial_message_is_sent_again_where_hashmme_is_of_another() -> Result<()> {
    run(async {
        for (hash, replayed) in [("right", Value::Null), ("wrong", json!(true))] {
            let mut rig = Rig::new(json!({ "smc": { "hash": hash } })).await?;
            rig.phone()?.attached().await?;
            let secured = rig.mme.event("secured", |_| true).await?;
            ensure!(secured["replayed"] == replayed, "HASHMME {hash}: {secured}");
        }
        Ok(())
    })
}

#[test]
fn the_imeisv_is_told_when_it_is_asked_for() -> Result<()> {
    run(async {
        for asked in [true, false] {
            let mut rig = Rig::new(json!({ "smc": { "imeisv": asked } })).await?;
            rig.phone()?.attached().await?;
            let secured = rig.mme.event("secured", |_| true).await?;
            let imeisv = secured["imeisv"].as_str();
            ensure!(imeisv.is_some() == asked && imeisv.is_none_or(|text| text.len() == 16), "{secured}");
        }
        Ok(())
    })
}

/// §4.4.4.2: once secure exchange is established, nothing is acted upon that does not verify; not even the few that may
/// come plain before.
#[test]
fn nothing_plain_and_nothing_forged_is_acted_upon_after_security() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.nas("EMMAttachComplete").await?;
        rig.mme.forget_events();
        for (message, more) in [
            ("identity_request", json!({ "type": 1 })),
            ("identity_request", json!({ "type": 3 })),
            ("authentication_request", json!({})),
            ("authentication_reject", json!({})),
            ("attach_reject", json!({ "cause": 8 })),
            ("service_reject", json!({ "cause": 3 })),
            ("update_reject", json!({ "cause": 6 })),
            ("detach_request", json!({ "reattach": true })),
            ("detach_accept", json!({})),
            ("guti_reallocation", json!({})),
            ("information", json!({})),
            ("esm_information_request", json!({})),
            ("deactivate_bearer", json!({ "ebi": 5 })),
        ] {
            for protect in ["plain", "wrong mac"] {
                let mut order =
                    json!({ "do": "nas", "imsi": phone.imsi, "message": message, "protect": protect });
                for (key, value) in more.as_object().into_iter().flatten() {
                    order[key] = value.clone();
                }
                rig.mme.order(order).await?;
                rig.told("not acted upon").await?;
            }
        }
        let state = phone.state();
        ensure!(state.emm == EmmState::Registered && state.bearers.len() == 1, "{state:?}");
        // A question that verifies is answered; nothing else was.
        let order = json!({ "do": "nas", "imsi": phone.imsi, "message": "identity_request", "type": 1 });
        rig.mme.order(order).await?;
        rig.mme.nas("EMMIdentityResponse").await?;
        ensure!(rig.mme.left("nas", |event| event["way"] == "up") == 0);
        Ok(())
    })
}

/// §4.4.3.2: a message whose NAS COUNT has been.
#[test]
fn a_message_that_comes_again_is_not_acted_upon() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        for _ in 0..2 {
            let order = json!({ "do": "nas", "imsi": phone.imsi, "message": "identity_request", "type": 1 });
            rig.mme.order(order).await?;
            rig.mme.nas("EMMIdentityResponse").await?;
            rig.mme.order(json!({ "do": "nas", "imsi": phone.imsi, "protect": "replay" })).await?;
            rig.told("not acted upon").await?;
        }
        ensure!(rig.mme.left("nas", |event| event["name"] == "EMMIdentityResponse") == 0);
        Ok(())
    })
}

/// §4.4.4.2: before security the UE says its IMSI to anybody, and neither IMEI nor IMEISV.
#[test]
fn only_the_imsi_is_told_before_security() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "identities": [-2, -3, 1] })).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        let told = rig.mme.event("identity", |_| true).await?;
        ensure!(told["digits"] == phone.imsi && told["type"] == 1, "{told}");
        ensure!(rig.mme.left("identity", |_| true) == 0);
        Ok(())
    })
}
