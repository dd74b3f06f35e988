//! A registered UE: idle and back (TS 24.301 §5.6), tracking area updates (§5.5.3), detached (§5.5.2).

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use ue_sim::{
    access::s1ap::{Asked, End},
    nas::EmmState,
};

use crate::rig::{Phone, Rig, refusal, run};

/// A UE that is registered and idle.
async fn idle(policy: Value) -> Result<(Rig, Phone)> {
    let mut rig = Rig::new(policy).await?;
    let phone = rig.phone()?;
    phone.attached().await?;
    rig.told("KeNB of MME and UE agree").await?;
    phone.idle().await?;
    rig.mme.s1ap("UEContextReleaseComplete").await?;
    rig.mme.forget_events();
    Ok((rig, phone))
}

#[test]
fn a_service_request_brings_the_bearers_back() -> Result<()> {
    run(async {
        let (mut rig, phone) = idle(json!({})).await?;
        // More than the five bits of the count that the request carries.
        for _ in 0..40 {
            let report = phone.service(false).await?;
            ensure!(report.is_success(), "{report:?}");
            rig.mme.nas("EMMServiceRequest").await?;
            // KeNB is of the count of this request (TS 33.401 §7.2.8.1).
            rig.told("KeNB of MME and UE agree").await?;
            let initial = rig.mme.s1ap("InitialUEMessage").await?;
            ensure!(initial["ies"]["RRC-Establishment-Cause"] == "mo-Data", "{initial}");
            phone.idle().await?;
        }
        Ok(())
    })
}

/// §5.6.1.5: what each cause does to the UE.
#[test]
fn a_service_reject_is_obeyed() -> Result<()> {
    run(async {
        for (cause, after) in [
            (9, EmmState::Deregistered),
            (10, EmmState::Deregistered),
            (40, EmmState::Deregistered),
            (3, EmmState::Deregistered),
            (8, EmmState::Deregistered),
            (11, EmmState::Deregistered),
            (22, EmmState::Registered),
            (96, EmmState::Registered),
        ] {
            let reject = json!({ "message": "service_reject", "cause": cause, "protect": 2 });
            let (mut rig, phone) = idle(json!({ "service": reject })).await?;
            let report = phone.service(false).await?;
            ensure!(refusal(&report)?.0 == cause, "{report:?}");
            phone.until(&format!("{after:?} after #{cause}"), |state| state.emm == after).await?;
            phone.until("idle", |state| !state.connected).await?;
            rig.mme.policy(json!({ "service": null })).await?;
            if after == EmmState::Registered {
                ensure!(phone.service(false).await?.is_success());
                continue;
            }
            if matches!(cause, 3 | 8 | 11) {
                // Not until it is switched off; a forbidden network not even then.
                ensure!(phone.attach().await.is_err_and(|error| error.to_string().contains("does not try")));
                ensure!(phone.detach(true).await?.is_success());
            }
            if cause == 11 {
                let refused = phone.attach().await;
                ensure!(refused.is_err_and(|error| error.to_string().contains("\"forbidden PLMNs\"")));
            } else {
                phone.attached().await?;
            }
        }
        Ok(())
    })
}

/// A network that has forgotten the UE says #9 in the clear, for it has no keys.
#[test]
fn a_network_that_has_forgotten_the_ue_is_attached_to_anew() -> Result<()> {
    run(async {
        let (mut rig, phone) = idle(json!({})).await?;
        rig.mme.order(json!({ "do": "forget", "imsi": phone.imsi })).await?;
        let report = phone.service(false).await?;
        ensure!(refusal(&report)?.0 == 9, "{report:?}");
        phone.until("idle", |state| !state.connected).await?;
        let report = phone.attached().await?;
        ensure!(report.algorithms.is_some(), "{report:?}");
        Ok(())
    })
}

#[test]
fn a_tracking_area_update_is_accepted_with_and_without_a_new_guti() -> Result<()> {
    run(async {
        let (mut rig, phone) = idle(json!({})).await?;
        let before = phone.state().s_tmsi;
        let report = phone.update(false, false).await?;
        ensure!(report.is_success(), "{report:?}");
        let request = rig.mme.nas("EMMTrackingAreaUpdateRequest").await?;
        ensure!(request["header"] == 1, "not ciphered, so that any MME can read it: {request}");
        phone.until("idle", |state| !state.connected).await?;
        ensure!(phone.state().s_tmsi == before);

        rig.mme.policy(json!({ "update": { "guti": true } })).await?;
        ensure!(phone.update(true, false).await?.is_success());
        rig.mme.nas("EMMTrackingAreaUpdateComplete").await?;
        rig.told("a new GUTI").await?;
        phone.until("known by another S-TMSI", |state| state.s_tmsi != before).await?;
        phone.until("idle", |state| !state.connected).await?;

        // With the active flag the bearers come too (§5.5.3.2.4).
        rig.mme.policy(json!({ "update": {} })).await?;
        let begun = std::time::Instant::now();
        ensure!(phone.update(false, true).await?.is_success());
        rig.told("KeNB of MME and UE agree").await?;
        ensure!(phone.state().connected && phone.state().emm == EmmState::Registered);
        ensure!(
            begun.elapsed() < std::time::Duration::from_secs(8),
            "waited for a release that does not come"
        );
        Ok(())
    })
}

/// §5.5.3.2.4: what the network does not have, the UE has no more.
#[test]
fn bearers_that_the_network_lost_are_given_up() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.order(json!({ "do": "erab_setup", "imsi": phone.imsi })).await?;
        phone.until("with a dedicated bearer", |state| state.bearers.len() == 2).await?;
        phone.idle().await?;
        rig.mme.policy(json!({ "update": { "status": "2000" } })).await?;
        ensure!(phone.update(false, false).await?.is_success());
        rig.told("bearer 6 is gone").await?;
        ensure!(phone.state().bearers.len() == 1);
        Ok(())
    })
}

/// §5.5.3.2.5.
#[test]
fn a_tracking_area_update_that_is_rejected_is_obeyed() -> Result<()> {
    run(async {
        for (cause, after) in [
            (9, EmmState::Deregistered),
            (6, EmmState::Deregistered),
            (13, EmmState::Deregistered),
            (22, EmmState::Registered),
            (111, EmmState::Registered),
        ] {
            let reject = json!({ "message": "update_reject", "cause": cause, "t3346": 0x21 });
            let (rig, phone) = idle(json!({ "update": reject })).await?;
            let report = phone.update(false, false).await?;
            ensure!(refusal(&report)?.0 == cause, "{report:?}");
            let End::Refused { back_off, .. } = report.end else { unreachable!("refusal() has seen it") };
            ensure!(back_off == Some(60), "{back_off:?}");
            phone.until(&format!("{after:?} after #{cause}"), |state| state.emm == after).await?;
            drop(rig);
        }
        Ok(())
    })
}

#[test]
fn a_ue_that_is_paged_answers_with_a_service_request() -> Result<()> {
    run(async {
        let (mut rig, mut phone) = idle(json!({})).await?;
        for _ in 0..3 {
            rig.mme.order(json!({ "do": "page", "imsi": phone.imsi, "by": "tmsi" })).await?;
            loop {
                // Releases come this way too.
                if phone.asked().await? == Asked::Paged {
                    break;
                }
            }
            ensure!(phone.service(true).await?.is_success());
            let initial = rig.mme.s1ap("InitialUEMessage").await?;
            ensure!(initial["ies"]["RRC-Establishment-Cause"] == "mt-Access", "{initial}");
            phone.idle().await?;
        }
        Ok(())
    })
}

/// §5.6.2.2.2: the MME has lost the UE's GUTI.
#[test]
fn a_ue_that_is_paged_by_imsi_attaches_anew_with_its_imsi() -> Result<()> {
    run(async {
        let (mut rig, mut phone) = idle(json!({})).await?;
        rig.mme.order(json!({ "do": "page", "imsi": phone.imsi, "by": "imsi" })).await?;
        loop {
            if let Asked::Detached { reattach, .. } = phone.asked().await? {
                ensure!(reattach);
                break;
            }
        }
        phone.attached().await?;
        let request = rig.mme.nas("EMMAttachRequest").await?;
        ensure!(request["header"] == 0, "{request}");
        Ok(())
    })
}

/// §5.5.2.3: with re-attach required and without, with a cause and without.
#[test]
fn the_network_detaches() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let mut phone = rig.phone()?;
        for (order, expected) in [
            (json!({ "reattach": true }), Asked::Detached { reattach: true, cause: None }),
            (json!({ "reattach": false }), Asked::Detached { reattach: false, cause: None }),
            (json!({ "reattach": false, "cause": 2 }), Asked::Detached { reattach: false, cause: Some(2) }),
            (json!({ "reattach": false, "cause": 8 }), Asked::Detached { reattach: false, cause: Some(8) }),
        ] {
            phone.attached().await?;
            rig.mme.nas("EMMAttachComplete").await?;
            let mut order = order;
            order["do"] = json!("nas");
            order["imsi"] = json!(phone.imsi);
            order["message"] = json!("detach_request");
            rig.mme.order(order).await?;
            rig.mme.nas("EMMDetachAccept").await?;
            loop {
                match phone.asked().await? {
                    Asked::Released { .. } => {}
                    asked => {
                        ensure!(asked == expected, "{asked:?}, not {expected:?}");
                        break;
                    }
                }
            }
            let state = phone.until("idle", |state| !state.connected).await?;
            ensure!(state.emm == EmmState::Deregistered && state.bearers.is_empty(), "{state:?}");
        }
        Ok(())
    })
}

/// TS 29.272 §5.2.1.2: the ICF cancels the location, the MME detaches the UE, and tells it whether to come again.
#[test]
fn what_the_icf_cancels_is_detached() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "reuse": false })).await?;
        let mut phone = rig.phone()?;
        let core = rig.mme.core.clone();
        phone.attached().await?;
        rig.mme.nas("EMMAttachComplete").await?;
        core.icf.rest_ok("DELETE", &format!("/v1/registrations/{}?reattach=true", phone.imsi), None)?;
        ensure!(phone.asked().await? == Asked::Detached { reattach: true, cause: None });
        phone.until("idle", |state| !state.connected).await?;
        phone.attached().await?;
        rig.mme.nas("EMMAttachComplete").await?;

        // A credential that is blocked has to go, and hears the refusal when it comes again.
        let path = format!("/v1/credentials/{}", phone.imsi);
        core.icf.rest_ok("PATCH", &path, Some(&json!({ "state": "blocked" })))?;
        loop {
            match phone.asked().await? {
                Asked::Released { .. } => {}
                asked => {
                    ensure!(asked == Asked::Detached { reattach: false, cause: None }, "{asked:?}");
                    break;
                }
            }
        }
        phone.until("idle", |state| !state.connected).await?;
        ensure!(refusal(&phone.attach().await?)?.0 == 17);
        Ok(())
    })
}

/// §5.5.2.2.4 c: the first requests are lost at the MME.
#[test]
fn a_detach_is_repeated_until_the_network_answers() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "silent": ["EMMDetachRequestMO"] })).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.nas("EMMAttachComplete").await?;
        let detach = tokio::spawn(async move { (phone.detach(false).await, phone) });
        rig.mme.nas("EMMDetachRequestMO").await?;
        // Genuine and of another count, or it would be taken for a replay.
        rig.mme.nas("EMMDetachRequestMO").await?;
        rig.told("detach: the MME does not answer; it is asked again").await?;
        rig.mme.policy(json!({ "silent": [] })).await?;
        let (report, phone) = detach.await?;
        let report = report?;
        ensure!(report.is_success() && report.took.as_secs() >= 30, "{report:?}");
        rig.mme.nas("EMMDetachRequestMO").await?;
        phone.until("deregistered", |state| state.emm == EmmState::Deregistered).await?;
        Ok(())
    })
}

#[test]
fn a_ue_that_is_switched_off_waits_for_no_answer() -> Result<()> {
    run(async {
        let (mut rig, phone) = idle(json!({})).await?;
        ensure!(phone.detach(true).await?.is_success());
        let request = rig.mme.nas("EMMDetachRequestMO").await?;
        // Switch off, EPS detach (§9.9.3.7).
        ensure!(request["octets"].as_str().is_some_and(|octets| &octets[5..6] == "9"), "{request}");
        ensure!(rig.mme.left("nas", |event| event["way"] == "down") == 0);
        Ok(())
    })
}
