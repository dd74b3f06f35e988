//! What the lab prints.

use std::time::Instant;

use icf_auc::start::Started;
use schemas::identity::Imsi;
use ue_sim::access::s6a::{AttachReport, AvpSummary, Direction, StepEvent, Subscription};

use super::setup::Lab;

/// Tells what happens, to people or as JSON.
#[derive(Debug, Clone)]
pub struct Story {
    json: bool,
    verbose: bool,
    begun: Instant,
}

impl Story {
    /// For people, or with `json` for scripts; `verbose` shows every AVP.
    pub fn new(json: bool, verbose: bool) -> Self {
        Self { json, verbose, begun: Instant::now() }
    }

    fn line(&self, text: &str) {
        if !self.json {
            println!("{text}");
        }
    }

    /// The ICF is up.
    pub fn started(&self, banner: &[String], lab: &Lab) {
        for line in banner {
            self.line(line);
        }
        self.line(&format!("  data  {}", lab.config.display()));
        self.line("");
    }

    /// The batch is there.
    pub fn issued(&self, first: Imsi, count: u64, resumed: u64, lab: &Lab) {
        let new = count.saturating_sub(resumed);
        self.line(&format!(
            " 0  CHTIF     {count} provisional credentials from {first} ({new} new) -> {}",
            lab.credentials.display()
        ));
    }

    /// Something happened to the device.
    pub fn step(&self, event: &StepEvent) {
        if self.json {
            if let Ok(line) = serde_json::to_string(event) {
                println!("{line}");
            }
            return;
        }
        let number = event.seed.map_or("  ".to_owned(), |seed| format!("{:2}", seed as u8));
        let elapsed = self.begun.elapsed().as_millis();
        println!("{number}  {:<52} +{elapsed} ms", event.title);
        if !event.detail.is_empty() {
            println!("      {}", event.detail);
        }
        if let Some(wire) = &event.wire {
            let arrow = match wire.direction {
                Direction::Sent => "VNO -> ICF",
                Direction::Received => "VNO <- ICF",
            };
            println!(
                "      {arrow}  {} {}  {} octets  hop-by-hop {:08x}  end-to-end {:08x}",
                wire.command, wire.flags, wire.octets, wire.hop_by_hop, wire.end_to_end
            );
            if self.verbose {
                avps(&wire.avps, 8);
            }
        }
    }

    /// The device is through.
    pub fn attached(&self, report: &AttachReport, subscription: &Subscription) {
        let apn = subscription.default_apn();
        let address =
            apn.and_then(|apn| apn.addresses.first()).map_or("chosen by the PGW".into(), ToString::to_string);
        self.line("");
        self.line(&format!(
            "{} is attached: APN {}, address {address}, in {:.1} ms{}",
            report.imsi,
            apn.map_or("none", |apn| apn.name.as_str()),
            report.took.as_secs_f64() * 1000.0,
            if report.resynchronised { ", after resynchronisation" } else { "" }
        ));
    }

    /// What can be done now.
    pub fn stays(&self, lab: &Lab, icf: &Started) {
        let url = icf.rest_url.as_deref().unwrap_or("no REST");
        self.line("");
        self.line("The lab stays up; Ctrl-C ends it. Try:");
        let us = program();
        self.line(&format!("  {us} credentials list --url {url} --token-file {}", lab.token.display()));
        let at = icf.node.local_endpoints().first().map(ToString::to_string).unwrap_or_default();
        let at = at.trim_start_matches("tcp://");
        self.line(&format!(
            "  {us} load --credentials {} --connect {at} --realm {} --procedure attach",
            lab.credentials.display(),
            super::setup::REALM
        ));
        self.line(&format!("  {url}/docs"));
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
