//! Subscription-Data as an MME keeps it, TS 29.272 §7.3.2.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ::s6a::app::{self, AllApnConfigurationsIncluded, DsrFlags, SubscriberStatus, SubscriptionData};
use serde::{Deserialize, Serialize};

/// What the home network lets the device do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Subscriber-Status is OPERATOR_DETERMINED_BARRING (TS 29.272 §7.3.29).
    pub barred: bool,
    /// UE-AMBR, bits per second: uplink, downlink (TS 29.272 §7.3.41).
    pub ambr: Option<(u32, u32)>,
    /// Context-Identifier of the default APN.
    pub default_context: Option<u32>,
    /// The APNs by Context-Identifier.
    pub apns: BTreeMap<u32, Apn>,
    /// Access-Restriction-Data (TS 29.272 §7.3.31).
    pub access_restriction: Option<u32>,
    /// Subscribed-Periodic-RAU-TAU-Timer in seconds (TS 29.272 §7.3.134).
    pub periodic_tau_timer: Option<u32>,
    /// 3GPP-Charging-Characteristics.
    pub charging_characteristics: Option<String>,
}

/// One APN-Configuration (TS 29.272 §7.3.35).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apn {
    /// Service-Selection.
    pub name: String,
    /// PDN-Type: `Ipv4`, `Ipv6`, `Ipv4v6`, `Ipv4OrIpv6`.
    pub pdn_type: String,
    /// Served-Party-IP-Address: static addresses.
    pub addresses: Vec<IpAddr>,
    /// QCI (TS 23.203 §6.1.7).
    pub qci: Option<u32>,
    /// ARP priority level, 1 the highest.
    pub priority: Option<u32>,
    /// APN-AMBR, bits per second: uplink, downlink.
    pub ambr: Option<(u32, u32)>,
}

fn ambr(ambr: app::Ambr) -> (u32, u32) {
    (ambr.max_requested_bandwidth_ul, ambr.max_requested_bandwidth_dl)
}

impl Apn {
    fn of(apn: &app::ApnConfiguration<'_>) -> Self {
        let qos = apn.eps_subscribed_qos_profile;
        Self {
            name: apn.service_selection.into(),
            pdn_type: format!("{:?}", apn.pdn_type),
            addresses: apn.served_party_ip_address.iter().collect(),
            qci: qos.map(|qos| qos.qos_class_identifier),
            priority: qos.map(|qos| qos.allocation_retention_priority.priority_level),
            ambr: apn.ambr.map(ambr),
        }
    }
}

impl Subscription {
    /// The whole of it, from a ULA.
    #[must_use]
    pub fn of(data: &SubscriptionData<'_>) -> Self {
        let mut subscription = Self::default();
        subscription.insert(data);
        subscription
    }

    /// What has come replaces what was (TS 29.272 §5.2.2.1.2): an APN-Configuration-Profile with all APNs
    /// replaces all, one with modified or added ones only those.
    pub fn insert(&mut self, data: &SubscriptionData<'_>) {
        if let Some(status) = data.subscriber_status {
            self.barred = status == SubscriberStatus::OperatorDeterminedBarring;
        }
        self.ambr = data.ambr.map(ambr).or(self.ambr);
        self.access_restriction = data.access_restriction_data.map(|bits| bits.0).or(self.access_restriction);
        self.periodic_tau_timer = data.subscribed_periodic_rau_tau_timer.or(self.periodic_tau_timer);
        if let Some(characteristics) = data.charging_characteristics {
            self.charging_characteristics = Some(characteristics.into());
        }
        if let Some(profile) = &data.apn_configuration_profile {
            if profile.all_apn_configurations_included == AllApnConfigurationsIncluded::All {
                self.apns.clear();
            }
            self.default_context = Some(profile.context_identifier);
            for apn in profile.apn_configuration.iter() {
                self.apns.insert(apn.context_identifier, Apn::of(&apn));
            }
        }
    }

    /// What DSR-Flags name goes (TS 29.272 §5.2.2.2.2, §7.3.25).
    pub fn delete(&mut self, flags: DsrFlags, contexts: impl Iterator<Item = u32>) {
        if flags.has(DsrFlags::COMPLETE_APN_CONFIGURATION_PROFILE) {
            self.apns.clear();
            self.default_context = None;
        }
        if flags.has(DsrFlags::PDN_SUBSCRIPTION_CONTEXTS) {
            contexts.for_each(|context| {
                self.apns.remove(&context);
            });
        }
        if flags.has(DsrFlags::CHARGING_CHARACTERISTICS) {
            self.charging_characteristics = None;
        }
        if flags.has(DsrFlags::SUBSCRIBED_PERIODIC_RAU_TAU_TIMER) {
            self.periodic_tau_timer = None;
        }
    }

    /// The default APN.
    #[must_use]
    pub fn default_apn(&self) -> Option<&Apn> {
        self.apns.get(&self.default_context?)
    }
}

impl std::fmt::Display for Subscription {
    /// One line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.barred {
            f.write_str("barred; ")?;
        }
        if let Some((up, down)) = self.ambr {
            write!(f, "AMBR {up}/{down} bit/s; ")?;
        }
        if self.apns.is_empty() {
            f.write_str("no APN")?;
        }
        for (at, (context, apn)) in self.apns.iter().enumerate() {
            let default = if Some(*context) == self.default_context { " (default)" } else { "" };
            write!(f, "{}APN {}{default} {}", if at > 0 { "; " } else { "" }, apn.name, apn.pdn_type)?;
            for address in &apn.addresses {
                write!(f, " {address}")?;
            }
            if let (Some(qci), Some(priority)) = (apn.qci, apn.priority) {
                write!(f, " QCI {qci} ARP {priority}")?;
            }
        }
        Ok(())
    }
}
