//! The interface itself, TS 36.413 §8.7: set up, reset, overloaded, in error, restarted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::mme::{Core, Mme};
use serde_json::json;
use ue_sim::{
    access::s1ap::{Enb, EnbConfig, Events, NoUserPlane, S1Error},
    nas::EmmState,
};

use crate::rig::{Phone, Rig, run};

/// Two UEs that are registered and connected.
async fn two() -> Result<(Rig, Phone, Phone)> {
    let rig = Rig::new(json!({})).await?;
    let (a, b) = (rig.phone()?, rig.phone()?);
    a.attached().await?;
    b.attached().await?;
    Ok((rig, a, b))
}

#[test]
fn a_reset_of_everything_leaves_the_ues_registered_and_idle() -> Result<()> {
    run(async {
        let (mut rig, a, b) = two().await?;
        rig.mme.order(json!({ "do": "reset" })).await?;
        rig.mme.s1ap("ResetAcknowledge").await?;
        for phone in [&a, &b] {
            let state = phone.until("idle", |state| !state.connected).await?;
            ensure!(state.emm == EmmState::Registered, "{state:?}");
            ensure!(phone.service(false).await?.is_success());
        }
        Ok(())
    })
}

/// §8.7.1.2.1: the acknowledgement names the connections of the request, in its order.
#[test]
fn a_reset_of_one_connection_leaves_the_others() -> Result<()> {
    run(async {
        let (mut rig, a, b) = two().await?;
        rig.mme.order(json!({ "do": "reset", "imsi": a.imsi })).await?;
        let acknowledged = rig.mme.s1ap("ResetAcknowledge").await?;
        ensure!(acknowledged.to_string().contains("mME-UE-S1AP-ID"), "{acknowledged}");
        a.until("idle", |state| !state.connected).await?;
        ensure!(b.state().connected);
        rig.mme
            .order(json!({ "do": "nas", "imsi": b.imsi, "message": "identity_request", "type": 1 }))
            .await?;
        rig.mme.nas("EMMIdentityResponse").await?;
        ensure!(a.service(false).await?.is_success());
        Ok(())
    })
}

#[test]
fn the_enb_resets_and_its_ues_go_on() -> Result<()> {
    run(async {
        let (mut rig, a, _b) = two().await?;
        rig.enb.reset().await?;
        ensure!(rig.mme.s1ap("Reset").await?["stream"] == 0);
        a.until("idle", |state| !state.connected).await?;
        ensure!(a.service(false).await?.is_success());
        Ok(())
    })
}

#[test]
fn an_error_indication_about_a_ue_ends_its_connection_and_no_other() -> Result<()> {
    run(async {
        let (mut rig, a, b) = two().await?;
        rig.mme.order(json!({ "do": "error_indication" })).await?;
        rig.told("ERROR INDICATION of the MME: protocol").await?;
        ensure!(a.state().connected && b.state().connected);
        rig.mme.order(json!({ "do": "error_indication", "imsi": a.imsi })).await?;
        a.until("idle", |state| !state.connected).await?;
        ensure!(b.state().connected && a.service(false).await?.is_success());
        Ok(())
    })
}

#[test]
fn an_overloaded_mme_is_left_alone_until_it_says_otherwise() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        rig.mme.order(json!({ "do": "overload", "start": true })).await?;
        rig.told("the MME is overloaded").await?;
        let refused = phone.attach().await;
        ensure!(refused.is_err_and(|error| error.to_string().contains("OVERLOAD START")));
        ensure!(rig.mme.left("s1ap", |event| event["name"] == "InitialUEMessage") == 0);
        rig.mme.order(json!({ "do": "overload", "start": false })).await?;
        rig.told("not overloaded any more").await?;
        phone.attached().await?;
        Ok(())
    })
}

async fn connect(mme: &Mme) -> Result<std::result::Result<Enb, S1Error>> {
    let plmn = "999-70".parse().map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let config = EnbConfig::new(mme.at, plmn);
    Ok(Enb::connect(config, Arc::new(NoUserPlane::default()), Events::default()).await)
}

/// §8.7.3.3, §8.7.3.4: with TimeToWait the eNB comes again, after it.
#[test]
fn a_refused_setup_is_tried_again_when_the_mme_says_when() -> Result<()> {
    run(async {
        let core = Core::shared()?;
        let begun = Instant::now();
        let mut mme = Mme::listen(&core, json!({ "setups": ["v1s"] })).await?;
        let enb = connect(&mme).await??;
        ensure!(begun.elapsed() >= Duration::from_secs(1));
        mme.s1ap("S1SetupRequest").await?;
        mme.s1ap("S1SetupRequest").await?;
        enb.shutdown().await;

        let mut mme = Mme::listen(&core, json!({ "setups": [null] })).await?;
        let refused = connect(&mme).await?;
        ensure!(
            matches!(&refused, Err(S1Error::Refused(cause)) if cause.contains("unspecified")),
            "{refused:?}"
        );
        mme.s1ap("S1SetupRequest").await?;
        ensure!(mme.left("s1ap", |event| event["name"] == "S1SetupRequest") == 0);
        Ok(())
    })
}

#[test]
fn a_configuration_update_is_acknowledged() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        rig.mme.order(json!({ "do": "configuration_update" })).await?;
        let answer = rig.mme.s1ap("MMEConfigurationUpdateAcknowledge").await?;
        ensure!(answer["stream"] == 0, "{answer}");
        Ok(())
    })
}

/// §8.7.1, TS 23.007: the MME is gone and comes again, with what it knew or without.
#[test]
fn an_mme_that_restarts_is_connected_to_anew_and_the_ues_go_on() -> Result<()> {
    run(async {
        for forget in [false, true] {
            let mut rig = Rig::new(json!({})).await?;
            let phone = rig.phone()?;
            phone.attached().await?;
            rig.mme.forget_events();
            rig.mme.order(json!({ "do": "restart", "forget": forget })).await?;
            rig.told("the association with the MME is lost").await?;
            rig.mme.s1ap("S1SetupRequest").await?;
            rig.enb.up().await;
            phone.until("idle", |state| !state.connected).await?;
            let report = phone.service(false).await?;
            ensure!(report.is_success() != forget, "{report:?}");
            if forget {
                phone.until("idle", |state| !state.connected).await?;
                phone.attached().await?;
            }
        }
        Ok(())
    })
}
