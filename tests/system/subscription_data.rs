//! A profile with everything in it, as others read what an MME is told of it.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use harness::{
    aka::Subscriber,
    capture::Capture,
    icf::{Icf, MME},
    peer::Peer,
    python::Mme,
    s6a::{DSR, IDR},
    wire::{Avp, Message, SUCCESS, group},
};
use serde_json::{Value, json};

use crate::PLMN;

/// The documentation's example: every field that a profile has.
const EXAMPLE: &str = include_str!("../../schemas/examples/profile.json");

/// An ICF, and a subscriber whose profile says everything.
fn with_everything() -> Result<(Icf, Subscriber)> {
    let (icf, subscriber) = Icf::with_one()?;
    icf.rest_ok("PUT", "/v1/profiles/full", Some(&serde_json::from_str::<Value>(EXAMPLE)?))?;
    let patch = json!({"profile": "full", "msisdn": "883130000000123", "overrides": {
        "additional_msisdn": "883130000000124",
        "external_identifier": "meter-17@callhome.example",
        "apns": {
            "internet": {"addresses": ["10.45.0.7", "2001:db8:0:7::/64"]},
            "ims": {"addresses": ["2001:db8:0:8::/64"]},
        },
    }});
    icf.rest_ok("PATCH", &format!("/v1/credentials/{}", subscriber.imsi), Some(&patch))?;
    Ok((icf, subscriber))
}

/// Supported-Features of 3GPP (TS 29.229 §6.3.29).
fn features(list: u32, bits: u32) -> Avp {
    let inside = [
        Avp::base(266, 10_415u32.to_be_bytes()),
        Avp::tgpp(629, list.to_be_bytes()),
        Avp::tgpp(630, bits.to_be_bytes()),
    ];
    Avp::tgpp(628, group(&inside)).with_mandatory(false)
}

/// A ULR of an MME that knows every feature of Wireshark's tables, and wants to be registered for SMS.
fn featured(mut ulr: Message) -> Message {
    ulr.avps.extend([
        features(1, u32::MAX),
        features(2, 0x0fff_ffff),
        // MME-Number-for-MT-SMS, SMS-Register-Request, Homogeneous-Support-of-IMS-Voice-Over-PS-Sessions.
        Avp::tgpp(1645, [0x88, 0x13, 0xf0]).with_mandatory(false),
        Avp::tgpp(1648, 0u32.to_be_bytes()).with_mandatory(false),
        Avp::tgpp(1493, 1u32.to_be_bytes()).with_mandatory(false),
    ]);
    ulr
}

/// What tshark reads in the ULA, by field.
const READ: [(&str, &str); 35] = [
    ("Subscriber-Status", "1"),
    ("Network-Access-Mode", "0"),
    ("MSISDN", "88130300000021f3"),
    ("A-MSISDN", "88130300000021f4"),
    ("External-Identifier", "meter-17@callhome.example"),
    ("Served-Party-IP-Address.IPv4", "10.45.0.7"),
    ("Served-Party-IP-Address.IPv6", "2001:db8:0:7::,2001:db8:0:8::"),
    ("MIP-Home-Agent-Address.IPv4", "192.0.2.17,192.0.2.18,192.0.2.19"),
    ("STN-SR", "88130300000099f9"),
    ("Operator-Determined-Barring", "20"),
    ("HPLMN-ODB", "2"),
    ("Regional-Subscription-Zone-Code", "00a1"),
    ("Access-Restriction-Data", "2339"),
    ("APN-OI-Replacement", "province1.mnc071.mcc999.gprs,internet.mnc071.mcc999.gprs"),
    ("3GPP-Charging-Characteristics", "0400,0800"),
    ("Max-Requested-Bandwidth-DL", "4294967295,4294967295,256000,2000000,10000,64000"),
    ("Extended-Max-Requested-BW-UL", "6000000"),
    ("Extended-Max-Requested-BW-DL", "20000000,5000000"),
    ("Context-Identifier", "10,10,20,30,40,50"),
    ("Service-Selection", "internet,ims,firmware,sensors,*,mms"),
    ("PDN-Type", "2,1,0,0,2"),
    ("VPLMN-Dynamic-Address-Allowed", "1,0"),
    ("PDN-GW-Allocation-Type", "0"),
    ("LIPA-Permission", "2"),
    ("RAT-Frequency-Selection-Priority-ID", "7"),
    ("Subscribed-Periodic-RAU-TAU-Timer", "3600"),
    ("Active-Time", "20"),
    ("eDRX-Cycle-Length-Value", "05,09"),
    ("Subscription-Data-Flags", "5"),
    ("TS-Code", "21,22"),
    ("UE-Usage-Type", "3"),
    ("MPS-Priority", "2"),
    ("ICS-Indicator", "1"),
    ("ULA-Flags", "3"),
    ("DL-Buffering-Suggested-Packet-Count", "4"),
];

/// Answers one IDR and one DSR.
fn idr_and_dsr(peer: &mut Peer) -> Result<()> {
    let mut told = BTreeSet::new();
    for _ in 0..2 {
        let request = peer.request(Duration::from_secs(15))?;
        told.insert(request.command);
        peer.answer(&request, 2001)?;
    }
    ensure!(told == [IDR, DSR].into(), "{told:?}");
    Ok(())
}

#[test]
fn wireshark_reads_every_value_of_a_profile_with_everything_in_it() -> Result<()> {
    let (icf, subscriber) = with_everything()?;
    let folder = tempfile::tempdir()?;
    let capture = Capture::start(icf.diameter, folder.path())?;
    let mut peer = icf.connect(MME)?;
    let session = peer.session();
    let ulr = featured(peer.route.ulr(&session, &subscriber.imsi, PLMN));
    ensure!(peer.call(ulr)?.result()? == SUCCESS);
    let shown = icf.rest_ok("GET", &format!("/v1/registrations/{}", subscriber.imsi), None)?.body;
    let shown: Value = serde_json::from_str(&shown)?;
    ensure!(shown["items"][0]["sms_number"] == "88310", "{shown}");
    ensure!(shown["items"][0]["ims_voice"] == true, "{shown}");

    // It loses its overrides, and the profile all that it said: an IDR says what is, a DSR takes away what an IDR cannot.
    let bare = json!({"apns": [{"name": "internet", "ambr": {"uplink": 1, "downlink": 1}}],
        "ambr": {"uplink": 1, "downlink": 1}});
    let credential = format!("/v1/credentials/{}", subscriber.imsi);
    icf.rest_ok("PATCH", &credential, Some(&json!({"overrides": null})))?;
    idr_and_dsr(&mut peer)?;
    icf.rest_ok("PUT", "/v1/profiles/full", Some(&bare))?;
    idr_and_dsr(&mut peer)?;
    drop(peer);

    let captured = capture.stop()?;
    let complaints = captured.complaints()?;
    ensure!(complaints.is_empty(), "Wireshark remarks:\n{complaints}\nin\n{}", captured.words()?);
    let fields: Vec<String> = READ.iter().map(|(name, _)| format!("diameter.{name}")).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let rows = captured.table("diameter.cmd.code == 316 && diameter.flags.request == 0", &fields)?;
    let row = rows.first().context("no ULA in the capture")?;
    for ((name, wanted), read) in READ.iter().zip(row) {
        ensure!(read == wanted, "{name}: Wireshark reads {read}, the profile says {wanted}");
    }
    // Regional subscription, charging, STN-SR, APN-OI-Replacement, SMS, timer, VSRVCC, ProSe, DL buffering, integrity,
    // usage type, V2X (TS 29.272 §7.3.25); the eDRX cycles of two RATs; SMS registration removed.
    let dsr =
        captured.table("diameter.cmd.code == 320 && diameter.flags.request == 1", &["diameter.DSR-Flags"])?;
    let lost = [0, 2, 4, 10, 13, 14, 15, 17, 19, 22, 24, 25].iter().fold(0u32, |all, bit| all | 1 << bit);
    // First A-MSISDN and the external identifier, which were overrides.
    ensure!(dsr == [[(1u32 << 16 | 1 << 26).to_string()], [lost.to_string()]], "{dsr:?}, not {lost}");
    let idr = ["diameter.IDR-Flags", "diameter.Access-Restriction-Data", "diameter.Subscriber-Status"];
    let idr = captured.table("diameter.cmd.code == 319 && diameter.flags.request == 1", &idr)?;
    ensure!(idr.last().is_some_and(|last| last == &["64", "3", "0"]), "{idr:?}");
    Ok(())
}

#[test]
fn python_diameter_reads_a_profile_with_everything_in_it_without_a_complaint() -> Result<()> {
    let (icf, subscriber) = with_everything()?;
    let folder = tempfile::tempdir()?;
    let mut mme = Mme::connect(folder.path(), icf.diameter)?;
    mme.wait_ready()?;
    let answer = mme.ask(&json!({"do": "ulr", "imsi": subscriber.imsi, "plmn": "99f907"}))?;
    ensure!(answer.result()? == 2001, "{:#}", answer.0);
    ensure!(answer.complaints().is_empty(), "{:?}", answer.complaints());
    for (path, wanted) in [
        (&["Subscription-Data", "Network-Access-Mode"][..], json!(0)),
        (&["Subscription-Data", "Operator-Determined-Barring"], json!(20)),
        (&["Subscription-Data", "Access-Restriction-Data"], json!(2339)),
        (&["Subscription-Data", "Active-Time"], json!(20)),
        (&["Subscription-Data", "AMBR", "Max-Requested-Bandwidth-DL"], json!(u32::MAX)),
        (&["Subscription-Data", "AMBR", "Extended-Max-Requested-BW-DL"], json!(20_000_000)),
        (&["Subscription-Data", "APN-Configuration-Profile", "Context-Identifier"], json!(10)),
    ] {
        ensure!(*answer.at(path)? == wanted, "{path:?}: {}, not {wanted}", answer.at(path)?);
    }
    // It tells no features, so that it is told of none.
    ensure!(answer.at(&["Supported-Features"]).is_err());
    Ok(())
}
