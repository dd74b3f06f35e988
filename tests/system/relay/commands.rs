//! Every command through the relay, between programs of others: python-diameter is MME and HSS, freeDiameter stands
//! between them, or is the HSS.

use anyhow::{Context, Result, ensure};
use harness::{
    child::tail,
    free_diameter::{FreeDiameter, NAME, Security, received},
    icf::{HOST, Icf, MME},
    pki::Authority,
    ports,
    python::{self, Mme},
    wire::{Outcome, flag},
};
use serde_json::{Value, json};

use super::{HSS, ORDINARY, OTHER, SOON, decoded, icf, settings, texts};
use crate::PLMN;

/// What python-diameter has been asked, if it is `class` and it has nothing to say against it.
fn asked(of: &mut Mme, class: &str, told: &[(&str, &str)]) -> Result<Value> {
    let seen = of.event("request", SOON)?;
    ensure!(seen["class"] == class, "{seen:#}");
    ensure!(python::complaints(&seen).is_empty(), "{class}: {:?}", python::complaints(&seen));
    ensure!(seen["proxyable"] == true && seen["retransmitted"] == false, "{seen:#}");
    for (name, value) in told {
        ensure!(decoded(&seen, name) == *value, "{class}, {name}: {seen:#}");
    }
    Ok(seen)
}

/// The answer to an order, if python-diameter has nothing to say against it, and it is of `host`.
fn answered(of: &mut Mme, order: &Value, class: &str, host: &str) -> Result<python::Answer> {
    let answer = of.ask(order)?;
    ensure!(answer.0["class"] == class, "{:#}", answer.0);
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    ensure!(answer.complaints().is_empty(), "{class}: {:?}", answer.complaints());
    ensure!(answer.at(&["Session-Id"])? == &answer.0["session"], "the Session-Id is another");
    ensure!(decoded(&answer.0, "Origin-Host") == host, "{:#}", answer.0);
    Ok(answer)
}

/// MME and HSS at an ICF.
fn both(icf: &Icf) -> Result<(Mme, Mme, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let mut hss = Mme::connect_as(folder.path(), icf.diameter, HSS)?;
    let mut mme = Mme::connect(folder.path(), icf.diameter)?;
    hss.wait_ready()?;
    mme.wait_ready()?;
    Ok((mme, hss, folder))
}

#[test]
fn air_ulr_pur_and_nor_of_an_mme_are_answered_by_the_hss() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let (mut mme, mut hss, _folder) = both(&icf)?;
    for (order, request, answer) in [
        ("air", "AuthenticationInformationRequest", "AuthenticationInformationAnswer"),
        ("ulr", "UpdateLocationRequest", "UpdateLocationAnswer"),
        ("nor", "NotifyRequest", "NotifyAnswer"),
        ("pur", "PurgeUeRequest", "PurgeUeAnswer"),
    ] {
        let order = json!({"do": order, "imsi": ORDINARY, "plmn": hex::encode(PLMN)});
        let answer = answered(&mut mme, &order, answer, HSS)?;
        if request.starts_with("Auth") {
            let vector = answer.vector()?;
            ensure!(vector.kasme == [b'K'; 32] && vector.rand == [b'R'; 16], "{vector:?}");
        }
        let session = answer.0["session"].as_str().context("no session")?.to_owned();
        let told = [
            ("Session-Id", session.as_str()),
            ("User-Name", ORDINARY),
            ("Origin-Host", MME),
            ("Destination-Host", HSS),
            ("Destination-Realm", "localdomain"),
            ("Route-Record", MME),
        ];
        asked(&mut hss, request, &told)?;
    }
    mme.stop()?;
    hss.stop()?;
    Ok(())
}

#[test]
fn clr_idr_dsr_and_rsr_of_the_hss_are_answered_by_the_mme_that_they_name() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let (mut mme, mut hss, _folder) = both(&icf)?;
    for (order, request, answer) in [
        ("clr", "CancelLocationRequest", "CancelLocationAnswer"),
        ("idr", "InsertSubscriberDataRequest", "InsertSubscriberDataAnswer"),
        ("dsr", "DeleteSubscriberDataRequest", "DeleteSubscriberDataAnswer"),
        ("rsr", "ResetRequest", "ResetAnswer"),
    ] {
        let order =
            json!({"do": order, "imsi": ORDINARY, "to": MME, "user_ids": ["99971"], "reset_ids": ["c0ffee"]});
        let answer = answered(&mut hss, &order, answer, MME)?;
        let session = answer.0["session"].as_str().context("no session")?.to_owned();
        let told = [
            ("Session-Id", session.as_str()),
            ("Origin-Host", HSS),
            ("Destination-Host", MME),
            ("Destination-Realm", "localdomain"),
            ("Route-Record", HSS),
        ];
        let seen = asked(&mut mme, request, &told)?;
        match request {
            // TS 29.272 §7.2.15: no subscriber, but leading digits and Reset-IDs.
            "ResetRequest" => {
                ensure!(python::at(&seen["avps"], &["User-Name"]).is_none(), "{seen:#}");
                ensure!(python::at(&seen["avps"], &["User-Id"]) == Some(&json!("99971")), "{seen:#}");
                ensure!(python::at(&seen["avps"], &["Reset-ID"]) == Some(&json!("c0ffee")), "{seen:#}");
            }
            _ => ensure!(decoded(&seen, "User-Name") == ORDINARY, "{seen:#}"),
        }
    }
    mme.stop()?;
    hss.stop()?;
    Ok(())
}

/// TS 29.272 §5.2.4.1: an HSS that has lost who serves its subscribers tells every MME; here it knows the ICF alone.
#[test]
fn a_reset_that_names_no_mme_reaches_all_of_them_in_the_name_of_the_hss() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let (mut mme, mut hss, _folder) = both(&icf)?;
    let mut other = icf.connect(OTHER)?;
    let order = json!({"do": "rsr", "to": HOST, "user_ids": ["99971"], "reset_ids": ["c0ffee"]});
    let seen = std::thread::scope(|scope| -> Result<_> {
        let answering = scope.spawn(|| -> Result<_> {
            let seen = other.request(SOON)?;
            other.answer(&seen, 2001)?;
            Ok(seen)
        });
        answered(&mut hss, &order, "ResetAnswer", HOST)?;
        answering.join().map_err(|_| anyhow::anyhow!("the other MME has panicked"))?
    })?;
    ensure!(texts(&seen, 264) == [HSS] && texts(&seen, 293) == [OTHER], "{seen:?}");
    ensure!(texts(&seen, 282) == [HSS] && seen.tgpp(1444)?.data == b"99971", "{seen:?}");
    asked(
        &mut mme,
        "ResetRequest",
        &[("Origin-Host", HSS), ("Destination-Host", MME), ("Route-Record", HSS)],
    )?;
    mme.stop()?;
    hss.stop()?;
    Ok(())
}

#[test]
fn an_mme_behind_free_diameter_and_the_hss_reach_one_another() -> Result<()> {
    let icf = icf(HSS, &[])?;
    let folder = tempfile::tempdir()?;
    let files = Authority::new(folder.path())?.identity(NAME)?;
    let port = ports::free()?;
    let mut hss = Mme::connect_as(folder.path(), icf.diameter, HSS)?;
    let mut mme = Mme::behind(folder.path(), port, NAME)?;
    let mut relay = FreeDiameter::start(folder.path(), &files, Security::Tcp, icf.diameter, Some(port))?;
    relay.wait_connected(HOST)?;
    relay.wait_connected(MME)?;
    mme.wait_ready()?;
    hss.wait_ready()?;
    let order = |what: &str| json!({"do": what, "imsi": ORDINARY, "plmn": hex::encode(PLMN), "to": MME});
    for (what, request, answer) in [
        ("air", "AuthenticationInformationRequest", "AuthenticationInformationAnswer"),
        ("ulr", "UpdateLocationRequest", "UpdateLocationAnswer"),
    ] {
        answered(&mut mme, &order(what), answer, HSS)?;
        let seen = asked(&mut hss, request, &[("Origin-Host", MME), ("Destination-Host", HSS)])?;
        // Each has noted whom it came from (RFC 6733 §6.1.9).
        let passed =
            seen["avps"].as_array().into_iter().flatten().filter(|avp| avp["name"] == "Route-Record");
        let passed: Vec<&str> = passed.filter_map(|avp| avp["value"].as_str()).collect();
        ensure!(passed == [hex::encode(MME), hex::encode(NAME)], "{seen:#}");
    }
    answered(&mut hss, &order("clr"), "CancelLocationAnswer", MME)?;
    asked(&mut mme, "CancelLocationRequest", &[("Origin-Host", HSS), ("Destination-Host", MME)])?;
    // A reset finds it, since it has registered somebody; freeDiameter itself refuses, and that changes nothing.
    let reset = json!({"do": "rsr", "to": HOST, "user_ids": ["99971"]});
    answered(&mut hss, &reset, "ResetAnswer", HOST)?;
    asked(&mut mme, "ResetRequest", &[("Origin-Host", HSS), ("Destination-Host", MME)])?;
    mme.stop()?;
    hss.stop()?;
    let log = relay.stop()?;
    // One of the ICF, one of the MME.
    ensure!(received(&log, "Capabilities-Exchange-Answer") == 2, "it had to connect again:\n{}", tail(&log));
    Ok(())
}

/// What an HSS says that cannot do what it is asked arrives as it is, with the E bit (RFC 6733 §7.2).
#[test]
fn free_diameter_as_the_hss_refuses_and_its_answer_arrives_as_it_is() -> Result<()> {
    let icf = Icf::with(&settings(NAME, ""), &[])?;
    let folder = tempfile::tempdir()?;
    let files = Authority::new(folder.path())?.identity(NAME)?;
    let mut hss = FreeDiameter::start(folder.path(), &files, Security::Tcp, icf.diameter, None)?;
    hss.wait_connected(HOST)?;
    let mut mme = icf.connect(MME)?;
    let session = mme.session();
    let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    let hop_by_hop = mme.send(air)?;
    let answer = mme.answer_to(hop_by_hop)?;
    ensure!(matches!(answer.result()?, Outcome::Base(3000..=3999)), "{answer:?}");
    ensure!(answer.flags & flag::ERROR != 0 && answer.end_to_end == 0x5000_0000 | hop_by_hop, "{answer:?}");
    ensure!(texts(&answer, 264) == [NAME] && texts(&answer, 263) == [session], "{answer:?}");
    // That it does not know S6a is all that it has to say against it.
    let log = hss.stop()?;
    ensure!(
        log.contains("PARSING ERROR: 'Application unsupported' from 'icf.localdomain'"),
        "{}",
        tail(&log)
    );
    ensure!(received(&log, "Capabilities-Exchange-Answer") == 1, "it had to connect again:\n{}", tail(&log));
    Ok(())
}
