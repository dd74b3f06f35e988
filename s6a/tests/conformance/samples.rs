//! Every command, once with all AVPs that its grammar names and once with as few as it allows.

use std::net::IpAddr;

use s6a::{
    app::{
        csg::*, gprs::*, groups::*, lcs::*, monitoring::*, place::*, power::*, subscriber_data::*,
        subscription::*, trace::*, v2x::*, vectors::*, *,
    },
    base::*,
    codec::{Experimental, Header, Message, RawAvp, Repeated, ResultCode, dictionary::base::PROXY_INFO},
};

const MME: &str = "mme.epc.mnc071.mcc999.3gppnetwork.org";
const HSS: &str = "icf.callhome.example";
const MME_REALM: &str = "epc.mnc071.mcc999.3gppnetwork.org";
const HSS_REALM: &str = "callhome.example";
const SESSION: &str = "mme.epc.mnc071.mcc999.3gppnetwork.org;1712345678;1;app_s6a";
const IMSI: &str = "999710000000001";
const PLMN: [u8; 3] = [0x99, 0xf9, 0x17];
/// Two Proxy-Infos: Proxy-Host "a" and "b", Proxy-State of five and of one octet.
const PROXY_A: &[u8] =
    b"\0\0\x01\x1c\x40\0\0\x24\0\0\x01\x18\x40\0\0\x09a\0\0\0\0\0\0\x21\x40\0\0\x0d12345\0\0\0";
const PROXY_B: &[u8] =
    b"\0\0\x01\x1c\x40\0\0\x20\0\0\x01\x18\x40\0\0\x09b\0\0\0\0\0\0\x21\x40\0\0\x09x\0\0\0";

/// Name and octets of every sample; a request comes before its answers.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    base(&mut all);
    hss_is_asked(&mut all);
    mme_is_asked(&mut all);
    errors(&mut all);
    all
}

type Samples = Vec<(&'static str, Vec<u8>)>;

fn write(all: &mut Samples, name: &'static str, encode: impl FnOnce(&mut Vec<u8>)) {
    let mut octets = Vec::new();
    encode(&mut octets);
    all.push((name, octets));
}

/// The header of the request before, for its answer.
fn asked(all: &Samples) -> Header {
    let requests = all.iter().rev().map(|(_, octets)| Header::decode(octets).unwrap());
    requests.into_iter().find(Header::is_request).unwrap()
}

macro_rules! request {
    ($all:ident $name:literal $value:expr) => {{
        let id = $all.len() as u32 + 1;
        write($all, $name, |out| $value.encode(out, id, 0xabc0_0000 + id));
    }};
}

macro_rules! answer {
    ($all:ident $name:literal $value:expr) => {{
        let header = asked($all);
        write($all, $name, |out| $value.encode(out, &header));
    }};
}

fn base(all: &mut Samples) {
    let addresses: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let vendors = [10415, 5535];
    let applications = [APPLICATION_ID];
    let plain = [S6A, RELAY];
    request!(all "CER" CapabilitiesExchangeRequest {
        origin_host: MME,
        origin_realm: MME_REALM,
        host_ip_address: (&addresses).into(),
        product_name: "Callhome",
        origin_state_id: Some(1_712_345_678),
        supported_vendor_id: (&vendors).into(),
        auth_application_id: (&plain).into(),
        inband_security_id: (&[NO_INBAND_SECURITY]).into(),
        acct_application_id: (&[3]).into(),
        vendor_specific_application_id: (&applications).into(),
        firmware_revision: Some(1),
        ..Default::default()
    });
    answer!(all "CEA" CapabilitiesExchangeAnswer {
        result_code: ResultCode::SUCCESS,
        origin_host: HSS,
        origin_realm: HSS_REALM,
        host_ip_address: (&addresses).into(),
        product_name: "Callhome",
        origin_state_id: Some(1_712_345_678),
        supported_vendor_id: (&vendors).into(),
        auth_application_id: (&plain).into(),
        inband_security_id: (&[NO_INBAND_SECURITY]).into(),
        acct_application_id: (&[3]).into(),
        vendor_specific_application_id: (&applications).into(),
        firmware_revision: Some(1),
        ..Default::default()
    });
    answer!(all "CEA, no common application" CapabilitiesExchangeAnswer {
        result_code: ResultCode::NO_COMMON_APPLICATION,
        origin_host: HSS,
        origin_realm: HSS_REALM,
        host_ip_address: Repeated::from(&addresses[..1]),
        product_name: "Callhome",
        error_message: Some("S6a is what is spoken here"),
        ..Default::default()
    });
    request!(all "DWR" DeviceWatchdogRequest { origin_host: MME, origin_realm: MME_REALM, origin_state_id: Some(7) });
    answer!(all "DWA" DeviceWatchdogAnswer {
        result_code: ResultCode::SUCCESS,
        origin_host: HSS,
        origin_realm: HSS_REALM,
        origin_state_id: Some(8),
        ..Default::default()
    });
    request!(all "DPR" DisconnectPeerRequest {
        origin_host: MME,
        origin_realm: MME_REALM,
        disconnect_cause: DisconnectCause::DoNotWantToTalkToYou,
    });
    answer!(all "DPA" DisconnectPeerAnswer {
        result_code: ResultCode::SUCCESS,
        origin_host: HSS,
        origin_realm: HSS_REALM,
        ..Default::default()
    });
}

/// The fields that all requests towards the HSS share.
macro_rules! to_hss {
    ($type:ident { $($field:ident: $value:expr,)* }) => {
        $type {
            session_id: SESSION,
            drmp: Some(10),
            vendor_specific_application_id: Some(APPLICATION_ID),
            origin_host: MME,
            origin_realm: MME_REALM,
            destination_host: Some(HSS),
            destination_realm: HSS_REALM,
            user_name: IMSI,
            oc_supported_features: Some(OcSupportedFeatures { oc_feature_vector: Some(1) }),
            supported_features: (&[SupportedFeatures::of_3gpp(1, 0x1c00_0607), SupportedFeatures::of_3gpp(2, 8)]).into(),
            proxy_info: (&proxies()).into(),
            route_record: (&["dra1.example", "dra2.example"]).into(),
            $($field: $value,)*
            ..Default::default()
        }
    };
}

macro_rules! from_hss {
    ($type:ident { $($field:ident: $value:expr,)* }) => {
        $type {
            session_id: SESSION,
            drmp: Some(10),
            vendor_specific_application_id: Some(APPLICATION_ID),
            outcome: Outcome::SUCCESS,
            origin_host: HSS,
            origin_realm: HSS_REALM,
            oc_supported_features: Some(OcSupportedFeatures { oc_feature_vector: Some(1) }),
            oc_olr: Some(OcOlr {
                oc_sequence_number: 5,
                oc_report_type: 0,
                oc_reduction_percentage: Some(10),
                oc_validity_duration: Some(30),
            }),
            load: (&[Load { load_type: Some(0), load_value: Some(40_000), source_id: Some(HSS) }]).into(),
            supported_features: (&[SupportedFeatures::of_3gpp(1, 0x1c00_0607)]).into(),
            proxy_info: (&proxies()).into(),
            route_record: (&["dra1.example"]).into(),
            $($field: $value,)*
            ..Default::default()
        }
    };
}

fn proxies() -> [RawAvp<'static>; 2] {
    [RawAvp::new(PROXY_A).unwrap(), RawAvp::new(PROXY_B).unwrap()]
}

fn hss_is_asked(all: &mut Samples) {
    let resync = ResynchronizationInfo::new([0x11; 16], [0x22; 14]);
    let wanted = RequestedVectors {
        number_of_requested_vectors: Some(1),
        immediate_response_preferred: Some(1),
        re_synchronization_info: Some(resync),
    };
    request!(all "AIR" to_hss!(AuthenticationInformationRequest {
        requested_eutran_authentication_info: Some(wanted),
        requested_utran_geran_authentication_info: Some(wanted),
        visited_plmn_id: PLMN,
        air_flags: Some(AirFlags::SEND_UE_USAGE_TYPE),
    }));
    let xres = [0x33; 8];
    let eutran = EutranVector {
        item_number: Some(1),
        rand: [0x44; 16],
        xres: &xres,
        autn: [0x55; 16],
        kasme: [0x66; 32],
    };
    let utran = UtranVector {
        item_number: Some(1),
        rand: [0x44; 16],
        xres: &xres,
        autn: [0x55; 16],
        confidentiality_key: [0x77; 16],
        integrity_key: [0x88; 16],
    };
    let geran = GeranVector { item_number: Some(1), rand: [0x44; 16], sres: [0x99; 4], kc: [0xaa; 8] };
    answer!(all "AIA" from_hss!(AuthenticationInformationAnswer {
        authentication_info: Some(AuthenticationInfo {
            eutran_vector: (&[eutran, EutranVector { item_number: Some(2), ..eutran }]).into(),
            utran_vector: (&[utran]).into(),
            geran_vector: (&[geran]).into(),
        }),
        ue_usage_type: Some(128),
    }));
    request!(all "AIR, least" AuthenticationInformationRequest {
        session_id: SESSION,
        origin_host: MME,
        origin_realm: MME_REALM,
        destination_realm: HSS_REALM,
        user_name: IMSI,
        visited_plmn_id: PLMN,
        ..Default::default()
    });
    answer!(all "AIA, unknown user" AuthenticationInformationAnswer {
        session_id: SESSION,
        vendor_specific_application_id: Some(APPLICATION_ID),
        outcome: Experimental::USER_UNKNOWN.into(),
        error_diagnostic: Some(ErrorDiagnostic::NoGprsDataSubscribed),
        origin_host: HSS,
        origin_realm: HSS_REALM,
        error_message: Some("no such subscriber"),
        ..Default::default()
    });
    update_location(all);
    request!(all "PUR" to_hss!(PurgeUeRequest {
        pur_flags: Some(PurFlags::PURGED_IN_MME),
        eps_location_information: Some(place()),
    }));
    answer!(all "PUA" from_hss!(PurgeUeAnswer { pua_flags: Some(PuaFlags::FREEZE_M_TMSI), }));
    request!(all "NOR" to_hss!(NotifyRequest {
        terminal_information: Some(terminal()),
        visited_network_identifier: Some(b"mnc071.mcc999.3gppnetwork.org"),
        context_identifier: Some(1),
        service_selection: Some("callhome"),
        alert_reason: Some(AlertReason::UeMemoryAvailable),
        ue_srvcc_capability: Some(0),
        nor_flags: Some(NorFlags::UE_REACHABLE_FROM_MME.with(NorFlags::S6A)),
        homogeneous_support_of_ims_voice: Some(1),
        maximum_ue_availability_time: Some(3_900_000_000),
        mip6_agent_info: Some(Mip6AgentInfo {
            mip_home_agent_host: Some(MipHomeAgentHost {
                destination_realm: MME_REALM,
                destination_host: "pgw.example",
            }),
            ..Default::default()
        }),
        monitoring_event_config_status: (&[config_status()]).into(),
        emergency_services: Some(1),
    }));
    answer!(all "NOA" from_hss!(NotifyAnswer {}));
}

/// Of an MME: UE reachability, location, loss of connectivity (TS 29.272 §7.3.200).
fn services() -> SupportedServices {
    SupportedServices { supported_monitoring_events: Some(0b1110), node_type: Some(1) }
}

fn terminal() -> TerminalInformation<'static> {
    TerminalInformation { imei: Some("35609204079300"), meid: Some(b"1234567"), software_version: Some("50") }
}

fn update_location(all: &mut Samples) {
    let gateway = ["192.0.2.9".parse().unwrap()];
    let mip6_agent_info = Mip6AgentInfo {
        mip_home_agent_address: (&gateway).into(),
        mip_home_agent_host: Some(MipHomeAgentHost {
            destination_realm: MME_REALM,
            destination_host: "pgw.example",
        }),
    };
    let specific = [SpecificApnInfo {
        service_selection: "callhome",
        mip6_agent_info,
        visited_network_identifier: Some(b"mnc071.mcc999.3gppnetwork.org"),
    }];
    let active = [ActiveApn {
        context_identifier: 1,
        service_selection: Some("callhome"),
        mip6_agent_info: Some(mip6_agent_info),
        visited_network_identifier: Some(b"mnc071.mcc999.3gppnetwork.org"),
        specific_apn_info: (&specific).into(),
    }];
    request!(all "ULR" to_hss!(UpdateLocationRequest {
        terminal_information: Some(terminal()),
        rat_type: RatType::EUTRAN,
        ulr_flags: UlrFlags::S6A.with(UlrFlags::INITIAL_ATTACH),
        ue_srvcc_capability: Some(0),
        visited_plmn_id: PLMN,
        sgsn_number: Some(&[0x94, 0x71, 0x02]),
        homogeneous_support_of_ims_voice: Some(0),
        gmlc_address: Some("192.0.2.7".parse().unwrap()),
        active_apn: (&active).into(),
        equivalent_plmn_list: Some(EquivalentPlmnList { visited_plmn_id: (&[PLMN, [0x13, 0, 0x14]]).into() }),
        mme_number_for_mt_sms: Some(&[0x94, 0x71, 0x03]),
        sms_register_request: Some(0),
        sgs_mme_identity: Some("mmec01.mmegi0001.mme.epc.mnc071.mcc999.3gppnetwork.org"),
        coupled_node_diameter_id: Some("sgsn.example"),
        adjacent_plmns: Some(AdjacentPlmns { visited_plmn_id: (&[[0x13, 0, 0x14]]).into() }),
        supported_services: Some(services()),
    }));
    let configurations = configurations(mip6_agent_info);
    with_subscription(&configurations.each_ref().map(|c| c.with_addresses()), |subscription_data| {
        answer!(all "ULA" from_hss!(UpdateLocationAnswer {
            ula_flags: Some(UlaFlags::SEPARATION),
            subscription_data: Some(subscription_data),
            reset_id: (&[&b"pool-a"[..], b"pool-b"]).into(),
        }));
    });
    answer!(all "ULA, roaming not allowed" UpdateLocationAnswer {
        session_id: SESSION,
        outcome: Experimental::ROAMING_NOT_ALLOWED.into(),
        error_diagnostic: Some(ErrorDiagnostic::OdbHplmnApn),
        origin_host: HSS,
        origin_realm: HSS_REALM,
        ula_flags: Some(UlaFlags::default()),
        ..Default::default()
    });
}

/// An APN-Configuration and the addresses that it borrows.
struct Apn(ApnConfiguration<'static>, Vec<IpAddr>);

impl Apn {
    fn with_addresses(&self) -> ApnConfiguration<'_> {
        ApnConfiguration { served_party_ip_address: (&self.1).into(), ..self.0 }
    }
}

fn configurations(gateway: Mip6AgentInfo<'_>) -> [Apn; 2] {
    let host = gateway
        .mip_home_agent_host
        .map(|_| MipHomeAgentHost { destination_realm: MME_REALM, destination_host: "pgw.example" });
    let full = ApnConfiguration {
        context_identifier: 1,
        pdn_type: PdnType::Ipv4v6,
        service_selection: "callhome",
        eps_subscribed_qos_profile: Some(EpsSubscribedQosProfile {
            qos_class_identifier: 9,
            allocation_retention_priority: AllocationRetentionPriority {
                priority_level: 15,
                pre_emption_capability: Some(PreemptionCapability::Disabled),
                pre_emption_vulnerability: Some(PreemptionVulnerability::Enabled),
            },
        }),
        vplmn_dynamic_address_allowed: Some(VplmnDynamicAddress::NotAllowed),
        mip6_agent_info: Some(Mip6AgentInfo { mip_home_agent_host: host, ..Default::default() }),
        visited_network_identifier: Some(b"mnc071.mcc999.3gppnetwork.org"),
        pdn_gw_allocation_type: Some(PdnGwAllocationType::Dynamic),
        charging_characteristics: Some("0800"),
        ambr: Some(ambr()),
        apn_oi_replacement: Some("mnc071.mcc999.gprs"),
        non_ip_pdn_type_indicator: Some(0),
        wlan_offloadability: Some(WlanOffloadability {
            wlan_offloadability_eutran: Some(1),
            wlan_offloadability_utran: Some(0),
        }),
        non_ip_data_delivery_mechanism: Some(0),
        scef_id: Some("scef.example"),
        scef_realm: Some("example"),
        preferred_data_mode: Some(1),
        pdn_connection_continuity: Some(0),
        rds_indicator: Some(0),
        interworking_5gs_indicator: Some(0),
        ethernet_pdn_type_indicator: Some(0),
        ..Default::default()
    };
    let least = ApnConfiguration { context_identifier: 2, service_selection: "*", ..Default::default() };
    [Apn(full, vec!["10.45.0.2".parse().unwrap(), "2001:db8::2".parse().unwrap()]), Apn(least, Vec::new())]
}

fn ambr() -> Ambr {
    Ambr {
        max_requested_bandwidth_ul: 256_000,
        max_requested_bandwidth_dl: 512_000,
        extended_max_requested_bw_ul: Some(256),
        extended_max_requested_bw_dl: Some(512),
    }
}

fn with_subscription(apns: &[ApnConfiguration<'_>], then: impl FnOnce(SubscriptionData<'_>)) {
    then(SubscriptionData {
        subscriber_status: Some(SubscriberStatus::ServiceGranted),
        msisdn: Some(&[0x94, 0x71, 0x21, 0x43]),
        a_msisdn: Some(&[0x94, 0x71, 0x21, 0x44]),
        external_identifier: Some("meter-17@callhome.example"),
        stn_sr: Some(&[0x94, 0x71]),
        ics_indicator: Some(0),
        network_access_mode: Some(NetworkAccessMode::OnlyPacket),
        operator_determined_barring: Some(OperatorDeterminedBarring::ROAMER_ACCESS_VPLMN_AP),
        hplmn_odb: Some(0),
        regional_subscription_zone_code: (&[&[0, 1][..], &[0, 2]]).into(),
        access_restriction_data: Some(AccessRestrictionData::UTRAN.with(AccessRestrictionData::GERAN)),
        apn_oi_replacement: Some("mnc071.mcc999.gprs"),
        charging_characteristics: Some("0800"),
        ambr: Some(ambr()),
        apn_configuration_profile: Some(ApnConfigurationProfile {
            context_identifier: 1,
            additional_context_identifier: Some(2),
            third_context_identifier: None,
            all_apn_configurations_included: AllApnConfigurationsIncluded::All,
            apn_configuration: apns.into(),
        }),
        rat_frequency_selection_priority_id: Some(1),
        roaming_restricted_due_to_unsupported_feature: Some(0),
        subscribed_periodic_rau_tau_timer: Some(3600),
        mps_priority: Some(0),
        subscription_data_flags: Some(1),
        ue_usage_type: Some(128),
        core_network_restrictions: Some(0),
        lcs_info: Some(LcsInfo {
            gmlc_number: (&[&[0x94, 0x71][..]]).into(),
            lcs_privacy_exception: (&[LcsPrivacyException {
                ss_code: &[0xb1],
                ss_status: &[5],
                notification_to_ue_user: Some(0),
                external_client: (&[ExternalClient { client_identity: &[0x94, 0x71], ..Default::default() }])
                    .into(),
                plmn_client: (&[0]).into(),
                service_type: (&[ServiceType { service_type_identity: 1, ..Default::default() }]).into(),
            }])
                .into(),
            mo_lr: (&[MoLr { ss_code: &[0xc1], ss_status: &[5] }]).into(),
        }),
        teleservice_list: Some(TeleserviceList { ts_code: (&[&[0x21][..]]).into() }),
        call_barring_info: (&[CallBarringInfo { ss_code: &[0x92], ss_status: &[5] }]).into(),
        gprs_subscription_data: Some(GprsSubscriptionData {
            complete_data_list_included_indicator: 0,
            pdp_context: (&[PdpContext {
                context_identifier: 3,
                pdp_type: [0xf1, 0x21],
                qos_subscribed: &[0x0b, 0x92, 0x1f],
                service_selection: "callhome",
                ..Default::default()
            }])
                .into(),
        }),
        csg_subscription_data: (&[CsgSubscriptionData { csg_id: 32, ..Default::default() }]).into(),
        trace_data: Some(trace()),
        vplmn_lipa_allowed: Some(0),
        relay_node_indicator: Some(0),
        mdt_user_consent: Some(1),
        subscribed_vsrvcc: Some(0),
        prose_subscription_data: Some(ProseSubscriptionData { prose_permission: 1 }),
        adjacent_access_restriction_data: (&[AdjacentAccessRestrictionData {
            visited_plmn_id: [0x13, 0, 0x14],
            access_restriction_data: AccessRestrictionData::NB_IOT,
        }])
            .into(),
        dl_buffering_suggested_packet_count: Some(-1),
        imsi_group_id: (&[ImsiGroupId {
            group_service_id: 1,
            group_plmn_id: PLMN,
            local_group_id: b"meters",
        }])
            .into(),
        aese_communication_pattern: (&[AeseCommunicationPattern {
            scef_reference_id: Some(5),
            scef_id: "scef.example",
            scef_reference_id_for_deletion: (&[4]).into(),
            communication_pattern_set: (&[CommunicationPatternSet {
                periodic_communication_indicator: Some(0),
                communication_duration_time: Some(30),
                periodic_time: Some(86_400),
                scheduled_communication_time: (&[ScheduledCommunicationTime {
                    day_of_week_mask: Some(2),
                    time_of_day_start: Some(3600),
                    time_of_day_end: Some(7200),
                }])
                    .into(),
                stationary_indication: Some(0),
                reference_id_validity_time: Some(3_900_000_000),
                traffic_profile: Some(0),
                ..Default::default()
            }])
                .into(),
            mtc_provider_info: Some(MtcProviderInfo { mtc_provider_id: Some("meters") }),
            ..Default::default()
        }])
            .into(),
        monitoring_event_configuration: (&[monitoring()]).into(),
        emergency_info: Some(EmergencyInfo {
            mip6_agent_info: Some(Mip6AgentInfo {
                mip_home_agent_host: Some(MipHomeAgentHost {
                    destination_realm: MME_REALM,
                    destination_host: "pgw.example",
                }),
                ..Default::default()
            }),
        }),
        v2x_subscription_data: Some(V2xSubscriptionData {
            v2x_permission: Some(V2xPermission::VEHICLE),
            ue_pc5_ambr: Some(1_000_000),
        }),
        v2x_subscription_data_nr: Some(V2xSubscriptionDataNr {
            v2x_permission: Some(V2xPermission::PEDESTRIAN),
            ue_pc5_ambr: Some(1_000_000),
            ue_pc5_qos: Some(UePc5Qos {
                pc5_qos_flow: (&[Pc5QosFlow {
                    five_qi: 21,
                    pc5_flow_bitrates: Some(Pc5FlowBitrates {
                        guaranteed_flow_bitrates: Some(1000),
                        maximum_flow_bitrates: Some(2000),
                    }),
                    pc5_range: Some(300),
                }])
                    .into(),
                pc5_link_ambr: Some(1_000_000),
            }),
        }),
        edrx_cycle_length: (&[EdrxCycleLength {
            rat_type: RatType::EUTRAN_NB_IOT,
            edrx_cycle_length_value: &[9],
        }])
            .into(),
        paging_time_window: (&[PagingTimeWindow {
            operation_mode: OperationMode::NB_S1,
            paging_time_window_length: &[3],
        }])
            .into(),
        active_time: Some(20),
        service_gap_time: Some(60),
        broadcast_location_assistance_data_types: Some(1),
        aerial_ue_subscription_information: Some(1),
        subscribed_arpi: Some(1),
        iab_operation_permission: Some(0),
    });
}

const CELL: &[u8] = &[0x99, 0xf9, 0x17, 0, 0, 1, 1];
const TRACKING_AREA: &[u8] = &[0x99, 0xf9, 0x17, 0, 1];

fn trace() -> TraceData<'static> {
    TraceData {
        trace_reference: &[0x99, 0xf9, 0x17, 0, 0, 1],
        trace_depth: TraceDepth::MEDIUM,
        trace_ne_type_list: &[0, 0x40],
        trace_interface_list: Some(&[0; 12]),
        trace_event_list: &[0; 9],
        omc_id: Some(b"omc"),
        trace_collection_entity: TraceCollectionEntity("192.0.2.30".parse().unwrap()),
        mdt_configuration: Some(MdtConfiguration {
            job_type: JobType::IMMEDIATE_MDT_AND_TRACE,
            area_scope: Some(AreaScope {
                e_utran_cell_global_identity: (&[CELL]).into(),
                tracking_area_identity: (&[TRACKING_AREA]).into(),
                ..Default::default()
            }),
            list_of_measurements: Some(1),
            reporting_trigger: Some(1),
            report_interval: Some(0),
            report_amount: Some(0),
            event_threshold_rsrp: Some(50),
            event_threshold_rsrq: Some(20),
            logging_interval: Some(0),
            logging_duration: Some(0),
            measurement_period_lte: Some(0),
            measurement_period_umts: Some(0),
            collection_period_rrm_lte: Some(0),
            collection_period_rrm_umts: Some(0),
            positioning_method: Some(&[1]),
            measurement_quantity: Some(&[1]),
            event_threshold_event_1f: Some(-90),
            event_threshold_event_1i: Some(-20),
            mdt_allowed_plmn_id: (&[PLMN]).into(),
            mbsfn_area: (&[MbsfnArea { mbsfn_area_id: Some(7), carrier_frequency: Some(1300) }]).into(),
        }),
    }
}

fn monitoring() -> MonitoringEventConfiguration<'static> {
    MonitoringEventConfiguration {
        scef_reference_id: Some(6),
        scef_id: "scef.example",
        monitoring_type: MonitoringType::UE_REACHABILITY,
        scef_reference_id_for_deletion: (&[3]).into(),
        maximum_number_of_reports: Some(10),
        monitoring_duration: Some(3_900_000_000),
        charged_party: Some("meters"),
        ue_reachability_configuration: Some(UeReachabilityConfiguration {
            reachability_type: Some(ReachabilityType::DATA),
            maximum_latency: Some(3600),
            maximum_response_time: Some(20),
            dl_buffering_suggested_packet_count: Some(4),
        }),
        location_information_configuration: Some(LocationInformationConfiguration {
            monte_location_type: Some(0),
            accuracy: Some(1),
            periodic_time: Some(600),
        }),
        scef_realm: Some("example"),
        external_identifier: Some("meter-17@callhome.example"),
        mtc_provider_info: Some(MtcProviderInfo { mtc_provider_id: Some("meters") }),
        pdn_connectivity_status_configuration: Some(PdnConnectivityStatusConfiguration {
            service_selection: Some("callhome"),
        }),
        ..Default::default()
    }
}

fn config_status() -> MonitoringEventConfigStatus<'static> {
    MonitoringEventConfigStatus {
        service_report: (&[ServiceReport {
            service_result: Some(ServiceResult { vendor_id: Some(10415), service_result_code: Some(5513) }),
            node_type: Some(1),
        }])
            .into(),
        scef_reference_id: 6,
        scef_id: Some("scef.example"),
        ..Default::default()
    }
}

/// The last cell that an MME knows: ECGI and TAI (TS 29.118 §8.4.20, TS 24.301 §9.9.3.32), minutes ago.
fn place() -> EpsLocationInformation<'static> {
    EpsLocationInformation {
        mme_location_information: Some(MmeLocationInformation {
            e_utran_cell_global_identity: Some(&[0x99, 0xf9, 0x17, 0, 0, 1, 1]),
            tracking_area_identity: Some(&[0x99, 0xf9, 0x17, 0, 1]),
            current_location_retrieved: Some(0),
            age_of_location_information: Some(3),
            user_csg_information: Some(UserCsgInformation {
                csg_id: 32,
                csg_access_mode: 1,
                csg_membership_indication: Some(1),
            }),
            enodeb_id: Some(&[0x99, 0xf9, 0x17, 0, 0, 1]),
            extended_enodeb_id: Some(&[0x99, 0xf9, 0x17, 0, 0, 1]),
            ..Default::default()
        }),
        sgsn_location_information: Some(SgsnLocationInformation {
            age_of_location_information: Some(4),
            ..Default::default()
        }),
    }
}

/// The fields that all requests towards the MME share.
macro_rules! to_mme {
    ($type:ident { $($field:ident: $value:expr,)* }) => {
        $type {
            session_id: SESSION,
            drmp: Some(10),
            vendor_specific_application_id: Some(APPLICATION_ID),
            origin_host: HSS,
            origin_realm: HSS_REALM,
            destination_host: MME,
            destination_realm: MME_REALM,
            supported_features: (&[SupportedFeatures::of_3gpp(1, 1)]).into(),
            proxy_info: (&proxies()).into(),
            route_record: (&["dra1.example"]).into(),
            $($field: $value,)*
            ..Default::default()
        }
    };
}

macro_rules! from_mme {
    ($type:ident { $($field:ident: $value:expr,)* }) => {
        $type {
            session_id: SESSION,
            vendor_specific_application_id: Some(APPLICATION_ID),
            outcome: Outcome::SUCCESS,
            origin_host: MME,
            origin_realm: MME_REALM,
            supported_features: (&[SupportedFeatures::of_3gpp(1, 1)]).into(),
            proxy_info: (&proxies()).into(),
            $($field: $value,)*
            ..Default::default()
        }
    };
}

fn mme_is_asked(all: &mut Samples) {
    request!(all "CLR" to_mme!(CancelLocationRequest {
        user_name: IMSI,
        cancellation_type: CancellationType::SubscriptionWithdrawal,
        clr_flags: Some(ClrFlags::REATTACH_REQUIRED),
    }));
    answer!(all "CLA" from_mme!(CancelLocationAnswer {}));
    let gateway =
        Mip6AgentInfo { mip_home_agent_host: Some(MipHomeAgentHost::default()), ..Default::default() };
    let configurations = configurations(gateway);
    with_subscription(&configurations.each_ref().map(|c| c.with_addresses()), |subscription_data| {
        request!(all "IDR" to_mme!(InsertSubscriberDataRequest {
            user_name: IMSI,
            subscription_data: subscription_data,
            idr_flags: Some(IdrFlags::UE_REACHABILITY),
            reset_id: (&[&b"pool-a"[..]]).into(),
        }));
    });
    answer!(all "IDA" from_mme!(InsertSubscriberDataAnswer {
        ims_voice_over_ps_sessions_supported: Some(1),
        last_ue_activity_time: Some(3_900_000_000),
        rat_type: Some(RatType::EUTRAN_NB_IOT),
        ida_flags: Some(IdaFlags::AREA_RESTRICTED),
        eps_user_state: Some(EpsUserState {
            mme_user_state: Some(NodeUserState { user_state: Some(4) }),
            sgsn_user_state: Some(NodeUserState { user_state: Some(0) }),
        }),
        eps_location_information: Some(place()),
        local_time_zone: Some(LocalTimeZone { time_zone: "+1", daylight_saving_time: 0 }),
        supported_services: Some(services()),
        monitoring_event_report: (&[MonitoringEventReport {
            scef_reference_id: 6,
            scef_id: Some("scef.example"),
            reachability_information: Some(1),
            eps_location_information: Some(place()),
            monitoring_type: Some(MonitoringType::UE_REACHABILITY),
            loss_of_connectivity_reason: Some(LossOfConnectivityReason::UE_PURGED_MME),
            idle_status_indication: Some(IdleStatusIndication {
                idle_status_timestamp: Some(3_900_000_000),
                active_time: Some(20),
                subscribed_periodic_rau_tau_timer: Some(3600),
                edrx_cycle_length: Some(EdrxCycleLength {
                    rat_type: RatType::EUTRAN,
                    edrx_cycle_length_value: &[2],
                }),
                dl_buffering_suggested_packet_count: Some(0),
            }),
            maximum_ue_availability_time: Some(3_900_000_000),
            pdn_connectivity_status_report: (&[PdnConnectivityStatusReport {
                service_selection: "callhome",
                pdn_connectivity_status_type: 0,
                pdn_type: Some(PdnType::Ipv4),
                served_party_ip_address: (&["192.0.2.77".parse().unwrap()]).into(),
                ..Default::default()
            }])
                .into(),
            ..Default::default()
        }])
            .into(),
        monitoring_event_config_status: (&[config_status()]).into(),
    }));
    request!(all "DSR" to_mme!(DeleteSubscriberDataRequest {
        user_name: IMSI,
        dsr_flags: DsrFlags::PDN_SUBSCRIPTION_CONTEXTS,
        context_identifier: (&[1, 2]).into(),
        trace_reference: Some(&[0x99, 0xf9, 0x17, 0, 0, 1]),
        ts_code: (&[&[0x21][..]]).into(),
        ss_code: (&[&[0x12][..]]).into(),
        scef_id: Some("scef.example"),
        edrx_related_rat: Some(EdrxRelatedRat { rat_type: (&[RatType::EUTRAN]).into() }),
        external_identifier: (&["meter-17@callhome.example"]).into(),
    }));
    answer!(all "DSA" from_mme!(DeleteSubscriberDataAnswer { dsa_flags: Some(DsaFlags::AREA_RESTRICTED), }));
    request!(all "RSR" to_mme!(ResetRequest {
        user_id: (&["99971", "99972"]).into(),
        reset_id: (&[&b"pool-a"[..]]).into(),
        subscription_data: Some(SubscriptionData { ambr: Some(ambr()), ..Default::default() }),
        subscription_data_deletion: Some(SubscriptionDataDeletion {
            dsr_flags: DsrFlags::MONITORING_EVENTS,
            scef_id: Some("scef.example"),
            context_identifier: (&[1]).into(),
            trace_reference: Some(&[0x99, 0xf9, 0x17, 0, 0, 1]),
            ts_code: (&[&[0x21][..]]).into(),
            ss_code: (&[&[0x12][..]]).into(),
        }),
    }));
    answer!(all "RSA" from_mme!(ResetAnswer {}));
}

/// Answers of [`error_answer`] and with the E bit.
fn errors(all: &mut Samples) {
    let asked = all.clone();
    for (name, request) in
        [("AIA, 5005", "AIR"), ("ULA, 5005", "ULR"), ("CLA, 5005", "CLR"), ("DWA, 5005", "DWR")]
    {
        let octets = &asked.iter().find(|(n, _)| *n == request).unwrap().1;
        let request = Message::parse(octets).unwrap();
        // Auth-Session-State of four zeros, as RFC 6733 §7.5 wants it.
        let example = [0, 0, 1, 21, 0x40, 0, 0, 12, 0, 0, 0, 0];
        let refusal = Refusal {
            outcome: ResultCode::MISSING_AVP.into(),
            message: "a required AVP is missing",
            failed: &example,
        };
        write(all, name, |out| error_answer(&request, HSS, HSS_REALM, refusal, out));
    }
    let octets = &asked.iter().find(|(n, _)| *n == "AIR").unwrap().1;
    let request = Message::parse(octets).unwrap();
    assert_eq!(request.avps().map_while(Result::ok).filter(|avp| avp.is(&PROXY_INFO)).count(), 2);
    write(all, "AIA, 3004", |out| error_answer(&request, HSS, HSS_REALM, ResultCode::TOO_BUSY, out));
}
