//! Wireshark reads whatever the ICF sends and receives, and has nothing to remark.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use harness::{
    aka::{self, Subscriber},
    capture::{Capture, Dissected},
    icf::{Icf, MME, Settings},
    s6a::{AIR, CLR, DSR, IDR, NOR, PUR, RSR, ULR},
    wire::{Avp, SUCCESS},
};
use serde_json::json;

use crate::PLMN;

#[test]
fn every_command_is_read_without_a_malformed_or_unknown_avp() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let settings = Settings { max_vectors: 5, watchdog: "6s", ..Settings::default() };
    let mut icf = Icf::with(&settings, std::slice::from_ref(&subscriber))?;
    let folder = tempfile::tempdir()?;
    let capture = Capture::start(icf.diameter, folder.path())?;
    let mut peer = icf.connect(MME)?;
    let imsi = subscriber.imsi.as_str();

    let first = aka::vectors(&peer.air(imsi, PLMN, 5, None)?)?.remove(0);
    let auts = subscriber.auts(&first, subscriber.sqn(&first)? + (1 << 20))?;
    aka::vectors(&peer.air(imsi, PLMN, 1, Some(&first.resync(&auts)))?)?;
    // UTRAN vectors, as an SGSN asks for them (TS 29.272 §7.3.12).
    let session = peer.session();
    let mut utran = peer.route.request(AIR, &session, imsi);
    utran.avps.push(Avp::tgpp(1409, harness::wire::group(&[Avp::tgpp(1410, 1u32.to_be_bytes())])));
    utran.avps.push(Avp::tgpp(1407, PLMN));
    peer.call(utran)?;
    // Refusals: experimental, base, protocol error.
    ensure!(peer.air("999719999999999", PLMN, 1, None)?.result()? != SUCCESS);
    ensure!(peer.air(imsi, PLMN, 1, Some(&[1; 7]))?.result()? != SUCCESS);
    let mut elsewhere = peer.route.air("s;elsewhere", imsi, PLMN, 1, None);
    for avp in elsewhere.avps.iter_mut().filter(|avp| avp.code == 283) {
        avp.data = b"another.realm".to_vec();
    }
    elsewhere.avps.retain(|avp| avp.code != 293);
    ensure!(peer.call(elsewhere)?.result()? != SUCCESS);

    ensure!(peer.ulr(imsi, PLMN)?.result()? == SUCCESS);
    ensure!(peer.ulr("999719999999999", PLMN)?.result()? != SUCCESS);
    let session = peer.session();
    let mut nor = peer.route.request(NOR, &session, imsi);
    nor.avps.push(Avp::tgpp(1443, 4u32.to_be_bytes()));
    ensure!(peer.call(nor)?.result()? == SUCCESS);
    icf.rest_ok("PATCH", &format!("/v1/credentials/{imsi}"), Some(&json!({"msisdn": "999710001"})))?;
    let idr = peer.request(Duration::from_secs(15))?;
    ensure!(idr.command == IDR, "{idr:?}");
    peer.answer(&idr, 2001)?;
    // A profile that gains a timer sends IDR; one that loses it IDR and DSR, in this order.
    let mut profile: serde_json::Value =
        serde_json::from_str(&icf.rest_ok("GET", "/v1/profiles/default", None)?.body)?;
    profile["version"] = json!(0);
    for (timer, sent) in [(json!(3600), &[IDR][..]), (json!(null), &[IDR, DSR])] {
        profile["periodic_tau"] = timer;
        icf.rest_ok("PUT", "/v1/profiles/default", Some(&profile))?;
        let mut commands = BTreeSet::new();
        for _ in sent {
            let request = peer.request(Duration::from_secs(15))?;
            commands.insert(request.command);
            peer.answer(&request, 2001)?;
        }
        ensure!(commands.iter().eq(sent), "{commands:?}");
    }
    // RSR, whose RSA the REST call waits for.
    std::thread::scope(|scope| {
        let call = scope.spawn(|| icf.rest_ok("POST", "/v1/resets", Some(&json!({"user_ids": ["99971"]}))));
        let rsr = peer.request(Duration::from_secs(15))?;
        ensure!(rsr.command == RSR, "{rsr:?}");
        peer.answer(&rsr, 2001)?;
        let told = call.join().map_err(|_| anyhow::anyhow!("the REST call panicked"))??;
        ensure!(told.body.contains("2001 DIAMETER_SUCCESS"), "{}", told.body);
        anyhow::Ok(())
    })?;
    ensure!(peer.pur(imsi)?.result()? == SUCCESS);
    ensure!(peer.ulr(imsi, PLMN)?.result()? == SUCCESS);
    icf.rest_ok("DELETE", &format!("/v1/registrations/{imsi}?reattach=true"), None)?;
    let clr = peer.request(Duration::from_secs(15))?;
    ensure!(clr.command == CLR, "{clr:?}");
    peer.answer(&clr, 2001)?;
    // Long enough for a watchdog of the ICF's own (6 s ± 2, RFC 3539 §3.4.1), which `receive` answers.
    let silence = peer.receive(Duration::from_secs(10));
    ensure!(silence.is_err(), "{silence:?}");
    icf.process()?.signal("TERM")?;
    let dpr = peer.request(Duration::from_secs(10))?;
    ensure!(dpr.command == 282, "{dpr:?}");
    peer.answer(&dpr, 2001)?;
    drop(peer);
    icf.process()?.wait(Duration::from_secs(20))?;

    let captured = capture.stop()?;
    let complaints = captured.complaints()?;
    ensure!(complaints.is_empty(), "Wireshark remarks:\n{complaints}\nin\n{}", captured.words()?);
    let seen: BTreeSet<(u32, bool)> =
        captured.messages()?.into_iter().map(|Dissected { command, request }| (command, request)).collect();
    for command in [257, 280, 282, AIR, ULR, NOR, PUR, IDR, CLR, DSR, RSR] {
        for request in [true, false] {
            ensure!(
                seen.contains(&(command, request)),
                "command {command} ({request}) is not in the capture"
            );
        }
    }
    Ok(())
}

#[test]
fn a_wrong_length_and_an_unknown_avp_would_be_noticed() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let folder = tempfile::tempdir()?;
    let capture = Capture::start(icf.diameter, folder.path())?;
    let mut peer = icf.connect(MME)?;
    let session = peer.session();
    let mut air = peer.route.air(&session, &subscriber.imsi, PLMN, 1, None);
    air.avps.push(Avp { code: 70_000, vendor: harness::wire::TGPP, mandatory: false, data: vec![1] });
    peer.call(air)?;
    let complaints = capture.stop()?.complaints()?;
    ensure!(complaints.contains("70000"), "an unknown AVP went unnoticed: {complaints}");
    Ok(())
}
