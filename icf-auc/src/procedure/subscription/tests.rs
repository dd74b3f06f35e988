use super::*;
use crate::{
    model::PdnType,
    procedure::fixture::{subscriber, subscriber_with},
};

/// INTEROP: what Open5GS's MME looks for in each APN.
#[test]
fn subscription_data_has_all_that_open5gs_needs() {
    let subscriber = subscriber();
    with_data(&subscriber, subscriber.credential.address, Recipient::default(), |data| {
        let ambr = data.ambr.unwrap();
        assert_eq!((ambr.max_requested_bandwidth_ul, ambr.max_requested_bandwidth_dl), (128_000, 128_000));
        let profile = data.apn_configuration_profile.unwrap();
        assert_eq!(profile.context_identifier, 1);
        assert_eq!(profile.all_apn_configurations_included, AllApnConfigurationsIncluded::All);
        assert_eq!(profile.apn_configuration.len(), 1);
        let apn = profile.apn_configuration.first().unwrap();
        assert_eq!((apn.context_identifier, apn.service_selection), (1, "provisioning"));
        assert_eq!(apn.pdn_type, app::PdnType::Ipv4);
        let qos = apn.eps_subscribed_qos_profile.unwrap();
        assert_eq!(qos.qos_class_identifier, 9);
        assert_eq!(qos.allocation_retention_priority.priority_level, 15);
        assert_eq!(apn.served_party_ip_address.iter().collect::<Vec<_>>(), [IpAddr::from([10, 45, 0, 2])]);
        assert_eq!(data.msisdn, None);
        assert_eq!(data.subscribed_periodic_rau_tau_timer, None);
    });
}

#[test]
fn the_static_address_goes_with_the_default_apn_alone_and_only_if_of_its_ip_version() {
    let two = |kind| {
        subscriber_with(|_, profile| {
            profile.apns[0].pdn_type = kind;
            let mut other = profile.apns[0].clone();
            other.name = "firmware".into();
            profile.apns.push(other);
        })
    };
    let addresses = |subscriber: &Snapshot, address: IpAddr| {
        with_data(subscriber, Some(address), Recipient::default(), |data| {
            let apns = data.apn_configuration_profile.unwrap().apn_configuration;
            apns.iter().map(|apn| apn.served_party_ip_address.len()).collect::<Vec<_>>()
        })
    };
    let (v4, v6) = ([10, 45, 0, 2].into(), "2001:db8::".parse().unwrap());
    assert_eq!(addresses(&two(PdnType::Ipv4), v4), [1, 0]);
    assert_eq!(addresses(&two(PdnType::Ipv4), v6), [0, 0]);
    assert_eq!(addresses(&two(PdnType::Ipv6), v6), [1, 0]);
    assert_eq!(addresses(&two(PdnType::Ipv6), v4), [0, 0]);
    assert_eq!(addresses(&two(PdnType::Ipv4v6), v4), [1, 0]);
}

/// Whether an MME completes a combined attach depends on it.
#[test]
fn network_access_mode_is_the_profiles_and_a_provisional_credential_has_only_packet() {
    let sent = |subscriber: &Snapshot| {
        with_data(subscriber, None, Recipient::default(), |data| data.network_access_mode)
    };
    assert_eq!(sent(&subscriber()), Some(app::NetworkAccessMode::OnlyPacket));
    let ordinary = subscriber_with(|_, profile| {
        profile.network_access_mode = NetworkAccessMode::PacketAndCircuit;
    });
    assert_eq!(sent(&ordinary), Some(app::NetworkAccessMode::PacketAndCircuit));
    assert!(differs(&subscriber().profile, &ordinary.profile), "serving nodes have to be told");
}

#[test]
fn rats_that_are_not_allowed_are_restricted() {
    let restriction = |rule| {
        let subscriber = subscriber_with(|_, profile| profile.allowed_rats = rule);
        with_data(&subscriber, None, Recipient::default(), |data| {
            data.access_restriction_data.map(|bits| bits.0)
        })
    };
    assert_eq!(restriction(AccessRule::Any), None);
    // UTRAN 0 and GERAN 1 (TS 29.272 §7.3.31).
    let eps = vec![Rat::Eutran, Rat::EutranNbIot, Rat::LteM];
    assert_eq!(restriction(AccessRule::Only(eps)), Some(0b11));
    let nb_iot = vec![Rat::EutranNbIot];
    assert_eq!(restriction(AccessRule::Only(nb_iot)), Some(1 << 11 | 1 << 4 | 0b11));
}

#[test]
fn timers_and_msisdn_are_told() {
    let subscriber = subscriber_with(|credential, profile| {
        credential.msisdn = Some("883130000000123".into());
        profile.periodic_tau = Some(86_400);
    });
    with_data(&subscriber, None, Recipient::default(), |data| {
        assert_eq!(data.subscribed_periodic_rau_tau_timer, Some(86_400));
        assert_eq!(data.msisdn, Some(&[0x88, 0x13, 0x03, 0x00, 0x00, 0x00, 0x21, 0xf3][..]));
    });
    for wrong in ["", "1234567890123456", "12a"] {
        assert!(Tbcd::new(wrong).is_none());
    }
    assert_eq!(Tbcd::new("+12").unwrap().as_slice(), [0x21]);
}

/// Every field that a profile has, as the documentation's example says it.
fn full() -> Profile {
    let profile: Profile =
        serde_json::from_str(include_str!("../../../../schemas/examples/profile.json")).unwrap();
    assert_eq!(profile.check(), []);
    Profile { name: "full".into(), ..profile }
}

/// A node that tells these features.
fn node(features: Option<[u32; 2]>) -> Recipient {
    Recipient { features: NodeFeatures(features), update: false }
}

const ALL: Option<[u32; 2]> = Some([u32::MAX, u32::MAX]);

#[test]
fn all_that_a_profile_says_of_a_subscriber_is_sent() {
    let subscriber = subscriber_with(|credential, profile| {
        credential.msisdn = Some("883130000000123".into());
        *profile = full();
        profile.additional_msisdn = Some("883130000000124".into());
        profile.external_identifier = Some("meter-17@callhome.example".into());
    });
    with_data(&subscriber, None, node(ALL), |data| {
        assert_eq!(data.subscriber_status, Some(SubscriberStatus::OperatorDeterminedBarring));
        assert_eq!(data.operator_determined_barring.unwrap().0, 1 << 2 | 1 << 4);
        assert_eq!(data.hplmn_odb, Some(1 << 1));
        assert_eq!(data.a_msisdn, Some(&[0x88, 0x13, 0x03, 0x00, 0x00, 0x00, 0x21, 0xf4][..]));
        assert_eq!(data.stn_sr, Some(&[0x88, 0x13, 0x03, 0x00, 0x00, 0x00, 0x99, 0xf9][..]));
        assert_eq!(data.external_identifier, Some("meter-17@callhome.example"));
        assert_eq!(data.network_access_mode, Some(app::NetworkAccessMode::PacketAndCircuit));
        // UTRAN, GERAN, LTE-M by allowed_rats; HO to non-3GPP (5) and NR as secondary RAT (8).
        let restricted = data.access_restriction_data.unwrap().0;
        assert_eq!(restricted, 1 | 1 << 1 | 1 << 11 | 1 << 5 | 1 << 8);
        assert_eq!(data.regional_subscription_zone_code.iter().collect::<Vec<_>>(), [[0, 0xa1]]);
        assert_eq!(
            (data.apn_oi_replacement, data.charging_characteristics),
            (Some("province1.mnc071.mcc999.gprs"), Some("0400"))
        );
        assert_eq!((data.active_time, data.subscribed_periodic_rau_tau_timer), (Some(20), Some(3600)));
        let edrx: Vec<_> = data.edrx_cycle_length.iter().collect();
        assert_eq!((edrx[1].rat_type, edrx[1].edrx_cycle_length_value), (RatType::EUTRAN_NB_IOT, &[9][..]));
        let windows: Vec<_> = data.paging_time_window.iter().collect();
        assert_eq!(
            windows.iter().map(|it| (it.operation_mode, it.paging_time_window_length)).collect::<Vec<_>>(),
            [(OperationMode::WB_S1, &[3][..]), (OperationMode::NB_S1, &[1][..])]
        );
        let teleservices = data.teleservice_list.unwrap().ts_code;
        assert_eq!(teleservices.iter().collect::<Vec<_>>(), [[0x21], [0x22]]);
        // PS and SMS only (0), user plane integrity (2).
        assert_eq!(data.subscription_data_flags, Some(0b101));
        let numbers = (data.rat_frequency_selection_priority_id, data.mps_priority, data.ue_usage_type);
        assert_eq!(numbers, (Some(7), Some(0b10), Some(3)));
        assert_eq!((data.core_network_restrictions, data.service_gap_time), (Some(0b10), Some(60)));
        assert_eq!((data.ics_indicator, data.subscribed_vsrvcc), (Some(1), Some(0)));
        assert_eq!((data.vplmn_lipa_allowed, data.relay_node_indicator), (Some(1), Some(0)));
        assert_eq!((data.mdt_user_consent, data.aerial_ue_subscription_information), (Some(1), Some(1)));
        assert_eq!(data.dl_buffering_suggested_packet_count, Some(4));
        assert_eq!(data.prose_subscription_data.unwrap().prose_permission, 1);
        let v2x = data.v2x_subscription_data.unwrap();
        assert_eq!((v2x.v2x_permission.unwrap().0, v2x.ue_pc5_ambr), (0b10, Some(1_000_000)));
        let emergency = data.emergency_info.unwrap().mip6_agent_info.unwrap();
        assert_eq!(emergency.mip_home_agent_address.first(), Some(IpAddr::from([192, 0, 2, 19])));
    });
}

#[test]
fn all_that_a_profile_says_of_an_apn_is_sent() {
    let subscriber = subscriber_with(|_, profile| *profile = full());
    with_data(&subscriber, None, node(ALL), |data| {
        let profile = data.apn_configuration_profile.unwrap();
        assert_eq!(profile.context_identifier, 10);
        let apns: Vec<_> = profile.apn_configuration.iter().collect();
        let named: Vec<_> = apns.iter().map(|apn| (apn.context_identifier, apn.service_selection)).collect();
        assert_eq!(named, [(10, "internet"), (20, "ims"), (30, "firmware"), (40, "sensors"), (50, "*")]);
        let internet = &apns[0];
        let gateway = internet.mip6_agent_info.unwrap();
        assert_eq!(gateway.mip_home_agent_address.len(), 2);
        assert!(gateway.mip_home_agent_host.unwrap().destination_host.starts_with("topon.s5.pgw1"));
        assert_eq!(internet.pdn_gw_allocation_type, Some(app::PdnGwAllocationType::Static));
        assert_eq!(internet.vplmn_dynamic_address_allowed, Some(app::VplmnDynamicAddress::Allowed));
        assert_eq!(apns[1].vplmn_dynamic_address_allowed, Some(app::VplmnDynamicAddress::NotAllowed));
        assert_eq!((apns[2].vplmn_dynamic_address_allowed, apns[2].mip6_agent_info), (None, None));
        assert_eq!(internet.charging_characteristics, Some("0800"));
        // SIPTO allowed is 0, not allowed 1.
        assert_eq!((internet.sipto_permission, internet.sipto_local_network_permission), (Some(0), Some(1)));
        assert_eq!((internet.lipa_permission, internet.restoration_priority), (Some(2), Some(3)));
        assert_eq!((internet.preferred_data_mode, internet.pdn_connection_continuity), (Some(3), Some(1)));
        let sensors = &apns[3];
        assert_eq!(
            (sensors.non_ip_pdn_type_indicator, sensors.non_ip_data_delivery_mechanism),
            (Some(1), Some(1))
        );
        assert_eq!((sensors.scef_id, sensors.rds_indicator), (Some("scef.callhome.example"), Some(1)));
        let specific = apns[4].specific_apn_info.first().unwrap();
        assert_eq!(specific.service_selection, "mms");
        assert_eq!(
            specific.mip6_agent_info.mip_home_agent_address.first(),
            Some(IpAddr::from([192, 0, 2, 18]))
        );
    });
}

/// TS 29.272 §7.3.41, TS 29.214 §5.3.52.
#[test]
fn a_rate_above_4_29_gbit_s_is_told_in_kbit_s_besides_to_a_node_that_may_know_it() {
    let rates = |features| {
        let subscriber = subscriber_with(|_, profile| *profile = full());
        with_data(&subscriber, None, node(features), |data| {
            let ue = data.ambr.unwrap();
            let apn =
                data.apn_configuration_profile.unwrap().apn_configuration.first().unwrap().ambr.unwrap();
            (ue, apn)
        })
    };
    for features in [None, Some([0, 1 << 27])] {
        let (ue, apn) = rates(features);
        assert_eq!((ue.max_requested_bandwidth_ul, ue.max_requested_bandwidth_dl), (u32::MAX, u32::MAX));
        assert_eq!(ue.extended_max_requested_bw_ul, Some(6_000_000));
        assert_eq!(ue.extended_max_requested_bw_dl, Some(20_000_000));
        assert_eq!((apn.max_requested_bandwidth_ul, apn.extended_max_requested_bw_ul), (1_000_000_000, None));
        assert_eq!(
            (apn.max_requested_bandwidth_dl, apn.extended_max_requested_bw_dl),
            (u32::MAX, Some(5_000_000))
        );
    }
    let (ue, apn) = rates(Some([u32::MAX, 1]));
    assert_eq!((ue.max_requested_bandwidth_dl, ue.extended_max_requested_bw_dl), (u32::MAX, None));
    assert_eq!(apn.extended_max_requested_bw_dl, None);
}

#[test]
fn a_node_that_tells_its_features_gets_nothing_that_belongs_to_others() {
    let subscriber = subscriber_with(|_, profile| {
        *profile = full();
        profile.additional_msisdn = Some("883130000000124".into());
        profile.external_identifier = Some("meter-17@callhome.example".into());
    });
    with_data(&subscriber, None, node(Some([1, 0])), |data| {
        assert_eq!((data.a_msisdn, data.external_identifier), (None, None));
        assert_eq!((data.prose_subscription_data, data.v2x_subscription_data), (None, None));
        let apns = data.apn_configuration_profile.unwrap().apn_configuration;
        assert!(apns.iter().all(|apn| apn.non_ip_pdn_type_indicator.is_none()));
        assert_eq!(apns.len(), 4);
    });
    // One that tells none, as Open5GS's MME, ignores what it does not know.
    with_data(&subscriber, None, node(None), |data| assert!(data.a_msisdn.is_some()));
}

/// An MME of Open5GS knows little more: what an ordinary profile is told as has not grown.
#[test]
fn a_profile_that_says_nothing_optional_sends_nothing_optional() {
    with_data(&subscriber(), None, node(None), |data| {
        let known = SubscriptionData {
            subscriber_status: data.subscriber_status,
            network_access_mode: data.network_access_mode,
            access_restriction_data: data.access_restriction_data,
            ambr: data.ambr,
            apn_configuration_profile: data.apn_configuration_profile,
            ..SubscriptionData::default()
        };
        assert_eq!(data, known);
        let apn = data.apn_configuration_profile.unwrap().apn_configuration.first().unwrap();
        let known = app::ApnConfiguration {
            context_identifier: 1,
            pdn_type: app::PdnType::Ipv4,
            service_selection: "provisioning",
            eps_subscribed_qos_profile: apn.eps_subscribed_qos_profile,
            ambr: apn.ambr,
            ..app::ApnConfiguration::default()
        };
        assert_eq!(apn, known);
    });
}

#[test]
fn static_addresses_of_both_ip_versions_go_with_any_apn_and_the_assigned_one_with_the_default() {
    let subscriber = subscriber_with(|_, profile| {
        *profile = full();
        profile.apns[0].addresses = vec!["2001:db8:0:1::/64".parse().unwrap()];
        profile.apns[1].addresses = vec!["2001:db8:0:2::/64".parse().unwrap()];
    });
    let assigned = Some(IpAddr::from([10, 45, 0, 2]));
    let sent = with_data(&subscriber, assigned, node(None), |data| {
        let apns = data.apn_configuration_profile.unwrap().apn_configuration;
        apns.iter().map(|apn| apn.served_party_ip_address.iter().collect::<Vec<_>>()).collect::<Vec<_>>()
    });
    let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(sent[0], [IpAddr::from([10, 45, 0, 2]), v6("2001:db8:0:1::")]);
    assert_eq!(sent[1], [v6("2001:db8:0:2::")]);
    assert!(sent[2..].iter().all(Vec::is_empty));
}

/// TS 29.272 §5.2.2.1.2: an IDR without the AVP leaves what the node has.
#[test]
fn an_update_says_that_nothing_is_restricted_any_more() {
    let any = subscriber_with(|_, profile| profile.allowed_rats = AccessRule::Any);
    let sent = |update| {
        let recipient = Recipient { update, ..node(None) };
        with_data(&any, None, recipient, |data| data.access_restriction_data.map(|bits| bits.0))
    };
    assert_eq!((sent(false), sent(true)), (None, Some(0)));
}
