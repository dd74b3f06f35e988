//! Devices that have an address already keep it, whatever becomes of the pool: is it one that SMF and UPF can do with?

use std::net::{IpAddr, Ipv4Addr};

use schemas::identity::Imsi;

use super::super::finding::Findings;
use super::super::ours::{Device, Ours};
use super::super::theirs::{self, File, Subnet, Subnets};
use super::Core;

const CHECK: &str = "assigned";
const PLACE: &str = "REST /v1/credentials";

/// What else is to be done after the pool has changed.
pub const AFTER: &str = "devices that have an address of the old pool keep it, until \
                         `callhome credentials set IMSI --address pool`";

/// What is the matter with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// Outside of the subnet that serves the device's APN: the file, and the subnet.
    Outside(String, String),
    /// The gateway's.
    Gateway(String),
    /// The SMF may give it to another device.
    Dynamic(String, Ipv4Addr, Ipv4Addr),
}

pub fn check(ours: &Ours, core: &Core, findings: &mut Findings) {
    let Some(devices) = &ours.devices else {
        return findings.unseen(CHECK, PLACE, "say --token-file (and --url): the running ICF tells");
    };
    if core.smf.is_none() && core.upf.is_none() {
        return findings.unseen(CHECK, PLACE, "say --smf-yaml and --upf-yaml");
    }
    let looked = match devices.more {
        false => format!("{} devices", devices.looked_at),
        true => format!("the first {} devices, there are more", devices.looked_at),
    };
    // Each fault, with the first device that has it and how many do.
    let mut faults: Vec<(Fault, &Device, Ipv4Addr, usize)> = Vec::new();
    for device in &devices.with_address {
        let IpAddr::V4(address) = device.address else { continue };
        let Some(fault) = fault(ours, core, device, address) else { continue };
        match faults.iter_mut().find(|(known, ..)| *known == fault) {
            Some((_, _, _, count)) => *count += 1,
            None => faults.push((fault, device, address, 1)),
        }
    }
    if faults.is_empty() {
        let found = match devices.with_address.len() {
            0 => format!("none has an address yet ({looked})"),
            1 => format!("the one that is given is inside the subnets ({looked})"),
            count => format!("{count} are given, all inside the subnets ({looked})"),
        };
        return findings.good(CHECK, PLACE, found);
    }
    for (fault, device, address, count) in faults {
        let who = who(device.imsi, address, count, &looked);
        let remedy = remedy(device.imsi, count);
        match fault {
            Fault::Outside(place, subnet) => {
                let found = format!("{who} outside of {subnet} ({place}): no packet finds its way");
                findings.wrong(CHECK, PLACE, found, remedy);
            }
            Fault::Gateway(place) => {
                findings.wrong(CHECK, PLACE, format!("{who} that of the gateway ({place})"), remedy);
            }
            Fault::Dynamic(place, low, high) => {
                let found = format!(
                    "{who} of {low}-{high}, which the SMF gives out by itself ({place}), perhaps twice"
                );
                findings.doubtful(CHECK, PLACE, found, remedy);
            }
        }
    }
}

fn who(imsi: Imsi, address: Ipv4Addr, count: usize, looked: &str) -> String {
    match count {
        1 => format!("{imsi} has the address {address} (of {looked}),"),
        _ => format!("{imsi} has the address {address}, as {count} of {looked} have one,"),
    }
}

fn remedy(imsi: Imsi, count: usize) -> String {
    let each = if count == 1 { "" } else { ", and for each of the others," };
    format!(
        "`callhome credentials set {imsi} --address pool`{each} gives it one of its profile's pool of now; it has it from \
         its next attach on"
    )
}

fn fault(ours: &Ours, core: &Core, device: &Device, address: Ipv4Addr) -> Option<Fault> {
    let profile = ours.profiles.iter().find(|one| one.value.name == device.profile)?;
    profile.value.apns.iter().find_map(|apn| {
        let serving = |file: &'_ Option<File<Subnets>>| -> Option<(String, Subnet)> {
            let file = file.as_ref()?;
            let subnet = theirs::serving(&file.content, &apn.name)?;
            Some((file.line(subnet.line), subnet.clone()))
        };
        let (smf, upf) = (serving(&core.smf), serving(&core.upf));
        let both = || smf.iter().chain(&upf);
        let outside = both().find_map(|(place, subnet)| {
            let net = subnet.subnet.filter(|net| !net.contains(&address))?;
            Some(Fault::Outside(place.clone(), net.to_string()))
        });
        let gateway = || {
            let (place, _) = both().find(|(_, subnet)| subnet.gateway == Some(address.into()))?;
            Some(Fault::Gateway(place.clone()))
        };
        let dynamic = || {
            let (place, subnet) = smf.as_ref()?;
            let (low, high) = subnet.dynamic.iter().find(|(low, high)| (low..=high).contains(&&address))?;
            Some(Fault::Dynamic(place.clone(), *low, *high))
        };
        outside.or_else(gateway).or_else(dynamic)
    })
}
