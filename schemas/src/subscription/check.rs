//! What no serving node would take, or not as it was meant.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;

use super::{Ambr, Apn, Gateway, GatewayHost, MAX_APNS, MAX_APNS_OF_OPEN5GS, NonIp, PdnType, Profile};

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongField {
    /// Which, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What it has to be, with the clause that says so.
    pub detail: String,
}

/// The highest AMBR that the extended AVPs can tell, bit/s (TS 29.214 §5.3.52).
const MAX_AMBR: u64 = u32::MAX as u64 * 1000;

#[derive(Default)]
struct Findings(Vec<WrongField>);

impl Findings {
    fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(WrongField { pointer: pointer.into(), detail: detail.into() });
    }

    fn unless(&mut self, good: bool, pointer: impl Into<String>, detail: &str) {
        if !good {
            self.add(pointer, detail);
        }
    }
}

impl Profile {
    /// All that is wrong with a profile that several credentials share: what [`Profile::check_subscriber`] finds, and what
    /// can be one subscriber's only.
    #[must_use]
    pub fn check(&self) -> Vec<WrongField> {
        let mut found = Findings(self.check_subscriber());
        for (place, apn) in self.apns.iter().enumerate() {
            found.unless(
                apn.addresses.is_empty(),
                format!("/apns/{place}/addresses"),
                "is one subscriber's: give it to the credential, in overrides.apns, or have addresses assigned from address_pool",
            );
        }
        let individual = "is one subscriber's: give it to the credential, in overrides";
        found.unless(self.additional_msisdn.is_none(), "/additional_msisdn", individual);
        found.unless(self.external_identifier.is_none(), "/external_identifier", individual);
        found.0
    }

    /// All that is wrong with a subscriber's profile, overrides included. Empty if it can be sent as it is.
    #[must_use]
    pub fn check_subscriber(&self) -> Vec<WrongField> {
        let mut found = Findings::default();
        self.check_apns(&mut found);
        check_ambr(&mut found, "/ambr", self.ambr);
        match (self.address_pool, self.apns.first().map(|apn| apn.pdn_type)) {
            (Some(IpNet::V4(_)), Some(PdnType::Ipv6)) | (Some(IpNet::V6(_)), Some(PdnType::Ipv4)) => {
                found.add("/address_pool", "of another IP version than the default APN's pdn_type");
            }
            _ => {}
        }
        found.unless(self.lifetime.is_none_or(|s| s > 0), "/lifetime", "seconds, more than 0");
        found.unless(self.registration_lifetime > 0, "/registration_lifetime", "seconds, more than 0");
        self.check_power(&mut found);
        self.check_numbers(&mut found);
        if let Some(gateway) = &self.emergency_gateway {
            check_gateway(&mut found, "/emergency_gateway", gateway);
        }
        found.0
    }

    /// What an MME of Open5GS makes less of than the profile says; each a sentence.
    #[must_use]
    pub fn limits_of_open5gs(&self) -> Vec<String> {
        let mut limits = Vec::new();
        if let Some(first) = self.apns.get(MAX_APNS_OF_OPEN5GS) {
            limits.push(format!(
                "an MME of Open5GS keeps {MAX_APNS_OF_OPEN5GS} APNs: it ignores {} and those after it",
                first.name
            ));
        }
        for apn in &self.apns {
            if apn.pdn_type == PdnType::Ipv4OrIpv6 {
                limits
                    .push(format!("an MME of Open5GS stops reading the APNs at {}: ipv4-or-ipv6", apn.name));
            }
            if apn.gateway.as_ref().is_some_and(|gateway| gateway.addresses.is_empty()) {
                limits.push(format!(
                    "an MME of Open5GS ignores the gateway of {}: it reads addresses, not a name",
                    apn.name
                ));
            }
        }
        let rates = self.apns.iter().map(|apn| apn.ambr).chain([self.ambr]);
        if rates.flat_map(|ambr| [ambr.uplink, ambr.downlink]).any(|rate| rate > u64::from(u32::MAX)) {
            limits.push("an MME of Open5GS grants at most 4.29 Gbit/s: it reads no extended AMBR".into());
        }
        if self.zone_codes.len() > 1 {
            limits.push("an MME of Open5GS drops an answer with more than one zone code".into());
        }
        limits
    }

    fn check_apns(&self, found: &mut Findings) {
        let Some(default) = self.apns.first() else {
            found.add("/apns", "at least one is needed, the first being the default (TS 29.272 §7.3.34)");
            return;
        };
        if self.apns.len() > MAX_APNS {
            found.add(
                "/apns",
                format!("at most {MAX_APNS}: Context-Identifiers are 1 to 50 where MAP is worked with (TS 29.272 §7.3.35)"),
            );
        }
        found.unless(
            !default.is_wildcard(),
            "/apns/0/name",
            "the default APN has to be a named one, not the wild card (TS 29.272 §7.3.34, TS 23.003 §9.2)",
        );
        let (mut names, mut ids) = (HashSet::new(), HashSet::new());
        for (place, apn) in self.apns.iter().enumerate() {
            let at = format!("/apns/{place}");
            found.unless(
                names.insert(apn.name.to_ascii_lowercase()),
                format!("{at}/name"),
                "is there already: each APN once (TS 29.272 §7.3.35)",
            );
            let id = self.context_id(place);
            found.unless(id != 0, format!("{at}/context_id"), "0 is reserved (TS 29.272 §7.3.35)");
            found.unless(
                ids.insert(id),
                format!("{at}/context_id"),
                "is that of another APN: it has to be unique (TS 29.272 §7.3.35); without one, the APN's place in the list is it",
            );
            check_apn(found, &at, apn);
        }
    }

    fn check_power(&self, found: &mut Findings) {
        let mut rats = Vec::new();
        for (place, edrx) in self.edrx.iter().enumerate() {
            let at = format!("/edrx/{place}");
            let coded = "0 to 15, four bits (TS 24.008 §10.5.5.32)";
            found.unless(edrx.cycle_length <= 15, format!("{at}/cycle_length"), coded);
            found.unless(
                edrx.paging_time_window.is_none_or(|w| w <= 15),
                format!("{at}/paging_time_window"),
                coded,
            );
            found.unless(
                !rats.contains(&edrx.rat),
                format!("{at}/rat"),
                "each radio access technology once (TS 29.272 §7.3.215)",
            );
            rats.push(edrx.rat);
        }
        found.unless(
            self.dl_buffering_packets.is_none_or(|count| count >= -1),
            "/dl_buffering_packets",
            "-1 or more (TS 29.272 §7.3.188)",
        );
    }

    fn check_numbers(&self, found: &mut Findings) {
        let digits = "1 to 15 digits, country code first (ITU-T E.164)";
        found.unless(self.stn_sr.as_deref().is_none_or(is_msisdn), "/stn_sr", digits);
        found.unless(self.additional_msisdn.as_deref().is_none_or(is_msisdn), "/additional_msisdn", digits);
        found.unless(
            self.external_identifier.as_deref().is_none_or(is_external_identifier),
            "/external_identifier",
            "a local part, @ and a domain, as meter-17@example.org (TS 23.003 §19.7.2)",
        );
        check_charging(found, "/charging_characteristics", self.charging_characteristics.as_deref());
        check_oi_replacement(found, "/apn_oi_replacement", self.apn_oi_replacement.as_deref());
        found.unless(
            self.rfsp_index.is_none_or(|index| (1..=256).contains(&index)),
            "/rfsp_index",
            "1 to 256 (TS 36.413 §9.2.1.39)",
        );
        found.unless(self.zone_codes.len() <= 10, "/zone_codes", "at most ten (TS 29.272 §7.3.52)");
        for (place, code) in self.zone_codes.iter().enumerate() {
            found.unless(
                is_hex(code, 4),
                format!("/zone_codes/{place}"),
                "four hexadecimal digits, two octets (TS 29.272 §7.3.52, TS 23.003 §4.4)",
            );
        }
        if let Some(sms) = self.sms {
            found.unless(
                sms.mobile_originated || sms.mobile_terminated,
                "/sms",
                "mobile_terminated, mobile_originated or both; leave sms out for neither",
            );
        }
    }
}

fn check_apn(found: &mut Findings, at: &str, apn: &Apn) {
    found.unless(
        apn.is_wildcard() || is_apn(&apn.name),
        format!("{at}/name"),
        "is not an APN Network Identifier (TS 23.003 §9.1.1), nor the wild card * (§9.2.1)",
    );
    found.unless(
        (1..=15).contains(&apn.arp.priority),
        format!("{at}/arp/priority"),
        "1 to 15 (TS 29.212 §5.3.45)",
    );
    found.unless(apn.qci != 0, format!("{at}/qci"), "0 is reserved (TS 23.203 §6.1.7.2)");
    check_ambr(found, &format!("{at}/ambr"), apn.ambr);
    check_addresses(found, at, apn);
    if let Some(gateway) = &apn.gateway {
        check_gateway(found, &format!("{at}/gateway"), gateway);
        found.unless(
            !apn.is_wildcard(),
            format!("{at}/gateway"),
            "the wild card has none of its own: say it for each APN in specific_apns (TS 29.272 §7.3.82)",
        );
    }
    found.unless(
        apn.specific_apns.is_empty() || apn.is_wildcard(),
        format!("{at}/specific_apns"),
        "is for the wild card; this APN has gateway (TS 29.272 §7.3.82)",
    );
    let mut names = HashSet::new();
    for (place, specific) in apn.specific_apns.iter().enumerate() {
        let at = format!("{at}/specific_apns/{place}");
        found.unless(
            is_apn(&specific.name) && names.insert(specific.name.to_ascii_lowercase()),
            format!("{at}/name"),
            "an APN Network Identifier (TS 23.003 §9.1.1), each once",
        );
        check_gateway(found, &format!("{at}/gateway"), &specific.gateway);
    }
    check_charging(found, &format!("{at}/charging_characteristics"), apn.charging_characteristics.as_deref());
    check_oi_replacement(found, &format!("{at}/apn_oi_replacement"), apn.apn_oi_replacement.as_deref());
    found.unless(
        apn.restoration_priority.is_none_or(|priority| (1..=16).contains(&priority)),
        format!("{at}/restoration_priority"),
        "1 to 16 (TS 29.272 §7.3.174)",
    );
    if let Some(NonIp::Scef { id, realm, .. }) = &apn.non_ip {
        found.unless(
            is_domain(id) && is_domain(realm),
            format!("{at}/non_ip"),
            "id and realm: a DiameterIdentity each (RFC 6733 §4.3.1)",
        );
    }
}

fn check_addresses(found: &mut Findings, at: &str, apn: &Apn) {
    if apn.addresses.is_empty() {
        return;
    }
    let at = format!("{at}/addresses");
    found.unless(
        !apn.is_wildcard(),
        at.clone(),
        "the wild card has none: a static address belongs to one APN (TS 23.003 §9.2.1)",
    );
    let of_version = |v6: bool| apn.addresses.iter().filter(|address| address.0.is_ipv6() == v6).count();
    let (v4, v6) = (of_version(false), of_version(true));
    found.unless(v4 <= 1 && v6 <= 1, at.clone(), "one of each IP version (TS 29.272 §7.3.35)");
    found.unless(
        (v4 == 0 || apn.pdn_type.has_ipv4()) && (v6 == 0 || apn.pdn_type.has_ipv6()),
        at,
        "of an IP version that the APN's pdn_type does not have (TS 29.272 §7.3.62)",
    );
}

fn check_ambr(found: &mut Findings, at: &str, ambr: Ambr) {
    for (rate, name) in [(ambr.uplink, "uplink"), (ambr.downlink, "downlink")] {
        found.unless(
            rate <= MAX_AMBR,
            format!("{at}/{name}"),
            "bit/s, at most 4294967295000: 4.29 Tbit/s (TS 29.214 §5.3.52)",
        );
        // What is told in kbit/s has to be whole ones.
        found.unless(
            rate <= u64::from(u32::MAX) || rate % 1000 == 0,
            format!("{at}/{name}"),
            "above 4294967295 bit/s a multiple of 1000: it is told in kbit/s (TS 29.214 §5.3.52)",
        );
    }
}

fn check_gateway(found: &mut Findings, at: &str, gateway: &Gateway) {
    found.unless(
        !gateway.addresses.is_empty() || gateway.name.is_some(),
        at,
        "addresses, a name, or both (RFC 5447 §4.2.1)",
    );
    let v6 = gateway.addresses.iter().filter(|address| matches!(address, IpAddr::V6(_))).count();
    found.unless(
        v6 <= 1 && gateway.addresses.len() - v6 <= 1,
        format!("{at}/addresses"),
        "one of each IP version (RFC 5447 §4.2.1)",
    );
    if let Some(GatewayHost { host, realm }) = &gateway.name {
        found.unless(
            is_domain(host) && is_domain(realm),
            format!("{at}/name"),
            "host and realm: a DiameterIdentity each (RFC 6733 §4.3.1)",
        );
    }
}

fn check_charging(found: &mut Findings, at: &str, value: Option<&str>) {
    found.unless(
        value.is_none_or(|text| is_hex(text, 4)),
        at,
        "four hexadecimal digits, as 0800 (TS 29.061 §16.4.7, TS 32.251 annex A)",
    );
}

fn check_oi_replacement(found: &mut Findings, at: &str, value: Option<&str>) {
    let fits = |text: &str| {
        let mut labels = text.rsplit('.');
        let gprs = labels.next() == Some("gprs");
        let three_digits = |label: Option<&str>, prefix: &str| {
            label
                .and_then(|label| label.strip_prefix(prefix))
                .is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|c| c.is_ascii_digit()))
        };
        gprs && three_digits(labels.next(), "mcc") && three_digits(labels.next(), "mnc") && is_domain(text)
    };
    found.unless(
        value.is_none_or(fits),
        at,
        "ends in mncXXX.mccXXX.gprs, as province1.mnc071.mcc999.gprs (TS 23.003 §9.1.2)",
    );
}

/// Whether a number is an MSISDN or another in international format: 1 to 15 digits (ITU-T E.164).
#[must_use]
pub fn is_msisdn(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit())
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// An APN Network Identifier has at most 63 octets as it is encoded, a length before each label (TS 23.003 §9.1).
fn is_apn(name: &str) -> bool {
    name.len() <= 62 && is_domain(name)
}

fn is_domain(name: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= 255 && name.split('.').all(label)
}

/// `<Local Identifier>@<Domain Identifier>`, TS 23.003 §19.7.2.
fn is_external_identifier(text: &str) -> bool {
    text.len() <= 255
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && local.bytes().all(|c| c.is_ascii_graphic() && c != b'@') && is_domain(domain)
        })
}

#[cfg(test)]
mod tests;
