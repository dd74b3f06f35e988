//! Do provisional devices get a bearer, and the address that the ICF has assigned?

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use schemas::identity::Imsi;

use super::super::finding::Findings;
use super::super::ours::{From, Ours, Profile, Span};
use super::super::theirs::{self, File, Policies, Policy, Subnet, Subnets};
use super::versions::SINCE;
use super::{Core, assigned};

pub fn check(ours: &Ours, core: &Core, findings: &mut Findings) {
    for (file, role) in [(&core.smf, SMF), (&core.upf, UPF)] {
        if let Some(file) = file {
            sections(file, role, findings);
        }
    }
    for profile in &ours.profiles {
        sessions(profile, core, findings);
    }
    assigned::check(ours, core, findings);
    match &core.pcrf {
        Some(pcrf) if core.too_old().is_some() => {
            findings.unseen("policy", &pcrf.name, "this version has no policy by supi_range: see core");
        }
        Some(pcrf) => policies(ours, pcrf, findings),
        None => findings.unseen("policy", "pcrf.yaml", core.absent("pcrf.yaml")),
    }
}

fn sessions(profile: &From<Profile>, core: &Core, findings: &mut Findings) {
    let pool = match profile.value.pool {
        Some(IpNet::V4(pool)) => Some(pool),
        Some(IpNet::V6(pool)) => {
            findings.unseen("pool", &profile.source, format!("{pool}: pools of IPv6 are not compared"));
            None
        }
        None => None,
    };
    for apn in &profile.value.apns {
        let mut serves = |file: &Option<File<Subnets>>, role: Role| match file {
            Some(file) => one(file, role, &apn.name, pool, findings),
            None => {
                findings.unseen(role.apn, role.file, core.absent(role.file));
                None
            }
        };
        let smf = serves(&core.smf, SMF);
        let upf = serves(&core.upf, UPF);
        let (Some(smf), Some(upf)) = (smf, upf) else { continue };
        let place = format!("{}, {}", smf.0, upf.0);
        if smf.1 == upf.1 {
            findings.good("subnets", &place, format!("APN {}: the same subnet in both", apn.name));
        } else {
            let shown = |net: Option<Ipv4Net>| net.map_or_else(|| "none".to_owned(), |net| net.to_string());
            let found = format!("APN {}: {} in the SMF, {} in the UPF", apn.name, shown(smf.1), shown(upf.1));
            findings.wrong(
                "subnets",
                &place,
                found,
                "write the same subnet in both: else no packet finds its way",
            );
        }
    }
}

/// SMF or UPF.
#[derive(Clone, Copy)]
struct Role {
    file: &'static str,
    apn: &'static str,
    pool: &'static str,
    /// Whether it gives addresses out by itself.
    gives: bool,
}

const SMF: Role = Role { file: "smf.yaml", apn: "apn-smf", pool: "pool-smf", gives: true };
const UPF: Role = Role { file: "upf.yaml", apn: "apn-upf", pool: "pool-upf", gives: false };

impl Role {
    /// Its section of its file.
    fn section(self) -> &'static str {
        self.file.trim_end_matches(".yaml")
    }
}

/// A fragment that was appended to the file makes a second section, of which these two take no notice.
fn sections(file: &File<Subnets>, role: Role, findings: &mut Findings) {
    let Some((first, second)) = file.content.unread else { return };
    let section = role.section();
    let found = format!("a second section {section}:, of which nothing is read; that of line {first} is");
    let remedy = format!("put what it has into the section {section}: of line {first}, and take it away");
    findings.doubtful("sections", &file.line(second), found, remedy);
}

/// What to say of lines that are there, but not where they are read.
fn outside(line: Option<usize>, key: &str, section: &str) -> Option<(String, String)> {
    let line = line?;
    Some((
        format!("{key} stands outside of {section}:, line {line}, where it is not read"),
        format!("put it into the section {section}:, two spaces further in; else "),
    ))
}

/// The subnet of an APN, and its place.
fn one(
    file: &File<Subnets>,
    role: Role,
    apn: &str,
    pool: Option<Ipv4Net>,
    findings: &mut Findings,
) -> Option<(String, Option<Ipv4Net>)> {
    let Some(subnet) = theirs::serving(&file.content, apn) else {
        let named: Vec<&str> = file.content.iter().filter_map(|one| one.dnn.as_deref()).collect();
        let mut found = match named.as_slice() {
            [] => format!("no subnet of IPv4 serves APN {apn}"),
            named => format!("no subnet of IPv4 serves APN {apn}, only {}", named.join(", ")),
        };
        let key = if file.content.written.is_old() { "subnet" } else { "session" };
        let mut remedy = format!("add a {key} with dnn: {apn}, or one without dnn, which serves every APN");
        if let Some((there, put)) = outside(file.content.outside, key, role.section()) {
            found = format!("{found}: {there}");
            remedy = format!("{put}{remedy}");
        }
        findings.wrong(role.apn, &file.name, found, remedy);
        return None;
    };
    let place = file.line(subnet.line);
    let shown = subnet.subnet.map_or_else(String::new, |net| net.to_string());
    findings.good(role.apn, &place, format!("{shown} serves APN {apn}"));
    if let Some(pool) = pool {
        addresses(subnet, &place, role, pool, file.content.written.is_old(), findings);
    }
    Some((place, subnet.subnet))
}

fn addresses(subnet: &Subnet, place: &str, role: Role, pool: Ipv4Net, old: bool, findings: &mut Findings) {
    let inside = subnet.subnet.is_some_and(|net| net.contains(&pool));
    if !inside {
        let shown = subnet.subnet.map_or_else(String::new, |net| net.to_string());
        let found = format!("the ICF's pool {pool} is not inside {shown}");
        return findings.wrong(
            role.pool,
            place,
            found,
            format!("make the profile's address_pool a part of the subnet, or widen it; {}", assigned::AFTER),
        );
    }
    findings.good(role.pool, place, format!("holds the ICF's pool {pool}"));
    if let Some(IpAddr::V4(gateway)) = subnet.gateway
        && pool.contains(&gateway)
    {
        let found = format!("the gateway {gateway} is inside the ICF's pool {pool}: a device would get it");
        findings.wrong(
            "pool-gateway",
            place,
            found,
            "give the gateway an address outside the pool, or the profile another pool",
        );
    }
    if !role.gives {
        return;
    }
    let clash = subnet.dynamic.iter().find(|(low, high)| *low <= pool.broadcast() && *high >= pool.network());
    match clash {
        Some((low, high)) => {
            let found = format!("the SMF itself gives out {low}-{high}, some of it in the ICF's pool {pool}");
            let printed = match old {
                false => " (`callhome open5gs config` prints it)",
                true => "",
            };
            let remedy = format!("write range without the pool{printed}: else two devices get one address");
            findings.wrong("pool-dynamic", place, found, remedy);
        }
        None => {
            let last = subnet.dynamic.iter().map(|(_, high)| *high).max();
            let found = match last {
                Some(last) => format!("the SMF itself gives out up to {last}, nothing of the pool"),
                None => "the SMF itself gives out nothing".to_owned(),
            };
            findings.good("pool-dynamic", place, found);
        }
    }
}

fn policies(ours: &Ours, pcrf: &File<Policies>, findings: &mut Findings) {
    let all = &pcrf.content;
    let misplaced = outside(all.outside, "policy", "pcrf");
    let (there, put) = misplaced.unwrap_or_default();
    if all.is_empty() {
        let what = if there.is_empty() { "there is no policy" } else { &there };
        let found = format!(
            "{what}: every IMSI is looked up in the subscriber database, and provisional ones are in none"
        );
        return findings.wrong(
            "policy",
            &pcrf.name,
            found,
            format!("{put}{}", remedy_range(&ours.range.value)),
        );
    }
    let spans = if ours.issued.is_empty() { std::slice::from_ref(&ours.range) } else { &ours.issued };
    for span in spans {
        if let Some(outside) = uncovered(all, &span.value) {
            let mut found = format!("no supi_range holds {outside} ({}: {})", span.source, span.value);
            if !there.is_empty() {
                found = format!("{found}; {there}");
            }
            // What was issued of another network, or before the range was another one, is not in the range of now.
            let now = &ours.range.value;
            let within = now.first <= span.value.first && span.value.last <= now.last;
            let remedy = remedy_range(if within { now } else { &span.value });
            findings.wrong("policy", &pcrf.name, found, format!("{put}{remedy}"));
        }
        for policy in used(all, &span.value) {
            let place = pcrf.line(policy.line);
            let found = format!("its supi_range holds provisional IMSIs (Open5GS {SINCE} or later)");
            findings.good("policy", &place, found);
            for profile in &ours.profiles {
                apns(&profile.value, policy, pcrf, &place, findings);
            }
        }
    }
}

fn remedy_range(range: &Span) -> String {
    format!("add a policy with supi_range: [{range}] (as `callhome open5gs config` prints one)")
}

/// The first IMSI of a span that no policy holds.
fn uncovered(policies: &[Policy], span: &Span) -> Option<String> {
    let ranges = || policies.iter().flat_map(|policy| &policy.ranges);
    let mut next = span.first.number();
    loop {
        let Some(reach) =
            ranges().filter(|(low, high)| (*low..=*high).contains(&next)).map(|(_, high)| *high).max()
        else {
            return Some(format!("{next:0width$}", width = span.first.digits()));
        };
        if reach >= span.last.number() {
            return None;
        }
        next = reach + 1;
    }
}

/// The policies that IMSIs of a span get: the first that holds them, at its ends and wherever a range begins.
fn used<'a>(policies: &'a [Policy], span: &Span) -> Vec<&'a Policy> {
    let (first, last) = (span.first.number(), span.last.number());
    let begins = policies.iter().flat_map(|policy| policy.ranges.iter().map(|(low, _)| *low));
    let points = [first, last].into_iter().chain(begins.filter(|low| (first..=last).contains(low)));
    let imsis = points.filter_map(|point| span.first.checked_add(point - first));
    let mut out: Vec<&Policy> = Vec::new();
    for policy in imsis.filter_map(|imsi: Imsi| policies.iter().find(|policy| policy.holds(imsi))) {
        if !out.iter().any(|known| known.line == policy.line) {
            out.push(policy);
        }
    }
    out
}

fn apns(profile: &Profile, policy: &Policy, pcrf: &File<Policies>, place: &str, findings: &mut Findings) {
    for apn in &profile.apns {
        // The PCRF compares letter for letter.
        let Some(session) = policy.sessions.iter().find(|session| session.name == apn.name) else {
            let names: Vec<&str> = policy.sessions.iter().map(|session| session.name.as_str()).collect();
            let found =
                format!("no session {} of profile {}, only {}", apn.name, profile.name, names.join(", "));
            let remedy = format!(
                "add the session {} to this policy: it is the first that holds these IMSIs",
                apn.name
            );
            findings.wrong("policy-apn", place, found, remedy);
            continue;
        };
        let place = pcrf.line(session.line);
        if session.missing.is_empty() {
            findings.good("policy-apn", &place, format!("session {}", apn.name));
        } else {
            let found = format!("session {} has no {}", apn.name, session.missing.join(" and no "));
            findings.wrong(
                "policy-apn",
                &place,
                found,
                "write it: without, there is no default bearer (EMM cause 17)",
            );
        }
    }
}
