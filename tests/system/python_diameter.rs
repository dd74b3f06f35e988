//! python-diameter as an MME: each S6a command both ways, decoded by its dictionary and held against its grammars.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    aka::Subscriber,
    icf::{Icf, Settings},
    osmo,
    python::{self, Mme},
};
use serde_json::json;

/// Any visited network at all: three octets of TBCD digits, MNC of two digits or of three.
fn random_plmn() -> Result<[u8; 3]> {
    let mut random = [0u8; 6];
    getrandom::fill(&mut random)?;
    let digit = |at: usize| random[at] % 10;
    let third = if random[5] & 0x80 == 0 { 0xf } else { digit(5) };
    Ok([digit(1) << 4 | digit(0), third << 4 | digit(2), digit(4) << 4 | digit(3)])
}

#[test]
fn gets_vectors_that_osmo_auc_gen_gives_too_for_any_visited_plmn() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect(folder.path(), icf.diameter)?;
    mme.wait_ready()?;
    let mut last = 0;
    for _ in 0..20 {
        let plmn = random_plmn()?;
        let answer = mme.ask(&json!({"do": "air", "imsi": subscriber.imsi, "plmn": hex::encode(plmn)}))?;
        ensure!(answer.0["class"] == "AuthenticationInformationAnswer");
        ensure!(answer.result()? == 2001, "{:#}", answer.0);
        ensure!(answer.complaints().is_empty(), "{:?}", answer.complaints());
        ensure!(answer.at(&["Session-Id"])? == &answer.0["session"], "the Session-Id is not echoed");
        let sqn = osmo::verify(&subscriber, &answer.vector()?, plmn)?;
        ensure!(sqn > last, "SQN {sqn:012x} after {last:012x}");
        last = sqn;
    }
    mme.stop()?;
    Ok(())
}

#[test]
fn registers_notifies_and_purges() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect(folder.path(), icf.diameter)?;
    mme.wait_ready()?;
    let order = |what: &str| json!({"do": what, "imsi": subscriber.imsi, "plmn": "99f907"});
    for (what, class) in [("ulr", "UpdateLocationAnswer"), ("nor", "NotifyAnswer"), ("pur", "PurgeUeAnswer")]
    {
        let answer = mme.ask(&order(what))?;
        ensure!(answer.0["class"] == class, "{:#}", answer.0);
        ensure!(answer.result()? == 2001, "{:#}", answer.0);
        ensure!(answer.complaints().is_empty(), "{what}: {:?}", answer.complaints());
        if what == "ulr" {
            // What Open5GS's MME looks for (TS 29.272 §7.3.34, §7.3.35).
            for path in [
                ["Subscription-Data", "AMBR", "Max-Requested-Bandwidth-UL"],
                ["Subscription-Data", "APN-Configuration-Profile", "Context-Identifier"],
                [
                    "Subscription-Data",
                    "APN-Configuration-Profile",
                    "All-APN-Configurations-Included-Indicator",
                ],
            ] {
                answer.at(&path)?;
            }
            let apn = answer.at(&["Subscription-Data", "APN-Configuration-Profile", "APN-Configuration"])?;
            for path in [
                &["Context-Identifier"][..],
                &["PDN-Type"],
                &["Service-Selection"],
                &["EPS-Subscribed-QoS-Profile", "QoS-Class-Identifier"],
                &["EPS-Subscribed-QoS-Profile", "Allocation-Retention-Priority", "Priority-Level"],
            ] {
                python::at(apn, path).with_context(|| format!("no {path:?} in {apn:#}"))?;
            }
        }
    }
    mme.stop()?;
    Ok(())
}

#[test]
fn takes_insert_subscriber_data_and_cancel_location() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect(folder.path(), icf.diameter)?;
    mme.wait_ready()?;
    let answer = mme.ask(&json!({"do": "ulr", "imsi": subscriber.imsi, "plmn": "99f907"}))?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    let credential = format!("/v1/credentials/{}", subscriber.imsi);
    icf.rest_ok("PATCH", &credential, Some(&json!({"msisdn": "999710001"})))?;
    let request = mme.event("request", Duration::from_secs(15))?;
    ensure!(request["class"] == "InsertSubscriberDataRequest", "{request:#}");
    ensure!(python::complaints(&request).is_empty(), "{:?}", python::complaints(&request));
    ensure!(python::at(&request["avps"], &["User-Name"]) == Some(&json!(subscriber.imsi)));
    let registration = format!("/v1/registrations/{}", subscriber.imsi);
    icf.rest_ok("DELETE", &format!("{registration}?reattach=true"), None)?;
    let request = mme.event("request", Duration::from_secs(15))?;
    ensure!(request["class"] == "CancelLocationRequest", "{request:#}");
    ensure!(python::complaints(&request).is_empty(), "{:?}", python::complaints(&request));
    // SUBSCRIPTION_WITHDRAWAL (TS 29.272 §7.3.24): the device is to leave, and to attach again.
    ensure!(python::at(&request["avps"], &["Cancellation-Type"]) == Some(&json!(2)), "{request:#}");
    ensure!(icf.rest("GET", &registration, None)?.status == 404);
    mme.stop()?;
    Ok(())
}

#[test]
fn repairs_a_usim_that_is_ahead() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect(folder.path(), icf.diameter)?;
    mme.wait_ready()?;
    let mut order = json!({"do": "air", "imsi": subscriber.imsi, "plmn": "99f907"});
    let first = mme.ask(&order)?.vector()?;
    let sqn_ms = osmo::verify(&subscriber, &first, [0x99, 0xf9, 0x07])? + (1 << 20);
    let auts = subscriber.auts(&first, sqn_ms)?;
    ensure!(osmo::sqn_ms(&subscriber, &first.rand, &auts)? == sqn_ms);
    order["resync"] = json!(hex::encode(first.resync(&auts)));
    let answer = mme.ask(&order)?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    let sqn = osmo::verify(&subscriber, &answer.vector()?, [0x99, 0xf9, 0x07])?;
    ensure!(sqn >> 5 > sqn_ms >> 5, "SEQ of {sqn:012x} is not above that of {sqn_ms:012x}");
    mme.stop()?;
    Ok(())
}

#[test]
fn that_is_not_listed_is_not_let_in() -> Result<()> {
    let settings = Settings { peers: vec!["another.localdomain".into()], ..Settings::default() };
    let icf = Icf::with(&settings, &[Subscriber::random(1)?])?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect(folder.path(), icf.diameter)?;
    mme.wait_for("CER rejected with 3010")
}
