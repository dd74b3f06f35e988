//! Subscription-Data (TS 29.272 §7.3.2) from a profile: what a ULA and an IDR carry.
//!
//! INTEROP with Open5GS: an APN without Context-Identifier, PDN-Type, Service-Selection and QoS is dropped,
//! PDN-Type 3 ends its list, four APNs are kept.

use std::net::IpAddr;

use s6a::app::{
    self, AccessRestrictionData, AllApnConfigurationsIncluded, AllocationRetentionPriority, ApnConfiguration,
    ApnConfigurationProfile, EpsSubscribedQosProfile, PreemptionCapability, PreemptionVulnerability,
    SubscriberStatus, SubscriptionData,
};

use schemas::subscription::NetworkAccessMode;

use crate::model::{AccessRule, Ambr, Apn, Arp, PdnType, Profile, Rat, Snapshot};

/// APNs of a profile, at most ([`Profile::check`]).
const MAX_APNS: usize = 4;

/// Gives `then` the subscriber's Subscription-Data; `address` is its static address, sent with the default
/// APN as Served-Party-IP-Address. Nothing is allocated.
pub fn with_data<R>(
    subscriber: &Snapshot,
    address: Option<IpAddr>,
    then: impl FnOnce(SubscriptionData<'_>) -> R,
) -> R {
    let profile = &*subscriber.profile;
    let mut msisdn = [0; 8];
    let msisdn = subscriber.credential.msisdn.as_deref().and_then(|digits| tbcd(digits, &mut msisdn));
    // The static address goes with the default APN, if that is of its IP version.
    let default = profile.apns.first();
    let static_address = address.filter(|address| {
        matches!(
            (address, default.map(|apn| apn.pdn_type)),
            (_, Some(PdnType::Ipv4v6))
                | (IpAddr::V4(_), Some(PdnType::Ipv4))
                | (IpAddr::V6(_), Some(PdnType::Ipv6))
        )
    });
    let mut apns = [ApnConfiguration::default(); MAX_APNS];
    for ((slot, apn), id) in apns.iter_mut().zip(&profile.apns).zip(1..) {
        *slot = configuration(apn, id);
    }
    if let (Some(address), Some(first)) = (&static_address, apns.first_mut()) {
        first.served_party_ip_address = std::slice::from_ref(address).into();
    }
    then(SubscriptionData {
        subscriber_status: Some(SubscriberStatus::ServiceGranted),
        msisdn,
        network_access_mode: Some(network_access_mode(profile.network_access_mode)),
        access_restriction_data: restriction(&profile.allowed_rats),
        ambr: Some(ambr(profile.ambr)),
        apn_configuration_profile: Some(ApnConfigurationProfile {
            context_identifier: DEFAULT_CONTEXT,
            all_apn_configurations_included: AllApnConfigurationsIncluded::All,
            apn_configuration: (&apns[..profile.apns.len().min(MAX_APNS)]).into(),
            ..ApnConfigurationProfile::default()
        }),
        subscribed_periodic_rau_tau_timer: profile.periodic_tau,
        ..SubscriptionData::default()
    })
}

/// Context-Identifier of the default APN, the profile's first (TS 29.272 §7.3.34).
const DEFAULT_CONTEXT: u32 = 1;

fn configuration(apn: &Apn, context_identifier: u32) -> ApnConfiguration<'_> {
    let Arp { priority, may_preempt, preemptable } = apn.arp;
    ApnConfiguration {
        context_identifier,
        pdn_type: match apn.pdn_type {
            PdnType::Ipv4 => app::PdnType::Ipv4,
            PdnType::Ipv6 => app::PdnType::Ipv6,
            PdnType::Ipv4v6 => app::PdnType::Ipv4v6,
        },
        service_selection: &apn.name,
        eps_subscribed_qos_profile: Some(EpsSubscribedQosProfile {
            qos_class_identifier: apn.qci.into(),
            allocation_retention_priority: AllocationRetentionPriority {
                priority_level: priority.into(),
                pre_emption_capability: Some(if may_preempt {
                    PreemptionCapability::Enabled
                } else {
                    PreemptionCapability::Disabled
                }),
                pre_emption_vulnerability: Some(if preemptable {
                    PreemptionVulnerability::Enabled
                } else {
                    PreemptionVulnerability::Disabled
                }),
            },
        }),
        ambr: Some(ambr(apn.ambr)),
        ..ApnConfiguration::default()
    }
}

fn ambr(ambr: Ambr) -> app::Ambr {
    app::Ambr {
        max_requested_bandwidth_ul: ambr.uplink,
        max_requested_bandwidth_dl: ambr.downlink,
        ..app::Ambr::default()
    }
}

fn network_access_mode(mode: NetworkAccessMode) -> app::NetworkAccessMode {
    match mode {
        NetworkAccessMode::PacketAndCircuit => app::NetworkAccessMode::PacketAndCircuit,
        NetworkAccessMode::OnlyPacket => app::NetworkAccessMode::OnlyPacket,
    }
}

/// Access-Restriction-Data (TS 29.272 §7.3.31): a bit for each RAT that is not allowed, so that the MME
/// also keeps the UE from handovers there.
fn restriction(allowed: &AccessRule<Rat>) -> Option<AccessRestrictionData> {
    let none = AccessRestrictionData(0);
    let bits = [
        (Rat::Utran, AccessRestrictionData::UTRAN),
        (Rat::Geran, AccessRestrictionData::GERAN),
        (Rat::Eutran, AccessRestrictionData::WB_EUTRAN),
        (Rat::EutranNbIot, AccessRestrictionData::NB_IOT),
        (Rat::LteM, AccessRestrictionData::LTE_M),
    ];
    let refused = bits.into_iter().filter(|(rat, _)| !allowed.allows(rat));
    let restriction = refused.fold(none, |all, (_, bit)| all.with(bit));
    if restriction == none { None } else { Some(restriction) }
}

/// An MSISDN of up to 15 digits as TBCD: the first digit in the low half of an octet, 1111 as filler
/// (TS 29.329 §6.3.2). None for what is no such number.
fn tbcd<'o>(digits: &str, octets: &'o mut [u8; 8]) -> Option<&'o [u8]> {
    let digits = digits.strip_prefix('+').unwrap_or(digits).as_bytes();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
        let high = pair.get(1).map_or(0xf, |digit| digit - b'0');
        *octet = high << 4 | (pair[0] - b'0');
    }
    Some(&octets[..digits.len().div_ceil(2)])
}

/// Whether a UE notices that one profile took the other's place, so that its serving node must be told.
#[must_use]
pub fn differs(old: &Profile, new: &Profile) -> bool {
    old.apns != new.apns
        || old.ambr != new.ambr
        || old.network_access_mode != new.network_access_mode
        || old.periodic_tau != new.periodic_tau
        || old.allowed_rats != new.allowed_rats
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::fixture::{subscriber, subscriber_with};

    /// INTEROP: what Open5GS's MME looks for in each APN.
    #[test]
    fn subscription_data_has_all_that_open5gs_needs() {
        let subscriber = subscriber();
        with_data(&subscriber, subscriber.credential.address, |data| {
            let ambr = data.ambr.unwrap();
            assert_eq!(
                (ambr.max_requested_bandwidth_ul, ambr.max_requested_bandwidth_dl),
                (128_000, 128_000)
            );
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
            assert_eq!(
                apn.served_party_ip_address.iter().collect::<Vec<_>>(),
                [IpAddr::from([10, 45, 0, 2])]
            );
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
            with_data(subscriber, Some(address), |data| {
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
        let sent = |subscriber: &Snapshot| with_data(subscriber, None, |data| data.network_access_mode);
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
            with_data(&subscriber, None, |data| data.access_restriction_data.map(|bits| bits.0))
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
        with_data(&subscriber, None, |data| {
            assert_eq!(data.subscribed_periodic_rau_tau_timer, Some(86_400));
            assert_eq!(data.msisdn, Some(&[0x88, 0x13, 0x03, 0x00, 0x00, 0x00, 0x21, 0xf3][..]));
        });
        let mut octets = [0; 8];
        for wrong in ["", "1234567890123456", "12a"] {
            assert_eq!(tbcd(wrong, &mut octets), None);
        }
        assert_eq!(tbcd("+12", &mut octets), Some(&[0x21][..]));
    }
}
