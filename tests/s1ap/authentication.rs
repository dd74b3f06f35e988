//! Authentication, TS 24.301 §5.4.2, with vectors of the ICF.

use anyhow::{Result, ensure};
use harness::aka::Subscriber;
use serde_json::{Value, json};
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
        rig.mme.policy(vector(&subscriber, "0000", "000000000020")).await?;
        let phone = rig.phone_of(&subscriber, UeOptions::default())?;
        let report = phone.attach().await?;
        ensure!(report.network_refused == Some(26), "{report:?}");
        ensure!(rig.mme.nas("EMMAuthenticationFailure").await?["cause"] == 26);
        // The network has said AUTHENTICATION REJECT, which nothing protects: the area is left alone (§5.4.2.5).
        phone.until("idle", |state| !state.connected).await?;
        ensure!(phone.attach().await.is_err_and(|error| error.to_string().contains("AUTHENTICATION REJECT")));
        ensure!(phone.detach(true).await?.is_success());
        // The number counts as not seen: with the bit it is accepted.
        rig.mme.policy(vector(&subscriber, "8000", "000000000020")).await?;
        let report = phone.attached().await?;
        ensure!(report.network_refused.is_none() && !report.resynchronised, "{report:?}");
        Ok(())
    })
}

/// A vector of the MME's own.
fn vector(subscriber: &Subscriber, amf: &str, sqn: &str) -> Value {
    json!({ "vector": { "k": hex::encode(subscriber.k), "opc": hex::encode(subscriber.opc), "sqn": sqn, "amf": amf } })
}

/// The UE has let go by itself, and does not use the cell until it is switched off (§5.4.2.7 f).
async fn has_let_go(rig: &mut Rig, phone: &Phone) -> Result<()> {
    let request = rig.mme.s1ap("UEContextReleaseRequest").await?;
    let cause = &request["ies"]["Cause"];
    ensure!(cause == &json!(["radioNetwork", "radio-connection-with-ue-lost"]), "{request}");
    phone.until("idle", |state| !state.connected).await?;
    let refused = phone.attach().await;
    ensure!(refused.as_ref().is_err_and(|error| error.to_string().contains("barred")), "{refused:?}");
    ensure!(phone.detach(true).await?.is_success());
    Ok(())
}

/// §5.4.2.7 c, e: the MME does not come back to a refusal within T3418 (20 s) or T3420 (15 s).
#[test]
fn a_network_that_does_not_come_back_to_a_refusal_is_not_genuine() -> Result<()> {
    run(async {
        for (another_key, timer) in [(true, 20), (false, 15)] {
            let mut rig = Rig::new(json!({ "silent": ["EMMAuthenticationFailure"] })).await?;
            let subscriber = rig.mme.core.subscriber()?;
            let mut vectors = subscriber.clone();
            vectors.k[0] ^= u8::from(another_key);
            // SEQ 0 is fresh to nobody.
            rig.mme.policy(vector(&vectors, "8000", "000000000000")).await?;
            let phone = rig.phone_of(&subscriber, UeOptions::default())?;
            let report = phone.attach().await?;
            ensure!(report.end == End::NetworkNotGenuine, "{report:?}");
            let took = report.took.as_secs();
            ensure!((timer..timer + 3).contains(&took), "after {took} s, not {timer}");
            rig.told("the network is not genuine").await?;
            has_let_go(&mut rig, &phone).await?;
            rig.mme.policy(json!({ "vector": null, "silent": [] })).await?;
            phone.attached().await?;
        }
        Ok(())
    })
}

/// §5.4.2.7 c, d, e: #20, #26 and #21, one after another; but two, and then a genuine challenge, are forgiven.
#[test]
fn a_network_that_fails_three_times_in_a_row_is_not_genuine() -> Result<()> {
    run(async {
        for third_is_genuine in [true, false] {
            let mut rig = Rig::new(json!({ "silent": ["EMMAuthenticationFailure"] })).await?;
            let subscriber = rig.mme.core.subscriber()?;
            let mut other = subscriber.clone();
            other.k[0] ^= 1;
            rig.mme.policy(vector(&other, "8000", "000000000020")).await?;
            let phone = rig.phone_of(&subscriber, UeOptions::default())?;
            let imsi = phone.imsi.clone();
            let attach = tokio::spawn(async move { (phone.attach().await, phone) });
            ensure!(rig.mme.nas("EMMAuthenticationFailure").await?["cause"] == 20);
            rig.mme.policy(vector(&subscriber, "0000", "000000000020")).await?;
            rig.mme.order(json!({ "do": "authenticate", "imsi": imsi })).await?;
            ensure!(rig.mme.nas("EMMAuthenticationFailure").await?["cause"] == 26);
            let sqn = if third_is_genuine { "000000000020" } else { "000000000000" };
            rig.mme.policy(vector(&subscriber, "8000", sqn)).await?;
            rig.mme.order(json!({ "do": "authenticate", "imsi": imsi })).await?;
            let (report, phone) = attach.await?;
            let report = report?;
            if third_is_genuine {
                ensure!(report.is_success(), "{report:?}");
                continue;
            }
            ensure!(rig.mme.nas("EMMAuthenticationFailure").await?["cause"] == 21);
            ensure!(report.end == End::NetworkNotGenuine, "{report:?}");
            has_let_go(&mut rig, &phone).await?;
        }
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
        ahead.accept(Sqn::new(1 << 27, 0)).map_err(|why| anyhow::anyhow!("{why:?}"))?;
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
