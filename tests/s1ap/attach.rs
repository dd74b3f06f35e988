//! Attach, TS 24.301 §5.5.1, up to the default bearer on both sides.

use anyhow::{Result, ensure};
use serde_json::json;
use ue_sim::{
    access::s1ap::End,
    nas::{Capabilities, EmmState, UeOptions},
};

use crate::rig::{Rig, run};

/// TS 33.401 §5.1.3, §5.1.4: EEA0 to EEA3 with EIA1 to EIA3, whatever the MME chooses.
#[test]
fn attaches_with_every_algorithm_that_the_mme_chooses() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "reuse": false })).await?;
        let phone = rig.phone()?;
        for eea in 0..=3 {
            for eia in 1..=3 {
                rig.mme.policy(json!({ "eea": eea, "eia": eia })).await?;
                let report = phone.attached().await?;
                ensure!(report.algorithms == Some((eea, eia)), "{:?}", report.algorithms);
                rig.mme.nas("EMMSecurityModeComplete").await?;
                rig.mme.nas("EMMAttachComplete").await?;
                rig.mme.event("compared", |event| event["res"] == true).await?;
                // The key of the radio interface: MME and UE have derived it alike (TS 33.401 annex A.3).
                rig.told("KeNB of MME and UE agree").await?;
                let report = phone.detach(false).await?;
                ensure!(report.is_success(), "{report:?}");
                rig.mme.nas("EMMDetachRequestMO").await?;
                phone.until("idle", |state| !state.connected).await?;
            }
        }
        Ok(())
    })
}

#[test]
fn the_bearer_is_what_the_network_has_said() -> Result<()> {
    run(async {
        let mut rig =
            Rig::new(json!({ "accept": { "address": "10.45.7.8", "apn": "internet.mnc070" } })).await?;
        let subscriber = rig.mme.core.subscriber()?;
        let options = UeOptions { apn: Some("internet".into()), ..UeOptions::default() };
        let phone = rig.phone_of(&subscriber, options)?;
        let report = phone.attached().await?;
        let End::Attached { bearer } = report.end else { unreachable!("attached() has seen it") };
        ensure!(bearer.address == Some([10, 45, 7, 8].into()), "{bearer:?}");
        ensure!(bearer.apn == "internet.mnc070" && bearer.ebi == 5 && bearer.qci == Some(9), "{bearer:?}");
        ensure!(
            bearer.dns == [std::net::Ipv4Addr::new(10, 45, 0, 1)] && bearer.mtu == Some(1400),
            "{bearer:?}"
        );
        // The APN is asked for ciphered, after security is there (§6.6.1.2).
        let asked = rig.mme.event("information", |_| true).await?;
        ensure!(asked["apn"] == "internet", "{asked}");
        // The HSS has been told where the UE is.
        let imsi = phone.imsi.clone();
        let ulr = rig.mme.event("s6a", |event| event["do"] == "ulr" && event["imsi"] == imsi).await?;
        ensure!(ulr["result"] == 2001, "{ulr}");
        Ok(())
    })
}

/// TS 36.412 §7: stream 0 for what concerns no UE, another for what does; PPID 18.
#[test]
fn messages_go_by_their_streams() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        ensure!(rig.mme.s1ap("S1SetupRequest").await?["stream"] == 0);
        for _ in 0..3 {
            let phone = rig.phone()?;
            phone.attached().await?;
            let initial = rig.mme.s1ap("InitialUEMessage").await?;
            let stream = initial["stream"].as_u64().unwrap_or(0);
            ensure!(stream > 0, "{initial}");
            // All of one UE on one stream: there they stay in order.
            for name in ["UplinkNASTransport", "InitialContextSetupResponse"] {
                let message = rig.mme.s1ap(name).await?;
                ensure!(message["stream"] == stream, "{message}");
            }
            rig.mme.nas("EMMAttachComplete").await?;
            rig.mme.forget_events();
        }
        Ok(())
    })
}

#[test]
fn what_the_ue_says_it_can_is_what_it_can() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "eea": 1, "eia": 2 })).await?;
        let subscriber = rig.mme.core.subscriber()?;
        let capabilities = Capabilities { ciphering: 0xa0, integrity: 0x20 };
        let phone = rig.phone_of(&subscriber, UeOptions { capabilities, ..UeOptions::default() })?;
        let report = phone.attach().await?;
        ensure!(!report.is_success() && phone.state().emm != EmmState::Registered, "{report:?}");
        // EEA1, and it has EEA0 and EEA2.
        let reject = rig.mme.nas("EMMSecurityModeReject").await?;
        ensure!(reject["cause"] == 24 || reject["cause"] == 23, "{reject}");
        rig.mme.policy(json!({ "eea": 2 })).await?;
        phone.attached().await?;
        Ok(())
    })
}

#[test]
fn keys_that_differ_are_seen_by_the_enb() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({ "wrong_kenb": true })).await?;
        let phone = rig.phone()?;
        let report = phone.attach().await?;
        ensure!(report.end == End::KeysDiffer, "{report:?}");
        rig.mme.s1ap("InitialContextSetupFailure").await?;
        Ok(())
    })
}

/// An accept without a usable default bearer is no attach (§5.5.1.2.6 c).
#[test]
fn an_accept_without_a_bearer_is_no_attach() -> Result<()> {
    run(async {
        for container in ["0201d9", "", "ff", "5201c1", "5201c10109", "0201c10109040474657374050a2d0001"] {
            let mut rig = Rig::new(json!({ "accept": { "container": container } })).await?;
            let phone = rig.phone()?;
            let attach = tokio::spawn(async move { (phone.attach().await, phone) });
            rig.told("not acted upon").await?;
            ensure!(rig.mme.left("nas", |event| event["name"] == "EMMAttachComplete") == 0);
            attach.abort();
        }
        Ok(())
    })
}
