//! Can each file be read as its daemon reads it, and would freeDiameter start with its own?

use super::super::fault::Fault;
use super::super::finding::{Findings, Verdict};
use super::super::free_diameter;
use super::Core;

const CHECK: &str = "file";

pub fn check(core: &Core, findings: &mut Findings) {
    for unusable in &core.unusable {
        wrong(&unusable.name, &unusable.fault, findings);
    }
    let listed = [
        core.mme.as_ref().map(|file| (&file.name, &file.content.hss_map.faults)),
        core.smf.as_ref().map(|file| (&file.name, &file.content.faults)),
        core.upf.as_ref().map(|file| (&file.name, &file.content.faults)),
        core.pcrf.as_ref().map(|file| (&file.name, &file.content.faults)),
    ];
    for (name, faults) in listed.into_iter().flatten() {
        for fault in faults {
            wrong(name, fault, findings);
        }
    }
    if let Some(file) = &core.free_diameter {
        let conditions = free_diameter::conditions(&file.content);
        if !conditions.iter().any(|one| one.verdict == Verdict::Wrong) {
            findings.good(CHECK, &file.name, "freeDiameter reads it");
        }
        for condition in conditions {
            let free_diameter::Condition { check, verdict, fault } = condition;
            let place = fault.place(&file.name);
            findings.add(verdict, check, &place, fault.found, fault.remedy);
        }
    }
    if let Some(file) = &core.hss {
        for fault in &file.content.faults {
            wrong(&file.name, fault, findings);
        }
    }
}

fn wrong(name: &str, fault: &Fault, findings: &mut Findings) {
    let remedy = if fault.remedy.is_empty() { "mend it: the daemon does not start" } else { &fault.remedy };
    findings.wrong(CHECK, &fault.place(name), fault.found.clone(), remedy);
}
