//! What the ICF is and gives out, each value with where it comes from: `icf.toml`, the command line, or REST.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context;
use icf_auc::config::IcfConfig;
use ipnet::IpNet;
use s6a::net::Endpoint;
use schemas::identity::{Imsi, Plmn};
use schemas::rest::{self, Batch, Credential, CredentialState, Page, PdnType};
use serde::Serialize;

use super::super::client::{Client, Failure};

/// Credentials that are looked at: forty pages, a second or two, however many there are.
const LOOKED_AT: u64 = 20_000;

/// IMSIs from one to another, both in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: Imsi,
    /// The last.
    pub last: Imsi,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "write FIRST-LAST, both IMSIs of the same length".to_owned();
        let (first, last) = text.split_once('-').ok_or_else(bad)?;
        let parse = |text: &str| text.parse::<Imsi>().map_err(|error| error.to_string());
        let (first, last) = (parse(first)?, parse(last)?);
        if first.digits() != last.digits() || first > last {
            return Err(bad());
        }
        Ok(Self { first, last })
    }
}

/// Something, and where it was found.
#[derive(Debug, Clone)]
pub struct From<T> {
    /// It.
    pub value: T,
    /// As a person would say where: `[diameter] origin_host of icf.toml`.
    pub source: String,
}

impl<T> From<T> {
    /// With its source.
    pub fn new(value: T, source: impl Into<String>) -> Self {
        Self { value, source: source.into() }
    }
}

/// An APN as a profile has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apn {
    /// Its name.
    pub name: String,
    /// `session` `type` of Open5GS: 1 IPv4, 2 IPv6, 3 both.
    pub session_type: u8,
    /// QCI.
    pub qci: u8,
    /// Priority of the ARP.
    pub priority: u8,
    /// May take resources from others.
    pub may_preempt: bool,
    /// May lose resources to others.
    pub preemptable: bool,
    /// Bit/s up.
    pub uplink: u64,
    /// Bit/s down.
    pub downlink: u64,
}

/// What matters of a profile.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its APNs, the default first.
    pub apns: Vec<Apn>,
    /// Where its addresses are from.
    pub pool: Option<IpNet>,
}

/// How the ICF sees one of its peers.
#[derive(Debug, Clone, Serialize)]
pub struct PeerNow {
    /// Its identity.
    pub identity: String,
    /// Its state, as REST says it.
    pub state: rest::PeerState,
}

/// A device that has an address.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its IMSI.
    pub imsi: Imsi,
    /// Name of its profile.
    pub profile: String,
    /// The address.
    pub address: IpAddr,
}

/// Devices, as REST has them.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    /// How many were looked at.
    pub looked_at: usize,
    /// Whether there are more.
    pub more: bool,
    /// Those of them that have an address.
    pub with_address: Vec<Device>,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Ours {
    /// The file.
    pub file: String,
    /// Its contents.
    pub config: IcfConfig,
    /// `listen`, parsed.
    pub listen: Vec<Endpoint>,
    /// The network that provisional IMSIs are of.
    pub plmn: From<Plmn>,
    /// The IMSIs that may be given out.
    pub range: From<Span>,
    /// The IMSIs that are given out, as far as REST tells.
    pub issued: Vec<From<Span>>,
    /// The profiles.
    pub profiles: Vec<From<Profile>>,
    /// The peers as REST has them; `None`: it was not asked.
    pub peers: Option<Vec<PeerNow>>,
    /// The devices as REST has them, as many as are looked at; `None`: it was not asked.
    pub devices: Option<Devices>,
}

/// What a person says about the provisional IMSIs.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Told {
    /// The network of the provisional IMSIs, as MCC-MNC; without, that of `[diameter] origin_realm`.
    #[arg(long, value_name = "MCC-MNC")]
    pub provisional: Option<Plmn>,
    /// The provisional IMSIs; without, all of that network.
    #[arg(long, value_name = "FIRST-LAST")]
    pub range: Option<Span>,
}

/// Puts together what is known.
///
/// # Errors
/// What is missing, and how to say it.
pub async fn gather(file: &Path, told: &Told, client: Option<&Client>) -> anyhow::Result<Ours> {
    let config = super::super::config::load(file).map_err(|error| Failure::Usage(format!("{error:#}")))?;
    let name =
        file.file_name().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into());
    let mut ours = from_config(config, name, told)?;
    if let Some(client) = client {
        ask(&mut ours, client).await?;
    }
    Ok(ours)
}

/// What the configuration and the command line say, nobody asked.
///
/// # Errors
/// What is missing, and how to say it.
pub fn from_config(config: IcfConfig, file: String, told: &Told) -> anyhow::Result<Ours> {
    let listen = config.diameter.listen.iter().map(|text| text.parse::<Endpoint>());
    let listen = listen.collect::<Result<_, _>>().with_context(|| format!("{file}: diameter.listen"))?;
    let realm = &config.diameter.origin_realm;
    let plmn = match (told.provisional, told.range, plmn_of(realm)) {
        (Some(plmn), _, _) => From::new(plmn, "--provisional"),
        (None, _, Some(plmn)) => From::new(plmn, format!("[diameter] origin_realm of {file}")),
        (None, _, None) => {
            return Err(Failure::Usage(format!(
                "which network the provisional IMSIs are of cannot be read from the realm {realm}: \
                 say --provisional MCC-MNC"
            ))
            .into());
        }
    };
    let range = match told.range {
        Some(range) => From::new(range, "--range"),
        None => From::new(all_of(plmn.value)?, format!("all IMSIs of {}", plmn.value)),
    };
    let prefix = digits(plmn.value);
    if !range.value.first.has_prefix(&prefix) || !range.value.last.has_prefix(&prefix) {
        let why = format!("--range {} is not of network {}: say --provisional", range.value, plmn.value);
        return Err(Failure::Usage(why).into());
    }
    let model = rest::Profile::provisioning("default", config.icf.address_pool);
    let source = format!("the profile that a new database starts with; pool: [icf] address_pool of {file}");
    let profiles = vec![From::new(profile_of(&model), source)];
    Ok(Ours { file, config, listen, plmn, range, issued: Vec::new(), profiles, peers: None, devices: None })
}

/// What the running ICF says.
async fn ask(ours: &mut Ours, client: &Client) -> Result<(), Failure> {
    let page: Page<rest::Profile> = client.get(&["profiles"]).await?;
    ours.profiles = page
        .items
        .iter()
        .map(|one| From::new(profile_of(one), format!("profile {} (REST)", one.name)))
        .collect();
    let page: Page<rest::Peer> = client.get(&["peers"]).await?;
    ours.peers = Some(
        page.items.into_iter().map(|one| PeerNow { identity: one.identity, state: one.state }).collect(),
    );
    let page: Page<Batch> = client.get(&["batches"]).await?;
    for batch in &page.items {
        let Some(first) = batch.first.filter(|_| batch.count > 0) else { continue };
        if let Some(last) = first.checked_add(batch.count - 1) {
            ours.issued.push(From::new(Span { first, last }, format!("batch {} (REST)", batch.id)));
        }
    }
    let (credentials, more) = client.first::<Credential>(&["credentials"], LOOKED_AT).await?;
    // Imported ones are in no range: the first and the last of those that are looked at stand for them.
    let issued =
        |imsi: &Imsi| ours.issued.iter().any(|span| (span.value.first..=span.value.last).contains(imsi));
    let others: Vec<Imsi> = credentials.iter().map(|one| one.imsi).filter(|imsi| !issued(imsi)).collect();
    let ends: Vec<Imsi> = others.iter().min().into_iter().chain(others.iter().max()).copied().collect();
    ours.devices = Some(Devices {
        looked_at: credentials.len(),
        more,
        with_address: credentials
            .into_iter()
            .filter(|one| one.state != CredentialState::Disabled)
            .filter_map(|one| Some(Device { imsi: one.imsi, profile: one.profile, address: one.address? }))
            .collect(),
    });
    for imsi in ends {
        ours.issued.push(From::new(Span { first: imsi, last: imsi }, "credentials (REST)"));
    }
    Ok(())
}

/// MCC and MNC run together: what an IMSI begins with.
pub fn digits(plmn: Plmn) -> String {
    format!("{}{}", plmn.mcc(), plmn.mnc())
}

/// The network that a home network realm is of (TS 23.003 §19.2). The realm has three digits for every MNC: of two, if
/// the first is a 0.
pub fn plmn_of(realm: &str) -> Option<Plmn> {
    let mut labels = realm.split('.').rev();
    if labels.next()? != "org" || labels.next()? != "3gppnetwork" {
        return None;
    }
    let mcc = labels.next()?.strip_prefix("mcc")?;
    let mnc = labels.next()?.strip_prefix("mnc")?;
    if mnc.len() != 3 {
        return None;
    }
    format!("{mcc}-{}", mnc.strip_prefix('0').unwrap_or(mnc)).parse().ok()
}

/// Every IMSI of 15 digits of a network.
fn all_of(plmn: Plmn) -> anyhow::Result<Span> {
    let prefix = digits(plmn);
    let fill =
        |digit: &str| format!("{prefix}{}", digit.repeat(Imsi::MAX_DIGITS - prefix.len())).parse::<Imsi>();
    Ok(Span { first: fill("0")?, last: fill("9")? })
}

fn profile_of(profile: &rest::Profile) -> Profile {
    let apns = profile.apns.iter().map(|apn| Apn {
        name: apn.name.clone(),
        session_type: match apn.pdn_type {
            PdnType::Ipv4 => 1,
            PdnType::Ipv6 => 2,
            // Open5GS knows no 3 of TS 29.272 §7.3.62: both is the nearest.
            PdnType::Ipv4v6 | PdnType::Ipv4OrIpv6 => 3,
        },
        qci: apn.qci,
        priority: apn.arp.priority,
        may_preempt: apn.arp.may_preempt,
        preemptable: apn.arp.preemptable,
        uplink: apn.ambr.uplink,
        downlink: apn.ambr.downlink,
    });
    Profile { name: profile.name.clone(), apns: apns.collect(), pool: profile.address_pool }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_of_a_realm_is_read_from_it() {
        for (realm, plmn) in [
            ("epc.mnc071.mcc999.3gppnetwork.org", Some("999-71")),
            ("epc.mnc410.mcc310.3gppnetwork.org", Some("310-410")),
            ("localdomain", None),
            ("epc.mnc71.mcc999.3gppnetwork.org", None),
        ] {
            assert_eq!(plmn_of(realm).map(|plmn| plmn.to_string()).as_deref(), plmn, "{realm}");
        }
    }

    #[test]
    fn a_range_is_two_imsis_of_one_length() {
        let span: Span = "999710000000001-999710000000100".parse().unwrap();
        assert_eq!(span.to_string(), "999710000000001-999710000000100");
        for bad in
            ["999710000000001", "999710000000002-999710000000001", "99971000001-999710000000001", "a-b"]
        {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
