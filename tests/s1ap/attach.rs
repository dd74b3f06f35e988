//! Attach, TS 24.301 §5.5.1, up to the default bearer on both sides.

use anyhow::{Result, bail, ensure};
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

/// TS 24.301 §7.7.1, table 9.9.4.3.1, TS 24.008 §10.5.6.3: what cores of others really send, and what a device takes.
#[test]
fn an_accept_with_harmless_oddities_is_an_attach() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        const BEARER: &str = "0d0c70726f766973696f6e696e6705010a2d8001";
        for container in [
            format!("5201c10509000000 00{BEARER}"),
            format!("5201c109090000000000000000{BEARER}"),
            format!("5201c10109{BEARER}270480000a00"),
            format!("5201c10109{BEARER}270480000d00"),
            format!("5201c10109{BEARER}270480001000"),
            format!("5201c10109{BEARER}270680ff0002aabb"),
            "5201c101090d0c70726f766973696f6e696e6705f10a2d8001".to_owned(),
            "5201c101090a096d795f737461746963 05010a2d8001".to_owned(),
            format!("5201c10109{BEARER}5e06000000000000"),
            format!("5201c10109{BEARER}7204010203047203ff"),
        ] {
            let container = container.replace(' ', "");
            rig.mme.policy(json!({ "accept": { "container": container } })).await?;
            let phone = rig.phone()?;
            let report = phone.attached().await?;
            let End::Attached { bearer } = report.end else { unreachable!("attached() has seen it") };
            ensure!(bearer.address == Some([10, 45, 128, 1].into()), "{container}: {bearer:?}");
            ensure!(bearer.qci == Some(9), "{container}: {bearer:?}");
            rig.mme.nas("EMMAttachComplete").await?;
            phone.detach(true).await?;
            rig.mme.forget_events();
        }
        Ok(())
    })
}

/// §7.3, §7.4, §7.5: an accept without a usable default bearer is no attach, and the network is told why.
#[test]
fn an_accept_without_a_usable_bearer_is_refused_with_its_cause() -> Result<()> {
    run(async {
        let mut rig = Rig::new(json!({})).await?;
        let reject = "ESMActDefaultEPSBearerCtxtReject";
        for (container, name, cause) in [
            ("5201c1", reject, 96),
            ("5201c10109", reject, 96),
            ("0201c10109040474657374050a2d0001", reject, 43),
            ("5209c10109040474657374050a2d0001", reject, 47),
            ("0201d9", "ESMStatus", 98),
            ("5201ff", "ESMStatus", 97),
        ] {
            rig.mme.policy(json!({ "accept": { "container": container } })).await?;
            let phone = rig.phone()?;
            let report = phone.attach().await?;
            let End::BearerRefused { esm_cause, .. } = &report.end else { bail!("{container}: {report:?}") };
            ensure!(*esm_cause == Some(cause), "{container}: {report:?}");
            let answer = rig.mme.nas(name).await?;
            ensure!(answer["cause"] == cause && answer["mac"] == true, "{container}: {answer}");
            ensure!(rig.mme.left("nas", |event| event["name"] == "EMMAttachComplete") == 0);
            phone.until("idle", |state| !state.connected).await?;
            rig.mme.forget_events();
        }
        // Of EMM: its status, and the UE goes on waiting.
        for container in ["", "ff"] {
            rig.mme.policy(json!({ "accept": { "container": container } })).await?;
            let phone = rig.phone()?;
            let attach = tokio::spawn(async move { (phone.attach().await, phone) });
            let answer = rig.mme.nas("EMMStatus").await?;
            ensure!(answer["cause"] == 96 && answer["mac"] == true, "{container}: {answer}");
            attach.abort();
        }
        Ok(())
    })
}
