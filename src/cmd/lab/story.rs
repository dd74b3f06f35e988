//! What the lab prints.

use std::time::Instant;

use schemas::identity::{Imsi, Pcid};
use serde_json::json;
use ue_sim::{
    access::s1ap::{End, Event, EventKind, Report},
    access::s6a::{AttachReport, AvpSummary, Direction, StepEvent, Subscription},
    nas::Told,
    provision::{ProvisionEvent, Step},
};

use super::roles::Roles;

/// Tells what happens, to people or as JSON.
#[derive(Debug, Clone)]
pub struct Story {
    json: bool,
    verbose: bool,
    begun: Instant,
}

/// How the device is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// 3GPP: it attaches with its PCID.
    Eps,
    /// WLAN or DSL: it is online already.
    Ip,
}

/// Whose MME tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The visited one, where steps 1 to 5 are.
    Visited,
    /// The operator's own, after step 19.
    Home,
}

impl Network {
    fn word(self) -> &'static str {
        match self {
            Self::Visited => "visited",
            Self::Home => "home",
        }
    }
}

impl Access {
    fn word(self) -> &'static str {
        match self {
            Self::Eps => "3gpp",
            Self::Ip => "non-3gpp",
        }
    }
}

impl Story {
    /// For people, or with `json` for scripts; `verbose` shows every AVP.
    pub fn new(json: bool, verbose: bool) -> Self {
        Self { json, verbose, begun: Instant::now() }
    }

    /// A line for people.
    pub fn line(&self, text: &str) {
        if !self.json {
            println!("{text}");
        }
    }

    /// A line for people, indented under a step.
    fn under(&self, text: &str) {
        if !text.is_empty() {
            self.line(&format!("      {text}"));
        }
    }

    fn headline(&self, seed: Option<u8>, title: &str) {
        let number = seed.map_or("  ".to_owned(), |seed| format!("{seed:2}"));
        let elapsed = self.begun.elapsed().as_millis();
        self.line(&format!("{number}  {title:<58} +{elapsed} ms"));
    }

    fn json(&self, value: &impl serde::Serialize) {
        if let Ok(line) = serde_json::to_string(value) {
            println!("{line}");
        }
    }

    /// The roles are up.
    pub fn started(&self, banners: &[Vec<String>], roles: &Roles) {
        for line in banners.iter().flatten() {
            self.line(line);
        }
        let folder = roles.icf.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        self.line(&format!("  data  {folder}: a configuration a role, databases, pki/, tokens/, devices/"));
        self.line("");
    }

    /// The batch is there.
    pub fn issued(&self, first: Imsi, count: u64, resumed: u64, file: &std::path::Path) {
        let new = count.saturating_sub(resumed);
        self.line(&format!(
            " 0  CHTIF     {count} provisional credentials from {first} ({new} new) -> {}",
            file.display()
        ));
    }

    /// A device begins.
    pub fn begins(&self, access: Access, pcid: Pcid, device: &str) {
        if self.json {
            self.json(&json!({ "device": device, "pcid": pcid, "access": access.word() }));
            return;
        }
        self.line("");
        self.line(&match access {
            Access::Eps => format!("== {device} with PCID {pcid}, by 3GPP access"),
            Access::Ip => format!("== {device} with PCID {pcid}, by non-3GPP access: it is online, and steps 1 to 5 are not needed"),
        });
    }

    /// Something happened to the device at its access.
    pub fn step(&self, event: &StepEvent, network: Network) {
        if self.json {
            self.json(&json!({ "network": network.word(), "event": event }));
            return;
        }
        match network {
            Network::Visited => self.headline(event.seed.map(|seed| seed as u8), &event.title.to_string()),
            // The same messages to another HSS; the steps have their numbers at the first attach alone.
            Network::Home => {
                let title = event.title.to_string().replace("PCID", "new IMSI").replace("ICF", "SHO's HSS");
                self.headline(None, &title);
            }
        }
        self.under(&event.detail);
        if let Some(wire) = &event.wire {
            let arrow = match wire.direction {
                Direction::Sent => "MME -> HSS",
                Direction::Received => "MME <- HSS",
            };
            self.under(&format!(
                "{arrow}  {} {}  {} octets  hop-by-hop {:08x}  end-to-end {:08x}",
                wire.command, wire.flags, wire.octets, wire.hop_by_hop, wire.end_to_end
            ));
            if self.verbose && !self.json {
                avps(&wire.avps, 8);
            }
        }
    }

    /// Something happened in the device.
    pub fn provision(&self, event: &ProvisionEvent) {
        if self.json {
            self.json(event);
            return;
        }
        let seed = match event.step {
            // In non-3GPP access there is no ICF to do it.
            Step::DrfAsked => Some(6),
            _ => event.seed,
        };
        self.headline(seed, &event.title);
        self.under(&event.detail);
        if let Some(wire) = &event.wire {
            self.under(&format!(
                "{}  {} -> {}  {} octets out, {} in",
                wire.protocol, wire.request, wire.answer, wire.sent, wire.received
            ));
        }
    }

    /// Something happened in the roles.
    pub fn role(&self, seed: u8, title: &str, detail: &str) {
        if self.json {
            self.json(&json!({ "seed": seed, "title": title, "detail": detail }));
            return;
        }
        self.headline(Some(seed), title);
        self.under(detail);
    }

    /// Something happened at our eNB, towards a real MME.
    pub fn s1(&self, event: &Event, network: Network) {
        let message = matches!(event.kind, EventKind::S1(..) | EventKind::Nas(Told::Message { .. }));
        if self.json {
            if !message {
                self.json(
                    &json!({ "network": network.word(), "imsi": event.imsi, "s1": event.kind.to_string() }),
                );
            }
            return;
        }
        let visited = network == Network::Visited;
        match &event.kind {
            EventKind::Connected { .. } if visited => {
                self.headline(Some(1), "the device attaches with its PCID, at a real MME")
            }
            EventKind::Connected { .. } => {
                self.headline(None, "the device attaches with its new IMSI, at a real MME")
            }
            EventKind::Nas(Told::NetworkAuthenticated { .. }) => {
                self.headline(visited.then_some(5), "the USIM accepts the network's AUTN");
            }
            EventKind::Nas(Told::Attached { .. }) => self.headline(None, "the device has its bearer"),
            EventKind::Nas(Told::Detached { by_network: true, .. }) => {
                self.headline(None, "the network detaches the device");
            }
            _ => {}
        }
        if !message || self.verbose {
            self.under(&event.kind.to_string());
        }
    }

    /// The device is attached through a real core.
    pub fn attached_by_core(&self, report: &Report, hss: &str) {
        let End::Attached { bearer } = &report.end else { return };
        let address = bearer.address.map_or("none".into(), |address| address.to_string());
        let took = report.took.as_secs_f64() * 1000.0;
        if self.json {
            self.json(&json!({
                "attached": report.imsi, "authenticated_by": hss, "apn": bearer.apn, "address": address, "ms": took,
            }));
            return;
        }
        self.line(&format!(
            "{} is attached: authenticated by {hss}, APN {}, address {address}, in {took:.1} ms{}",
            report.imsi,
            bearer.apn,
            if report.resynchronised { ", after resynchronisation" } else { "" }
        ));
    }

    /// The device is its operator's subscriber.
    pub fn attached(&self, report: &AttachReport, subscription: &Subscription, hss: &str) {
        let apn = subscription.default_apn();
        let address =
            apn.and_then(|apn| apn.addresses.first()).map_or("chosen by the PGW".into(), ToString::to_string);
        let apn = apn.map_or("none", |apn| apn.name.as_str());
        let took = report.took.as_secs_f64() * 1000.0;
        if self.json {
            self.json(&json!({
                "attached": report.imsi, "authenticated_by": hss, "apn": apn, "address": address, "ms": took,
            }));
            return;
        }
        self.line(&format!(
            "{} is attached: authenticated by {hss}, APN {apn}, address {address}, in {took:.1} ms{}",
            report.imsi,
            if report.resynchronised { ", after resynchronisation" } else { "" }
        ));
    }

    /// What can be done now.
    pub fn stays(&self, roles: &Roles, urls: &[(&str, String)], diameter: &str, provisioned: usize) {
        self.line("");
        self.line("The lab stays up; Ctrl-C ends it. Try:");
        let us = program();
        let token = roles.admin.file.display();
        let rest = urls.first().map_or("", |(_, url)| url.as_str());
        self.line(&format!("  {us} credentials list --url {rest} --token-file {token}"));
        let credentials = roles.icf.with_file_name("credentials.ndjson");
        self.line(&format!(
            "  {us} load --credentials {} --skip {provisioned} --connect {diameter} --realm {} --procedure attach",
            credentials.display(),
            super::roles::REALM
        ));
        for (role, url) in urls {
            self.line(&format!("  {url}/docs   ({role})"));
        }
    }
}

/// How this program is called from here.
fn program() -> String {
    let shown = || {
        let path = std::env::current_exe().ok()?;
        let here = std::env::current_dir().ok()?;
        Some(path.strip_prefix(here).unwrap_or(&path).display().to_string())
    };
    shown().unwrap_or_else(|| "callhome".into())
}

fn avps(list: &[AvpSummary], indent: usize) {
    for avp in list {
        println!("{:indent$}{} {}", "", avp.name, avp.value);
        avps(&avp.inside, indent + 2);
    }
}
