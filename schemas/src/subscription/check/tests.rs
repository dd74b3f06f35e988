use super::*;
use crate::{
    rest::Rat,
    subscription::{Edrx, SpecificApn},
};

const RATE: Ambr = Ambr { uplink: 1_000_000, downlink: 2_000_000 };

fn profile() -> Profile {
    Profile::new("full", vec![Apn::new("internet", RATE), Apn::new("ims", RATE), Apn::new("*", RATE)], RATE)
}

/// The pointers of what is wrong after a change.
fn wrong(change: impl FnOnce(&mut Profile)) -> Vec<String> {
    let mut profile = profile();
    change(&mut profile);
    profile.check_subscriber().into_iter().map(|it| it.pointer).collect()
}

fn gateway(addresses: &[&str]) -> Gateway {
    Gateway { addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(), ..Gateway::default() }
}

#[test]
fn what_a_serving_node_can_take_is_right() {
    assert_eq!(wrong(|_| {}), [""; 0]);
    let rest: [fn(&mut Profile); 7] = [
        |p| p.apns[1].context_id = Some(7),
        |p| p.ambr.downlink = MAX_AMBR,
        |p| p.ambr.uplink = u64::from(u32::MAX),
        |p| p.apn_oi_replacement = Some("province1.mnc071.mcc999.gprs".into()),
        |p| p.charging_characteristics = Some("08aF".into()),
        |p| p.external_identifier = Some("meter-17@callhome.example".into()),
        |p| p.apns.extend((0..47).map(|n| Apn::new(&format!("apn{n}"), RATE))),
    ];
    for change in rest {
        assert_eq!(wrong(change), [""; 0]);
    }
}

#[test]
fn context_identifiers_are_unique_and_not_zero() {
    assert_eq!(wrong(|p| p.apns[1].context_id = Some(1)), ["/apns/1/context_id"]);
    assert_eq!(wrong(|p| p.apns[0].context_id = Some(0)), ["/apns/0/context_id"]);
    // The third has 3 by its place.
    assert_eq!(wrong(|p| p.apns[0].context_id = Some(3)), ["/apns/2/context_id"]);
}

#[test]
fn apns_are_named_once_and_the_default_is_not_the_wild_card() {
    assert_eq!(wrong(|p| p.apns.clear()), ["/apns"]);
    assert_eq!(wrong(|p| p.apns.swap(0, 2)), ["/apns/0/name"]);
    assert_eq!(wrong(|p| p.apns[1].name = "INTERNET".into()), ["/apns/1/name"]);
    assert_eq!(wrong(|p| p.apns[1].name = "not an apn".into()), ["/apns/1/name"]);
    assert_eq!(wrong(|p| p.apns.extend((0..48).map(|n| Apn::new(&format!("apn{n}"), RATE)))), ["/apns"]);
}

#[test]
fn a_static_address_is_of_the_apns_ip_version_and_not_of_the_wild_card() {
    let with = |place: usize, kind, addresses: &[&str]| {
        let addresses: Vec<_> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        wrong(move |p| {
            p.apns[place].pdn_type = kind;
            p.apns[place].addresses = addresses;
        })
    };
    assert_eq!(with(1, PdnType::Ipv4v6, &["10.0.0.1", "2001:db8::/64"]), [""; 0]);
    assert_eq!(with(1, PdnType::Ipv4, &["2001:db8::/64"]), ["/apns/1/addresses"]);
    assert_eq!(with(0, PdnType::Ipv6, &["10.0.0.1"]), ["/apns/0/addresses"]);
    assert_eq!(with(0, PdnType::Ipv4v6, &["10.0.0.1", "10.0.0.2"]), ["/apns/0/addresses"]);
    assert_eq!(with(2, PdnType::Ipv4, &["10.0.0.1"]), ["/apns/2/addresses"]);
}

#[test]
fn gateways_have_an_address_or_a_name_and_the_wild_card_has_them_by_apn() {
    assert_eq!(wrong(|p| p.apns[0].gateway = Some(gateway(&[]))), ["/apns/0/gateway"]);
    assert_eq!(
        wrong(|p| p.apns[0].gateway = Some(gateway(&["192.0.2.1", "192.0.2.2"]))),
        ["/apns/0/gateway/addresses"]
    );
    assert_eq!(wrong(|p| p.apns[0].gateway = Some(gateway(&["192.0.2.1", "2001:db8::1"]))), [""; 0]);
    assert_eq!(wrong(|p| p.apns[2].gateway = Some(gateway(&["192.0.2.1"]))), ["/apns/2/gateway"]);
    let specific = SpecificApn { name: "mms".into(), gateway: gateway(&["192.0.2.1"]) };
    assert_eq!(wrong(|p| p.apns[2].specific_apns = vec![specific.clone()]), [""; 0]);
    assert_eq!(wrong(|p| p.apns[0].specific_apns = vec![specific.clone()]), ["/apns/0/specific_apns"]);
    let host = GatewayHost { host: "a b".into(), realm: "example".into() };
    assert_eq!(
        wrong(|p| p.emergency_gateway = Some(Gateway { name: Some(host), ..Gateway::default() })),
        ["/emergency_gateway/name"]
    );
}

#[test]
fn numbers_and_codes_have_the_form_of_their_clause() {
    assert_eq!(wrong(|p| p.ambr.uplink = MAX_AMBR + 1000), ["/ambr/uplink"]);
    assert_eq!(wrong(|p| p.apns[1].ambr.downlink = 5_000_000_001), ["/apns/1/ambr/downlink"]);
    for bad in ["", "12a", "+123", "1234567890123456"] {
        assert_eq!(wrong(|p| p.stn_sr = Some(bad.into())), ["/stn_sr"], "{bad}");
    }
    assert_eq!(wrong(|p| p.charging_characteristics = Some("800".into())), ["/charging_characteristics"]);
    for bad in ["mnc71.mcc999.gprs", "mnc071.mcc999", "province.gprs", "a b.mnc071.mcc999.gprs"] {
        assert_eq!(wrong(|p| p.apn_oi_replacement = Some(bad.into())), ["/apn_oi_replacement"], "{bad}");
    }
    assert_eq!(wrong(|p| p.rfsp_index = Some(0)), ["/rfsp_index"]);
    assert_eq!(wrong(|p| p.rfsp_index = Some(257)), ["/rfsp_index"]);
    assert_eq!(wrong(|p| p.zone_codes = vec!["12".into()]), ["/zone_codes/0"]);
    assert_eq!(wrong(|p| p.external_identifier = Some("meter".into())), ["/external_identifier"]);
    assert_eq!(wrong(|p| p.dl_buffering_packets = Some(-2)), ["/dl_buffering_packets"]);
    let edrx = Edrx { rat: Rat::Eutran, cycle_length: 16, paging_time_window: Some(16) };
    assert_eq!(wrong(|p| p.edrx = vec![edrx]), ["/edrx/0/cycle_length", "/edrx/0/paging_time_window"]);
    let edrx = Edrx { cycle_length: 5, paging_time_window: None, ..edrx };
    assert_eq!(wrong(|p| p.edrx = vec![edrx, edrx]), ["/edrx/1/rat"]);
}

#[test]
fn what_is_one_subscribers_is_refused_in_a_profile_that_many_share() {
    let mut profile = profile();
    profile.apns[1].addresses = vec!["10.0.0.1".parse().unwrap()];
    profile.additional_msisdn = Some("883130000000124".into());
    profile.external_identifier = Some("meter-17@callhome.example".into());
    assert_eq!(profile.check_subscriber(), []);
    let found: Vec<_> = profile.check().into_iter().map(|it| it.pointer).collect();
    assert_eq!(found, ["/apns/1/addresses", "/additional_msisdn", "/external_identifier"]);
}

/// What an earlier version has stored, or a client written, reads as it did.
#[test]
fn the_shortest_profile_reads_with_its_defaults_and_writes_nothing_that_is_optional() {
    let text = r#"{"apns":[{"name":"internet","ambr":{"uplink":1000,"downlink":2000}}],"ambr":{"uplink":1000,"downlink":2000}}"#;
    let profile: Profile = serde_json::from_str(text).unwrap();
    let apn = Apn::new("internet", Ambr { uplink: 1000, downlink: 2000 });
    assert_eq!(profile, Profile::new("", vec![apn], Ambr { uplink: 1000, downlink: 2000 }));
    let written = serde_json::to_value(&profile).unwrap();
    for left_out in ["stn_sr", "barring", "edrx", "sms", "active_time", "vsrvcc", "rfsp_index"] {
        assert_eq!(written.get(left_out), None, "{left_out}");
    }
    assert_eq!(serde_json::from_value::<Profile>(written).unwrap(), profile);
}

#[test]
fn what_an_mme_of_open5gs_would_not_keep_is_told() {
    assert_eq!(profile().limits_of_open5gs(), [""; 0]);
    let mut profile = profile();
    profile.apns[0].pdn_type = PdnType::Ipv4OrIpv6;
    profile.apns.extend([Apn::new("four", RATE), Apn::new("five", RATE)]);
    profile.ambr.downlink = 5_000_000_000;
    profile.zone_codes = vec!["0001".into(), "0002".into()];
    let limits = profile.limits_of_open5gs().join("\n");
    for said in ["keeps 4 APNs", "five and those after", "at internet", "4.29 Gbit/s", "zone code"] {
        assert!(limits.contains(said), "{said} in {limits}");
    }
}
