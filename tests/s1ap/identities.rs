//! Who the UE is: identity requests (TS 24.301 §5.4.4) and GUTIs (§5.4.1, §5.5.1.2).

use anyhow::{Result, ensure};
use serde_json::json;
use ue_sim::access::s1ap::Asked;

use crate::rig::{Rig, run};

#[test]
fn imsi_imei_and_imeisv_are_told_to_who_has_the_keys() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        let imei = format!("00101001{}", &phone.imsi[9..]);
        for (kind, digits) in [(1, phone.imsi.clone()), (2, imei.clone()), (3, format!("{imei}01"))] {
            let order =
                json!({ "do": "nas", "imsi": phone.imsi, "message": "identity_request", "type": kind });
            rig.mme.order(order).await?;
            let told = rig.mme.event("identity", |_| true).await?;
            let text = told["digits"].as_str().unwrap_or_default();
            // The check digit of an IMEI is not transmitted: its place is spare (TS 24.008 §10.5.1.4).
            ensure!(told["type"] == kind && text.starts_with(&digits), "{told}, not {digits}");
            ensure!(text.len() == digits.len() + usize::from(kind == 2), "{told}");
        }
        Ok(())
    })
}

/// A UE that has GUTI and keys proves who it is by its first message, and KeNB comes from that one's count.
#[test]
fn a_known_guti_attaches_without_authentication() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        phone.detach(false).await?;
        phone.until("idle", |state| !state.connected).await?;
        rig.mme.forget_events();
        rig.told("KeNB of MME and UE agree").await?;
        let report = phone.attached().await?;
        ensure!(report.algorithms.is_none(), "{report:?}");
        let request = rig.mme.nas("EMMAttachRequest").await?;
        ensure!(request["header"] == 1 && request["mac"] == true, "{request}");
        // The eNB says by what the UE is known, so that the MME of the GUTI is found (TS 36.413 §8.6.2.1).
        let initial = rig.mme.s1ap("InitialUEMessage").await?;
        ensure!(initial["ies"]["S-TMSI"].is_object() && initial["ies"]["GUMMEI"].is_object(), "{initial}");
        rig.told("KeNB of MME and UE agree").await?;
        ensure!(
            rig.mme.left("s6a", |event| event["do"] == "air" && event["imsi"] == phone.imsi.as_str()) == 0
        );
        Ok(())
    })
}

#[test]
fn an_unknown_guti_is_asked_for_its_imsi_and_authenticated() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        phone.detach(false).await?;
        phone.until("idle", |state| !state.connected).await?;
        rig.mme.order(json!({ "do": "forget", "imsi": phone.imsi })).await?;
        let report = phone.attached().await?;
        ensure!(report.algorithms.is_some(), "{report:?}");
        let told = rig.mme.event("identity", |_| true).await?;
        ensure!(told["digits"] == phone.imsi, "{told}");
        Ok(())
    })
}

/// §5.4.1: from then on the UE is paged by the new one.
#[test]
fn a_new_guti_is_confirmed_and_paged_by() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let mut phone = rig.phone()?;
        phone.attached().await?;
        let before = phone.state().s_tmsi;
        rig.mme.order(json!({ "do": "nas", "imsi": phone.imsi, "message": "guti_reallocation" })).await?;
        rig.mme.nas("EMMGUTIReallocComplete").await?;
        rig.told("a new GUTI").await?;
        phone.until("known by another S-TMSI", |state| state.s_tmsi != before).await?;
        phone.idle().await?;
        rig.mme.order(json!({ "do": "page", "imsi": phone.imsi, "by": "tmsi" })).await?;
        ensure!(phone.asked().await? == Asked::Paged);
        Ok(())
    })
}

/// TS 24.301 §4.4.3.1: the eight bits that are sent of a NAS COUNT run over, on both ways; the rest is counted.
#[test]
fn the_count_goes_on_when_its_sequence_number_begins_anew() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "eea": 2, "eia": 2 })).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        let order = json!({ "do": "nas", "imsi": phone.imsi, "message": "identity_request", "type": 1 });
        let mut last = 0;
        for _ in 0..270 {
            rig.mme.order(order.clone()).await?;
            let response = rig.mme.nas("EMMIdentityResponse").await?;
            last = response["count"].as_u64().unwrap_or(0);
            rig.mme.forget_events();
        }
        ensure!(last > 256, "{last}");
        // A service request carries five bits of it alone.
        phone.idle().await?;
        ensure!(phone.service(false).await?.is_success());
        Ok(())
    })
}
