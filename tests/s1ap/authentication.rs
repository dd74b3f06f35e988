//! Authentication, TS 24.301 §5.4.2, with vectors of the ICF.

use anyhow::{Result, ensure};
use serde_json::json;
use ue_sim::{
    access::s1ap::{End, S1Ue},
    nas::UeOptions,
    usim::{Sqn, SqnArray},
};

use crate::rig::{Phone, Rig, device, run};

/// §5.4.2.6 c: the network has another K.
#[test]
fn a_network_with_another_key_gets_a_mac_failure() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let mut subscriber = rig.mme.core.subscriber()?;
        subscriber.k[0] ^= 1;
        let phone = rig.phone_of(&subscriber, UeOptions::default())?;
        let report = phone.attach().await?;
        ensure!(report.network_refused == Some(20), "{report:?}");
        ensure!(report.end == End::AuthenticationRejected, "{report:?}");
        ensure!(rig.mme.nas("EMMAuthenticationFailure").await?["cause"] == 20);
        rig.told("EMM cause #20, MAC failure").await?;
        Ok(())
    })
}

/// §5.4.2.6 d, TS 33.401 §6.1.1: AUTN says that the vector is not for E-UTRAN.
#[test]
fn a_vector_without_the_separation_bit_is_refused() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let subscriber = rig.mme.core.subscriber()?;
        let vector = |amf: &str, sqn: &str| {
            json!({ "vector": { "k": hex::encode(subscriber.k), "opc": hex::encode(subscriber.opc), "sqn": sqn,
                "amf": amf } })
        };
        rig.mme.policy(vector("0000", "000000000020")).await?;
        let phone = rig.phone_of(&subscriber, UeOptions::default())?;
        let report = phone.attach().await?;
        ensure!(report.network_refused == Some(26), "{report:?}");
        ensure!(rig.mme.nas("EMMAuthenticationFailure").await?["cause"] == 26);
        // The number counts as not seen: with the bit it is accepted.
        rig.mme.policy(vector("8000", "000000000020")).await?;
        let report = phone.attached().await?;
        ensure!(report.network_refused.is_none() && !report.resynchronised, "{report:?}");
        Ok(())
    })
}

/// §5.4.2.6 e: AUTS goes to the ICF, which goes on from the USIM's number.
#[test]
fn a_synchronisation_failure_is_repaired_by_the_icf() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let subscriber = rig.mme.core.subscriber()?;
        let mut ahead = SqnArray::default().with_delta(1 << 30);
        ahead.accept(Sqn::new(1 << 20, 0)).map_err(|why| anyhow::anyhow!("{why:?}"))?;
        let device = device(&subscriber)?.with_sqn(ahead);
        let phone = Phone::switch_on(S1Ue::new(&rig.enb, device, UeOptions::default()));
        let report = phone.attached().await?;
        ensure!(report.resynchronised, "{report:?}");
        ensure!(rig.mme.nas("EMMAuthenticationFailure").await?["cause"] == 21);
        rig.mme.event("compared", |event| event["res"] == true).await?;
        let imsi = subscriber.imsi;
        let airs = rig.mme.left("s6a", |event| event["do"] == "air" && event["imsi"] == imsi.as_str());
        ensure!(airs == 2, "{airs} AIRs");
        Ok(())
    })
}

/// §5.4.2.5.
#[test]
fn a_res_that_the_network_does_not_accept_ends_the_attach() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "wrong_xres": true })).await?;
        let phone = rig.phone()?;
        let report = phone.attach().await?;
        ensure!(report.end == End::AuthenticationRejected, "{report:?}");
        rig.mme.event("compared", |event| event["res"] == false).await?;
        ensure!(!phone.state().connected || phone.until("released", |state| !state.connected).await.is_ok());
        Ok(())
    })
}

/// §5.4.2.3: the answer was lost, and the network asks again with the same RAND: the ME has the RES still, and the USIM
/// is not asked, for which the number would not be fresh any more.
#[test]
fn the_same_challenge_again_gets_the_same_answer() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "silent": ["EMMAuthenticationResponse"] })).await?;
        let phone = rig.phone()?;
        let imsi = phone.imsi.clone();
        let attach = tokio::spawn(async move { (phone.attach().await, phone) });
        let first = rig.mme.nas("EMMAuthenticationResponse").await?;
        rig.mme.policy(json!({ "silent": [] })).await?;
        rig.mme
            .order(
                json!({ "do": "nas", "imsi": imsi, "message": "authentication_request", "protect": "plain" }),
            )
            .await?;
        let second = rig.mme.nas("EMMAuthenticationResponse").await?;
        ensure!(first["octets"] == second["octets"], "{first} {second}");
        let (report, _phone) = attach.await?;
        let report = report?;
        ensure!(report.is_success() && !report.resynchronised, "{report:?}");
        Ok(())
    })
}

/// The network may ask again in the middle (§5.4.2.1), and change keys and algorithms under the UE (§5.4.3.1).
#[test]
fn keys_are_changed_while_the_ue_is_registered() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.nas("EMMSecurityModeComplete").await?;
        for (eea, eia) in [(1, 1), (3, 3), (0, 2)] {
            rig.mme.policy(json!({ "eea": eea, "eia": eia })).await?;
            rig.mme.order(json!({ "do": "authenticate", "imsi": phone.imsi, "protect": 2 })).await?;
            let complete = rig.mme.nas("EMMSecurityModeComplete").await?;
            ensure!(complete["count"] == 0, "a new KASME begins at NAS COUNT 0: {complete}");
            rig.told(&format!("NAS security: EEA{eea}, EIA{eia}")).await?;
            rig.mme
                .order(json!({ "do": "nas", "imsi": phone.imsi, "message": "identity_request", "type": 2 }))
                .await?;
            rig.mme.nas("EMMIdentityResponse").await?;
        }
        Ok(())
    })
}
